package purchase

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/card"
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
	for range 50 { // as a till does: on a busy machine a connection takes longer than GiveUp
		if !errors.Is(err, ErrOverloaded) {
			break
		}
		r, err = w.commit(w.till(1), "k", token)
	}
	w.must(err)
	if !r.Replayed {
		t.Error("recorded twice")
	}
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

// TestLockedRowAlone: a lock that somebody holds on one card's usage refuses that
// card's purchase, after one wait, and none of its neighbours in the batch.
func TestLockedRowAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{idle: true, terms: limited, commit: func(o *CommitterOptions) { o.Lanes = 1 }})
	w.exec(`INSERT INTO usage (merchant_id, contract_id, source, offer, card_serial, period, period_start, uses, used_fen, max_uses)
		VALUES (1, 1, 0, 'off', 3, 1, (now() AT TIME ZONE 'Asia/Shanghai')::date, 0, 0, 2)`)
	tx, err := w.pool.Begin(w.ctx)
	w.must(err)
	defer func() { _ = tx.Rollback(w.ctx) }()
	_, err = tx.Exec(w.ctx, `SELECT FROM usage WHERE card_serial = 3 FOR UPDATE`)
	w.must(err)
	clients := []*Client{w.till(1), w.till(2), w.till(3), w.till(4), w.till(1)}
	serials := []int64{3, 4, 5, 6, 7}
	results := make([]chan error, len(clients))
	for i, c := range clients {
		token := w.stepQuote(c, serials[i], 1, 12_000)
		results[i] = make(chan error, 1)
		go func() {
			_, err := w.commit(c, keyf("k%d", i), token)
			results[i] <- err
		}()
		for w.queued() <= i {
			runtime.Gosched()
		}
	}
	w.run()
	w.wantErr(<-results[0], ErrOverloaded)
	for _, r := range results[1:] {
		w.must(<-r)
	}
	w.must(tx.Rollback(w.ctx))
	_, err = w.commit(w.till(1), "k0", w.stepQuote(w.till(1), 3, 1, 12_000))
	w.must(err)
}

// TestDayLockIsNobodysRow: a batch that waits for the day's closer is written
// whole when the lock is free, however long the wait.
func TestDayLockIsNobodysRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{idle: true, commit: func(o *CommitterOptions) { o.Lanes = 1 }})
	tx, err := w.pool.Begin(w.ctx)
	w.must(err)
	defer func() { _ = tx.Rollback(w.ctx) }()
	_, err = tx.Exec(w.ctx, `SELECT pg_advisory_xact_lock(`+dayLockText+`, (now() AT TIME ZONE 'Asia/Shanghai')::date - date '1970-01-01')`)
	w.must(err)
	w.run()
	told := make(chan error, 1)
	token := w.stepQuote(w.till(1), 3, 1, 1_000)
	go func() {
		_, err := w.commit(w.till(1), "k", token)
		told <- err
	}()
	conflicts := w.committer.metrics.retries.WithLabelValues(faultNames[faultConflict])
	for value(t, conflicts) < 2 && len(told) == 0 {
		runtime.Gosched()
	}
	w.must(tx.Rollback(w.ctx))
	w.must(<-told)
}

// TestCodeFreeAgain: a code that was found taken, and then nobody's, is tried
// again: the purchase is recorded with its code use.
func TestCodeFreeAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	w.exec(`CREATE SEQUENCE tries`)
	w.exec(`CREATE FUNCTION taken() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN IF nextval('tries') = 1 THEN RETURN NULL; END IF; RETURN NEW; END $$`)
	w.exec(`CREATE TRIGGER taken BEFORE INSERT ON code_uses FOR EACH ROW EXECUTE FUNCTION taken()`)
	w.buy(w.till(1), "k", 3, 1, 1_000)
	if n := w.count(`SELECT count(*) FROM code_uses`); n != 1 {
		t.Error("recorded without its code use")
	}
}

// TestDropsAllOrNothing: a refused row that is not taken back stops COMMIT.
func TestDropsAllOrNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{idle: true, commit: func(o *CommitterOptions) { o.Lanes = 1 }})
	w.exec(`CREATE SEQUENCE tries`)
	w.exec(`CREATE FUNCTION stays() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN IF nextval('tries') = 1 THEN RETURN NULL; END IF; RETURN OLD; END $$`)
	w.exec(`CREATE TRIGGER stays BEFORE DELETE ON purchases FOR EACH ROW EXECUTE FUNCTION stays()`)
	bad, good := w.stepQuote(w.till(1), 4, 1, 1_000), w.stepQuote(w.till(1), 3, 1, 1_000)
	w.exec(`UPDATE cards SET status = 3 WHERE serial = 4`)
	errs := make(chan error, 2)
	go func() { _, err := w.commit(w.till(1), "bad", bad); errs <- err }()
	go func() { _, err := w.commit(w.till(1), "good", good); errs <- err }()
	for w.queued() < 2 {
		runtime.Gosched()
	}
	w.run()
	if recorded, refused := tally(t, []error{<-errs, <-errs}, card.ErrCardLost); recorded != 1 || refused != 1 {
		t.Errorf("%d recorded, %d refused", recorded, refused)
	}
	if n := w.count(`SELECT count(*) FROM purchases`); n != 1 {
		t.Errorf("%d purchases stand", n)
	}
}

func TestFaultOf(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]fault{
		"": faultProgram, "4": faultProgram, "40P01": faultConflict, "40001": faultConflict, "55006": faultConflict,
		"55P03": faultLocked, "57P01": faultLost, "53300": faultLost, "22003": faultData, "23505": faultData, "42P01": faultProgram,
	} {
		if got := faultOf(&pgconn.PgError{Code: code}); got != want {
			t.Errorf("%q: %s, want %s", code, faultNames[got], faultNames[want])
		}
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
