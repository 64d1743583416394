package merchant_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unioncard/merchant"
	"unioncard/merchant/terms"
)

// CheckTerms says what PublishTerms then does, whatever the Terms.
func TestCheckIsWhatPublishingFinds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ownTx(t))
	w.floor(merchant.TradeCatering, "", percent(9000), noon, 30)
	w.floor("", "老字号", percent(8500), noon, 30)
	w.floor("", "老字号", percent(8000), noon.AddDate(0, 1, 0), 30)
	unknown := []byte(`{"v":1,"offers":[{"id":"a","title":"x","scope":{"categories":["no.such"]},"benefit":{"kind":"percent","rate_bp":8000},"funding_bp":10000}]}`)
	for name, doc := range map[string][]byte{
		"above all": percent(7000), "equal": percent(8000), "below the one to come": percent(8400), "below two": percent(8600),
		"below all": percent(9900), "no offers": []byte(`{"v":1,"offers":[]}`), "no category": unknown, "no document": []byte(`{`),
	} {
		id := w.draft(w.merchant("老字号"), 0, w.county, false)
		check, checkErr := w.store.CheckTerms(w.ctx, id, doc, time.Time{})
		if checkErr == nil {
			if len(check.Bounds) != 3 {
				t.Errorf("%s: held against %d bounds", name, len(check.Bounds))
			}
			checkErr = check.Err()
		}
		published, err := w.store.PublishTerms(w.ctx, by, id, doc, time.Time{})
		if (err == nil) != (checkErr == nil) || err != nil && err.Error() != checkErr.Error() {
			t.Errorf("%s: publishing says %v, the check said %v", name, err, checkErr)
		}
		if err == nil && (check.SHA256 != published.SHA256 || check.Version != published.Version || !check.Effective.Equal(published.Effective)) {
			t.Errorf("%s: %+v, the check said %+v", name, published, check)
		}
		var below, said *merchant.BelowFloorError
		if errors.As(err, &below) && errors.As(checkErr, &said) {
			if diff := cmp.Diff(below.Comparison, said.Comparison); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
}

// Of several floors each gets its own verdict, with its Terms and time.
func TestCheckNamesEveryBound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ownTx(t))
	w.floor(merchant.TradeCatering, "", percent(9000), noon, 30)
	w.floor(merchant.TradeCatering, "", percent(8000), noon.AddDate(0, 1, 0), 30)
	id := w.draft(w.merchant(""), 0, w.county, false)
	check, err := w.store.CheckTerms(w.ctx, id, percent(8500), time.Time{})
	w.must(err)
	var got []terms.Verdict
	for _, b := range check.Bounds {
		got = append(got, b.Comparison.Verdict)
	}
	if diff := cmp.Diff([]terms.Verdict{terms.NotWorse, terms.Worse}, got); diff != "" {
		t.Fatal(diff)
	}
	second := check.Bounds[1]
	if !second.From.Equal(noon.AddDate(0, 1, 0)) || !check.Bounds[0].Until.Equal(second.From) || second.Terms.Offers[0].Benefit.RateBP != 8000 {
		t.Errorf("%+v", second)
	}
	bounds, err := w.store.BoundsOf(w.ctx, id)
	w.must(err)
	if len(bounds) != 2 || bounds[1].Bound != second.Bound {
		t.Errorf("%+v", bounds)
	}
	// With a version to come the next one binds after it; the editor need not say when.
	_, err = w.store.PublishTerms(w.ctx, by, id, percent(7900), noon.AddDate(0, 2, 0))
	w.must(err)
	if check, err = w.store.CheckTerms(w.ctx, id, percent(7900), time.Time{}); err != nil || !check.Effective.After(noon.AddDate(0, 2, 0)) {
		t.Errorf("%+v, %v", check, err)
	}
	versions, err := w.store.ContractVersions(w.ctx, id)
	w.must(err)
	if len(versions) != 1 || versions[0].Version != 1 || versions[0].Actor != by.Actor {
		t.Errorf("%+v", versions)
	}
	floors, err := w.store.FloorVersions(w.ctx, merchant.TradeCatering, "")
	w.must(err)
	if len(floors) != 2 || floors[0].Version != 2 || floors[1].Until.IsZero() {
		t.Errorf("%+v", floors)
	}
}

func TestNaming(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ownTx(t))
	_, err := w.store.PublishCategories(w.ctx, by, []merchant.Category{{Code: "fuel.gas", Name: "汽油"}, {Code: "old", Name: "旧品类"}}, nil)
	w.must(err)
	_, err = w.store.PublishCategories(w.ctx, by, nil, []string{"old"})
	w.must(err)
	n, err := w.store.Naming(w.ctx)
	w.must(err)
	o := terms.Offer{Scope: terms.Scope{Categories: []string{"fuel.gas"}}, Benefit: terms.Benefit{Kind: terms.KindPerUnit, OffFen: 30},
		Eligibility: terms.Eligibility{Territories: []int32{410000, 410100}}, FundingBP: 10000}
	if diff := cmp.Diff("限汽油：每升减0.3元，限全省、郑州市会员", n.Names().Describe(o)); diff != "" {
		t.Error(diff)
	}
	if len(n.Categories) != 1 || n.Names().Category("old") != "旧品类（已停用）" {
		t.Errorf("%+v, %s", n.Categories, n.Names().Category("old"))
	}
}
