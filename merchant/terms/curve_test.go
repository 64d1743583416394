package terms

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Between any two points the drawn line is what Evaluate gives, within the error
// that the curve names; reduced to columns, within the column's lowest and highest.
func TestCurveIsEvaluate(t *testing.T) {
	t.Parallel()
	for seed := range uint64(400) {
		g := gen{rand.New(rand.NewPCG(seed, 7))}
		most := g.pick(60, 300, 5000, 60_000)
		doc := g.curveTerms(most)
		c := compiled(t, doc)
		s := CurveSpec{FromFen: 1 + g.Int64N(most), At: plainDay}
		s.UntilFen = s.FromFen + 1 + g.Int64N(most*4)
		if g.IntN(3) == 0 {
			s.Category, s.SKU = "food", "rice"
		}
		if g.IntN(3) == 0 {
			s.Remaining = []Remaining{{Uses: g.pick(0, 1), Fen: g.pick(Unlimited, 1, 500)}}
		}
		curve, err := c.Draw(s)
		if errors.Is(err, ErrCurve) {
			continue // more steps than can be drawn
		}
		if err != nil {
			t.Fatal(err)
		}
		d := drawing{c: c, s: s, known: map[int64]int64{}}
		for range 400 {
			a := s.FromFen + g.Int64N(s.UntilFen-s.FromFen+1)
			if !near(t, curve, a, d.ask(a, s.Remaining)) {
				t.Fatalf("seed %d, %d fen: %+v", seed, a, doc.Offers)
			}
		}
		// Where it hurts: on both sides of every point.
		for _, p := range curve.Points {
			for _, a := range []int64{p.AmountFen - 1, p.AmountFen, p.AmountFen + 1} {
				if a >= s.FromFen && a <= s.UntilFen && !near(t, curve, a, d.ask(a, s.Remaining)) {
					t.Fatalf("seed %d, beside %d fen: %+v", seed, p.AmountFen, doc.Offers)
				}
			}
		}
	}
}

// curveTerms are a few offers, some stacked, some of quantities.
func (g gen) curveTerms(most int64) *Terms {
	doc := &Terms{V: 1}
	for i := range 1 + g.IntN(4) {
		b := g.amountBenefit(most)
		if g.IntN(6) == 0 {
			b = Benefit{Kind: KindPerUnit, OffFen: 1 + g.Int64N(80)}
		}
		o := g.offer(i, b)
		if g.IntN(2) == 0 {
			o.Stack = 1 + i
		}
		if g.IntN(4) == 0 {
			o.Scope.Categories = []string{"food"}
		}
		doc.Offers = append(doc.Offers, o)
	}
	return doc
}

// near says whether the curve shows a discount at an amount.
func near(t *testing.T, c Curve, amount, discount int64) bool {
	t.Helper()
	ps := c.Points
	if ps[0].AmountFen != c.FromFen || ps[len(ps)-1].AmountFen != c.UntilFen {
		t.Errorf("drawn from %d to %d, not %d to %d", ps[0].AmountFen, ps[len(ps)-1].AmountFen, c.FromFen, c.UntilFen)
		return false
	}
	column := func(a int64) int64 { return (a - c.FromFen) * curveColumns / (c.UntilFen - c.FromFen + 1) }
	for i := range ps {
		p := ps[i]
		if p.AmountFen == amount && p.DiscountFen == discount {
			return true
		}
		if i+1 == len(ps) || p.AmountFen > amount || ps[i+1].AmountFen < amount {
			continue
		}
		q := ps[i+1]
		if c.Columns > 0 && column(p.AmountFen) == column(q.AmountFen) {
			lo, hi := p.DiscountFen, p.DiscountFen
			for _, r := range ps {
				if column(r.AmountFen) == column(p.AmountFen) {
					lo, hi = min(lo, r.DiscountFen), max(hi, r.DiscountFen)
				}
			}
			if discount >= lo-c.ErrorFen && discount <= hi+c.ErrorFen {
				return true
			}
			continue
		}
		n := q.AmountFen - p.AmountFen
		drawn := p.DiscountFen*n + (q.DiscountFen-p.DiscountFen)*(amount-p.AmountFen)
		if off := drawn - discount*n; off <= c.ErrorFen*n && off >= -c.ErrorFen*n {
			return true
		}
		t.Errorf("%d fen gives %d, drawn between %v and %v", amount, discount, p, q)
		return false
	}
	t.Errorf("%d fen gives %d, not in any column", amount, discount)
	return false
}

// A stacked offer whose threshold looks at what is left payable: reaching the
// exclusive one's threshold loses it, a dip three yuan wide that no sampling by
// the pixel would show.
func TestCurveShowsTheDip(t *testing.T) {
	t.Parallel()
	c := mustCompile(t, `{"v":1,"offers":[
		{"id":"a","title":"满100减5","benefit":{"kind":"amount_off","at_fen":10000,"off_fen":500},"funding_bp":10000},
		{"id":"b","title":"满98减30","benefit":{"kind":"amount_off","at_fen":9800,"off_fen":3000},"stack":1,"funding_bp":10000}]}`)
	curve, err := c.Draw(CurveSpec{FromFen: 1, UntilFen: 10_000_000, At: plainDay})
	if err != nil {
		t.Fatal(err)
	}
	want := []CurvePoint{
		{1, 0, false}, {9799, 0, false}, {9800, 3000, true}, {9999, 3000, false}, {10000, 500, true}, {10299, 500, false},
		{10300, 3500, true}, {10_000_000, 3500, false},
	}
	if diff := cmp.Diff(want, curve.Points); diff != "" {
		t.Error(diff)
	}
}

// A price by the litre: every hundredth of a litre is asked for itself.
func TestCurveOfQuantities(t *testing.T) {
	t.Parallel()
	c := mustCompile(t, `{"v":1,"offers":[{"id":"a","title":"每升减0.3元","benefit":{"kind":"per_unit","off_fen":30},"funding_bp":10000}]}`)
	curve, err := c.Draw(CurveSpec{FromFen: 1, UntilFen: 31_200, Category: "fuel", UnitPriceFen: 780, QtyStepMilli: 10, At: plainDay})
	if err != nil {
		t.Fatal(err)
	}
	last := curve.Points[len(curve.Points)-1]
	if !curve.Discrete || last.AmountFen != 31_200 || last.DiscountFen != 1200 {
		t.Errorf("40 litres: %+v", last)
	}
	pieces := mustCompile(t, `{"v":1,"offers":[{"id":"a","title":"团购价","benefit":{"kind":"unit_price","prices":[{"sku":"film","price_fen":2990}]},"funding_bp":10000}]}`)
	curve, err = pieces.Draw(CurveSpec{FromFen: 1, UntilFen: 13_500, SKU: "film", UnitPriceFen: 4500, QtyStepMilli: 1000, At: plainDay})
	if err != nil {
		t.Fatal(err)
	}
	want := []CurvePoint{{4500, 1510, false}, {9000, 3020, false}, {13500, 4530, false}}
	if diff := cmp.Diff(want, curve.Points); diff != "" {
		t.Error(diff)
	}
}

func TestCurveRefuses(t *testing.T) {
	t.Parallel()
	c := mustCompile(t, `{"v":1,"offers":[{"id":"a","title":"每满1减0.5","benefit":{"kind":"every","at_fen":100,"off_fen":50},"funding_bp":10000}]}`)
	for name, s := range map[string]CurveSpec{
		"empty":         {FromFen: 200, UntilFen: 200},
		"too many":      {FromFen: 1, UntilFen: MaxBasketFen},
		"no quantity":   {FromFen: 1, UntilFen: 500, UnitPriceFen: 1000, QtyStepMilli: 1000},
		"price too big": {FromFen: 1, UntilFen: 500, UnitPriceFen: MaxBasketFen + 1, QtyStepMilli: 1000},
	} {
		if _, err := c.Draw(s); !errors.Is(err, ErrCurve) {
			t.Errorf("%s: %v", name, err)
		}
	}
	began := time.Now()
	if _, err := c.Draw(CurveSpec{FromFen: 1, UntilFen: 480_000, At: plainDay}); err != nil {
		t.Error(err)
	}
	t.Log("4,800 steps:", time.Since(began))
}
