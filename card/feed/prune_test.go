package feed_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card/feed"
)

// gate is a waker that the test pulls.
type gate struct {
	deaf
	wake chan struct{}
}

func (g gate) Wake() <-chan struct{} { return g.wake }

func countChanges(t *testing.T, pool *pgxpool.Pool) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM changes`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A reader that slept while rows were pruned loads afresh; one that had seen
// them goes on.
func TestBehindWhatWasPruned(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	// A server of its own: transactions of other tests would keep rows from being pruned.
	pool := thingsAt(t, ownServer(t), 10, 4)
	sleeper, awake := newView(), newView()
	g := gate{wake: make(chan struct{}, 1)}
	start(t, feed.NewReader(pool, []feed.Source{sleeper}, feed.Options{Waker: g, Poll: time.Hour}))
	g.wake <- struct{}{} // Run's first poll, before anything is written
	if err := touch(ctx, pool, 1); err != nil {
		t.Fatal(err)
	}
	sleeper.await(t, patience, "the first change", func() bool {
		select {
		case g.wake <- struct{}{}:
		default:
		}
		return sleeper.versions[1] == 2
	})
	start(t, feed.NewReader(pool, []feed.Source{awake}, feed.Options{}))
	for range 5 {
		if err := touch(ctx, pool, 2); err != nil {
			t.Fatal(err)
		}
	}
	awake.await(t, patience, "five changes", func() bool { return awake.versions[2] == 6 })
	if n, err := feed.Prune(ctx, pool, time.Hour); err != nil || n != 0 {
		t.Fatalf("pruned %d young rows, %v", n, err)
	}
	if n, err := feed.Prune(ctx, pool, 0); err != nil || n != 6 || countChanges(t, pool) != 0 {
		t.Fatalf("pruned %d rows, %v, want 6", n, err)
	}
	if err := touch(ctx, pool, 3); err != nil {
		t.Fatal(err)
	}
	awake.await(t, patience, "the change after", func() bool { return awake.versions[3] == 2 })
	g.wake <- struct{}{}
	sleeper.await(t, patience, "a fresh load", func() bool { return sleeper.loads == 2 })
	if v := sleeper.version(2); v != 6 {
		t.Errorf("thing 2 at version %d after the fresh load, want 6", v)
	}
	awake.mu.Lock()
	defer awake.mu.Unlock()
	if awake.loads != 1 {
		t.Errorf("the reader that was not behind loaded %d times", awake.loads)
	}
}

// Rows at or above the oldest running transaction stay, or every reader would be
// behind.
func TestPruneKeepsAboveTheOldestTransaction(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := newThings(t, 10, 4)
	if err := touch(ctx, pool, 1); err != nil {
		t.Fatal(err)
	}
	held, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := touchTx(ctx, held, 2); err != nil {
		t.Fatal(err)
	}
	if err := touch(ctx, pool, 3); err != nil {
		t.Fatal(err)
	}
	// Other tests on this server hold transactions too, so the first row may or
	// may not go; the third must stay.
	if _, err := feed.Prune(ctx, pool, 0); err != nil {
		t.Fatal(err)
	}
	var kept bool
	if err := pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM changes WHERE object_id = 3)`).Scan(&kept); err != nil || !kept {
		t.Errorf("the row above the oldest transaction is kept: %v, %v", kept, err)
	}
	if err := held.Commit(ctx); err != nil {
		t.Fatal(err)
	}
}

// A dump restored into a new server brings rows and a changes_low with xids
// beyond any transaction there: readers neither load for ever nor miss anything.
func TestRestoredDump(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := newThings(t, 10, 4)
	for _, sql := range []string{
		`UPDATE changes_low SET xid = '9000000000'`,
		`INSERT INTO changes (xid, kind, object_id, version) VALUES ('8999999999', 4, 1, 1)`,
	} {
		if _, err := pool.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	v := newView()
	start(t, feed.NewReader(pool, []feed.Source{v}, feed.Options{}))
	for range 3 {
		if err := touch(ctx, pool, 2); err != nil {
			t.Fatal(err)
		}
	}
	v.await(t, patience, "the changes", func() bool { return v.versions[2] == 4 })
	v.mu.Lock()
	if v.loads != 1 || len(v.seen) != 3 {
		t.Errorf("%d loads and %d changes, want 1 and 3", v.loads, len(v.seen))
	}
	v.mu.Unlock()
}
