package merchant_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unioncard/merchant"
)

// A province-signed chain that improves its Terms lists the outlets' own
// contracts it outgrows.
func TestChainOutgrowsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ownTx(t))
	m := w.merchant("")
	o := w.outlet(m)
	chain := w.active(m, 0, w.province, false, percent(9000))
	own := w.active(m, o, w.county, false, percent(8800))
	out, err := w.store.PublishTerms(w.ctx, by, chain, percent(8000), noon.Add(time.Hour))
	w.must(err)
	if len(out.Below) != 1 || out.Below[0].ContractID != own {
		t.Fatalf("%+v", out.Below)
	}
	proves(t, out.Below[0].Comparison, percent(8800), percent(8000))
}

// A province-signed chain put in force over outlets that have contracts of their
// own: its event lists those below it.
func TestChainOutgrowsOwnWhenActivated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ownTx(t))
	m := w.merchant("")
	own := w.active(m, w.outlet(m), w.county, false, percent(8800))
	w.active(m, w.outlet(m), w.county, false, percent(7500)) // above
	chain := w.active(m, 0, w.province, false, percent(8000))
	var got string
	w.one(&got, `SELECT after->>'below' FROM events WHERE action = 'contract.activate' AND object_id = $1::bigint::text`, chain)
	if want := fmt.Sprintf("[%d]", own); got != want {
		t.Errorf("below: %s, want %s", got, want)
	}
}

// Whether a comparison is reused must not show: contracts with the same Terms and
// different validity get the same answer, where weekdays matter their own.
func TestEqualTermsOverOtherTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ownTx(t))
	sunday := []byte(`{"v":1,"offers":[{"id":"off","title":"折扣","calendar":{"weekdays":[7]},"benefit":{"kind":"percent","rate_bp":8000},"funding_bp":10000}]}`)
	from := noon.Truncate(24*time.Hour).AddDate(0, 0, 1).Add(-8 * time.Hour) // Tuesday 0:00 in Beijing
	sign := func(doc []byte, days int) int64 {
		id, err := w.store.CreateContract(w.ctx, by, merchant.NewContract{
			MerchantID: w.merchant(""), OfficeID: w.county, ValidFrom: from, ValidUntil: from.AddDate(0, 0, days)})
		w.must(err)
		_, err = w.store.PublishTerms(w.ctx, by, id, doc, time.Time{})
		w.must(err)
		w.must(w.store.ActivateContract(w.ctx, by, id))
		return id
	}
	sign(percent(9000), 2) // without a Sunday
	long := []int64{sign(percent(9000), 10), sign(percent(9000), 20)}
	out := w.floor(merchant.TradeCatering, "", sunday, noon, 30)
	var got []int64
	for _, b := range out.Below {
		got = append(got, b.ContractID)
	}
	if diff := cmp.Diff(long, got); diff != "" {
		t.Error(diff)
	}
}
