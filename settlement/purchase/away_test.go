package purchase

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

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
	var r Receipt
	for range 50 { // as a till does: on a busy machine a connection takes longer than GiveUp
		if r, err = w.commit(w.till(1), "k", token); !errors.Is(err, ErrOverloaded) {
			break
		}
	}
	w.must(err)
	if r.Replayed {
		t.Error("a refused purchase was recorded")
	}
}

// TestDeskDatabaseAway: with the database away, looking up, undoing and typed
// numbers are refused as overload, not as internal errors.
func TestDeskDatabaseAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	c := w.till(1)
	token := w.stepQuote(c, 3, 2, 1_000)
	r := w.buy(c, "k", 3, 1, 1_000)
	number := w.number(5)
	for name, do := range map[string]func() error{
		"get":     func() error { _, err := w.desk.Get(w.ctx, c, r.ID); return err },
		"by key":  func() error { _, err := w.desk.ByKey(w.ctx, c, "k"); return err },
		"refund":  func() error { _, err := w.refund(c, r.ID, "r", 100); return err },
		"reverse": func() error { _, err := w.desk.Reverse(w.ctx, c, "k"); return err },
		"typed":   func() error { _, err := w.verify(c, &VerifyRequest{Code: number}); return err },
		"first answer": func() error {
			_, err := w.commit(c, "k2", flip(token))
			return err
		},
	} {
		w.allowConnections(false)
		w.cut()
		err := do()
		var refusal *Refusal
		if !errors.Is(err, ErrOverloaded) || !errors.As(err, &refusal) || refusal.RetryAfter == 0 {
			t.Errorf("%s: %v", name, err)
		}
		w.allowConnections(true)
	}
	w.pool.Reset()
	w.wantErr(w.desk.inTx(w.ctx, func(tx pgx.Tx) error {
		w.cut()
		_, err := tx.Exec(w.ctx, `SELECT`)
		return err
	}), ErrOverloaded)
	w.pool.Reset()
	_, err := w.desk.Get(w.ctx, c, r.ID)
	w.must(err)
}

// allowConnections lets new connections to the world's database in, or not.
func (w *world) allowConnections(yes bool) {
	w.admin(fmt.Sprintf(`ALTER DATABASE %s ALLOW_CONNECTIONS %t`, pgx.Identifier{w.pool.Config().ConnConfig.Database}.Sanitize(), yes))
}

// cut ends all connections to the world's database.
func (w *world) cut() {
	w.admin(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1`, w.pool.Config().ConnConfig.Database)
}

// admin runs a statement in another database of the server.
func (w *world) admin(sql string, args ...any) {
	u, err := url.Parse(w.pool.Config().ConnConfig.ConnString())
	w.must(err)
	u.Path = "/postgres"
	ctx := context.WithoutCancel(w.ctx)
	conn, err := pgx.Connect(ctx, u.String())
	w.must(err)
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql, args...)
	w.must(err)
}
