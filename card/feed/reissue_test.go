package feed_test

import (
	"context"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card/feed"
)

// burn makes transactions that take an id and roll back, and returns the last id.
// Nothing waits for their records to reach the disk.
func burn(t *testing.T, dsn string) (last int64) {
	t.Helper()
	exec(t, dsn, func(conn *pgx.Conn) error {
		for range 300 {
			results, err := conn.PgConn().Exec(t.Context(), `BEGIN; SELECT pg_current_xact_id(); ROLLBACK`).ReadAll()
			if err != nil {
				return err
			}
			if last, err = strconv.ParseInt(string(results[1].Rows[0][0]), 10, 64); err != nil {
				return err
			}
		}
		return nil
	})
	return last
}

// xmax is the first transaction id that the server has not given out yet. It asks
// on a new connection: an old one may still lead to a process of the killed server.
func xmax(ctx context.Context, dsn string) (int64, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var snapshot string
	if err := conn.QueryRow(ctx, `SELECT pg_current_snapshot()::text`).Scan(&snapshot); err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.Split(snapshot, ":")[1], 10, 64)
}

// byHand wakes a reader when the test says so.
type byHand chan struct{}

func (w byHand) Wake() <-chan struct{}   { return w }
func (w byHand) Run(ctx context.Context) { <-ctx.Done() }

// killAfterBurning kills PostgreSQL right after transactions took ids in vain and
// a poll saw them, waits until it is back, and tells whether it will give out
// some of those ids again.
func killAfterBurning(t *testing.T, dsn string, pool *pgxpool.Pool, poll func()) (reused bool) {
	t.Helper()
	pid := postmaster(t, pool)
	last := burn(t, dsn)
	poll()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * patience); ; {
		next, err := xmax(t.Context(), dsn)
		if err == nil {
			return next <= last
		}
		if time.Now().After(deadline) {
			t.Fatal("PostgreSQL did not come back")
		}
	}
}

// Transactions that were rolled back just before PostgreSQL is killed have ids
// that the recovered server gives out again. The reader's last snapshot takes
// them for over; what commits under them must reach the view all the same.
func TestReusedTransactionIDs(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dsn := ownServer(t)
	pool := thingsAt(t, dsn, 900, 8)
	v := newView()
	v.again = true
	// The reader polls when told to only, so not between the kill and the changes.
	wake := make(byHand)
	r := feed.NewReader(pool, []feed.Source{v}, feed.Options{Poll: time.Hour, MinGap: time.Millisecond, Waker: wake})
	start(t, r)
	poll := func() { // writes nothing: a commit would save the ids burnt so far
		asked := time.Now()
		wake <- struct{}{}
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for now := asked; r.Age(now) > now.Sub(asked); now = <-tick.C {
			if now.Sub(asked) > 2*patience {
				t.Fatal("no poll")
			}
		}
	}
	reused := false
	for round := 0; round < 6 && !reused; round++ { // most kills do it
		reused = killAfterBurning(t, dsn, pool, poll)
	}
	if !reused {
		t.Log("no kill made PostgreSQL reuse an id")
	}
	const until = 40
	for id := int64(2); id <= until; id++ {
		for deadline := time.Now().Add(patience); touch(ctx, pool, id) != nil; {
			if time.Now().After(deadline) {
				t.Fatal("no change can be made")
			}
		}
	}
	wake <- struct{}{}
	v.await(t, patience, "every change after the kill", func() bool {
		for id := int64(2); id <= until; id++ {
			if v.versions[id] < 2 {
				return false
			}
		}
		return true
	})
	if v.loads != 1 {
		t.Errorf("%d loads", v.loads)
	}
}
