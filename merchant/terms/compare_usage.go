package terms

import (
	"reflect"
	"slices"
)

// Limits: what usage leaves of either side's offers.

// maxLimitClasses bounds the differently limited floor offers whose states of
// usage are gone through, maxOptional the limited local ones that may be there or
// not, and maxUsage the states of both.
const (
	maxLimitClasses = 8
	maxOptional     = 8
	maxUsage        = 1024
)

// limitedOf are the offers with limits.
func limitedOf(c *Compiled) mask {
	var m mask
	for i := range c.offers {
		if len(c.offers[i].limits) > 0 {
			m |= 1 << i
		}
	}
	return m
}

// limitedFen are the offers with a limit in fen.
func limitedFen(c *Compiled) mask {
	var m mask
	for i := range c.offers {
		if slices.ContainsFunc(c.offers[i].limits, func(l Limit) bool { return l.Fen > 0 }) {
			m |= 1 << i
		}
	}
	return m
}

// usageStates are the sets of offers that usage leaves: every floor offer with
// limits is there or used up; a local offer is there if its limits are implied
// by those of a floor offer that is, or if it has none. Others may be there as
// well, which matters if local offers stack: then every such set follows.
func (k *comparer) usageStates() ([]scenario, bool) {
	classes, free := k.limitClasses()
	unlimited := allOf(k.floor) &^ limitedOf(k.floor)
	complete := len(classes) <= maxLimitClasses
	n := min(len(classes), maxLimitClasses)
	var out []scenario
	for sub := range 1 << n {
		s := scenario{least: free, floor: unlimited}
		for c := range n {
			if sub>>c&1 == 1 {
				s.least |= classes[c].local
				s.floor |= classes[c].floor
			}
		}
		s.local = s.least
		out = append(out, s)
	}
	if len(k.local.stack) == 0 {
		return out, complete
	}
	for _, s := range slices.Clone(out) {
		optional := limitedOf(k.local) &^ s.least
		if count(optional) > maxOptional || len(out)+1<<count(optional) > maxUsage {
			return out, false
		}
		for more := optional; more != 0; more = (more - 1) & optional {
			s.local = s.least | more
			out = append(out, s)
		}
	}
	return out, complete
}

// limitClasses are the floor's offers with limits, those that imply the same
// local ones together, and the local offers without limits.
func (k *comparer) limitClasses() (classes []scenario, free mask) {
	free = allOf(k.local) &^ limitedOf(k.local)
	for j := range k.floor.offers {
		if len(k.floor.offers[j].limits) == 0 {
			continue
		}
		implied := free
		for i := range k.local.offers {
			if impliesAll(k.floor.offers[j].limits, k.local.offers[i].limits) {
				implied |= 1 << i
			}
		}
		same := slices.IndexFunc(classes, func(s scenario) bool { return s.local == implied })
		// A stackable offer can be worth more to the member when another one is
		// used up, so each is a class of its own then.
		if same < 0 || len(k.floor.stack) > 0 || len(k.local.stack) > 0 {
			classes = append(classes, scenario{local: implied, floor: 1 << j})
		} else {
			classes[same].floor |= 1 << j
		}
	}
	return classes, free
}

func allOf(c *Compiled) mask {
	var m mask
	for i := range c.offers {
		m |= 1 << i
	}
	return m
}

// solveExtras goes through the scenarios with more local offers than need be
// there, and returns one that is not proved. Where chained proves the least of
// them, it does so with any more: they only leave less payable.
func (k *comparer) solveExtras(extras []scenario) (*answer, scenario) {
	proved := map[[2]mask]bool{}
	for _, s := range extras {
		if k.effort > maxEffort {
			return &answer{verdict: Undecided}, s
		}
		id := [2]mask{s.least, s.floor}
		done, seen := proved[id]
		if !seen {
			done = k.chained(s.least, s.floor)
			proved[id] = done
		}
		if done {
			continue
		}
		if k.solve(s.local, s.floor, MaxBasketFen).verdict != NotWorse {
			return &answer{verdict: Undecided}, s
		}
	}
	return nil, scenario{}
}

// identical says whether both documents give the same on every history of
// purchases: whatever there is in them but names and funding is the same.
func identical(a, b *Compiled) bool {
	return slices.EqualFunc(a.doc, b.doc, func(x, y Offer) bool {
		x.ID, x.Title, x.FundingBP = y.ID, y.Title, y.FundingBP
		return reflect.DeepEqual(x, y)
	})
}

// impliesAll says whether limits f of a floor offer imply every limit of l: a
// card that f still allows has used l no more than l allows.
func impliesAll(f, l []Limit) bool {
	for _, want := range l {
		if want.Uses > 0 && !slices.ContainsFunc(f, func(have Limit) bool {
			return have.Uses > 0 && have.Uses*periodsIn(have.Per, want.Per) <= want.Uses
		}) {
			return false
		}
		if want.Fen > 0 && !slices.ContainsFunc(f, func(have Limit) bool {
			return have.Fen > 0 && have.Fen*periodsIn(have.Per, want.Per) <= want.Fen
		}) {
			return false
		}
	}
	return true
}

// periodsIn is the most periods of kind p that one of kind whole touches; more
// than any limit allows if unbounded.
func periodsIn(p, whole Period) int64 {
	const unbounded = 1 << 31
	switch {
	case p == whole, p == PerContract, p == PerMonth && whole == PerDay, p == PerWeek && whole == PerDay:
		return 1
	case whole == PerContract:
		return unbounded
	case p == PerMonth: // a week touches two months
		return 2
	case p == PerWeek: // a month touches six weeks
		return 6
	case whole == PerWeek:
		return 7
	default:
		return 31
	}
}
