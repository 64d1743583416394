package terms

import (
	"math/bits"
	"time"
)

// Unlimited in a Remaining means that nothing bounds it.
const Unlimited = -1

// Remaining is what the limits leave of an offer to a card: uses and fen, the
// smallest over the offer's limits; negative (Unlimited) is no bound.
type Remaining struct{ Uses, Fen int64 }

// Input is what an evaluation is about.
type Input struct {
	// AmountFen is the basket's price before discount. With Items it is their sum.
	AmountFen int64
	// Items are the lines; nil is an amount alone, one line of unknown category
	// and SKU, in scope only of offers for everything.
	Items []Item
	// At decides calendars.
	At time.Time
	// Holder decides eligibility.
	Holder Holder
	// Remaining is by the offer's index, Extra's after the document's own; what
	// it does not reach is unlimited. A use limit at 0 declines the offer, an
	// amount limit reduces the discount before the best offer is chosen.
	Remaining []Remaining
	// Unfunded has a bit for each offer whose budget does not pay, by the same index:
	// the offer is declined.
	Unfunded uint64
	// Extra are further offers (vouchers), as if declared after the document's
	// own; their stack numbers count after all of the document's.
	Extra *Compiled
	// CapFen bounds the whole discount if Capped, as a printed code's daily cap
	// does: what is over it is taken back from the last applied offer first.
	CapFen int64
	Capped bool
}

// Result is filled by Evaluate and reused by the caller: once it has grown to
// the size of a basket, no call allocates.
type Result struct {
	DiscountFen int64
	// Applied are in the order of application.
	Applied []Applied
	// Declined are in declared order.
	Declined []Declined
	// Lines is the discount of each item, 0 to its amount; empty without items.
	Lines []int64

	lines []line
	work  [MaxOffers]work
}

// Applied is an offer that gave something.
type Applied struct {
	// Offer is the index in Offers(), continued by Extra's.
	Offer int
	// DiscountFen is above 0.
	DiscountFen int64
	// InScopeFen is what was payable of the scope when the offer applied.
	InScopeFen int64
	// UnionFen is the union's part: DiscountFen times (10000 - funding_bp) /
	// 10000 rounded down, so the merchant bears the odd fen.
	UnionFen int64
}

// Declined is an offer that gave nothing, and why.
type Declined struct {
	Offer  int
	Reason Reason
	// NeedFen is how much more in scope reaches the threshold, if that is why.
	NeedFen int64
}

// line is one line at work.
type line struct {
	in     mask  // offers that have it in scope
	left   int64 // fen still payable
	weight int64 // of the offer being spread
	share  int64
	rest   uint64
	sku    [2]int32 // number of the SKU in the document's own and in Extra's dictionary
}

// work is one offer at work.
type work struct {
	sum      int64 // in-scope payable
	discount int64
	overlaps mask // competing exclusive offers that share a line, itself included
	reason   Reason
}

// Evaluate computes the discount of a basket that CheckBasket accepts.
func (c *Compiled) Evaluate(in *Input, r *Result) {
	e := evaluation{own: c, extra: in.Extra, in: in, r: r, n: len(c.offers)}
	if e.extra != nil {
		e.n = min(e.n+len(e.extra.offers), MaxOffers)
	}
	r.DiscountFen, r.Applied, r.Declined = 0, r.Applied[:0], r.Declined[:0]
	e.prepare()
	open := e.gate()
	e.exclusive(open)
	e.stacked(open, c, 0)
	if e.extra != nil {
		e.stacked(open, e.extra, len(c.offers))
	}
	e.finish()
}

// evaluation holds what the steps of one Evaluate share.
type evaluation struct {
	own, extra *Compiled
	in         *Input
	r          *Result
	n          int // offers at work
}

// offer is the offer at index i and which dictionary its SKUs are numbered by.
func (e *evaluation) offer(i int) (*offer, int) {
	if i < len(e.own.offers) {
		return &e.own.offers[i], 0
	}
	return &e.extra.offers[i-len(e.own.offers)], 1
}

// prepare lays the lines out and finds each one's offers.
func (e *evaluation) prepare() {
	r, items := e.r, e.in.Items
	n := max(len(items), 1)
	if cap(r.lines) < n {
		r.lines = make([]line, n)
		r.Lines = make([]int64, n)
	}
	r.lines, r.Lines = r.lines[:n], r.Lines[:len(items)]
	shift := len(e.own.offers)
	if len(items) == 0 {
		l := &r.lines[0]
		*l = line{in: e.own.scopes.everything, left: e.in.AmountFen, sku: [2]int32{-1, -1}}
		if e.extra != nil {
			l.in |= e.extra.scopes.everything << shift
		}
		return
	}
	for i := range items {
		it, l := &items[i], &r.lines[i]
		in, sku := e.own.scopes.match(it.Category, it.SKU)
		l.in, l.left, l.sku[0] = in, it.AmountFen, int32(sku)
		if e.extra != nil {
			in, sku := e.extra.scopes.match(it.Category, it.SKU)
			l.in |= in << shift
			l.sku[1] = int32(sku)
		}
	}
}

// gate resets the work of every offer and returns those that calendar,
// eligibility and limits let through.
func (e *evaluation) gate() mask {
	var open mask
	var at moment
	gated := e.own.gated
	if e.extra != nil {
		gated |= e.extra.gated << len(e.own.offers)
	}
	if gated != 0 {
		at = momentOf(e.in.At)
	}
	for i := range e.n {
		w := &e.r.work[i]
		*w = work{}
		if gated>>i&1 == 1 {
			o, _ := e.offer(i)
			if !o.eligible.holds(e.in.Holder) {
				w.reason = ReasonEligibility
				continue
			}
			if !o.calendar.holds(at) {
				w.reason = ReasonCalendar
				continue
			}
		}
		if e.in.Unfunded>>i&1 == 1 {
			w.reason = ReasonBudget
			continue
		}
		if i < len(e.in.Remaining) && (e.in.Remaining[i].Uses == 0 || e.in.Remaining[i].Fen == 0) {
			w.reason = ReasonLimitUsed
			continue
		}
		open |= 1 << i
	}
	return open
}

// exclusive applies the best set of exclusive offers.
func (e *evaluation) exclusive(open mask) {
	excl := e.own.excl
	if e.extra != nil {
		excl |= e.extra.excl << len(e.own.offers)
	}
	var rivals mask
	for m := open & excl; m != 0; m &= m - 1 {
		i := bits.TrailingZeros64(m)
		e.value(i)
		if e.r.work[i].discount > 0 {
			rivals |= 1 << i
		}
	}
	for i := range e.r.lines {
		l := &e.r.lines[i]
		if m := l.in & rivals; l.left > 0 && m&(m-1) != 0 {
			for in := m; in != 0; in &= in - 1 {
				e.r.work[bits.TrailingZeros64(in)].overlaps |= m
			}
		}
	}
	chosen := best(rivals, e.r.work[:e.n])
	for m := rivals; m != 0; m &= m - 1 {
		i := bits.TrailingZeros64(m)
		if chosen>>i&1 == 1 {
			e.apply(i)
		} else {
			e.r.work[i].reason = ReasonBetterOffer
		}
	}
}

// stacked applies the stackable offers of c, whose first offer is at index from.
func (e *evaluation) stacked(open mask, c *Compiled, from int) {
	for _, i := range c.stack {
		i += from
		if i >= e.n || open>>i&1 == 0 {
			continue
		}
		e.value(i)
		if e.r.work[i].discount > 0 {
			e.apply(i)
		}
	}
}

// value finds the in-scope payable of offer i and its discount on that, or the
// reason why there is none.
func (e *evaluation) value(i int) {
	o, dict := e.offer(i)
	w, b := &e.r.work[i], &o.benefit
	found := false
	var earned int64
	for k := range e.r.lines {
		l := &e.r.lines[k]
		if l.in>>i&1 == 0 {
			continue
		}
		found = true
		w.sum += l.left
		if b.ofQuantity() {
			earned += b.ofLine(l.left, e.qty(k), int(l.sku[dict]))
		}
	}
	switch {
	case !found && len(e.in.Items) == 0:
		w.reason = ReasonNoItems
		return
	case !found:
		w.reason = ReasonScope
		return
	case w.sum < b.need:
		w.reason = ReasonThreshold
		return
	case b.ofQuantity():
		w.discount = min((earned+milli-1)/milli, b.cap, w.sum)
	default:
		w.discount = b.ofAmount(w.sum)
	}
	if i < len(e.in.Remaining) && e.in.Remaining[i].Fen >= 0 {
		w.discount = min(w.discount, e.in.Remaining[i].Fen)
	}
	if w.discount <= 0 {
		w.reason = ReasonZero
	}
}

// qty is the quantity of a line; an amount alone has none.
func (e *evaluation) qty(line int) int64 {
	if line < len(e.in.Items) {
		return e.in.Items[line].QtyMilli
	}
	return 0
}

// apply takes the discount of offer i off its lines and reports it.
func (e *evaluation) apply(i int) {
	w := &e.r.work[i]
	if e.in.Capped {
		w.discount = min(w.discount, e.in.CapFen-e.r.DiscountFen)
		if w.discount <= 0 {
			w.reason = ReasonTotalCap
			return
		}
	}
	o, _ := e.offer(i)
	e.spread(i)
	e.r.DiscountFen += w.discount
	e.r.Applied = append(e.r.Applied, Applied{
		Offer:       i,
		DiscountFen: w.discount,
		InScopeFen:  w.sum,
		UnionFen:    w.discount * o.unionBP / wholeBP,
	})
}

// finish reports the discount of each item and the offers that gave nothing.
func (e *evaluation) finish() {
	r := e.r
	for i := range r.Lines {
		r.Lines[i] = e.in.Items[i].AmountFen - r.lines[i].left
	}
	for i := range e.n {
		if w := &r.work[i]; w.reason != 0 {
			d := Declined{Offer: i, Reason: w.reason}
			if w.reason == ReasonThreshold {
				o, _ := e.offer(i)
				d.NeedFen = o.benefit.need - w.sum
			}
			r.Declined = append(r.Declined, d)
		}
	}
	if e.extra != nil {
		for i := e.n; i < len(e.own.offers)+len(e.extra.offers); i++ {
			r.Declined = append(r.Declined, Declined{Offer: i, Reason: ReasonTooMany})
		}
	}
}
