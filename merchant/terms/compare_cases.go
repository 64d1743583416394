package terms

import (
	"math/bits"
	"slices"
	"time"
)

// scenario is a moment, a holder and a state of usage, with the offers that are
// then available on either side.
type scenario struct {
	local, floor mask
	at           moment
	holder       Holder
}

// maxLimitClasses bounds the differently limited floor offers whose states of
// usage are gone through.
const maxLimitClasses = 8

// scenarios are all combinations that can matter, each set of available offers
// once; of two where one has no more local and no fewer floor offers only that
// one is kept, if no offer stacks. It reports false if there were too many.
func (k *comparer) scenarios(from, until time.Time) ([]scenario, bool) {
	usage, complete := k.usageStates()
	type pair struct{ local, floor mask }
	seen := map[pair]bool{}
	var out []scenario
	holders := k.holders()
	for _, m := range k.moments(from, until) {
		for _, h := range holders {
			for _, u := range usage {
				p := pair{m.local & h.local & u.local, m.floor & h.floor & u.floor}
				if p.floor == 0 || seen[p] {
					continue
				}
				seen[p] = true
				out = append(out, scenario{p.local, p.floor, m.at, h.holder})
			}
		}
	}
	if len(k.local.stack)+len(k.floor.stack) > 0 {
		return out, complete
	}
	// Hardest first, so that the smaller ones fall away.
	slices.SortStableFunc(out, func(a, b scenario) int {
		return (count(b.floor) - count(b.local)) - (count(a.floor) - count(a.local))
	})
	var kept []scenario
	for _, s := range out {
		implied := slices.ContainsFunc(kept, func(t scenario) bool {
			return t.local&^s.local == 0 && s.floor&^t.floor == 0
		})
		if !implied {
			kept = append(kept, s)
		}
	}
	return kept, complete
}

// moments are one moment for each set of offers that calendars leave active.
func (k *comparer) moments(from, until time.Time) []scenario {
	lo, hi := moment{day: dayMin}, moment{day: dayMax}
	if !from.IsZero() {
		lo = momentOf(from)
	}
	if !until.IsZero() {
		hi = momentOf(until.Add(-time.Second))
	}
	minutes := k.minuteBreaks(lo, hi)
	type pair struct{ local, floor mask }
	seenDay, seen := map[pair]bool{}, map[pair]bool{}
	var out []scenario
	for _, days := range k.daySpans(lo.day, hi.day) {
		// Within a span only the weekday matters.
		for day := days[0]; day <= min(days[1], days[0]+6); day++ {
			p := pair{activeOn(k.local, day), activeOn(k.floor, day)}
			edge := day == lo.day || day == hi.day
			if seenDay[p] && !edge {
				continue
			}
			seenDay[p] = seenDay[p] || !edge
			for _, minute := range minutes {
				at := moment{day, minute}
				if before(at, lo) || before(hi, at) {
					continue
				}
				q := pair{p.local & activeAt(k.local, minute), p.floor & activeAt(k.floor, minute)}
				if !seen[q] {
					seen[q] = true
					out = append(out, scenario{local: q.local, floor: q.floor, at: at})
				}
			}
		}
	}
	return out
}

func before(a, b moment) bool { return a.day < b.day || a.day == b.day && a.minute < b.minute }

// daySpans are the days lo to hi cut where some calendar may change other than
// by the weekday; the first and the last day stand alone, since they may be in
// part only. Spans from 2026 on come first, so that a counterexample found
// without a bound has a plain date.
func (k *comparer) daySpans(lo, hi int32) [][2]int32 {
	const plain = 20458 // 2026-01-05, a Monday
	cuts := []int32{lo, lo + 1, hi, plain}
	for _, c := range []*Compiled{k.local, k.floor} {
		for i := range c.offers {
			cal := &c.offers[i].calendar
			cuts = append(cuts, cal.from, cal.to+1)
			for _, d := range cal.blackout {
				cuts = append(cuts, d, d+1)
			}
		}
	}
	slices.Sort(cuts)
	cuts = slices.DeleteFunc(slices.Compact(cuts), func(d int32) bool { return d < lo || d > hi })
	var early, late [][2]int32
	for i, first := range cuts {
		span := [2]int32{first, hi}
		if i+1 < len(cuts) {
			span[1] = cuts[i+1] - 1
		}
		if first < plain {
			early = append(early, span)
		} else {
			late = append(late, span)
		}
	}
	return append(late, early...)
}

// minuteBreaks are the minutes of the day at which some calendar may change.
func (k *comparer) minuteBreaks(lo, hi moment) []int16 {
	breaks := []int16{0, lo.minute, hi.minute}
	for _, c := range []*Compiled{k.local, k.floor} {
		for i := range c.offers {
			for _, h := range c.offers[i].calendar.hours {
				breaks = append(breaks, h.from)
				if h.to < dayMinutes {
					breaks = append(breaks, h.to)
				}
			}
		}
	}
	slices.Sort(breaks)
	return slices.Compact(breaks)
}

func activeOn(c *Compiled, day int32) mask {
	var m mask
	for i := range c.offers {
		if cal := &c.offers[i].calendar; cal.always || cal.holdsDay(day) {
			m |= 1 << i
		}
	}
	return m
}

func activeAt(c *Compiled, minute int16) mask {
	var m mask
	for i := range c.offers {
		if c.offers[i].calendar.holdsMinute(minute) {
			m |= 1 << i
		}
	}
	return m
}

// holders are one holder for each set of offers that eligibility allows: in any
// listed territory or in none, of any listed class or of none.
func (k *comparer) holders() []scenario {
	territories, classes := []int32{0}, []uint8{k.unlistedClass()}
	for _, c := range []*Compiled{k.local, k.floor} {
		for i := range c.doc {
			e := &c.doc[i].Eligibility
			territories = append(territories, e.Territories...)
			for _, class := range e.Classes {
				classes = append(classes, uint8(class))
			}
		}
	}
	slices.Sort(territories)
	slices.Sort(classes)
	territories, classes = slices.Compact(territories), slices.Compact(classes)
	type pair struct{ local, floor mask }
	seen := map[pair]bool{}
	var out []scenario
	for _, t := range territories {
		for _, class := range classes {
			h := Holder{County: t, City: t / 100 * 100, Class: class}
			p := pair{eligibleFor(k.local, h), eligibleFor(k.floor, h)}
			if !seen[p] {
				seen[p] = true
				out = append(out, scenario{local: p.local, floor: p.floor, holder: h})
			}
		}
	}
	return out
}

// unlistedClass is a class that no offer names, if there is one.
func (k *comparer) unlistedClass() uint8 {
	var listed [4]uint64
	for _, c := range []*Compiled{k.local, k.floor} {
		for i := range c.offers {
			for w := range listed {
				listed[w] |= c.offers[i].eligible.classes[w]
			}
		}
	}
	for w := range listed {
		if free := ^listed[w]; free != 0 {
			return uint8(w*64 + bits.TrailingZeros64(free))
		}
	}
	return 0
}

func eligibleFor(c *Compiled, h Holder) mask {
	var m mask
	for i := range c.offers {
		if c.offers[i].eligible.holds(h) {
			m |= 1 << i
		}
	}
	return m
}

// usageStates are the sets of offers that usage leaves: every floor offer with
// limits is there or used up; a local offer is there if its limits are implied
// by those of a floor offer that is, or if it has none.
func (k *comparer) usageStates() ([]scenario, bool) {
	var free, unlimited mask
	for i := range k.local.offers {
		if len(k.local.offers[i].limits) == 0 {
			free |= 1 << i
		}
	}
	var classes []scenario // floor offers with the same implied local ones
	for j := range k.floor.offers {
		if len(k.floor.offers[j].limits) == 0 {
			unlimited |= 1 << j
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
	complete := len(classes) <= maxLimitClasses
	n := min(len(classes), maxLimitClasses)
	var out []scenario
	for sub := range 1 << n {
		s := scenario{local: free, floor: unlimited}
		for c := range n {
			if sub>>c&1 == 1 {
				s.local |= classes[c].local
				s.floor |= classes[c].floor
			}
		}
		out = append(out, s)
	}
	return out, complete
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
