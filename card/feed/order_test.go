package feed_test

import (
	"context"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card/feed"
)

const (
	writers  = 64
	lateness = time.Second // bound on a row from its commit to its application
)

// holdTime is how long the one transaction stays open: a minute, 3 s under
// -short, or what UNIONCARD_TEST_FEED_HOLD says.
func holdTime(t *testing.T) time.Duration {
	t.Helper()
	if s := os.Getenv("UNIONCARD_TEST_FEED_HOLD"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if testing.Short() {
		return 3 * time.Second
	}
	return time.Minute
}

// commits remembers when each change was committed: just after, so that a
// lateness counted from there is no longer than the true one by a round trip.
type commits struct {
	mu sync.Mutex
	at map[int64]time.Time
}

func (c *commits) add(change int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at[change] = time.Now()
}

// 64 writers whose transactions commit in any order, and one transaction that
// writes first and commits a minute later, when thousands with higher ids have
// been applied: no row is skipped, none comes twice or out of order, none later
// than a second after its commit. So for a reader that is woken and for one that
// only polls. A reader with a cursor over ids, as one would write it first, runs
// beside them and must lose rows, or the scenario would prove nothing.
func TestCommitOrderHidesNothing(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	const objects = 500
	pool := newThings(t, objects, writers+6)
	woken, polling := newView(), newView()
	start(t, feed.NewReader(pool, []feed.Source{woken}, feed.Options{}))
	start(t, feed.NewReader(pool, []feed.Source{polling}, feed.Options{Waker: deaf{}}))
	naive := &naiveReader{seen: make(map[int64]bool)}
	naiveCtx, stopNaive := context.WithCancel(ctx)
	naiveDone := make(chan error, 1)
	go func() { naiveDone <- naive.run(naiveCtx, pool) }()

	committed := &commits{at: make(map[int64]time.Time)}
	held, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	heldChange, err := touchTx(ctx, held, objects) // nobody else touches this one
	if err != nil {
		t.Fatal(err)
	}
	writeFor(t, pool, holdTime(t), objects-1, committed)
	if err := held.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	committed.add(heldChange)

	for name, v := range map[string]*view{"woken": woken, "polling": polling} {
		v.await(t, 30*time.Second, name+" reader sees every change", func() bool { return len(v.seen) == len(committed.at) })
		checkView(t, name, v, committed)
	}
	stopNaive()
	if err := <-naiveDone; err != nil {
		t.Fatal(err)
	}
	lost := 0
	for id := range committed.at {
		if !naive.seen[id] {
			lost++
		}
	}
	if naive.seen[heldChange] || lost == 0 {
		t.Errorf("the cursor by id lost %d rows, the held one seen: %v; the scenario has no trap in it", lost, naive.seen[heldChange])
	}
	t.Logf("%d changes; a cursor by id would have lost %d", len(committed.at), lost)
}

func checkView(t *testing.T, name string, v *view, committed *commits) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, fault := range v.faults {
		t.Errorf("%s: %s", name, fault)
	}
	var worst time.Duration
	late := 0
	for id, at := range committed.at {
		applied, ok := v.seen[id]
		if !ok {
			t.Errorf("%s: change %d was skipped", name, id)
			continue
		}
		lag := applied.Sub(at)
		worst = max(worst, lag)
		if lag > lateness {
			late++
		}
	}
	if late > 0 {
		t.Errorf("%s: %d changes came more than %v after their commit, the worst %v", name, late, lateness, worst)
	}
	t.Logf("%s: worst lateness %v", name, worst)
}

// writeFor runs the writers for a while. Each transaction stays open for a
// random time after its change is written, so that ids and commits disagree.
func writeFor(t *testing.T, pool *pgxpool.Pool, d time.Duration, objects int64, committed *commits) {
	t.Helper()
	until := time.Now().Add(d)
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	for range writers {
		wg.Go(func() {
			for time.Now().Before(until) && failed.Load() == nil {
				var change int64
				err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) (err error) {
					if change, err = touchTx(t.Context(), tx, 1+rand.Int64N(objects)); err != nil {
						return err
					}
					_, err = tx.Exec(t.Context(), `SELECT pg_sleep($1)`, 0.05+0.4*rand.Float64())
					return err
				})
				if err != nil {
					failed.Store(&err)
					return
				}
				committed.add(change)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		t.Fatal(*err)
	}
}

// naiveReader is the trap: it takes what has an id above the highest it saw.
type naiveReader struct {
	cursor int64
	seen   map[int64]bool
}

func (r *naiveReader) run(ctx context.Context, pool *pgxpool.Pool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		rows, err := pool.Query(context.WithoutCancel(ctx), `SELECT id FROM changes WHERE id > $1 ORDER BY id`, r.cursor)
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return err
		}
		for _, id := range ids {
			r.seen[id] = true
			r.cursor = id
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
