package terms

import (
	"cmp"
	"math/big"
	"slices"
	"strings"
	"time"
)

// The oracle reads the document, not the compiled form, and does everything the
// plain slow way: every subset of offers, dates as text, fractions as big.Rat.

// naive is the discount of a basket, in all and by line, with the given offers
// ruled out by usage.
func naive(t *Terms, amount int64, items []Item, when time.Time, h Holder, used map[int]bool) (int64, []int64) {
	alone := items == nil
	if alone {
		items = []Item{{AmountFen: amount}}
	}
	lines := make([]int64, len(items))
	for i := range items {
		lines[i] = items[i].AmountFen
	}
	open := func(o *Offer, i int) bool {
		return !used[i] && naiveCalendar(&o.Calendar, when) && naiveEligible(&o.Eligibility, h)
	}
	// Exclusive offers: try every subset, keep the best, the earliest among equals.
	var excl []int
	gives := map[int]int64{}
	for i := range t.Offers {
		o := &t.Offers[i]
		if o.Stack == 0 && open(o, i) {
			if d := naiveDiscount(o, items, lines); d > 0 {
				excl = append(excl, i)
				gives[i] = d
			}
		}
	}
	chosen, bestFen := []int(nil), int64(-1)
	for sub := 0; sub < 1<<len(excl); sub++ {
		var set []int
		var fen int64
		taken := make([]bool, len(items))
		ok := true
		for n, i := range excl {
			if sub>>n&1 == 0 {
				continue
			}
			set = append(set, i)
			fen += gives[i]
			for k := range items {
				if items[k].AmountFen > 0 && naiveIn(&t.Offers[i], &items[k]) {
					ok = ok && !taken[k]
					taken[k] = true
				}
			}
		}
		if ok && (fen > bestFen || fen == bestFen && naiveEarlier(set, chosen)) {
			chosen, bestFen = set, fen
		}
	}
	for _, i := range chosen {
		naiveSpread(&t.Offers[i], items, lines, gives[i])
	}
	var stack []int
	for i := range t.Offers {
		if t.Offers[i].Stack > 0 && open(&t.Offers[i], i) {
			stack = append(stack, i)
		}
	}
	slices.SortFunc(stack, func(a, b int) int { return cmp.Compare(t.Offers[a].Stack, t.Offers[b].Stack) })
	for _, i := range stack {
		if d := naiveDiscount(&t.Offers[i], items, lines); d > 0 {
			naiveSpread(&t.Offers[i], items, lines, d)
		}
	}
	var total int64
	for i := range items {
		lines[i] = items[i].AmountFen - lines[i]
		total += lines[i]
	}
	if alone {
		lines = nil
	}
	return total, lines
}

// naiveEarlier says whether a holds the first offer in which a and b differ.
func naiveEarlier(a, b []int) bool {
	for i := range MaxOffers {
		inA, inB := slices.Contains(a, i), slices.Contains(b, i)
		if inA != inB {
			return inA
		}
	}
	return false
}

func naiveIn(o *Offer, it *Item) bool {
	if o.Benefit.Kind == KindUnitPrice {
		return slices.ContainsFunc(o.Benefit.Prices, func(p Price) bool { return it.SKU != "" && p.SKU == it.SKU })
	}
	s := &o.Scope
	if slices.Contains(s.ExceptCategories, it.Category) || slices.Contains(s.ExceptSKUs, it.SKU) {
		return false
	}
	if len(s.ExceptCategories) > 0 && it.Category == "" || len(s.ExceptSKUs) > 0 && it.SKU == "" {
		return false
	}
	if len(s.Categories)+len(s.SKUs) == 0 {
		return true
	}
	return it.Category != "" && slices.Contains(s.Categories, it.Category) || it.SKU != "" && slices.Contains(s.SKUs, it.SKU)
}

func naiveCap(o *Offer, d, sum int64) int64 {
	if o.Caps.PurchaseFen > 0 {
		d = min(d, o.Caps.PurchaseFen)
	}
	for _, l := range o.Limits {
		if l.Fen > 0 {
			d = min(d, l.Fen)
		}
	}
	return min(d, sum)
}

// naiveDiscount is what o gives on what is left payable of the lines.
func naiveDiscount(o *Offer, items []Item, left []int64) int64 {
	var sum int64
	exact := new(big.Rat)
	for i := range items {
		if naiveIn(o, &items[i]) {
			sum += left[i]
			exact.Add(exact, naiveEarns(o, &items[i], left[i]))
		}
	}
	if o.Benefit.Kind == KindUnitPrice || o.Benefit.Kind == KindPerUnit {
		return naiveCap(o, ratCeil(exact), sum)
	}
	return naiveCap(o, naiveAmount(&o.Benefit, sum), sum)
}

func naiveEarns(o *Offer, it *Item, left int64) *big.Rat {
	qty := big.NewRat(it.QtyMilli, 1000)
	whole := big.NewRat(left, 1)
	switch o.Benefit.Kind {
	case KindPerUnit:
		d := qty.Mul(qty, big.NewRat(o.Benefit.OffFen, 1))
		if d.Cmp(whole) > 0 {
			return whole
		}
		return d
	case KindUnitPrice:
		if it.QtyMilli == 0 {
			return new(big.Rat)
		}
		for _, p := range o.Benefit.Prices {
			if p.SKU == it.SKU {
				d := whole.Sub(whole, qty.Mul(qty, big.NewRat(p.PriceFen, 1)))
				if d.Sign() > 0 {
					return d
				}
			}
		}
	}
	return new(big.Rat)
}

func ratCeil(r *big.Rat) int64 {
	q, m := new(big.Int).DivMod(r.Num(), r.Denom(), new(big.Int))
	if m.Sign() > 0 {
		return q.Int64() + 1
	}
	return q.Int64()
}

// naiveAmount is what a benefit of amounts gives on a sum.
func naiveAmount(b *Benefit, sum int64) int64 {
	off := func(rate int64) int64 { return (sum*(10000-rate) + 9999) / 10000 }
	switch b.Kind {
	case KindPercent:
		return off(b.RateBP)
	case KindAmountOff:
		if sum >= b.AtFen {
			return b.OffFen
		}
	case KindEvery:
		times := sum / b.AtFen
		if b.MaxTimes > 0 && times > b.MaxTimes {
			times = b.MaxTimes
		}
		return times * b.OffFen
	case KindTiers:
		var d int64
		for _, t := range b.Tiers {
			if sum >= t.AtFen {
				d = t.OffFen
				if t.RateBP > 0 {
					d = off(t.RateBP)
				}
			}
		}
		return d
	}
	return 0
}

// naiveSpread takes d off the lines by largest remainder.
func naiveSpread(o *Offer, items []Item, left []int64, d int64) {
	quantities := o.Benefit.Kind == KindUnitPrice || o.Benefit.Kind == KindPerUnit
	weight := make([]*big.Rat, len(items))
	total := new(big.Rat)
	for i := range items {
		weight[i] = new(big.Rat)
		if naiveIn(o, &items[i]) {
			weight[i].SetInt64(left[i])
			if quantities {
				weight[i] = naiveEarns(o, &items[i], left[i])
			}
			total.Add(total, weight[i])
		}
	}
	rest := make([]*big.Rat, len(items))
	over := d
	for i := range items {
		share := new(big.Rat).Mul(big.NewRat(d, 1), weight[i])
		share.Quo(share, total)
		whole := new(big.Int).Quo(share.Num(), share.Denom()).Int64()
		rest[i] = share.Sub(share, big.NewRat(whole, 1))
		left[i] -= whole
		over -= whole
	}
	for ; over > 0; over-- {
		to := -1
		for i := range items {
			if naiveIn(o, &items[i]) && left[i] > 0 && (to < 0 || rest[i].Cmp(rest[to]) > 0) {
				to = i
			}
		}
		left[to]--
		rest[to] = new(big.Rat)
	}
}

func naiveCalendar(c *Calendar, when time.Time) bool {
	local := when.In(time.FixedZone("", 8*3600))
	day, clock := local.Format("2006-01-02"), local.Format("15:04")
	if c.From != "" && day < c.From || c.To != "" && day > c.To || slices.Contains(c.Blackout, day) {
		return false
	}
	weekday := int(local.Weekday())
	if weekday == 0 {
		weekday = 7
	}
	if len(c.Weekdays) > 0 && !slices.Contains(c.Weekdays, weekday) {
		return false
	}
	return len(c.Hours) == 0 || slices.ContainsFunc(c.Hours, func(h Hours) bool {
		return strings.Compare(h.From, clock) <= 0 && clock < h.To
	})
}

func naiveEligible(e *Eligibility, h Holder) bool {
	if len(e.Classes) > 0 && !slices.Contains(e.Classes, int(h.Class)) {
		return false
	}
	return len(e.Territories) == 0 || slices.ContainsFunc(e.Territories, func(code int32) bool {
		return code%10000 == 0 || code == h.County || code == h.City || code == h.County/100*100
	})
}
