package terms

import "fmt"

// A benefit of an amount is the largest of its rules; a rule of a percentage
// takes bp of the sum, one of an amount takes off fen, once or for every whole
// step. A benefit of a quantity adds up the lines in thousandths of a fen.

// rule is one rule of an amount benefit.
type rule struct {
	at    int64 // fen, from which the rule gives anything; at least 1
	bp    int64 // basis points taken off, or
	off   int64 // fen taken off
	step  int64 // fen; off for every whole step, or 0 for once
	times int64 // the most steps that count
}

// value is the discount of the rule on a sum of b fen, b >= 0, rounded up.
func (r *rule) value(b int64) int64 {
	switch {
	case b < r.at:
		return 0
	case r.bp > 0:
		return (b*r.bp + wholeBP - 1) / wholeBP
	case r.step > 0:
		return r.off * min(b/r.step, r.times)
	default:
		return r.off
	}
}

// benefit is a compiled Benefit with its cap.
type benefit struct {
	rules []rule
	// need is the smallest sum that earns anything, fen.
	need int64
	// perUnit is fen off every unit, 0 if the benefit is of another kind.
	perUnit int64
	// prices is the unit price in fen by the SKU's number, -1 if not listed; nil
	// if the benefit is of another kind.
	prices []int64
	// cap is the most one purchase earns, fen.
	cap int64
}

// ofQuantity says whether the benefit depends on more than the in-scope sum.
func (b *benefit) ofQuantity() bool { return b.perUnit > 0 || b.prices != nil }

// ofAmount is the discount on an in-scope sum, at most that sum.
func (b *benefit) ofAmount(sum int64) int64 {
	var best int64
	for i := range b.rules {
		best = max(best, b.rules[i].value(sum))
	}
	return min(best, b.cap, sum)
}

// ofLine is what one line earns in thousandths of a fen, before the sum is
// rounded; left is what is left payable of it.
func (b *benefit) ofLine(left, qtyMilli int64, sku int) int64 {
	if b.perUnit > 0 {
		return min(left*milli, qtyMilli*b.perUnit)
	}
	if sku < 0 || sku >= len(b.prices) || b.prices[sku] < 0 {
		return 0
	}
	// A line without a quantity has no unit price to compare with.
	if qtyMilli == 0 {
		return 0
	}
	return max(0, left*milli-qtyMilli*b.prices[sku])
}

// number lays the prices out by the SKU's number.
func (b *benefit) number(d *Benefit, skus *dict) {
	if d.Kind != KindUnitPrice {
		return
	}
	b.prices = make([]int64, len(skus.names))
	for i := range b.prices {
		b.prices[i] = -1
	}
	for _, p := range d.Prices {
		b.prices[skus.find(p.SKU)] = p.PriceFen
	}
}

func (d *Benefit) compile() (benefit, error) {
	var b benefit
	if err := d.checkFields(); err != nil {
		return b, err
	}
	switch d.Kind {
	case KindPercent:
		if err := inRange("rate_bp", d.RateBP, 1, wholeBP-1); err != nil {
			return b, err
		}
		b.rules = []rule{{at: 1, bp: wholeBP - d.RateBP}}
	case KindAmountOff, KindEvery:
		lowest := int64(1)
		if d.Kind == KindEvery {
			lowest = MinMultipleFen
		}
		if err := inRange("at_fen", d.AtFen, lowest, MaxBasketFen); err != nil {
			return b, err
		}
		if err := inRange("off_fen", d.OffFen, 1, d.AtFen); err != nil {
			return b, err
		}
		b.rules = []rule{{at: d.AtFen, off: d.OffFen}}
		if d.Kind == KindEvery {
			if err := inRange("max_times", d.MaxTimes, 0, MaxBasketFen); err != nil {
				return b, err
			}
			b.rules[0].step, b.rules[0].times = d.AtFen, MaxBasketFen
			if d.MaxTimes > 0 {
				b.rules[0].times = d.MaxTimes
			}
		}
	case KindTiers:
		if err := b.addTiers(d.Tiers); err != nil {
			return b, err
		}
	case KindUnitPrice:
		return b, checkPrices(d.Prices)
	case KindPerUnit:
		if err := inRange("off_fen", d.OffFen, 1, MaxBasketFen/milli); err != nil {
			return b, err
		}
		b.perUnit = d.OffFen
		return b, nil
	default:
		return b, fmt.Errorf("benefit.kind: %.20q is unknown", d.Kind)
	}
	b.need = b.rules[0].at
	return b, nil
}

// checkFields refuses fields that the kind does not have.
func (d *Benefit) checkFields() error {
	has := map[string]bool{}
	switch d.Kind {
	case KindPercent:
		has["rate_bp"] = true
	case KindAmountOff:
		has["at_fen"], has["off_fen"] = true, true
	case KindEvery:
		has["at_fen"], has["off_fen"], has["max_times"] = true, true, true
	case KindTiers:
		has["tiers"] = true
	case KindUnitPrice:
		has["prices"] = true
	case KindPerUnit:
		has["off_fen"] = true
	}
	fields := []struct {
		name  string
		given bool
	}{
		{"rate_bp", d.RateBP != 0}, {"at_fen", d.AtFen != 0}, {"off_fen", d.OffFen != 0},
		{"max_times", d.MaxTimes != 0}, {"tiers", len(d.Tiers) > 0}, {"prices", len(d.Prices) > 0},
	}
	for _, f := range fields {
		if f.given && !has[f.name] && d.Kind != "" {
			return fmt.Errorf("benefit.%s: a benefit of kind %.20q has no such field", f.name, d.Kind)
		}
	}
	return nil
}

func (b *benefit) addTiers(tiers []Tier) error {
	if len(tiers) == 0 || len(tiers) > MaxTiers {
		return fmt.Errorf("benefit.tiers: want 1 to %d", MaxTiers)
	}
	for i, t := range tiers {
		if err := inRange("tiers.at_fen", t.AtFen, 1, MaxBasketFen); err != nil {
			return err
		}
		if (t.OffFen == 0) == (t.RateBP == 0) || (t.RateBP == 0) != (tiers[0].RateBP == 0) {
			return fmt.Errorf("benefit.tiers: every tier has off_fen, or every tier has rate_bp")
		}
		r := rule{at: t.AtFen, off: t.OffFen}
		if t.RateBP != 0 {
			if err := inRange("tiers.rate_bp", t.RateBP, 1, wholeBP-1); err != nil {
				return err
			}
			r.bp = wholeBP - t.RateBP
		} else if err := inRange("tiers.off_fen", t.OffFen, 1, t.AtFen); err != nil {
			return err
		}
		if i > 0 {
			prev := b.rules[i-1]
			if r.at <= prev.at || r.bp+r.off <= prev.bp+prev.off {
				return fmt.Errorf("benefit.tiers: want ascending thresholds, each giving more than the one before")
			}
		}
		b.rules = append(b.rules, r)
	}
	return nil
}

func checkPrices(prices []Price) error {
	if len(prices) == 0 || len(prices) > MaxListed {
		return fmt.Errorf("benefit.prices: want 1 to %d", MaxListed)
	}
	seen := make(map[string]bool, len(prices))
	for _, p := range prices {
		if !validName(p.SKU) || seen[p.SKU] {
			return fmt.Errorf("benefit.prices.sku: %.70q is empty, over 64 bytes, has control characters or is there twice", p.SKU)
		}
		seen[p.SKU] = true
		if err := inRange("prices.price_fen", p.PriceFen, 0, MaxBasketFen); err != nil {
			return err
		}
	}
	return nil
}

func inRange(field string, v, lo, hi int64) error {
	if v < lo || v > hi {
		return fmt.Errorf("benefit.%s: %d is not %d to %d", field, v, lo, hi)
	}
	return nil
}
