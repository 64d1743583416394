package terms

import (
	"time"
)

// Verdict is the outcome of a comparison.
type Verdict uint8

// Verdicts.
const (
	// NotWorse: proved, for every basket, moment, card and state of usage.
	NotWorse Verdict = iota + 1
	// Worse: there is a counterexample.
	Worse
	// Undecided: neither was proved; the terms must be simplified.
	Undecided
)

// String is the stable code.
func (v Verdict) String() string {
	return [...]string{"none", "not_worse", "worse", "undecided"}[min(v, Undecided)]
}

// Basket is a counterexample's basket; CheckBasket accepts it. Items is nil for
// an amount alone.
type Basket struct {
	AmountFen int64
	Items     []Item
}

// Comparison is what Compare found.
type Comparison struct {
	Verdict Verdict
	// Counterexample, At and Holder are a purchase on which the local terms give
	// LocalFen, less than the floor's FloorFen; set if Worse.
	Counterexample *Basket
	At             time.Time
	Holder         Holder
	LocalFen       int64
	FloorFen       int64
	LocalUsage     []Remaining // what limits leave in it, by offer, for Evaluate
	FloorUsage     []Remaining
	// Smallest says that no basket of a smaller amount is a counterexample: that
	// is proved, not assumed.
	Smallest bool
	// Offers are the ids of the offers to look at, see Compare.
	Offers []string
	// Reason is a sentence in Chinese.
	Reason string
	// Boxes is how many boxes of baskets were searched, a measure of effort.
	Boxes int
}

// Compare decides whether the local terms are never worse for the member than
// the floor: for every basket that CheckBasket accepts, every moment and every
// holder, with limits no tighter.
//
// Limits are compared as documents: in any state of usage a local offer counts
// only while a floor offer is available whose limits imply every limit of the
// local one; the floor's offers with limits may be used up or not, and a limit
// in fen bounds the discount of one purchase. Where a local offer stacks, one more
// of them can cost the member the threshold behind it; so a local offer with
// limits that none of the floor's imply then may be there or not, either must do,
// and what is only found with it there is Undecided. Who pays does not matter: the
// member gets the same. But a budget may run out, so what is said holds with the
// offers of any of the budgets taken away, from both sides.
//
// NotWorse and Worse are always right. The answer is exact, and the
// counterexample the smallest, for amount benefits over one scope and, within a
// bound of effort that takes artificial terms to reach, for percentages over
// disjoint or nested scopes; elsewhere it may be Undecided,
// naming in Offers those to simplify, which a caller treats as a refusal. For
// Worse, Offers are the floor's offers that apply in the counterexample. Reason
// is a sentence in Chinese for the office that negotiates.
func Compare(local, floor *Compiled) Comparison {
	return CompareWithin(local, floor, time.Time{}, time.Time{})
}

// CompareWithin is Compare for the moments from (included) to until (excluded)
// only, such as those in which a contract and a floor are both in force. A zero
// time is no bound.
func CompareWithin(local, floor *Compiled, from, until time.Time) Comparison {
	if identical(local, floor) {
		return Comparison{Verdict: NotWorse}
	}
	return compareFunded(local, floor, func(local, floor *Compiled) Comparison {
		return compareAll(local, floor, from, until)
	})
}

// compareAll is CompareWithin with every budget paying.
func compareAll(local, floor *Compiled, from, until time.Time) Comparison {
	out := Comparison{Verdict: NotWorse}
	if identical(local, floor) {
		return out
	}
	k, ok := newComparer(local, floor)
	if !ok {
		out.Verdict = Undecided
		out.Offers = k.names(scenario{local: allOf(local), floor: allOf(floor)})
		out.Reason = "优惠所列品类与商品的组合过多，系统无法比较，请简化所列优惠"
		return out
	}
	var open *answer
	var openCase scenario
	found := answer{amount: MaxBasketFen + 1}
	var foundCase scenario
	cases, extras, complete := k.scenarios(from, until)
	for _, s := range cases {
		if k.effort > maxEffort {
			if open == nil {
				open, openCase = &answer{verdict: Undecided}, s
			}
			break
		}
		a := k.solve(s.local, s.floor, found.amount-1)
		switch a.verdict {
		case Worse:
			if smaller, ok := k.confirm(s, a); ok && smaller.amount < found.amount {
				found, foundCase = smaller, s
			} else if !ok && open == nil {
				open, openCase = &a, s
			}
		case Undecided:
			if open == nil {
				open, openCase = &a, s
			}
		}
	}
	if found.amount > MaxBasketFen && open == nil {
		open, openCase = k.solveExtras(extras)
	}
	switch {
	case found.amount <= MaxBasketFen:
		k.report(&out, foundCase, found)
		out.Smallest = found.smallest && open == nil && len(extras) == 0 && complete
	case open != nil:
		out.Verdict = Undecided
		out.Offers = k.names(openCase)
		out.Reason = "系统无法证明本地优惠在任何情况下都不低于省级底线，请简化所列优惠"
	case !complete:
		out.Verdict = Undecided
		out.Offers = k.limited()
		out.Reason = "限次限额组合过多，请简化所列优惠"
	}
	out.Boxes = k.boxes
	return out
}

// answer is what solving one scenario found: x is an amount and a quantity for
// each region.
type answer struct {
	verdict  Verdict
	lines    []place
	amount   int64
	smallest bool
}

// place is a line of a counterexample in the making: qty 0 is one whole unit.
type place struct {
	region *region
	amount int64
	qty    int64
}
