package terms

import (
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
