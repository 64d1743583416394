package roster_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"unioncard/card/roster"
	"unioncard/card/roster/sample"
)

// TestTotals: a sum below the persons is told as one, whichever cell it stands in; a
// person whose name begins so is a person.
func TestTotals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	named := sample.Person(1, 5)
	r := w.upload(w.clerk, w.here.ID, csv(line(1), "合计：300人", ",共计 300 人", "合　计,300,", line(2),
		"总计新,"+named.ResidentID+","+named.Phone))
	w.state(r, roster.Checked, roster.Counts{New: 3, Faulty: 3})
	if diff := cmp.Diff(map[int]string{3: "total_row", 4: "total_row", 5: "total_row"}, w.faults(r.ID)); diff != "" {
		t.Error(diff)
	}
}

// TestSwappedColumns: of resident IDs under the phone's heading one thing is said, not
// two of each row.
func TestSwappedColumns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var rows []string
	for n := range 4 {
		p := sample.Person(1, n)
		rows = append(rows, p.Name+","+p.Phone+","+p.ResidentID)
	}
	r := w.upload(w.clerk, w.here.ID, csv(rows...))
	w.state(r, roster.Checked, roster.Counts{Faulty: 4})
	counts, err := w.store.FaultCounts(w.ctx, r.ID)
	w.must(err)
	if len(counts) != 1 || counts[0].Code != roster.CodeSwapped || counts[0].Rows != 4 {
		t.Errorf("%+v", counts)
	}
}

// TestFaultCountsNameNoRow: what many rows have is not told by the first of them.
func TestFaultCountsNameNoRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, q := sample.Person(1, 3), sample.Person(1, 4)
	r := w.upload(w.clerk, w.here.ID, csv(line(1), line(1), q.Name+","+q.ResidentID+","+sample.Person(1, 1).Phone,
		line(3), p.Name+","+p.ResidentID+","+p.Phone))
	counts, err := w.store.FaultCounts(w.ctx, r.ID)
	w.must(err)
	if len(counts) != 2 {
		t.Fatalf("%+v", counts)
	}
	for _, c := range counts {
		if !strings.Contains(c.Message, "前面某一行") {
			t.Errorf("%+v", c)
		}
	}
}

// TestTwoRostersOfTheSamePeople: both are checked, then both applied: the second finds
// nothing left to do, but for whom the two tell different things of.
func TestTwoRostersOfTheSamePeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p1, p4 := sample.Person(1, 1), sample.Person(1, 4)
	id, err := w.members.Register(w.ctx, by, w.here.ID, p4, 0)
	w.must(err)
	changed := p4.Name + "新," + p4.ResidentID + "," + p4.Phone
	first := w.upload(w.clerk, w.here.ID, csv(line(1), line(2), line(3), changed))
	second := w.upload(w.clerk, w.here.ID, csv(p1.Name+"改,"+p1.ResidentID+","+p1.Phone, line(2), changed, line(3)))
	w.state(second, roster.Checked, roster.Counts{New: 3, Changed: 1})
	w.state(w.confirm(w.clerk, first.ID), roster.Applied, roster.Counts{New: 3, Changed: 1})
	r := w.confirm(w.clerk, second.ID)
	w.state(r, roster.Applied, roster.Counts{Unchanged: 3, Faulty: 1, Stale: 1})
	if diff := cmp.Diff(map[int]string{2: "stale"}, w.faults(r.ID)); diff != "" {
		t.Error(diff)
	}
	m, err := w.members.Get(w.ctx, id)
	w.must(err)
	if m.Version != 2 {
		t.Errorf("version %d: changed again by what changed nothing", m.Version)
	}
}
