package terms

import (
	"math/bits"
	"slices"
)

// Benefits of quantities: whoever tries to break the terms chooses quantity and
// unit price too. A local one is taken to give nothing unless it covers a floor
// offer of the same sort whatever the quantities; counterexamples are looked for
// among small baskets at telling quantities.

// outbids says whether local offer i gives no less than floor offer j on every
// line, whatever its quantity and price, scopes apart.
func (k *comparer) outbids(i, j int) bool {
	l, f := k.l[i].benefit, k.f[j].benefit
	if k.l[i].cap < k.f[j].cap {
		return false
	}
	if f.perUnit > 0 || l.perUnit > 0 {
		return f.perUnit > 0 && l.perUnit >= f.perUnit
	}
	if f.prices == nil || l.prices == nil {
		return false
	}
	for r := range k.regions {
		d := &k.regions[r]
		if d.floor>>j&1 == 1 && (d.local>>i&1 == 0 || l.prices[d.skuL] > f.prices[d.skuF]) {
			return false
		}
	}
	return true
}

// underbids is the reverse of outbids.
func (k *comparer) underbids(i, j int) bool {
	l, f := k.l[i].benefit, k.f[j].benefit
	if k.l[i].cap > k.f[j].cap || l.perUnit > f.perUnit || (l.prices == nil) != (f.prices == nil) {
		return false
	}
	for r := range k.regions {
		d := &k.regions[r]
		if f.prices != nil && d.local>>i&1 == 1 && (d.floor>>j&1 == 0 || f.prices[d.skuF] > l.prices[d.skuL]) {
			return false
		}
	}
	return true
}

// solveQuantities compares exclusive offers some of which are of quantities.
func (k *comparer) solveQuantities(local, floor mask, limit int64) answer {
	s := scenario{local: local, floor: floor}
	least := answer{verdict: NotWorse, smallest: true}
	if !anyOfQuantity(k.floor, floor) {
		// Without the local offers of quantities, so the counterexample of a
		// larger basket than need be, if any, is a bound from below.
		least = k.solveAmounts(local&^quantityMask(k.local), floor, limit)
		if least.verdict == NotWorse {
			return least
		}
	} else if k.certifiedAll(local, floor) {
		return least
	}
	if found, ok := k.trySmall(s, least, limit); ok {
		found.smallest = found.amount == 1 || least.verdict == Worse && least.smallest && found.amount == least.amount
		return found
	}
	return answer{verdict: Undecided}
}

func quantityMask(c *Compiled) mask {
	var m mask
	for i := range c.offers {
		if c.offers[i].benefit.ofQuantity() {
			m |= 1 << i
		}
	}
	return m
}

// certifiedAll looks for a proof over all kinds at once. No kind stands for
// another here: the other one's SKUs have other prices.
func (k *comparer) certifiedAll(local, floor mask) bool {
	kinds := k.allKinds(local, floor)
	return len(kinds) <= maxKinds && k.newPart(kinds, local, floor).certified()
}

// trySmall tries baskets of one and two lines at telling amounts and
// quantities, small ones first, and the basket of least with quantities that
// spoil local offers.
func (k *comparer) trySmall(s scenario, least answer, limit int64) (answer, bool) {
	if least.verdict == Worse {
		for pick := range 3 {
			a := least
			a.lines = slices.Clone(least.lines)
			for i := range a.lines {
				if q := k.quantitiesFor(s, a.lines[i]); len(q) > 0 {
					a.lines[i].qty = q[min(pick, len(q)-1)]
				}
			}
			if local, floor := k.evaluateBare(s, a.lines); local < floor {
				return a, true
			}
		}
	}
	kinds := k.allRegions(s.local, s.floor)
	until := k.share(partShare)
	for _, amount := range k.tellingAmounts(s.floor) {
		if amount > limit {
			continue
		}
		for _, d := range kinds {
			if k.effort > until {
				return answer{}, false
			}
			line := place{region: d, amount: amount}
			for _, line.qty = range k.quantitiesFor(s, line) {
				lines := []place{line}
				if local, floor := k.evaluateBare(s, lines); local < floor {
					return answer{verdict: Worse, amount: amount, lines: lines}, true
				}
			}
		}
	}
	return k.tryPairs(s, kinds, until)
}

// tryPairs tries two lines of small amounts.
func (k *comparer) tryPairs(s scenario, kinds []*region, until int) (answer, bool) {
	if len(kinds) > 12 {
		kinds = kinds[:12]
	}
	for i, d := range kinds {
		for _, e := range kinds[i+1:] {
			for _, amounts := range [][2]int64{{1, 1}, {1, 10}, {10, 1}, {100, 100}, {1000, 1000}, {10000, 10000}} {
				if k.effort > until {
					return answer{}, false
				}
				a, b := place{region: d, amount: amounts[0]}, place{region: e, amount: amounts[1]}
				for _, a.qty = range k.quantitiesFor(s, a) {
					for _, b.qty = range k.quantitiesFor(s, b) {
						lines := []place{a, b}
						if local, floor := k.evaluateBare(s, lines); local < floor {
							return answer{verdict: Worse, amount: a.amount + b.amount, lines: lines}, true
						}
					}
				}
			}
		}
	}
	return answer{}, false
}

// evaluateBare evaluates offers without their calendars and eligibility, which
// a scenario being solved has already applied.
func (k *comparer) evaluateBare(s scenario, lines []place) (local, floor int64) {
	if k.bareLocal == nil {
		k.bareLocal, k.bareFloor = bare(k.local), bare(k.floor)
	}
	k.effort += evaluationEffort
	return k.evaluateOn(k.bareLocal, k.bareFloor, s, lines)
}

func bare(c *Compiled) *Compiled {
	out := *c
	out.gated = 0
	return &out
}

// allRegions are the regions of the given offers, told apart by price as well.
func (k *comparer) allRegions(local, floor mask) []*region {
	var out []*region
	for i := range k.regions {
		if r := &k.regions[i]; r.floor&floor != 0 {
			out = append(out, r)
		}
	}
	return out
}

// tellingAmounts are small amounts, powers of ten, and the sums at which floor
// offers change, ascending.
func (k *comparer) tellingAmounts(floor mask) []int64 {
	var out []int64
	for a := int64(1); a <= 40; a++ {
		out = append(out, a)
	}
	for a := int64(100); a <= MaxBasketFen; a *= 10 {
		out = append(out, a, 2*a, 5*a)
	}
	for _, j := range indices(floor) {
		out = append(out, k.f[j].telling()...)
		if c := k.f[j].cap; c < MaxBasketFen {
			out = append(out, c, c+1)
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return slices.DeleteFunc(out, func(a int64) bool { return a > MaxBasketFen })
}

// quantitiesFor are the telling quantities of a line: the smallest, the
// largest, those at which a local fixed price is the price paid, and those at
// which a floor offer per unit just gives all.
func (k *comparer) quantitiesFor(s scenario, line place) []int64 {
	a := line.amount
	out := []int64{1, ceilDiv(a*milli, MaxBasketFen), a*milli + milli, a * milli, milli, MaxQtyMilli}
	for m := s.local & line.region.local; m != 0; m &= m - 1 {
		b := k.l[bits.TrailingZeros64(m)].benefit
		if b.prices != nil && line.region.skuL >= 0 && b.prices[line.region.skuL] > 0 {
			out = append(out, ceilDiv(a*milli, b.prices[line.region.skuL]))
		}
		if b.perUnit > 0 {
			out = append(out, (a-1)*milli/b.perUnit, a*milli/b.perUnit)
		}
	}
	for m := s.floor & line.region.floor; m != 0; m &= m - 1 {
		if b := k.f[bits.TrailingZeros64(m)].benefit; b.perUnit > 0 {
			out = append(out, (a-1)*milli/b.perUnit+1)
		}
	}
	return slices.DeleteFunc(out, func(q int64) bool {
		if q < 1 {
			return true
		}
		it := Item{QtyMilli: q, AmountFen: a, UnitPriceFen: (a*milli + q/2) / q}
		return it.check() != nil
	})
}
