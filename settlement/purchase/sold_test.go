package purchase

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSoldHearsEachPurchaseOnce: the observer hears of a purchase when it is
// durable, of a replay and of a refusal nothing, nor of one without a discount.
func TestSoldHearsEachPurchaseOnce(t *testing.T) {
	t.Parallel()
	type sale struct {
		outlet int64
		at     time.Time
	}
	var mu sync.Mutex
	var heard []sale
	w := newWorld(t, plan{commit: func(o *CommitterOptions) {
		o.Sold = func(outlet int64, at time.Time) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, sale{outlet, at})
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
	_, err = w.commit(c, "nothing off", w.stepQuote(c, 4, 0, 0))
	w.must(err)
	mu.Lock()
	defer mu.Unlock()
	if d := cmp.Diff([]sale{{first.OutletID, first.CommittedAt}}, heard, cmp.AllowUnexported(sale{})); d != "" {
		t.Error(d)
	}
}
