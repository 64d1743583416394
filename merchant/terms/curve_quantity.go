package terms

import (
	"cmp"
	"slices"
)

// quantities asks at every quantity that can be sold.
func (d *drawing) quantities() ([]CurvePoint, error) {
	step := max(d.s.QtyStepMilli, 1)
	price := d.s.UnitPriceFen
	if price > MaxBasketFen {
		return nil, ErrCurve
	}
	// Amounts below one fen round to nothing.
	first := max(1, (d.s.FromFen*milli+price*step-1)/(price*step))
	last := min(d.s.UntilFen*milli/(price*step), MaxQtyMilli/step)
	if last < first || last-first > maxQuantities {
		return nil, ErrCurve
	}
	var out []CurvePoint
	for q := first; q <= last; q++ {
		amount := (q*step*price + milli/2) / milli
		if amount < d.s.FromFen || amount > d.s.UntilFen || len(out) > 0 && out[len(out)-1].AmountFen == amount {
			continue
		}
		p := CurvePoint{AmountFen: amount, DiscountFen: d.sold(amount, q*step)}
		if len(out) > 0 {
			was := out[len(out)-1]
			rise := p.DiscountFen - was.DiscountFen
			p.Jump = rise < 0 || rise > p.AmountFen-was.AmountFen
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil, ErrCurve
	}
	return out, nil
}

// sold is the discount on a quantity at its price.
func (d *drawing) sold(amount, qtyMilli int64) int64 {
	in := Input{AmountFen: amount, At: d.s.At, Holder: d.s.Holder, Remaining: d.s.Remaining,
		Items: []Item{{SKU: d.s.SKU, Category: d.s.Category, QtyMilli: qtyMilli, UnitPriceFen: d.s.UnitPriceFen, AmountFen: amount}}}
	d.c.Evaluate(&in, &d.r)
	return d.r.DiscountFen
}

// reduce keeps of every column the first, the last, the lowest and the highest
// point: drawn at that many columns nothing is lost.
func reduce(points []CurvePoint, from, until int64) []CurvePoint {
	var out []CurvePoint
	column := func(p CurvePoint) int64 { return (p.AmountFen - from) * curveColumns / (until - from + 1) }
	for i := 0; i < len(points); {
		j := i
		lowest, highest := i, i
		for ; j < len(points) && column(points[j]) == column(points[i]); j++ {
			if points[j].DiscountFen < points[lowest].DiscountFen {
				lowest = j
			}
			if points[j].DiscountFen > points[highest].DiscountFen {
				highest = j
			}
		}
		keep := []int{i, lowest, highest, j - 1}
		slices.SortFunc(keep, func(a, b int) int { return cmp.Compare(a, b) })
		for _, k := range slices.Compact(keep) {
			out = append(out, points[k])
		}
		i = j
	}
	return out
}
