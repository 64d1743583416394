package feed_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"unioncard/card/feed"
)

const patience = 30 * time.Second // for what happens at once on an idle machine

func TestRecord(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := newThings(t, 1, 2)
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := feed.Record(ctx, tx); err != nil {
			return err
		}
		return feed.Record(ctx, tx, feed.Change{Kind: feed.KindCard, ObjectID: 7, Version: 3}, feed.Change{Kind: feed.KindFloor, ObjectID: 8, Version: 1})
	})
	if err != nil {
		t.Fatal(err)
	}
	rows, _ := pool.Query(ctx, `SELECT kind, object_id, version FROM changes ORDER BY id`)
	got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Kind, Object, Version int64 }])
	if err != nil {
		t.Fatal(err)
	}
	want := []struct{ Kind, Object, Version int64 }{{2, 7, 3}, {7, 8, 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestObjectIDs(t *testing.T) {
	t.Parallel()
	got := feed.ObjectIDs([]feed.Change{
		{Kind: feed.KindCard, ObjectID: 9}, {Kind: feed.KindUnion, ObjectID: 1},
		{Kind: feed.KindCard, ObjectID: 3}, {Kind: feed.KindCard, ObjectID: 9},
	}, feed.KindCard)
	if diff := cmp.Diff([]int64{3, 9}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// clock is a clock that tests move.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time      { return time.Unix(1_800_000_000, c.ns.Load()) }
func (c *clock) add(d time.Duration) { c.ns.Add(int64(d)) }

func TestAgeAndReady(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := &clock{}
	// The load takes two seconds by the clock: its age counts from its beginning.
	slow := sourceFunc(func(context.Context) error { c.add(2 * time.Second); return nil })
	r := feed.NewReader(newThings(t, 1, 2), []feed.Source{slow}, feed.Options{Clock: c.now})
	if r.Ready(c.now()) {
		t.Error("ready before the load")
	}
	c.add(time.Minute)
	if got := r.Age(c.now()); got != time.Minute {
		t.Errorf("age before the load: %v", got)
	}
	if err := r.Load(ctx); err != nil {
		t.Fatal(err)
	}
	if got := r.Age(c.now()); got != 2*time.Second || !r.Ready(c.now()) {
		t.Errorf("age after a load of 2 s: %v, ready %v", got, r.Ready(c.now()))
	}
	c.add(28 * time.Second)
	if got := r.Age(c.now()); got != 30*time.Second || !r.Ready(c.now()) {
		t.Errorf("age %v, ready %v, want 30s and ready", got, r.Ready(c.now()))
	}
	c.add(time.Nanosecond)
	if r.Ready(c.now()) {
		t.Error("ready with a view of more than 30 s")
	}
}

// sourceFunc is a Source whose Load is the function.
type sourceFunc func(ctx context.Context) error

func (f sourceFunc) Kinds() []feed.Kind                                 { return nil }
func (f sourceFunc) Load(ctx context.Context, _ feed.Session) error     { return f(ctx) }
func (f sourceFunc) Apply(context.Context, pgx.Tx, []feed.Change) error { return nil }

// What commits between the snapshot of the load and its end is not in the load,
// so it must come by the feed.
func TestNothingIsLostDuringTheLoad(t *testing.T) {
	t.Parallel()
	pool := newThings(t, 500, 4)
	v := newView()
	during := sourceFunc(func(ctx context.Context) error { return touch(ctx, pool, 400) })
	r := feed.NewReader(pool, []feed.Source{during, v}, feed.Options{})
	start(t, r)
	v.await(t, patience, "the change during the load", func() bool { return v.versions[400] == 2 })
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.versions) != 500 || len(v.seen) != 1 {
		t.Errorf("%d things, %d changes, want 500 and 1", len(v.versions), len(v.seen))
	}
}

// Each commit wakes the reader; the poll has no part in it.
func TestNotifyWakes(t *testing.T) {
	t.Parallel()
	pool := newThings(t, 10, 4)
	v := newView()
	start(t, feed.NewReader(pool, []feed.Source{v}, feed.Options{Poll: time.Hour}))
	// Connecting wakes too, so it takes several changes to tell.
	for i := range int64(5) {
		if err := touch(t.Context(), pool, 1); err != nil {
			t.Fatal(err)
		}
		v.await(t, patience, "every change wakes", func() bool { return v.versions[1] == i+2 })
	}
}

// A poll that failed half-way is made again, and Load errors are retried by Run.
func TestFailuresAreRetried(t *testing.T) {
	t.Parallel()
	pool := newThings(t, 10, 4)
	v := newView()
	failures := 3
	v.fail = func() error {
		if failures--; failures >= 0 {
			return errors.New("not yet")
		}
		return nil
	}
	var loads atomic.Int64
	flaky := sourceFunc(func(context.Context) error {
		if loads.Add(1) == 1 {
			return errors.New("first load fails")
		}
		return nil
	})
	reg := prometheus.NewRegistry()
	r := feed.NewReader(pool, []feed.Source{v, flaky}, feed.Options{Registerer: reg})
	run(t, r)
	v.await(t, patience, "loaded", func() bool { return v.loads == 2 })
	if err := touch(t.Context(), pool, 5); err != nil {
		t.Fatal(err)
	}
	v.await(t, patience, "applied after three failures", func() bool { return v.versions[5] == 2 })
	got := counters(t, reg)
	for name, least := range map[string]float64{
		`unioncard_feed_loads_total{outcome="error"}`: 1, `unioncard_feed_loads_total{outcome="ok"}`: 1,
		`unioncard_feed_polls_total{outcome="error"}`: 3,
	} {
		if got[name] < least {
			t.Errorf("%s is %v, want at least %v", name, got[name], least)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	pool := newThings(t, 10, 4)
	v := newView()
	reg := prometheus.NewRegistry()
	r := feed.NewReader(pool, []feed.Source{v}, feed.Options{Registerer: reg})
	start(t, r)
	for range 3 {
		if err := touch(t.Context(), pool, 1); err != nil {
			t.Fatal(err)
		}
	}
	v.await(t, patience, "three changes", func() bool { return len(v.seen) == 3 })
	// Counted just after the source has applied, so a further change makes sure.
	if err := touch(t.Context(), pool, 1); err != nil {
		t.Fatal(err)
	}
	v.await(t, patience, "the fourth", func() bool { return len(v.seen) == 4 })
	got := counters(t, reg)
	if n := got[`unioncard_feed_rows_total{kind="outlet"}`]; n < 3 {
		t.Errorf("%v rows counted", n)
	}
	if n := got["unioncard_feed_lag_seconds"]; n < 3 {
		t.Errorf("%v lags observed", n)
	}
	if _, ok := got["unioncard_feed_age_seconds"]; !ok {
		t.Error("no age")
	}
}

// counters flattens a registry: name{label="value"} to value or sample count.
func counters(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += `{` + l.GetName() + `="` + l.GetValue() + `"}`
			}
			out[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return out
}

// Every change of a burst larger than one Apply arrives, in one poll.
func TestManyChangesAtOnce(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := newThings(t, 900, 4)
	v := newView()
	start(t, feed.NewReader(pool, []feed.Source{v}, feed.Options{}))
	_, err := pool.Exec(ctx, `WITH moved AS (UPDATE things SET version = 20 RETURNING id)
		INSERT INTO changes (kind, object_id, version) SELECT $1, id, v FROM moved, generate_series(1, 20) v`, feed.KindOutlet)
	if err != nil {
		t.Fatal(err)
	}
	v.await(t, patience, "18,000 changes", func() bool { return len(v.seen) == 18_000 })
	v.mu.Lock()
	defer v.mu.Unlock()
	if diff := cmp.Diff([]string(nil), v.faults); diff != "" || v.versions[900] != 20 {
		t.Errorf("faults %s, version %d", diff, v.versions[900])
	}
}

// More changes than a poll should apply make the reader load afresh, once.
func TestTooManyChangesAtOnce(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := newThings(t, 10, 4)
	v := newView()
	start(t, feed.NewReader(pool, []feed.Source{v}, feed.Options{}))
	_, err := pool.Exec(ctx, `WITH moved AS (UPDATE things SET version = 5 WHERE id = 3)
		INSERT INTO changes (kind, object_id, version) SELECT $1, 3, 5 FROM generate_series(1, 100001)`, feed.KindOutlet)
	if err != nil {
		t.Fatal(err)
	}
	v.await(t, patience, "a fresh load", func() bool { return v.loads == 2 && v.versions[3] == 5 })
	if err := touch(ctx, pool, 4); err != nil {
		t.Fatal(err)
	}
	v.await(t, patience, "the change after", func() bool { return v.versions[4] == 2 })
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.loads != 2 || len(v.seen) != 1 {
		t.Errorf("%d loads and %d changes, want 2 and 1", v.loads, len(v.seen))
	}
}

// Session transactions all see the load's snapshot, whatever commits meanwhile,
// and an error of one range ends the load.
func TestLoadRanges(t *testing.T) {
	t.Parallel()
	pool := newThings(t, 300, 4)
	broken := errors.New("broken")
	for _, fail := range []bool{false, true} {
		var mu sync.Mutex
		got := make(map[int64]int64)
		source := loadFunc(func(ctx context.Context, s feed.Session) error {
			return feed.LoadRanges(ctx, s, 1, 301, 7, func(ctx context.Context, tx pgx.Tx, from, to int64) error {
				if fail && from > 100 {
					return broken
				}
				if err := touch(ctx, pool, from); err != nil {
					return err
				}
				return readThings(ctx, tx, `id >= $1 AND id < $2`, func(id, version int64) {
					mu.Lock()
					defer mu.Unlock()
					got[id] = version
				}, from, to)
			})
		})
		before := versions(t, pool)
		err := feed.NewReader(pool, []feed.Source{source}, feed.Options{Workers: 3}).Load(t.Context())
		if fail {
			if !errors.Is(err, broken) {
				t.Errorf("load: %v, want the range's error", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, got); diff != "" {
			t.Errorf("not the snapshot (-want +got):\n%s", diff)
		}
	}
}

type loadFunc func(ctx context.Context, s feed.Session) error

func (f loadFunc) Kinds() []feed.Kind                                 { return nil }
func (f loadFunc) Load(ctx context.Context, s feed.Session) error     { return f(ctx, s) }
func (f loadFunc) Apply(context.Context, pgx.Tx, []feed.Change) error { return nil }

func versions(t *testing.T, pool *pgxpool.Pool) map[int64]int64 {
	t.Helper()
	out := make(map[int64]int64)
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		return readThings(t.Context(), tx, `true`, func(id, version int64) { out[id] = version })
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A load that Run makes and that hangs is given up and made again.
func TestHangingLoadIsGivenUp(t *testing.T) {
	t.Parallel()
	v := newView()
	var loads atomic.Int64
	hanging := sourceFunc(func(ctx context.Context) error {
		if loads.Add(1) == 1 {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	run(t, feed.NewReader(newThings(t, 1, 4), []feed.Source{hanging, v}, feed.Options{LoadWithin: 200 * time.Millisecond}))
	v.await(t, patience, "loaded", func() bool { return v.loads == 1 })
}
