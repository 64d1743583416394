package report_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"unioncard/settlement/report"
)

// An office is taken in by another: its settled days stay its own, the open ones are
// counted once, for the other.
func TestHandOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.buy(2, 3, 1000, 100)
	w.buy(2, 0, 2000, 200)
	w.buy(3, 0, 4000, 400)
	w.roll()
	w.roll() // the days before are settled
	tx, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `UPDATE contracts SET office_id = 3 WHERE office_id = 2`); err != nil {
		t.Fatal(err)
	}
	if err := report.HandOver(t.Context(), tx, 2); err != nil {
		t.Fatal(err)
	}
	if n := w.roll(); n != 0 {
		t.Errorf("a roll passed by: %d rows", n)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.roll()
	type sum struct{ Old, Now int64 }
	sums := func(scope string) (s sum) {
		for i, d := range w.days(scope, 4) {
			if i < 3 {
				s.Old += d.AmountFen
			} else {
				s.Now += d.AmountFen
			}
		}
		return s
	}
	got := map[string]sum{"province": sums("/1/"), "merged": sums("/1/2/"), "successor": sums("/1/3/")}
	want := map[string]sum{"province": {1000, 6000}, "merged": {1000, 0}, "successor": {0, 6000}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("days (-want +got):\n%s", diff)
	}
}
