package terms

import (
	"errors"
	"slices"
	"time"
)

// A curve is the discount over the amount of a basket of one line. It comes from
// Evaluate alone; what is proved here is where to ask.
//
// An amount, or one unit at any price: cut the amounts at every threshold and every
// multiple of an exclusive offer, then, stage by stage, where what is left
// payable reaches one of a stacked offer. Between two cuts every rule gives a
// constant or a rounded percentage of what is left payable, so from one fen to
// the next both the discount and what is left payable stay or rise by one fen.
// Therefore no piece hides a dip or a jump, and asking at the ends of ever
// smaller pieces bounds the error in between.
//
// A line with a quantity (a price by the litre or piece) exists only at amounts
// that are a quantity times its price: those are asked one by one.

// ErrCurve: the curve asked for has no amounts or too many steps to draw.
var ErrCurve = errors.New("terms: no such curve")

// Bounds of a curve.
const (
	// maxCuts is the most pieces of a curve.
	maxCuts = 5000
	// maxQuantities is the most sellable quantities of a curve.
	maxQuantities = 20_000
	// MaxCurvePoints is the most points of a curve as drawn.
	MaxCurvePoints = 1600
	// curveColumns is how many columns a curve with more steps is reduced to.
	curveColumns = MaxCurvePoints / 4
	// finest is the smallest error as a part of the range: a tenth of a column.
	finest = 2000
)

// CurveSpec says which basket, when and whose.
type CurveSpec struct {
	// FromFen and UntilFen are the range of amounts, both included; 1 to
	// MaxBasketFen.
	FromFen, UntilFen int64
	// Category and SKU are the one line's; both empty is an amount alone.
	Category, SKU string
	// UnitPriceFen, if set, is the price of one unit; QtyStepMilli is then the
	// smallest quantity sold, in thousandths: 1000 for pieces, 10 for litres.
	UnitPriceFen, QtyStepMilli int64
	At                         time.Time
	Holder                     Holder
	Remaining                  []Remaining
}

// CurvePoint is an amount and its discount.
type CurvePoint struct {
	AmountFen, DiscountFen int64
	// Jump says that the discount changes at this amount by more than a fen
	// against the amount before: a threshold, a multiple, another offer's turn.
	Jump bool
}

// Curve is a line to draw, by rising amount. Every point is what Evaluate gives.
// Between two neighbouring points of a piece the true discount is within ErrorFen
// of the straight line, and monotone; a jump has a point on either side.
//
// With Columns set there were more steps than can be drawn: the range is then cut
// into so many equal columns, and of each the points are its first, its last, its
// lowest and its highest.
type Curve struct {
	Points   []CurvePoint
	Columns  int
	FromFen  int64
	UntilFen int64
	// ErrorFen is at least 1 and about a 2000th of the range.
	ErrorFen int64
	// Discrete: only the amounts of points can be sold; nothing is in between.
	Discrete bool
}

// Draw computes the discount over the amount. ErrCurve for an empty range or one
// with more than 5,000 steps or 20,000 quantities.
func (c *Compiled) Draw(s CurveSpec) (Curve, error) {
	s.FromFen, s.UntilFen = max(s.FromFen, 1), min(s.UntilFen, MaxBasketFen)
	if s.FromFen >= s.UntilFen {
		return Curve{}, ErrCurve
	}
	out := Curve{FromFen: s.FromFen, UntilFen: s.UntilFen, Discrete: s.UnitPriceFen > 0,
		ErrorFen: max(1, (s.UntilFen-s.FromFen)/finest)}
	d := drawing{c: c, s: s, error: out.ErrorFen, known: map[int64]int64{}}
	var err error
	if out.Discrete {
		out.Points, err = d.quantities()
	} else {
		out.Points, err = d.amounts()
	}
	if err != nil {
		return Curve{}, err
	}
	if len(out.Points) > MaxCurvePoints {
		out.Points, out.Columns = reduce(out.Points, s.FromFen, s.UntilFen), curveColumns
	}
	return out, nil
}

// drawing is a curve being computed.
type drawing struct {
	c     *Compiled
	s     CurveSpec
	error int64
	r     Result
	line  [1]Item
	known map[int64]int64 // discounts already asked
}

// discount asks Evaluate for an amount, all offers counting.
func (d *drawing) discount(amount int64) int64 {
	if v, ok := d.known[amount]; ok {
		return v
	}
	v := d.ask(amount, d.s.Remaining)
	d.known[amount] = v
	return v
}

func (d *drawing) ask(amount int64, remaining []Remaining) int64 {
	in := Input{AmountFen: amount, At: d.s.At, Holder: d.s.Holder, Remaining: remaining}
	if d.s.Category != "" || d.s.SKU != "" {
		d.line[0] = Item{SKU: d.s.SKU, Category: d.s.Category, QtyMilli: milli, UnitPriceFen: amount, AmountFen: amount}
		in.Items = d.line[:]
	}
	d.c.Evaluate(&in, &d.r)
	return d.r.DiscountFen
}

// amounts draws an amount alone, or one unit of something.
func (d *drawing) amounts() ([]CurvePoint, error) {
	cuts, err := d.cuts()
	if err != nil {
		return nil, err
	}
	var out []CurvePoint
	for i, from := range cuts {
		last := d.s.UntilFen
		if i+1 < len(cuts) {
			last = cuts[i+1] - 1
		}
		jump := false
		if n := len(out); n > 0 {
			rise := d.discount(from) - out[n-1].DiscountFen // against the fen before
			jump = rise < 0 || rise > 1
		}
		out = append(out, CurvePoint{from, d.discount(from), jump})
		if last > from {
			out = d.piece(out, from, last)
		}
	}
	return out, nil
}

// piece appends points of a piece after its first, so many that the straight line
// between neighbours is never off by more than the error allowed. Over n fen a
// rise by r in steps of 0 or 1 is off by at most r(n-r)/n.
func (d *drawing) piece(out []CurvePoint, from, last int64) []CurvePoint {
	n, rise := last-from, d.discount(last)-d.discount(from)
	if off := rise * (n - rise); off > d.error*n && n > 1 {
		mid := from + n/2
		return d.piece(d.piece(out, from, mid), mid, last)
	}
	return append(out, CurvePoint{last, d.discount(last), false})
}

// cuts finds the first amount of every piece.
func (d *drawing) cuts() ([]int64, error) {
	in, _ := d.c.scopes.match(d.s.Category, d.s.SKU)
	if d.s.Category == "" && d.s.SKU == "" {
		in = d.c.scopes.everything
	}
	cuts := []int64{d.s.FromFen}
	for i := range d.c.offers {
		if in>>i&1 == 0 || d.c.excl>>i&1 == 0 {
			continue
		}
		var err error
		if cuts, err = d.c.offers[i].benefit.thresholds(cuts, d.s.FromFen+1, d.s.UntilFen, 0); err != nil {
			return nil, err
		}
	}
	cuts = tidy(cuts)
	// Stacked offers look at what is left payable by those before them.
	off := make([]Remaining, len(d.c.offers))
	for i := range off {
		off[i] = Remaining{Uses: Unlimited, Fen: Unlimited}
		if i < len(d.s.Remaining) {
			off[i] = d.s.Remaining[i]
		}
	}
	for k, i := range d.c.stack {
		if in>>i&1 == 0 {
			continue
		}
		before := slices.Clone(off)
		for _, later := range d.c.stack[k:] {
			before[later].Uses = 0
		}
		left := func(amount int64) int64 { return amount - d.ask(amount, before) }
		more, err := d.crossings(cuts, &d.c.offers[i].benefit, left)
		if err != nil {
			return nil, err
		}
		cuts = tidy(append(cuts, more...))
	}
	if len(cuts) > maxCuts {
		return nil, ErrCurve
	}
	return cuts, nil
}

// crossings finds in each piece the first amount at which what is left payable
// reaches a threshold of b; within a piece it never falls.
func (d *drawing) crossings(cuts []int64, b *benefit, left func(int64) int64) ([]int64, error) {
	var out []int64
	for i, from := range cuts {
		last := d.s.UntilFen
		if i+1 < len(cuts) {
			last = cuts[i+1] - 1
		}
		at, err := b.thresholds(nil, left(from)+1, left(last), len(out)+len(cuts))
		if err != nil {
			return nil, err
		}
		for _, t := range at {
			lo, hi := from, last
			for lo < hi {
				if mid := lo + (hi-lo)/2; left(mid) >= t {
					hi = mid
				} else {
					lo = mid + 1
				}
			}
			out = append(out, lo)
		}
	}
	return out, nil
}

// thresholds appends the sums from lo to hi at which a rule begins to give
// anything or one time more. have counts what others have found.
func (b *benefit) thresholds(to []int64, lo, hi int64, have int) ([]int64, error) {
	for i := range b.rules {
		r := &b.rules[i]
		if r.step == 0 {
			if r.at >= lo && r.at <= hi {
				to = append(to, r.at)
			}
			continue
		}
		first := max((lo+r.step-1)/r.step, 1)
		last := min(hi/r.step, r.times)
		if last-first+int64(len(to)+have) > maxCuts {
			return nil, ErrCurve
		}
		for k := first; k <= last; k++ {
			to = append(to, k*r.step)
		}
	}
	return to, nil
}

// tidy sorts cuts and drops repeated ones.
func tidy(cuts []int64) []int64 {
	slices.Sort(cuts)
	return slices.Compact(cuts)
}
