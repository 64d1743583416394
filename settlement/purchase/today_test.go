package purchase

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// TestToday lists what this very terminal recorded on this business day, newest
// first, and adds it up net of what was undone; page after page without a gap.
func TestToday(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{cards: 200})
	c := w.till(1)
	empty, err := w.desk.Today(w.ctx, c, uuid.Nil)
	w.must(err)
	if len(empty.Purchases) != 0 || empty.Next != uuid.Nil || *empty.Totals != (Totals{}) {
		t.Errorf("of nothing: %+v", empty)
	}

	const n = TodayPage + 7
	var want []uuid.UUID
	for i := range n {
		want = append([]uuid.UUID{w.buy(c, fmt.Sprint("k", i), int64(i+1), 1, 10_000).ID}, want...)
	}
	w.buy(w.till(2), "beside", 150, 1, 10_000) // another outlet's
	_, err = w.desk.Reverse(w.ctx, c, "never") // a tombstone is no purchase
	w.must(err)
	old := w.buy(c, "yesterday", 151, 1, 10_000)
	w.exec(`UPDATE purchases SET business_day = business_day - 1 WHERE id = $1`, old.ID)
	_, err = w.desk.Void(w.ctx, c, want[0], "v", "7", "输错")
	w.must(err)
	_, err = w.refund(c, want[1], "r", 1_000)
	w.must(err)

	first, err := w.desk.Today(w.ctx, c, uuid.Nil)
	w.must(err)
	second, err := w.desk.Today(w.ctx, c, first.Next)
	w.must(err)
	var got []uuid.UUID
	for _, p := range append(first.Purchases, second.Purchases...) {
		got = append(got, p.ID)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(first.Purchases) != TodayPage {
		t.Errorf("%d on the first page (-want +got):\n%s", len(first.Purchases), diff)
	}
	if second.Next != uuid.Nil || second.Totals != nil {
		t.Errorf("the last page: next %v, totals %v", second.Next, second.Totals)
	}
	sum := Totals{Count: n, Undone: 1, AmountFen: n * 10_000, PaidFen: (n-1)*9_000 - 1_000, SavedFen: (n-1)*1_000 - 111, ReturnedFen: 10_000}
	if diff := cmp.Diff(sum, *first.Totals); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	if first.Purchases[0].State != StateVoided || first.Purchases[1].ReturnedFen != 1_000 {
		t.Errorf("undone ones: %+v", first.Purchases[:2])
	}

	// Closed early, the business day is the next: what it holds was recorded today.
	w.exec(`INSERT INTO business_days SELECT business_day, now() FROM purchases WHERE id = $1`, want[0])
	next := w.buy(c, "next", 160, 1, 10_000)
	after, err := w.desk.Today(w.ctx, c, uuid.Nil)
	w.must(err)
	if len(after.Purchases) != 1 || after.Purchases[0].ID != next.ID || !after.Day.After(first.Day) {
		t.Errorf("after an early close: %+v", after)
	}
}
