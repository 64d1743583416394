package roster_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"unioncard/card/member"
	"unioncard/card/roster"
	"unioncard/card/roster/sample"
	"unioncard/card/union/staff"
)

// TestSameFile: once for a union, whoever brings it, until it is dropped.
func TestSameFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	data := csv(line(1))
	r := w.upload(w.clerk, w.here.ID, data)
	again := func(a *staff.Account, u int64) error {
		_, err := w.store.Upload(w.ctx, a, u, "x.csv", strings.NewReader(data))
		return err
	}
	if same, ok := errors.AsType[*roster.SameFileError](again(w.countyDesk, w.here.ID)); !ok || same.RunID != r.ID || !same.AppliedAt.IsZero() {
		t.Errorf("checked: %+v", same)
	}
	w.must(again(w.countyDesk, w.county))
	w.work()
	w.must(w.store.Discard(w.ctx, w.clerk, r.ID))
	r = w.upload(w.clerk, w.here.ID, data)
	w.confirm(w.clerk, r.ID)
	if same, ok := errors.AsType[*roster.SameFileError](again(w.clerk, w.here.ID)); !ok || same.AppliedAt.IsZero() {
		t.Errorf("applied: %+v", same)
	}
	if n := w.count("roster_runs WHERE state = 'uploading'") + w.count("roster_chunks"); n != 0 {
		t.Errorf("%d leftovers", n)
	}
}

// TestUploadRefused: forged unions, and an upload that breaks off.
func TestUploadRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, u := range map[string]int64{"beside": w.there.ID, "above": w.county, "elsewhere": w.far.ID, "none": 1 << 40, "negative": -1} {
		_, err := w.store.Upload(w.ctx, w.clerk, u, "x", strings.NewReader("x"))
		if bad, ok := errors.AsType[*roster.RefusedError](err); !ok || bad.Field != "union_id" {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := errors.New("the line is gone")
	for name, body := range map[string]io.Reader{"broken": io.MultiReader(strings.NewReader(strings.Repeat("x", 3<<20)), failing{broken}), "empty": strings.NewReader(""),
		"cut off": io.MultiReader(strings.NewReader(csv(line(1))), failing{io.ErrUnexpectedEOF})} {
		if _, err := w.store.Upload(w.ctx, w.clerk, w.here.ID, "x", body); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if n := w.count("roster_runs") + w.count("roster_chunks"); n != 0 {
		t.Errorf("%d leftovers", n)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestRefusedFiles: faults of a file as a whole are said, and nothing of it stays.
func TestRefusedFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for code, data := range map[string]string{
		"heading":       "张三,1,2\n李四,1,2\n",
		"heading_twice": "姓名,身份证号,身份证号\n张三,1,2\n",
		"no_rows":       csv()[:len(csv())-1],
		"quote":         csv(`"张三,1,2`),
		"not_a_table":   "\x00\x01",
		"old_excel":     "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
	} {
		r := w.upload(w.clerk, w.here.ID, data)
		if r.State != roster.Refused || r.FaultCode != code || !strings.HasSuffix(r.Fault, "。") {
			t.Errorf("%s: %s %s %s", code, r.State, r.FaultCode, r.Fault)
		}
	}
	if r := w.upload(w.countyDesk, w.county, "姓名,身份证号\n张三,1\n"); r.FaultCode != "no_union" {
		t.Errorf("no union: %s", r.FaultCode)
	}
	if n := w.count("roster_rows") + w.count("roster_chunks"); n != 0 {
		t.Errorf("%d rows and pieces stay", n)
	}
}

// TestPrune: nothing personal stays longer than needed.
func TestPrune(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	checked := w.upload(w.clerk, w.here.ID, csv(line(1), "x,y"))
	applied := w.upload(w.clerk, w.here.ID, csv(line(2), line(3), "x,y"))
	w.confirm(w.clerk, applied.ID)
	if n := w.count("roster_rows WHERE run_id = $1", applied.ID); n != 1 {
		t.Errorf("%d rows stay of an applied run, want the faulty one", n)
	}
	for day, want := range map[int]int{29: 3, 31: 0} {
		w.now = noon.AddDate(0, 0, day)
		_, err := w.store.Prune(w.ctx)
		w.must(err)
		if n := w.count("roster_rows"); n != want && day == 31 {
			t.Errorf("day %d: %d rows", day, n)
		}
	}
	if r := w.get(checked.ID); r.State != roster.Expired || !r.Purged {
		t.Errorf("the checked one is %s", r.State)
	}
	if err := w.store.FaultFile(w.ctx, w.clerk, applied.ID, "改正后再传", "csv", io.Discard); !errors.Is(err, roster.ErrState) {
		t.Errorf("the fault file of what is gone: %v", err)
	}
}

// TestPruneLeftovers: what a node that died had still to delete is deleted soon, and
// not after a month; the faulty rows stay.
func TestPruneLeftovers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	checked := w.upload(w.clerk, w.here.ID, csv(line(1), "x,y"))
	applied := w.upload(w.clerk, w.here.ID, csv(line(2), line(3), "x,y"))
	w.confirm(w.clerk, applied.ID)
	for _, id := range []int64{checked.ID, applied.ID} {
		_, err := w.pool.Exec(w.ctx, `INSERT INTO roster_chunks (run_id, n, data) VALUES ($1, 0, 'sealed')`, id)
		w.must(err)
	}
	_, err := w.pool.Exec(w.ctx, `INSERT INTO roster_rows (run_id, row_no, outcome, id_sealed) VALUES ($1, 2, 1, 'sealed'), ($1, 3, 3, 'sealed')`, applied.ID)
	w.must(err)
	for _, step := range []struct {
		after        time.Duration
		chunks, rows int
	}{{time.Minute, 2, 3 + 2}, {time.Hour, 0, 1 + 2}} {
		w.now = noon.Add(step.after)
		_, err := w.store.Prune(w.ctx)
		w.must(err)
		if chunks, rows := w.count("roster_chunks"), w.count("roster_rows"); chunks != step.chunks || rows != step.rows {
			t.Errorf("after %v: %d pieces and %d rows, want %d and %d", step.after, chunks, rows, step.chunks, step.rows)
		}
	}
	if n, err := w.store.Prune(w.ctx); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
	if r := w.get(checked.ID); r.State != roster.Checked || r.Purged {
		t.Errorf("the checked one is %s", r.State)
	}
}

// TestErased: an erasure reaches the rows of a run that waits, which is applied
// without them.
func TestErased(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	members := member.NewStore(w.pool, w.vault, w.cards, member.Options{Sources: []member.Source{roster.Source()}})
	id, err := members.Register(w.ctx, by, w.here.ID, sample.Person(1, 1), 0)
	w.must(err)
	w.must(members.Leave(w.ctx, by, id))
	r := w.upload(w.clerk, w.here.ID, csv(line(1), line(2)))
	w.state(r, roster.Checked, roster.Counts{Rejoin: 1, New: 1})
	w.must(members.Erase(w.ctx, by, id))
	if n := w.count("roster_rows WHERE id_sealed IS NOT NULL"); n != 1 {
		t.Errorf("%d rows, want that of the other", n)
	}
	w.state(w.confirm(w.clerk, r.ID), roster.Applied, roster.Counts{New: 1})
}
