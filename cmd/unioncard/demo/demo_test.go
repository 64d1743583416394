package demo

import (
	"testing"
	"time"

	"unioncard/merchant/terms"
)

var at = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)

// TestPlan holds the demonstration to the numbers its documentation gives.
func TestPlan(t *testing.T) {
	t.Parallel()
	p := makePlan()
	outlets, names, offices := 0, map[string]bool{}, map[bool]int{}
	for _, m := range p.merchants {
		outlets += len(m.outlets)
		if len(m.outlets) == 0 || names[m.name] {
			t.Errorf("merchant %q has %d outlets or is there twice", m.name, len(m.outlets))
		}
		names[m.name] = true
		offices[m.office == provinceDivision]++
	}
	if len(p.merchants) != merchantCount || outlets != outletCount || len(p.grassroots) != grassrootsCount {
		t.Errorf("%d merchants, %d outlets, %d grassroots unions", len(p.merchants), outlets, len(p.grassroots))
	}
	if offices[true] != provinceMerchants {
		t.Errorf("%d merchants signed by the province", offices[true])
	}
	again := makePlan()
	if again.merchants[merchantCount-1].name != p.merchants[merchantCount-1].name {
		t.Error("two plans differ")
	}
}

// TestTermsKeepTheFloor: what the demonstration's merchants grant is never below
// the floor it publishes, and the sample baskets earn something.
func TestTermsKeepTheFloor(t *testing.T) {
	t.Parallel()
	for _, tr := range trades {
		floorDoc := floorTerms(tr.code)
		floor, err := floorDoc.Compile()
		if err != nil {
			t.Fatal(err)
		}
		for v := range variants {
			doc := localTerms(tr.code, v)
			local, err := doc.Compile()
			if err != nil {
				t.Fatalf("%s %d: %v", tr.code, v, err)
			}
			if c := terms.Compare(local, floor); c.Verdict != terms.NotWorse {
				t.Errorf("%s %d: %+v", tr.code, v, c)
			}
			items := Basket(tr.code)
			var sum int64
			for _, it := range items {
				sum += it.AmountFen
			}
			if err := terms.CheckBasket(sum, items); err != nil || len(items) != 5 {
				t.Fatalf("%s: basket of %d: %v", tr.code, len(items), err)
			}
			var r terms.Result
			local.Evaluate(&terms.Input{AmountFen: sum, Items: items, At: at}, &r)
			if r.DiscountFen <= 0 {
				t.Errorf("%s %d: the sample basket earns nothing", tr.code, v)
			}
		}
	}
}
