package purchase

import (
	"context"
	"errors"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// kill ends a lane's backend as a crash would.
func (w *world) kill(l *lane) {
	_, err := w.pool.Exec(context.WithoutCancel(w.ctx), `SELECT pg_terminate_backend($1, 5000)`, l.conn.PgConn().PID())
	w.must(err)
}

// TestBackendDies kills the backend at every point of a batch: the purchase is
// made exactly once and its till gets the answer (invariant 2).
func TestBackendDies(t *testing.T) {
	t.Parallel()
	for name, point := range map[string]hookPoint{"claimed": hookClaimed, "decided": hookDecided, "committed": hookCommitted} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w *world
			var times atomic.Int64
			w = newWorld(t, plan{hook: func(p hookPoint, l *lane) error {
				if p != point || times.Add(1) > 2 {
					return nil
				}
				w.kill(l)
				if p == hookCommitted {
					return errors.New("the answer to COMMIT is lost")
				}
				return nil
			}, idle: true})
			w.run()
			r := w.buy(w.till(1), "k", 3, 1, 1_000)
			got, err := w.desk.ByKey(w.ctx, w.till(1), "k")
			w.must(err)
			if got.ID != r.ID || w.count(`SELECT count(*) FROM purchases`) != 1 || w.count(`SELECT count(*) FROM code_uses`) != 1 {
				t.Errorf("not exactly once: %v", got)
			}
			if times.Load() == 0 {
				t.Error("nothing was killed")
			}
		})
	}
}

// TestLostBeforeCommit: the answer is lost and the transaction was not
// committed: it is found aborted and written again.
func TestLostBeforeCommit(t *testing.T) {
	t.Parallel()
	var w *world
	var times atomic.Int64
	w = newWorld(t, plan{hook: func(p hookPoint, l *lane) error {
		if p == hookDecided && times.Add(1) == 1 {
			w.kill(l)
			return errLostCommit // as if COMMIT had been sent
		}
		return nil
	}, idle: true})
	w.run()
	w.buy(w.till(1), "k", 3, 1, 1_000)
	if n := w.count(`SELECT count(*) FROM purchases`); n != 1 || times.Load() != 2 {
		t.Errorf("%d purchases in %d batches", n, times.Load())
	}
}

// TestOutcomeUnknown: the answer to COMMIT is lost and no connection can be had
// to find out: the till is told to ask by key, and finds the purchase.
func TestOutcomeUnknown(t *testing.T) {
	t.Parallel()
	var w *world
	var lost atomic.Bool
	w = newWorld(t, plan{idle: true,
		commit: func(o *CommitterOptions) { o.GiveUp = 200 * time.Millisecond },
		hook: func(p hookPoint, l *lane) error {
			if p != hookCommitted || !lost.CompareAndSwap(false, true) {
				return nil
			}
			w.allowConnections(false)
			return errors.New("the answer to COMMIT is lost")
		}})
	w.run()
	token := w.stepQuote(w.till(1), 3, 1, 1_000)
	_, err := w.commit(w.till(1), "k", token)
	w.wantErr(err, ErrOutcomeUnknown)
	w.allowConnections(true)
	r, err := w.commit(w.till(1), "k", token)
	w.must(err)
	if !r.Replayed {
		t.Error("recorded twice")
	}
}

// TestDatabaseAway: with the database away purchases are refused as overload,
// and nothing is recorded; when it is back they go through.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{commit: func(o *CommitterOptions) { o.GiveUp = 200 * time.Millisecond }, idle: true})
	w.allowConnections(false)
	w.run()
	token := w.stepQuote(w.till(1), 3, 1, 1_000)
	_, err := w.commit(w.till(1), "k", token)
	w.wantErr(err, ErrOverloaded)
	w.allowConnections(true)
	r, err := w.commit(w.till(1), "k", token)
	w.must(err)
	if r.Replayed {
		t.Error("a refused purchase was recorded")
	}
}

// allowConnections lets new connections to the world's database in, or not, from
// another database of the server.
func (w *world) allowConnections(yes bool) {
	cfg := w.pool.Config().ConnConfig
	u, err := url.Parse(cfg.ConnString())
	w.must(err)
	u.Path = "/postgres"
	ctx := context.WithoutCancel(w.ctx)
	conn, err := pgx.Connect(ctx, u.String())
	w.must(err)
	defer func() { _ = conn.Close(ctx) }()
	sql := `ALTER DATABASE ` + pgx.Identifier{cfg.Database}.Sanitize() + ` ALLOW_CONNECTIONS false`
	if yes {
		sql = `ALTER DATABASE ` + pgx.Identifier{cfg.Database}.Sanitize() + ` ALLOW_CONNECTIONS true`
	}
	_, err = conn.Exec(ctx, sql)
	w.must(err)
}

// TestBadRowAlone puts rows that the database does not take among good ones: they
// are refused, the others recorded.
func TestBadRowAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{idle: true, commit: func(o *CommitterOptions) { o.Lanes = 1 }})
	var rows []*row
	for i := range 40 {
		c := w.till(1)
		req := &CommitRequest{Key: keyf("k%d", i), Quote: w.stepQuote(c, int64(i%20+1), int64(i+1), 1_000)}
		r := &row{merchant: 1, terminal: 1, key: req.Key, queued: w.now(), done: make(chan struct{})}
		var buf []byte
		w.must(w.committer.checkQuote(r, c, req, &buf))
		r.id[0] = byte(i + 1)
		switch i {
		case 3:
			r.ref = "a\x00b"
		case 17:
			r.applied = []byte(`[`)
		case 25:
			r.q.amount = -1
		case 26:
			r.operator = "\xff"
		case 39:
			r.key = string(make([]byte, 70))
		}
		w.must(w.committer.enqueue(r))
		rows = append(rows, r)
	}
	w.run()
	for i, r := range rows {
		<-r.done
		bad := i == 3 || i == 17 || i == 25 || i == 26 || i == 39
		if bad != (r.err != nil) {
			t.Errorf("row %d: %v", i, r.err)
		}
	}
	if n := w.count(`SELECT count(*) FROM purchases`); n != 35 {
		t.Errorf("%d purchases", n)
	}
	if n := w.count(`SELECT count(*) FROM code_uses`); n != 35 {
		t.Errorf("%d codes used", n)
	}
}

// TestUsageRace lets another transaction create a usage row that a batch found
// absent: the CHECK stops the batch, which decides again.
func TestUsageRace(t *testing.T) {
	t.Parallel()
	var w *world
	var once atomic.Bool
	w = newWorld(t, plan{terms: limited, idle: true, hook: func(p hookPoint, _ *lane) error {
		if p == hookDecided && once.CompareAndSwap(false, true) {
			_, err := w.pool.Exec(context.WithoutCancel(w.ctx), `
				INSERT INTO usage (merchant_id, contract_id, source, offer, card_serial, period, period_start, uses, used_fen, max_uses)
				VALUES (1, 1, 0, 'off', 3, 1, (now() AT TIME ZONE 'Asia/Shanghai')::date, 2, 6000, 2)`)
			w.must(err)
		}
		return nil
	}})
	w.run()
	_, err := w.commit(w.till(1), "k", w.stepQuote(w.till(1), 3, 1, 12_000))
	w.wantErr(err, ErrLimitReached)
	if n := w.count(`SELECT count(*) FROM purchases`); n != 0 {
		t.Errorf("%d purchases", n)
	}
}

// TestLanesCross runs lanes whose cards and codes cross, so that they would wait
// for each other in a circle if they took them in their own order.
func TestLanesCross(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{merchants: 8, cards: 30, terms: limited, commit: func(o *CommitterOptions) { o.Lanes = 4 }})
	second := w.secondNode()
	const n = 600
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = w.stepQuote(w.till(int64(i%16+1)), int64((i*7)%30+1), int64(i%8+1), 12_000)
	}
	start := time.Now()
	errs := all(n, func(i int) error {
		node := []*Committer{w.committer, second}[i%2]
		_, err := node.Commit(w.ctx, w.till(int64(i%16+1)), &CommitRequest{Key: keyf("k%d", i), Quote: tokens[i]})
		return err
	})
	good, refused := tally(t, errs, ErrLimitReached, ErrCodeUsed)
	if int64(good) != w.count(`SELECT count(*) FROM purchases`) || int64(good) != w.count(`SELECT count(*) FROM code_uses`) {
		t.Errorf("%d acknowledged, others recorded", good)
	}
	if n := w.count(`SELECT count(*) FROM usage g WHERE uses <> (SELECT count(*) FROM purchases p
		WHERE p.contract_id = g.contract_id AND p.card_serial = g.card_serial AND p.discount_fen > 0)`); n != 0 {
		t.Errorf("%d usage rows do not add up", n)
	}
	t.Logf("%d purchases, %d refused in %v", good, refused, time.Since(start))
}
