package event_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card/union/event"
	"unioncard/migrations/pgtest"
)

func record(t *testing.T, db *pgxpool.Pool, n int) {
	t.Helper()
	for i := range n {
		tx := begin(t, db)
		write(t, tx, i)
		commit(t, tx)
	}
}

func begin(t *testing.T, db *pgxpool.Pool) pgx.Tx {
	t.Helper()
	tx, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }) // else the pool waits for it
	return tx
}

func commit(t *testing.T, tx pgx.Tx) {
	t.Helper()
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, tx pgx.Tx, i int) {
	t.Helper()
	err := event.Record(t.Context(), tx, "cli:root", "test.change", fmt.Sprintf("card:%d", i), "试验",
		map[string]any{"status": "active", "n": i}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, c *event.Chainer, want int) {
	t.Helper()
	got, err := c.Link(t.Context())
	if err != nil || got != want {
		t.Fatalf("linked %d, %v; want %d", got, err, want)
	}
}

func newChainer(db *pgxpool.Pool) *event.Chainer {
	return event.NewChainer(db, event.ChainerOptions{Logger: slog.New(slog.DiscardHandler)})
}

func verify(t *testing.T, db *pgxpool.Pool, known event.Head) *event.Report {
	t.Helper()
	r, err := event.Verify(t.Context(), db, known)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestChain(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	c := newChainer(db)
	link(t, c, 0)
	if r := verify(t, db, event.Head{}); r.Head.Seq != 0 || r.FaultCount+r.UnlinkedCount != 0 {
		t.Fatalf("empty chain: %+v", r)
	}
	record(t, db, 3)
	if r := verify(t, db, event.Head{}); r.UnlinkedCount != 3 {
		t.Fatalf("%d unlinked, want 3", r.UnlinkedCount)
	}
	link(t, c, 3)
	link(t, c, 0)
	first := verify(t, db, event.Head{})
	record(t, db, 2)
	link(t, newChainer(db), 2) // another node goes on
	record(t, db, 1)
	link(t, c, 1)
	r := verify(t, db, first.Head)
	if r.Links != 6 || r.FaultCount+r.UnlinkedCount != 0 || r.Head.Seq != 6 {
		t.Errorf("%d links, faults %v, %d unlinked", r.Links, r.Faults[:min(3, len(r.Faults))], r.UnlinkedCount)
	}
}

// An id is drawn before its transaction commits, so lower ids may become visible
// after higher ones have been linked, and some never do.
func TestChainTakesLateCommits(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	early, late, never := begin(t, db), begin(t, db), begin(t, db)
	c := newChainer(db)
	write(t, early, 1)
	write(t, never, 2)
	link(t, c, 0) // catching up while both are under way
	write(t, late, 3)
	record(t, db, 2)
	link(t, c, 2)
	commit(t, early)
	link(t, c, 1)
	if err := never.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	link(t, c, 0)
	record(t, db, 1)
	link(t, c, 1)
	commit(t, late)
	link(t, c, 1)
	link(t, c, 0)
	if r := verify(t, db, event.Head{}); r.Links != 5 || r.FaultCount+r.UnlinkedCount != 0 {
		t.Errorf("%d links, faults %v, %d unlinked", r.Links, r.Faults[:min(3, len(r.Faults))], r.UnlinkedCount)
	}
}

// A chainer started over a long log catches up in turns and misses nothing that
// commits meanwhile with a lower id.
func TestChainCatchesUp(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	low := begin(t, db)
	write(t, low, 1)
	_, err := db.Exec(t.Context(), `INSERT INTO events (actor, action, object_kind, object_id, reason)
		SELECT 'demo', 'test', 'card', n::text, 'r' FROM generate_series(1, 2500) n`)
	if err != nil {
		t.Fatal(err)
	}
	c := newChainer(db)
	link(t, c, 1000)
	commit(t, low)
	link(t, c, 1000)
	link(t, c, 500)
	link(t, c, 1)
	if r := verify(t, db, event.Head{}); r.Links != 2501 || r.FaultCount+r.UnlinkedCount != 0 {
		t.Errorf("%d links, faults %v, %d unlinked", r.Links, r.Faults[:min(3, len(r.Faults))], r.UnlinkedCount)
	}
}

// While one node links, another waits for nothing and links nothing.
func TestOneChainerAtATime(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	record(t, db, 2)
	tx := begin(t, db)
	first := event.NewChainer(tx, event.ChainerOptions{Logger: slog.New(slog.DiscardHandler)})
	link(t, first, 2) // and holds its lock until tx ends
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if n, err := newChainer(db).Link(ctx); n != 0 || err != nil {
		t.Fatalf("the second linked %d, %v", n, err)
	}
	commit(t, tx)
	link(t, newChainer(db), 0)
	if r := verify(t, db, event.Head{}); r.Links != 2 || r.FaultCount+r.UnlinkedCount != 0 {
		t.Errorf("%v", r)
	}
}

// Many nodes run a chainer at once: each event is linked once, within a second.
func TestChainersAtOnce(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	const each = 40
	linked := make(chan int)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	for range 3 {
		c := event.NewChainer(db, event.ChainerOptions{Logger: slog.New(slog.DiscardHandler), Turn: func(n int) {
			select {
			case linked <- n:
			case <-ctx.Done():
			}
		}})
		go func() { done <- c.Run(ctx) }()
	}
	var recording sync.WaitGroup
	recording.Go(func() { record(t, db, each) })
	for total := 0; total < each; {
		total += <-linked
	}
	recording.Wait()
	stop()
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if r := verify(t, db, event.Head{}); r.Links != each || r.FaultCount+r.UnlinkedCount != 0 {
		t.Errorf("%d links, faults %v, %d unlinked", r.Links, r.Faults[:min(3, len(r.Faults))], r.UnlinkedCount)
	}
}

// unguard is what the tables' owner can do to get round their guards.
const unguard = `ALTER TABLE events DISABLE TRIGGER USER; ALTER TABLE event_chain DISABLE TRIGGER USER;
	ALTER TABLE event_chain DROP CONSTRAINT event_chain_event_id_fkey; ALTER TABLE events ALTER id SET GENERATED BY DEFAULT; `

// Whatever is done to the log or the chain behind the program's back is found,
// where it was done.
func TestVerifyFindsTampering(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	const change = "UPDATE events SET "
	tests := []struct {
		name, sql string
		faults    []string
		unlinked  int64
	}{
		{"nothing", `SELECT 1`, nil, 0},
		{"id", `UPDATE events SET id = 99 WHERE id = 3`, []string{"link 3, event 3: event missing"}, 1},
		{"id, link too", `UPDATE events SET id = 99 WHERE id = 3; UPDATE event_chain SET event_id = 99 WHERE event_id = 3`,
			[]string{"link 3, event 99: event or link altered"}, 0},
		{"at", change + `at = at + interval '1 microsecond' WHERE id = 3`, []string{"link 3, event 3: event or link altered"}, 0},
		{"actor", change + `actor = 'cli:boot' WHERE id = 3`, []string{"link 3, event 3: event or link altered"}, 0},
		{"action", change + `action = 'test.chance' WHERE id = 3`, []string{"link 3, event 3: event or link altered"}, 0},
		{"kind", change + `object_kind = 'cart' WHERE id = 3`, []string{"link 3, event 3: event or link altered"}, 0},
		{"object", change + `object_id = '9' WHERE id = 3`, []string{"link 3, event 3: event or link altered"}, 0},
		{"reason", change + `reason = '试 验' WHERE id = 3`, []string{"link 3, event 3: event or link altered"}, 0},
		{"before", change + `before = '{"n": 2, "status": "Active"}' WHERE id = 3`, []string{"link 3, event 3: event or link altered"}, 0},
		{"before to null", change + `before = NULL WHERE id = 3`, []string{"link 3, event 3: event or link altered"}, 0},
		{"after from null", change + `after = 'null' WHERE id = 3`, []string{"link 3, event 3: event or link altered"}, 0},
		{"field boundary", change + `action = 'test.changec', object_kind = 'ard' WHERE id = 3`, []string{"link 3, event 3: event or link altered"}, 0},
		{"event deleted", `DELETE FROM events WHERE id = 3`, []string{"link 3, event 3: event missing"}, 0},
		{"link deleted", `DELETE FROM event_chain WHERE seq = 3`, []string{"link 3, event 0: link missing"}, 1},
		{"first link deleted", `DELETE FROM event_chain WHERE seq = 1`, []string{"link 1, event 0: link missing"}, 1},
		{"both deleted", `DELETE FROM event_chain WHERE seq = 3; DELETE FROM events WHERE id = 3`, []string{"link 3, event 0: link missing"}, 0},
		{"swapped", `UPDATE event_chain SET event_id = 100 WHERE seq = 2; UPDATE event_chain SET event_id = 2 WHERE seq = 3;
			UPDATE event_chain SET event_id = 3 WHERE seq = 2`,
			[]string{"link 2, event 3: event or link altered", "link 3, event 2: event or link altered"}, 0},
		{"hash", `UPDATE event_chain SET hash = sha256('x') WHERE seq = 3`,
			[]string{"link 3, event 3: event or link altered", "link 4, event 4: event or link altered"}, 0},
		{"seq far away", `UPDATE event_chain SET seq = 9223372036854775807 WHERE seq = 5`,
			[]string{"link 5, event 0: link missing", "link 5, event 0: chain shorter than the head kept outside"}, 0},
		{"inserted", `INSERT INTO events (actor, action, object_kind, object_id, reason) VALUES ('x', 'x', 'x', '1', 'x')`, nil, 1},
		{"tail cut", `DELETE FROM event_chain WHERE seq = 5; DELETE FROM events WHERE id = 5`,
			[]string{"link 5, event 0: chain shorter than the head kept outside"}, 0},
		{"all cut", `DELETE FROM event_chain; DELETE FROM events`, []string{"link 5, event 0: chain shorter than the head kept outside"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			record(t, db, 5)
			link(t, newChainer(db), 5)
			known := verify(t, db, event.Head{}).Head
			tx := begin(t, db)
			if _, err := tx.Exec(ctx, unguard+tt.sql); err != nil {
				t.Fatal(err)
			}
			commit(t, tx)
			r := verify(t, db, known)
			var faults []string
			for _, f := range r.Faults {
				faults = append(faults, f.String())
			}
			if diff := cmp.Diff(tt.faults, faults); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
			if r.UnlinkedCount != tt.unlinked {
				t.Errorf("%d unlinked, want %d", r.UnlinkedCount, tt.unlinked)
			}
		})
	}
}

// Somebody who rewrites the whole chain is found by the head that was kept
// outside, and by nothing else.
func TestVerifyAgainstAHeadKeptOutside(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	record(t, db, 3)
	link(t, newChainer(db), 3)
	known := verify(t, db, event.Head{}).Head
	tx := begin(t, db)
	_, err := tx.Exec(t.Context(), unguard+`DELETE FROM event_chain; UPDATE events SET reason = 'other' WHERE id = 2`)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, tx)
	link(t, newChainer(db), 3)
	if r := verify(t, db, event.Head{}); r.FaultCount != 0 {
		t.Errorf("a chain that is right in itself: %v", r.Faults)
	}
	r := verify(t, db, known)
	if len(r.Faults) != 1 || r.Faults[0].What != event.FaultRewritten {
		t.Errorf("%v", r.Faults)
	}
}

func TestChainIsAppendOnly(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	record(t, db, 1)
	link(t, newChainer(db), 1)
	for _, sql := range []string{`UPDATE event_chain SET seq = 2`, `DELETE FROM event_chain`, `TRUNCATE event_chain`} {
		if _, err := db.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func FuzzParseHead(f *testing.F) {
	f.Add("1:" + strings.Repeat("ab", 32))
	f.Add("0:" + strings.Repeat("00", 32))
	f.Add("-1:")
	f.Add("+1:" + strings.Repeat("AB", 32))
	f.Fuzz(func(t *testing.T, s string) {
		if h, err := event.ParseHead(s); err == nil && h.String() != s {
			t.Errorf("%q read as %q", s, h)
		}
	})
}
