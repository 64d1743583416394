package feed_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card/feed"
	"unioncard/migrations/pgtest"
)

// things is a table of versioned objects that the tests change; the feed names
// them as outlets.
const things = `CREATE TABLE things (id bigint PRIMARY KEY, version bigint NOT NULL)`

// newThings makes a database with n things of version 1 and a pool of conns
// connections.
func newThings(t *testing.T, n, conns int) *pgxpool.Pool {
	t.Helper()
	return thingsAt(t, pgtest.URL(t), n, conns)
}

func thingsAt(t *testing.T, dsn string, n, conns int) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = int32(conns)
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(t.Context()), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	for _, sql := range []string{things, fmt.Sprintf(`INSERT INTO things SELECT i, 1 FROM generate_series(1, %d) i`, n)} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	return pool
}

// touchTx raises a thing's version and records the change, whose id it returns.
func touchTx(ctx context.Context, tx pgx.Tx, id int64) (change int64, err error) {
	var version int64
	if err := tx.QueryRow(ctx, `UPDATE things SET version = version + 1 WHERE id = $1 RETURNING version`, id).Scan(&version); err != nil {
		return 0, err
	}
	if err := feed.Record(ctx, tx, feed.Change{Kind: feed.KindOutlet, ObjectID: id, Version: version}); err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, `SELECT currval(pg_get_serial_sequence('changes', 'id'))`).Scan(&change)
	return change, err
}

func touch(ctx context.Context, pool *pgxpool.Pool, id int64) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		_, err := touchTx(ctx, tx, id)
		return err
	})
}

// view is a Source over things that remembers what it was handed when, and
// complains about everything a Source must never see.
type view struct {
	mu       sync.Mutex
	versions map[int64]int64
	seen     map[int64]time.Time // by change id
	loads    int
	faults   []string
	moved    chan struct{} // room for one: something was applied
	fail     func() error  // asked before an Apply
	again    bool          // connections are lost: changes may come twice
}

func newView() *view {
	return &view{versions: make(map[int64]int64), seen: make(map[int64]time.Time), moved: make(chan struct{}, 1)}
}

func (v *view) Kinds() []feed.Kind { return []feed.Kind{feed.KindOutlet} }

func (v *view) Load(ctx context.Context, s feed.Session) error {
	fresh := make(map[int64]int64)
	var mu sync.Mutex
	err := feed.LoadRanges(ctx, s, 1, 1000, 64, func(ctx context.Context, tx pgx.Tx, from, to int64) error {
		return readThings(ctx, tx, `id >= $1 AND id < $2`, func(id, version int64) {
			mu.Lock()
			defer mu.Unlock()
			fresh[id] = version
		}, from, to)
	})
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.versions = fresh
	v.loads++
	v.signal()
	return nil
}

func (v *view) Apply(ctx context.Context, tx pgx.Tx, changes []feed.Change) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.fail != nil {
		if err := v.fail(); err != nil {
			return err
		}
	}
	now := time.Now()
	newest := make(map[int64]int64)
	for i, c := range changes {
		if _, twice := v.seen[c.ID]; twice && !v.again {
			v.faultf("change %d came twice", c.ID)
		}
		if i > 0 && changes[i-1].ID >= c.ID {
			v.faultf("change %d came after %d", c.ID, changes[i-1].ID)
		}
		v.seen[c.ID] = now
		newest[c.ObjectID] = max(newest[c.ObjectID], c.Version)
	}
	err := readThings(ctx, tx, `id = ANY($1)`, func(id, version int64) {
		if version < newest[id] {
			v.faultf("thing %d is at version %d in a snapshot that sees change %d", id, version, newest[id])
		}
		if version < v.versions[id] {
			v.faultf("thing %d went from version %d back to %d", id, v.versions[id], version)
		}
		v.versions[id] = version
	}, feed.ObjectIDs(changes, feed.KindOutlet))
	v.signal()
	return err
}

func readThings(ctx context.Context, tx pgx.Tx, where string, visit func(id, version int64), args ...any) error {
	rows, err := tx.Query(ctx, `SELECT id, version FROM things WHERE `+where, args...)
	if err != nil {
		return err
	}
	var id, version int64
	_, err = pgx.ForEachRow(rows, []any{&id, &version}, func() error {
		visit(id, version)
		return nil
	})
	return err
}

func (v *view) faultf(format string, args ...any) {
	if len(v.faults) < 10 {
		v.faults = append(v.faults, fmt.Sprintf(format, args...))
	}
}

func (v *view) signal() {
	select {
	case v.moved <- struct{}{}:
	default:
	}
}

// await waits until ok holds of the view, and fails the test after limit.
func (v *view) await(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		v.mu.Lock()
		done := ok()
		v.mu.Unlock()
		if done {
			return
		}
		select {
		case <-v.moved:
		case <-deadline.C:
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

func (v *view) version(id int64) int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.versions[id]
}

// deaf is a waker that never wakes: what remains is the poll.
type deaf struct{}

func (deaf) Wake() <-chan struct{}   { return nil }
func (deaf) Run(ctx context.Context) { <-ctx.Done() }

// start loads and runs a reader until the test ends.
func start(t *testing.T, r *feed.Reader) {
	t.Helper()
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(t, r)
}

func run(t *testing.T, r *feed.Reader) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}
