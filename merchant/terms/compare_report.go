package terms

import "math/bits"

// confirm builds the basket of an answer and evaluates it for real: no
// comparison says Worse without.
func (k *comparer) confirm(s scenario, a answer) (answer, bool) {
	local, floor := k.evaluate(s, a.lines)
	return a, local < floor
}

// evaluate is what both sides give on a basket in a scenario.
func (k *comparer) evaluate(s scenario, lines []place) (local, floor int64) {
	return k.evaluateOn(k.local, k.floor, s, lines)
}

func (k *comparer) evaluateOn(local, floor *Compiled, s scenario, lines []place) (localFen, floorFen int64) {
	basket := basketOf(lines)
	if basket.AmountFen > MaxBasketFen {
		return 0, 0
	}
	in := Input{AmountFen: basket.AmountFen, Items: basket.Items, At: s.at.time(), Holder: s.holder}
	in.Remaining = usageOf(local, s.local)
	local.Evaluate(&in, &k.result)
	localFen = k.result.DiscountFen
	in.Remaining = usageOf(floor, s.floor)
	floor.Evaluate(&in, &k.result)
	return localFen, k.result.DiscountFen
}

// usageOf leaves the available offers their fresh limits and the others nothing.
func usageOf(c *Compiled, available mask) []Remaining {
	out := make([]Remaining, len(c.offers))
	for i := range out {
		out[i] = Remaining{Uses: Unlimited, Fen: Unlimited}
		if available>>i&1 == 0 {
			out[i].Uses = 0
		}
		for _, l := range c.offers[i].limits {
			if l.Fen > 0 && (out[i].Fen < 0 || l.Fen < out[i].Fen) {
				out[i].Fen = l.Fen
			}
		}
	}
	return out
}

// basketOf turns lines into a basket; one line of unknown category and SKU is
// an amount alone.
func basketOf(lines []place) *Basket {
	b := &Basket{}
	for _, p := range lines {
		b.AmountFen += p.amount
		it := Item{SKU: p.region.name, Category: p.region.category, QtyMilli: milli, UnitPriceFen: p.amount, AmountFen: p.amount}
		if p.qty > 0 {
			it.QtyMilli = p.qty
			it.UnitPriceFen = (p.amount*milli + p.qty/2) / p.qty
		}
		b.Items = append(b.Items, it)
	}
	if len(lines) == 1 && lines[0].qty == 0 && lines[0].region.name == "" && lines[0].region.category == "" {
		b.Items = nil
	}
	return b
}

// report fills the comparison for a counterexample.
func (k *comparer) report(out *Comparison, s scenario, a answer) {
	out.Verdict = Worse
	out.Counterexample = basketOf(a.lines)
	out.At, out.Holder = s.at.time(), s.holder
	out.LocalUsage, out.FloorUsage = usageOf(k.local, s.local), usageOf(k.floor, s.floor)
	out.LocalFen, out.FloorFen = k.evaluate(s, a.lines)
	for _, ap := range k.result.Applied {
		out.Offers = append(out.Offers, k.floor.doc[ap.Offer].ID)
	}
	out.Reason = "消费" + yuan(out.Counterexample.AmountFen) + "元时，本地优惠" + yuan(out.LocalFen) +
		"元，省级底线优惠" + yuan(out.FloorFen) + "元"
	if used := k.unavailable(s); used != "" {
		out.Reason += "（" + used + "）"
	}
}

// unavailable says why local offers did not count in a scenario, if they did
// not.
func (k *comparer) unavailable(s scenario) string {
	why := map[Reason]bool{}
	for i := range k.local.offers {
		switch o := &k.local.offers[i]; {
		case !o.calendar.holds(s.at):
			why[ReasonCalendar] = true
		case !o.eligible.holds(s.holder):
			why[ReasonEligibility] = true
		case s.local>>i&1 == 0:
			why[ReasonLimitUsed] = true
		}
	}
	text := ""
	for _, r := range []struct {
		reason Reason
		text   string
	}{
		{ReasonCalendar, "本地优惠的时段更窄"},
		{ReasonEligibility, "本地优惠的适用会员更少"},
		{ReasonLimitUsed, "本地优惠的限次限额更严"},
	} {
		if why[r.reason] {
			if text != "" {
				text += "，"
			}
			text += r.text
		}
	}
	return text
}

// names are the offers of a scenario, the local ones first.
func (k *comparer) names(s scenario) []string {
	var out []string
	for m := s.local; m != 0; m &= m - 1 {
		out = append(out, k.local.doc[bits.TrailingZeros64(m)].ID)
	}
	for m := s.floor; m != 0; m &= m - 1 {
		out = append(out, k.floor.doc[bits.TrailingZeros64(m)].ID)
	}
	return out
}

// limited are the offers with limits, the local ones first.
func (k *comparer) limited() []string {
	s := scenario{local: limitedOf(k.local), floor: limitedOf(k.floor)}
	return k.names(s)
}
