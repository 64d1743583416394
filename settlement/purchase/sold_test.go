package purchase

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"unioncard/card"
)

// TestSoldHearsEachPurchaseOnce: the observer hears of a purchase when it is
// durable, also without a discount, and of a replay and of a refusal nothing.
func TestSoldHearsEachPurchaseOnce(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var heard []Sale
	w := newWorld(t, plan{commit: func(o *CommitterOptions) {
		o.Sold = func(s Sale) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, s)
		}
	}})
	c := w.till(1)
	token := w.stepQuote(c, 3, 1, 10_000)
	first, err := w.commit(c, "k", token)
	w.must(err)
	_, err = w.commit(c, "k", token)
	w.must(err)
	if _, err := w.commit(c, "other", token); err == nil {
		t.Error("a quote was sold twice")
	}
	second, err := w.commit(c, "nothing off", w.stepQuote(c, 4, 2, 0))
	w.must(err)
	mu.Lock()
	defer mu.Unlock()
	want := []Sale{
		{MerchantID: c.Terminal.MerchantID, OutletID: first.OutletID, PurchaseID: first.ID, CardSerial: 3, Kind: card.KindPhone, AmountFen: 10_000, DiscountFen: first.DiscountFen, At: first.CommittedAt},
		{MerchantID: c.Terminal.MerchantID, OutletID: second.OutletID, PurchaseID: second.ID, CardSerial: 4, Kind: card.KindPhone, At: second.CommittedAt},
	}
	if d := cmp.Diff(want, heard); d != "" {
		t.Error(d)
	}
}
