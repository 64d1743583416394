package roster_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unioncard/card/personal"
	"unioncard/card/roster"
	"unioncard/card/roster/sample"
	"unioncard/card/union"
)

// bounded is a world whose store has other bounds.
func bounded(t *testing.T, change func(*roster.Bounds)) *world {
	t.Helper()
	w := newWorld(t)
	b := roster.DefaultBounds()
	change(&b)
	w.store = roster.NewStore(w.pool, roster.Options{Vault: w.vault, Members: w.members, Clock: func() time.Time { return w.now }, Bounds: b})
	return w
}

func (w *world) registered(u union.Union, n int) int64 {
	w.Helper()
	id, err := w.members.Register(w.ctx, by, u.ID, sample.Person(1, n), 0)
	w.must(err)
	return id
}

// TestStrangersAreCounted: an account finds only so many members of other territories
// in a day, whatever it does with its runs, and each check's event says how many. Those
// of its own territory are not counted.
func TestStrangersAreCounted(t *testing.T) {
	t.Parallel()
	w := bounded(t, func(b *roster.Bounds) { b.Elsewhere, b.Taken = 3, 2 })
	for n := range 8 {
		w.registered(w.far, n)
	}
	left := w.registered(w.far, 8)
	w.must(w.members.Leave(w.ctx, by, left))
	for n := 20; n < 26; n++ {
		w.registered(w.here, n)
		w.registered(w.there, n+10)
	}
	var own []string
	for n := 20; n < 26; n++ {
		own = append(own, line(n), line(n+10))
	}
	whose := func(n, phoneOf int) string {
		return sample.Person(1, n).Name + "," + sample.Person(1, n).ResidentID + "," + sample.Person(1, phoneOf).Phone
	}
	w.state(w.upload(w.countyDesk, w.here.ID, csv(line(20), line(21))), roster.Checked, roster.Counts{Unchanged: 2})
	r := w.upload(w.clerk, w.here.ID, csv(line(1), line(8), whose(50, 3), whose(51, 20)))
	w.state(r, roster.Checked, roster.Counts{Transfer: 1, Rejoin: 1, Faulty: 2})
	w.must(w.store.Discard(w.ctx, w.clerk, r.ID)) // what was found stays found
	w.upload(w.clerk, w.here.ID, csv(line(2)))
	refused := func(code, data string) *roster.Run {
		t.Helper()
		r := w.upload(w.clerk, w.here.ID, data)
		if r.State != roster.Refused || r.FaultCode != code || !r.Purged {
			t.Fatalf("%s %s %q, want %s", r.State, r.FaultCode, r.Fault, code)
		}
		if n := w.count("roster_rows WHERE run_id = $1", r.ID) + w.count("roster_chunks WHERE run_id = $1", r.ID); n != 0 {
			t.Errorf("a refused run keeps %d rows and pieces", n)
		}
		return r
	}
	over := refused("too_many_elsewhere", csv(line(4), whose(52, 20)))
	again := refused("too_many_elsewhere", csv(line(52)))
	var got []string
	rows, err := w.pool.Query(w.ctx, `SELECT object_id || ' ' || actor || ' ' || reason || ' ' || (after->>'rows') || ' ' || (after->>'faulty') || ' ' || (after->>'elsewhere') || ' ' || (after->>'taken') || coalesce(' ' || (after->>'fault_code'), '')
		FROM events WHERE action = 'roster.check' AND object_id = ANY($1) ORDER BY id`, []string{fmt.Sprint(r.ID), fmt.Sprint(over.ID), fmt.Sprint(again.ID)})
	w.must(err)
	for rows.Next() {
		var s string
		w.must(rows.Scan(&s))
		got = append(got, s)
	}
	w.must(rows.Err())
	want := []string{
		fmt.Sprintf("%d %s 检查名册 4 2 2 1", r.ID, w.clerk.Actor()),
		fmt.Sprintf("%d %s 检查名册，没有收下 2 0 1 0 too_many_elsewhere", over.ID, w.clerk.Actor()),
		fmt.Sprintf("%d %s 检查名册，没有收下 1 0 0 0 too_many_elsewhere", again.ID, w.clerk.Actor()),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	// The account above all of them is not asked, and the next day is another.
	if r := w.upload(w.account("province", 1), w.here.ID, csv(line(5))); r.State != roster.Checked {
		t.Errorf("another account: %s %s", r.State, r.Fault)
	}
	w.now = w.now.Add(25 * time.Hour)
	refused("too_many_taken", csv(whose(60, 1), whose(61, 2), whose(62, 3)))
	w.now = w.now.Add(25 * time.Hour)
	w.state(w.upload(w.clerk, w.here.ID, csv(line(6))), roster.Checked, roster.Counts{Transfer: 1})
	// A county's own members: moved and unchanged, as many as there are.
	w.state(w.upload(w.countyDesk, w.county, "姓名,身份证号,手机号,工会\n"+strings.Join(named(own, "甲厂工会委员会"), "\n")), roster.Checked, roster.Counts{Unchanged: 6, Moved: 6})
}

func named(lines []string, union string) (out []string) {
	for _, l := range lines {
		out = append(out, l+","+union)
	}
	return out
}

// TestOpenRuns: a union has so many unfinished runs, and only so many uploads wait.
func TestOpenRuns(t *testing.T) {
	t.Parallel()
	refused := func(err error, words string) {
		t.Helper()
		r, ok := errors.AsType[*roster.RefusedError](err)
		if !ok || r.Field != "file" || !strings.Contains(r.Message, words) {
			t.Errorf("%v, want %s", err, words)
		}
	}
	w := bounded(t, func(b *roster.Bounds) { b.Open = 3 })
	var last *roster.Run
	for n := range 3 {
		last = w.upload(w.clerk, w.here.ID, csv(line(n)))
	}
	_, err := w.store.Upload(w.ctx, w.clerk, w.here.ID, "x.csv", strings.NewReader(csv(line(9))))
	refused(err, "3份名册还没有办完")
	w.upload(w.countyDesk, w.there.ID, csv(line(9))) // another union's
	w.must(w.store.Discard(w.ctx, w.clerk, last.ID))
	w.upload(w.clerk, w.here.ID, csv(line(9)))

	w = bounded(t, func(b *roster.Bounds) { b.Staged = 3 << 20 })
	big := func(mark string, size int) error {
		_, err := w.store.Upload(w.ctx, w.clerk, w.here.ID, "x.csv", strings.NewReader(csv(line(1))+strings.Repeat(mark, size)))
		return err
	}
	w.must(big("x", 2<<20))
	refused(big("y", 2<<20), "收不下了") // while it comes
	if n := w.count("roster_runs") + w.count("roster_chunks WHERE run_id <> (SELECT min(id) FROM roster_runs)"); n != 1 {
		t.Errorf("a refused upload leaves something: %d", n)
	}
	w.must(big("z", 100<<10))
	w.must(big("z", 700<<10))
	refused(big("w", 1<<20), "收不下了")
	w.work() // checked or refused, they take up no room
	w.must(big("v", 2<<20))
}

// TestForeignRejoin: of who left a union of another territory a clerk sees nothing
// that the file did not say, until the member is the clerk's own.
func TestForeignRejoin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n, u := range []union.Union{w.far, w.here} {
		w.must(w.members.Leave(w.ctx, by, w.registered(u, n+1)))
	}
	bare := func(n int) string { p := sample.Person(1, n); return "欧阳别名," + p.ResidentID + "," }
	r := w.upload(w.clerk, w.here.ID, csv(bare(1), bare(2)))
	shown := func() (out [][2]string) {
		t.Helper()
		rows, err := w.store.Rows(w.ctx, r.ID, roster.Rejoin, 0, 10)
		w.must(err)
		for _, r := range rows {
			out = append(out, [2]string{r.Phone, strings.Join(r.Fields, " ")})
		}
		return out
	}
	own := [2]string{personal.MaskPhone(sample.Person(1, 2).Phone), "name"}
	if d := cmp.Diff([][2]string{{"", ""}, own}, shown()); d != "" {
		t.Error(d)
	}
}
