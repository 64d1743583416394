package roster_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/card"
	"unioncard/card/member"
	"unioncard/card/personal"
	"unioncard/card/roster"
	"unioncard/card/roster/sample"
)

// dying is a database that a node loses, as by kill -9, after so many transactions.
type dying struct {
	card.DB
	left atomic.Int32
}

var errDead = errors.New("the node is dead")

func (d *dying) dead() bool { return d.left.Load() <= 0 }

func (d *dying) Begin(ctx context.Context) (pgx.Tx, error) {
	if d.left.Add(-1) < 0 {
		return nil, errDead
	}
	return d.DB.Begin(ctx)
}

func (d *dying) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if d.dead() {
		return pgconn.CommandTag{}, errDead
	}
	return d.DB.Exec(ctx, sql, args...)
}

func (d *dying) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if d.dead() {
		return nil, errDead
	}
	return d.DB.Query(ctx, sql, args...)
}

func (d *dying) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if d.dead() {
		return deadRow{}
	}
	return d.DB.QueryRow(ctx, sql, args...)
}

type deadRow struct{}

func (deadRow) Scan(...any) error { return errDead }

func (w *world) sample(spec sample.Spec) string {
	w.Helper()
	var b strings.Builder
	_, err := sample.Write(&b, spec)
	w.must(err)
	return b.String()
}

// TestKilled: a node dies at every point of a check and of an application; the next
// one goes on, and each row counts once.
func TestKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const rows, faults = 12_000, 12
	data := w.sample(sample.Spec{Rows: rows, Faults: faults, Seed: 1})
	id, err := w.store.Upload(w.ctx, w.clerk, w.here.ID, "x.csv", strings.NewReader(data))
	w.must(err)
	deaths := 0
	lives := func(transactions int32) {
		node := &dying{DB: w.pool}
		node.left.Store(transactions)
		s := roster.NewStore(node, roster.Options{Vault: w.vault, Members: w.members})
		if _, err := s.Work(w.ctx); errors.Is(err, errDead) {
			deaths++
		} else {
			w.must(err)
		}
		_, err := w.pool.Exec(w.ctx, `UPDATE roster_runs SET lease_until = clock_timestamp() - interval '1 s' WHERE lease_until IS NOT NULL`)
		w.must(err)
	}
	seen := 0
	for n := int32(1); w.get(id).State != roster.Checked; n = n%3 + 1 {
		if lives(n); w.get(id).RowsDone < seen {
			t.Fatalf("rows done fell from %d to %d", seen, w.get(id).RowsDone)
		}
		seen = w.get(id).RowsDone
	}
	w.state(w.get(id), roster.Checked, roster.Counts{New: rows - faults, Faulty: faults})
	if deaths < 2 {
		t.Errorf("only %d deaths", deaths)
	}
	w.must(w.store.Confirm(w.ctx, w.clerk, id, "登记"))
	for n := int32(0); n < 4; n++ {
		lives(n)
	}
	w.state(w.get(id), roster.Applied, roster.Counts{New: rows - faults, Faulty: faults})
	if n := w.count("members"); n != rows-faults {
		t.Errorf("%d members", n)
	}
}

// TestManyNodes: several nodes, the same persons in two rosters of two unions, and a
// clerk who registers some of them by hand, all at once: everybody is a member once.
func TestManyNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const people = 3000
	a := w.upload(w.clerk, w.here.ID, w.sample(sample.Spec{Rows: people, Seed: 1}))
	b := w.upload(w.countyDesk, w.there.ID, w.sample(sample.Spec{Rows: people, Seed: 1, Faults: 3}))
	w.must(w.store.Confirm(w.ctx, w.clerk, a.ID, "甲"))
	w.must(w.store.Confirm(w.ctx, w.countyDesk, b.ID, "乙"))
	var group sync.WaitGroup
	var byHand atomic.Int32
	for range 3 {
		group.Go(func() {
			s := roster.NewStore(w.pool, roster.Options{Vault: w.vault, Members: w.members})
			for {
				did, err := s.Work(w.ctx) // a deadlock or a lost race is tried again
				if !did && err == nil {
					return
				}
			}
		})
	}
	group.Go(func() {
		for n := people - 1; n > people-100; n-- {
			var taken *member.TakenError
			_, err := w.members.Register(w.ctx, by, w.there.ID, sample.Person(1, n), 0)
			if err == nil {
				byHand.Add(1)
			} else if !errors.As(err, &taken) {
				t.Error(err)
			}
		}
	})
	group.Wait()
	a, b = w.get(a.ID), w.get(b.ID)
	if a.State != roster.Applied || b.State != roster.Applied {
		t.Fatalf("%s, %s", a.State, b.State)
	}
	if n := w.count("members"); n != a.New+b.New+int(byHand.Load()) || n < people-3 || n > people+3 {
		t.Errorf("%d members of %d, %d and %d", n, a.New, b.New, byHand.Load())
	}
	if n := w.count("members WHERE roster_run = $1", a.ID); n != a.New {
		t.Errorf("%d members came with the first roster, which says %d", n, a.New)
	}
}

// TestNothingPlain: no value of an upload lies in the database in plain, and no event
// holds one.
func TestNothingPlain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, q := sample.Person(1, 1), sample.Person(1, 2)
	r := w.upload(w.clerk, w.here.ID, csv(line(1), q.Name+","+q.ResidentID[:17]+","+q.Phone))
	if _, err := w.store.Upload(w.ctx, w.clerk, w.here.ID, "y.csv", strings.NewReader(csv(line(3)))); err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	dump := func() string {
		for _, table := range []string{"roster_runs", "roster_rows", "roster_chunks", "members", "events"} {
			rows, err := w.pool.Query(w.ctx, `SELECT t::text FROM `+table+` t`)
			w.must(err)
			texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
			w.must(err)
			for _, s := range texts {
				all.WriteString(s + "\n")
			}
		}
		return all.String()
	}
	dump()
	w.confirm(w.clerk, r.ID)
	text := dump()
	s := sample.Person(1, 3)
	for _, plain := range []string{p.ResidentID, p.Phone, p.Name, q.ResidentID[:17], q.Phone, q.Name, s.ResidentID, s.Phone} {
		if strings.Contains(text, plain) || strings.Contains(text, strings.Trim(hexOf(plain), "\\x")) {
			t.Errorf("a plain value stands in the database: %s", strings.SplitAfter(text[max(0, strings.Index(text, plain)-80):], "\n")[0])
		}
	}
	if len(text) < 2000 {
		t.Error("the dump is empty")
	}
}

func hexOf(s string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte(digits[s[i]>>4])
		b.WriteByte(digits[s[i]&15])
	}
	return b.String()
}

// TestRotatedBetween: the keys of personal data are rotated between check and apply;
// what is applied is sealed and found under the new ones.
func TestRotatedBetween(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := sample.Person(1, 1)
	_, err := w.members.Register(w.ctx, by, w.here.ID, id, 0)
	w.must(err)
	r := w.upload(w.clerk, w.here.ID, csv(id.Name+"改,"+id.ResidentID+","+id.Phone, line(2), line(3)))
	w.state(r, roster.Checked, roster.Counts{New: 2, Changed: 1})
	other, err := personal.Open(w.ctx, w.pool, personal.StaticKEK(1, bytes.Repeat([]byte{7}, 32)), personal.Options{})
	w.must(err)
	_, err = other.Rotate(w.ctx, personal.RotateOptions{Suite: personal.SM(), Actor: "test", Reason: "test", Settle: time.Millisecond})
	w.must(err)
	// The member's version is another now: resealing is no change of the person, so
	// either it is applied or it is said to be stale; never under the old keys.
	r = w.confirm(w.clerk, r.ID)
	if r.State != roster.Applied || r.New != 2 || r.Changed+r.Stale != 1 {
		t.Errorf("%s %+v", r.State, r.Counts)
	}
	if n := w.count("members m JOIN personal_state p ON (m.data_key, m.index_key) = (p.data_key, p.index_key)"); n != 3 {
		t.Errorf("%d members under the new keys", n)
	}
	if _, err := member.NewStore(w.pool, other, w.cards, member.Options{}).ByResidentID(w.ctx, sample.Person(1, 3).ResidentID); err != nil {
		t.Error(err)
	}
}
