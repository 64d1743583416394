package terms

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// benchTerms are five plausible offers, two of them competing.
const benchTerms = `{"v":1,"offers":[
 {"id":"all","title":"全场9.5折","benefit":{"kind":"percent","rate_bp":9500},"funding_bp":10000},
 {"id":"food","title":"食品满158减20","scope":{"categories":["food"]},"benefit":{"kind":"amount_off","at_fen":15800,"off_fen":2000},"funding_bp":10000},
 {"id":"drink","title":"饮料每满100减15","scope":{"categories":["drink"]},"benefit":{"kind":"every","at_fen":10000,"off_fen":1500},"funding_bp":10000},
 {"id":"wash","title":"1元洗车","benefit":{"kind":"unit_price","prices":[{"sku":"wash-1","price_fen":100}]},"limits":[{"per":"week","uses":1}],"funding_bp":5000},
 {"id":"extra","title":"折上98折","benefit":{"kind":"percent","rate_bp":9800},"stack":1,"calendar":{"weekdays":[1,2,3,4,5]},"funding_bp":10000}
]}`

func benchInput() *Input {
	in := &Input{At: time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)}
	for i := range 10 {
		it := Item{SKU: "sku-00" + string(rune('0'+i)), Category: []string{"food", "drink", "home"}[i%3], QtyMilli: 1000}
		it.UnitPriceFen = int64(3000 + 500*i)
		it.AmountFen = it.UnitPriceFen
		in.Items = append(in.Items, it)
		in.AmountFen += it.AmountFen
	}
	return in
}

func BenchmarkEvaluate5x10(b *testing.B) {
	c := mustCompile(b, benchTerms)
	in, r := benchInput(), &Result{}
	b.ReportAllocs()
	for b.Loop() {
		c.Evaluate(in, r)
	}
	if r.DiscountFen == 0 {
		b.Fatal("no discount")
	}
}

// The hardest choice among exclusive offers that a document may hold.
func BenchmarkEvaluateCrossing(b *testing.B) {
	g := gen{rand.New(rand.NewPCG(2, 3))}
	var offers []string
	for range maxCrossing {
		offers = append(offers, fmt.Sprintf(`"scope":{"categories":["c%d","c%d"]},"benefit":{"kind":"percent","rate_bp":%d}`,
			g.IntN(8), 8+g.IntN(8), 9000+g.IntN(9)))
	}
	c := mustCompile(b, doc(offers...))
	in, r := &Input{}, &Result{}
	for i := range 16 {
		in.Items = append(in.Items, Item{Category: fmt.Sprintf("c%d", i), QtyMilli: 1000, UnitPriceFen: 1000, AmountFen: 1000})
		in.AmountFen += 1000
	}
	b.ReportAllocs()
	for b.Loop() {
		c.Evaluate(in, r)
	}
}

func mustCompile(tb testing.TB, doc string) *Compiled {
	tb.Helper()
	t, err := Parse([]byte(doc))
	if err != nil {
		tb.Fatal(err)
	}
	c, err := t.Compile()
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// pairOf is a pair of n offers a side of the named sort.
func pairOf(tb testing.TB, sort string, n int) (local, floor *Compiled) {
	g := gen{rand.New(rand.NewPCG(9, uint64(n)))}
	l, f := &Terms{V: 1}, &Terms{V: 1}
	for i := range n {
		var o Offer
		switch sort {
		case "one-scope":
			o = g.offer(i, g.amountBenefit(100_000))
		case "disjoint":
			o = g.offer(i, g.amountBenefit(100_000))
			o.Scope.Categories = []string{string(rune('a' + i))}
		case "nested":
			o = g.offer(i, Benefit{Kind: KindPercent, RateBP: 9000 - int64(i)})
			for c := range i/2 + 1 {
				o.Scope.Categories = append(o.Scope.Categories, string(rune('a'+c)))
			}
		case "weave":
			// Every category a hair below the floor, one wide offer above it: no
			// single offer decides, only baskets over many categories.
			o = Offer{ID: fmt.Sprintf("o%d", i), Title: "优惠", FundingBP: 10000}
			o.Benefit = Benefit{Kind: KindPercent, RateBP: 7000 + int64(i)}
			o.Scope.Categories = []string{string(rune('a' + i))}
			f.Offers = append(f.Offers, o)
			o.Benefit.RateBP++
			if i == n-1 {
				o.Scope, o.Benefit.RateBP = Scope{}, 6800
			}
			l.Offers = append(l.Offers, o)
			continue
		case "crossing":
			o = g.offer(i, g.amountBenefit(20_000))
			for range 4 {
				if c := string(rune('a' + g.IntN(n))); !slices.Contains(o.Scope.Categories, c) {
					o.Scope.Categories = append(o.Scope.Categories, c)
				}
			}
		}
		if i%3 == 0 {
			o.Calendar = Calendar{Weekdays: []int{1 + i%7, 1 + (i+3)%7}, Hours: []Hours{{"09:00", "12:30"}}}
		}
		if i%5 == 1 {
			o.Limits = []Limit{{Per: PerMonth, Uses: int64(1 + i)}}
		}
		f.Offers = append(f.Offers, o)
		o.Benefit = sweeter(o.Benefit)
		l.Offers = append(l.Offers, o)
	}
	return compiled(tb, l), compiled(tb, f)
}

// sweeter is the same benefit with a little more for the member.
func sweeter(b Benefit) Benefit {
	b.RateBP -= min(b.RateBP, 1)
	if b.AtFen > 0 && b.OffFen < b.AtFen {
		b.OffFen++
	}
	return b
}

func BenchmarkCompare(b *testing.B) {
	for _, n := range []int{5, 20} {
		for _, sort := range []string{"one-scope", "disjoint", "nested", "crossing", "weave"} {
			b.Run(fmt.Sprintf("%s-%d", sort, n), func(b *testing.B) {
				local, floor := pairOf(b, sort, n)
				b.ReportAllocs()
				var c Comparison
				for b.Loop() {
					c = Compare(local, floor)
				}
				b.ReportMetric(float64(c.Verdict), "verdict")
				b.ReportMetric(float64(c.Boxes), "boxes")
			})
			b.Run(fmt.Sprintf("%s-%d-reverse", sort, n), func(b *testing.B) {
				floor, local := pairOf(b, sort, n)
				var c Comparison
				for b.Loop() {
					c = Compare(local, floor)
				}
				b.ReportMetric(float64(c.Verdict), "verdict")
				b.ReportMetric(float64(c.Boxes), "boxes")
			})
		}
	}
}

// The slowest of random pairs of 20 offers a side over crossing scopes and
// calendars, close to each other: what the bound of effort is for.
func BenchmarkCompareWorst(b *testing.B) {
	g := gen{rand.New(rand.NewPCG(31, 7))}
	side := func(percent bool) *Terms {
		d := &Terms{V: 1}
		for i := range 20 {
			o := g.offer(i, g.amountBenefit(30_000))
			if percent {
				o.Benefit, o.Caps = Benefit{Kind: KindPercent, RateBP: g.rate()}, Caps{}
			}
			o.Scope.Categories = g.some("a", "b", "c", "d", "e", "f", "g", "h")
			if g.IntN(3) == 0 {
				o.Calendar = g.anyCalendar()
			}
			d.Offers = append(d.Offers, o)
		}
		return d
	}
	var worst time.Duration
	n := 0
	for b.Loop() {
		floor := side(n%2 == 0)
		l, f := compiled(b, g.near(floor)), compiled(b, floor)
		start := time.Now()
		Compare(l, f)
		worst = max(worst, time.Since(start))
		n++
	}
	b.ReportMetric(float64(worst.Microseconds())/1000, "ms-worst")
}
