package roster_test

import (
	"bytes"
	"strings"
	"testing"

	"unioncard/card/personal"
	"unioncard/card/roster"
	"unioncard/card/roster/sample"
	"unioncard/card/union"
)

// TestNumberNotTold: whoever knows resident IDs of strangers learns no phone number by
// a roster that tells none: neither from its rows nor from the file of its faults, and
// not of members of the own territory either, whose numbers want a reason to be seen.
func TestNumberNotTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n, u := range map[int]union.Union{1: w.here, 2: w.there, 3: w.far, 4: w.far} {
		id, err := w.members.Register(w.ctx, by, u.ID, sample.Person(1, n), 0)
		w.must(err)
		if n == 4 {
			w.must(w.members.Leave(w.ctx, by, id))
		}
	}
	var rows []string
	for n := 1; n <= 4; n++ {
		p := sample.Person(1, n)
		row := "改名字," + p.ResidentID + ",,"
		rows = append(rows, row, row) // the second is faulty only among the others
	}
	r := w.upload(w.clerk, w.here.ID, csv(rows...))
	w.state(r, roster.Checked, roster.Counts{Changed: 1, Transfer: 2, Rejoin: 1, Faulty: 4, Phoneless: r.Phoneless})
	hidden := func(when string) {
		t.Helper()
		var file bytes.Buffer
		w.must(w.store.FaultFile(w.ctx, w.clerk, r.ID, "改正后再传", "csv", &file))
		for n := 1; n <= 4; n++ {
			if strings.Contains(file.String(), sample.Person(1, n).Phone) {
				t.Errorf("%s: the fault file tells the number of member %d", when, n)
			}
		}
	}
	hidden("checked")
	transfers, err := w.store.Rows(w.ctx, r.ID, roster.Transfer, 0, 10)
	w.must(err)
	for _, row := range transfers {
		if row.Phone != "" {
			t.Errorf("row %d shows %s of a member elsewhere", row.Number, row.Phone)
		}
	}
	_, err = w.pool.Exec(w.ctx, `UPDATE members SET version = version + 1`) // all are stale
	w.must(err)
	r = w.confirm(w.clerk, r.ID)
	if r.State != roster.Applied || r.Faulty != 8 {
		t.Fatalf("%s: %+v", r.State, r.Counts)
	}
	hidden("stale")
	for n := 1; n <= 4; n++ {
		got, err := w.members.ByResidentID(w.ctx, sample.Person(1, n).ResidentID)
		w.must(err)
		if got.Phone != personal.MaskPhone(sample.Person(1, n).Phone) {
			t.Errorf("member %d has lost the number", n)
		}
	}
}
