package feed_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card/feed"
)

// burn makes transactions that take an id and roll back, until ctx or the server
// ends, and tells the highest id used so far.
func burn(ctx context.Context, dsn string, used func(id int64)) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for ctx.Err() == nil {
		results, err := conn.PgConn().Exec(ctx, `BEGIN; SELECT pg_current_xact_id(); ROLLBACK`).ReadAll()
		if err != nil {
			return
		}
		id, err := strconv.ParseInt(string(results[1].Rows[0][0]), 10, 64)
		if err != nil {
			panic(err)
		}
		used(id)
	}
}

// xmax is the first transaction id that the server has not given out yet.
func xmax(ctx context.Context, pool *pgxpool.Pool) (int64, error) {
	var snapshot string
	if err := pool.QueryRow(ctx, `SELECT pg_current_snapshot()::text`).Scan(&snapshot); err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.Split(snapshot, ":")[1], 10, 64)
}

// killWhileBurning kills PostgreSQL while transactions take ids in vain, waits
// until it is back, and tells whether ids will be given out again.
func killWhileBurning(t *testing.T, dsn string, pool *pgxpool.Pool) (reused bool) {
	t.Helper()
	ctx := t.Context()
	pid := postmaster(t, pool)
	burning, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var last, burnt atomic.Int64
	enough := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			burn(burning, dsn, func(id int64) {
				for old := last.Load(); old < id && !last.CompareAndSwap(old, id); old = last.Load() {
				}
				if burnt.Add(1) == 4000 {
					close(enough)
				}
			})
		})
	}
	select {
	case <-enough:
	case <-burning.Done():
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	cancel()
	wg.Wait()
	for deadline := time.Now().Add(2 * patience); ; {
		next, err := xmax(ctx, pool)
		if err == nil {
			return next <= last.Load()
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
	r := feed.NewReader(pool, []feed.Source{v}, feed.Options{Poll: 5 * time.Millisecond, MinGap: time.Millisecond})
	start(t, r)
	if err := touch(ctx, pool, 1); err != nil {
		t.Fatal(err)
	}
	v.await(t, patience, "a change before", func() bool { return v.versions[1] == 2 })
	reused := false
	for round := 0; round < 6 && !reused; round++ { // most kills do it
		reused = killWhileBurning(t, dsn, pool)
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
