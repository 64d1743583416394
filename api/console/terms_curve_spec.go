package console

import (
	"slices"
	"strings"
	"time"

	"unioncard/merchant/terms"
)

// curveSpec decides which basket is drawn. Without a choice it is the
// counterexample's, if that is of one line; else one on which most of what is
// written shows. marked says whether the counterexample lies on the curve.
func (s *termsSubject) curveSpec(lines []curveLine, worst *terms.Comparison, choice curveChoice) (spec terms.CurveSpec, marked bool) {
	spec = terms.CurveSpec{FromFen: 1, Category: choice.Category, SKU: choice.SKU, UnitPriceFen: choice.PriceFen, At: choice.At, Holder: s.holder()}
	chosen := choice.Category != "" || choice.SKU != "" || choice.PriceFen != 0 || !choice.At.IsZero()
	switch {
	case !chosen && worst != nil && len(worst.Counterexample.Items) <= 1:
		marked = true
		spec.At, spec.Holder = worst.At, worst.Holder
		if items := worst.Counterexample.Items; len(items) == 1 {
			spec.Category, spec.SKU = items[0].Category, items[0].SKU
			if items[0].QtyMilli != 1000 {
				spec.UnitPriceFen = items[0].UnitPriceFen
			}
		}
	case choice.Category == "" && choice.SKU == "":
		spec.Category, spec.SKU = s.tellingGoods(lines)
	}
	if spec.At.IsZero() {
		spec.At = s.tellingMoment()
	}
	if spec.UnitPriceFen == 0 {
		spec.UnitPriceFen = quantityPrice(lines, spec)
	}
	if spec.UnitPriceFen > 0 {
		spec.QtyStepMilli = s.quantityStep(lines, spec, worst, marked)
	}
	spec.UntilFen = choice.UntilFen
	if spec.UntilFen == 0 {
		spec.UntilFen = tellingRange(lines, spec, worst, marked)
	}
	return spec, marked
}

// holder is a card of the office's own place.
func (s *termsSubject) holder() terms.Holder {
	if s.Floor() || s.Facts.Territory == 0 {
		return terms.Holder{}
	}
	return terms.Holder{County: s.Facts.Territory, City: s.Facts.Territory / 100 * 100}
}

// tellingMoment is noon of the day on which new Terms could first bind.
func (s *termsSubject) tellingMoment() time.Time {
	at := s.now
	if !s.Floor() && s.Facts.ValidFrom.After(at) {
		at = s.Facts.ValidFrom
	}
	at = at.In(terms.Beijing())
	return time.Date(at.Year(), at.Month(), at.Day(), 12, 0, 0, 0, at.Location())
}

// tellingGoods is nothing if every offer is for everything, else goods that the
// most offers have in scope.
func (s *termsSubject) tellingGoods(lines []curveLine) (category, sku string) {
	narrow := false
	count := map[[2]string]int{}
	var order [][2]string
	add := func(c, k string) {
		key := [2]string{c, k}
		if count[key] == 0 {
			order = append(order, key)
		}
		count[key]++
	}
	for _, l := range lines {
		for _, o := range l.doc.Offers {
			sc := &o.Scope
			narrow = narrow || len(sc.Categories)+len(sc.SKUs)+len(sc.ExceptCategories)+len(sc.ExceptSKUs) > 0 || o.Benefit.Kind == terms.KindUnitPrice
			for _, c := range sc.Categories {
				add(c, "")
			}
			for _, k := range sc.SKUs {
				add("", k)
			}
			if o.Benefit.Kind == terms.KindUnitPrice {
				add("", o.Benefit.Prices[0].SKU)
			}
			if len(sc.Categories)+len(sc.SKUs) == 0 && len(sc.ExceptCategories) > 0 {
				add(s.notExcepted(sc.ExceptCategories), "")
			}
		}
	}
	if !narrow || len(order) == 0 {
		return "", ""
	}
	best := order[0]
	for _, k := range order[1:] {
		if count[k] > count[best] {
			best = k
		}
	}
	return best[0], best[1]
}

// notExcepted is a category outside a list, of the contract's trade if there is
// one.
func (s *termsSubject) notExcepted(except []string) string {
	other := ""
	for _, c := range s.naming.Categories {
		if slices.Contains(except, c.Code) {
			continue
		}
		if strings.HasPrefix(c.Code, string(s.Trade)+".") {
			return c.Code
		}
		if other == "" {
			other = c.Code
		}
	}
	return other
}

// quantityPrice is a price to draw with where an offer in play goes by quantity:
// 8 yuan a unit, or half as much again as the group price. 0: none does.
func quantityPrice(lines []curveLine, spec terms.CurveSpec) int64 {
	for _, l := range lines {
		for _, o := range l.doc.Offers {
			switch {
			case o.Benefit.Kind == terms.KindUnitPrice && spec.SKU != "":
				for _, p := range o.Benefit.Prices {
					if p.SKU == spec.SKU {
						return max(100, p.PriceFen*3/2)
					}
				}
			case o.Benefit.Kind == terms.KindPerUnit && (len(o.Scope.Categories) == 0 || slices.Contains(o.Scope.Categories, spec.Category)):
				return max(800, o.Benefit.OffFen*2)
			}
		}
	}
	return 0
}

// quantityStep is the smallest quantity sold: hundredths where goods are metered,
// else pieces, and whatever the counterexample needs.
func (s *termsSubject) quantityStep(lines []curveLine, spec terms.CurveSpec, worst *terms.Comparison, marked bool) int64 {
	step := int64(10)
	for _, l := range lines {
		for _, o := range l.doc.Offers {
			if o.Benefit.Kind == terms.KindUnitPrice && spec.SKU != "" {
				step = 1000
			}
		}
	}
	if marked && worst.Counterexample.Items[0].QtyMilli%step != 0 {
		return 1
	}
	return step
}

// tellingRange is how far to draw: past every threshold and the counterexample.
func tellingRange(lines []curveLine, spec terms.CurveSpec, worst *terms.Comparison, marked bool) int64 {
	far := int64(10_000)
	for _, l := range lines {
		for _, o := range l.doc.Offers {
			b := &o.Benefit
			far = max(far, b.AtFen)
			if b.Kind == terms.KindEvery && b.MaxTimes > 0 && b.MaxTimes <= 20 {
				far = max(far, b.AtFen*b.MaxTimes)
			}
			for _, t := range b.Tiers {
				far = max(far, t.AtFen)
			}
			if rate := b.RateBP; rate > 0 && o.Caps.PurchaseFen > 0 {
				far = max(far, min(o.Caps.PurchaseFen*10_000/(10_000-rate), 2_000_000))
			}
		}
	}
	if spec.UnitPriceFen > 0 {
		far = max(far, min(spec.UnitPriceFen*20, terms.MaxBasketFen))
	}
	if marked {
		far = max(far, worst.Counterexample.AmountFen)
	}
	return niceAbove(min(far+far/2, terms.MaxBasketFen))
}

// niceAbove rounds an amount up to 1, 2, 3, 5 or 8 times a power of ten yuan.
func niceAbove(fen int64) int64 {
	for unit := int64(100); ; unit *= 10 {
		for _, k := range []int64{1, 2, 3, 5, 8} {
			if k*unit >= fen {
				return min(k*unit, terms.MaxBasketFen)
			}
		}
	}
}
