package terms

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// gen makes random documents. A plain seeded generator rather than rapid's:
// the long run needs millions of them.
type gen struct{ *rand.Rand }

func (g gen) pick(of ...int64) int64 { return of[g.IntN(len(of))] }

// rates are basis points paid; some close together, so that rounding decides.
func (g gen) rate() int64 {
	switch g.IntN(4) {
	case 0:
		return 1 + g.Int64N(9999)
	case 1:
		return 8800 + g.Int64N(20)
	default:
		return g.pick(9500, 9000, 8800, 8500, 8000, 7000, 6667, 5000)
	}
}

// amountBenefit is a benefit of amounts with thresholds up to most fen.
func (g gen) amountBenefit(most int64) Benefit {
	switch g.IntN(5) {
	case 0, 1:
		return Benefit{Kind: KindPercent, RateBP: g.rate()}
	case 2:
		at := 1 + g.Int64N(most)
		return Benefit{Kind: KindAmountOff, AtFen: at, OffFen: 1 + g.Int64N(at)}
	case 3:
		at := g.pick(100, 100, 101, 120, 150, 100+g.Int64N(most))
		b := Benefit{Kind: KindEvery, AtFen: at, OffFen: 1 + g.Int64N(at/3)}
		if g.IntN(2) == 0 {
			b.MaxTimes = 1 + g.Int64N(4)
		}
		return b
	default:
		return g.tiers(most)
	}
}

func (g gen) tiers(most int64) Benefit {
	b := Benefit{Kind: KindTiers}
	at, off, rate := int64(0), int64(0), int64(9800)
	byRate := g.IntN(2) == 0
	for range 1 + g.IntN(3) {
		at += 1 + g.Int64N(most/2)
		if byRate {
			rate -= 1 + g.Int64N(1500)
			b.Tiers = append(b.Tiers, Tier{AtFen: at, RateBP: rate})
			continue
		}
		if off == at {
			break
		}
		off += 1 + g.Int64N(at-off)
		b.Tiers = append(b.Tiers, Tier{AtFen: at, OffFen: off})
	}
	return b
}

func (g gen) offer(i int, b Benefit) Offer {
	o := Offer{ID: fmt.Sprintf("o%d", i), Title: "优惠", Benefit: b, FundingBP: 10000}
	if g.IntN(4) == 0 && b.Kind != KindAmountOff {
		o.Caps.PurchaseFen = 1 + g.Int64N(60)
	}
	return o
}

// near is a copy of t with something changed in the member's favour or not, so
// that close pairs are common.
func (g gen) near(t *Terms) *Terms {
	out := &Terms{V: 1, Offers: append([]Offer(nil), t.Offers...)}
	if len(out.Offers) == 0 {
		return out
	}
	o := &out.Offers[g.IntN(len(out.Offers))]
	switch g.IntN(5) {
	case 0:
		out.Offers = out.Offers[1:]
	case 1:
		o.Caps.PurchaseFen = g.pick(0, 20, 50)
	case 2:
		if o.Benefit.Kind == KindPercent {
			o.Benefit.RateBP = min(9999, max(1, o.Benefit.RateBP+g.Int64N(5)-2))
		}
	case 3:
		if o.Benefit.AtFen > 0 {
			o.Benefit.AtFen = max(o.Benefit.AtFen+g.Int64N(3)-1, o.Benefit.OffFen, 100)
		}
	}
	return out
}

func compiled(tb testing.TB, t *Terms) *Compiled {
	tb.Helper()
	c, err := t.Compile()
	if err != nil {
		tb.Fatalf("%v: %+v", err, t)
	}
	return c
}
