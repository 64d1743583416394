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
	// least are those of local that the floor's limits imply or that have none.
	least mask
}

// scenarios are all combinations that can matter, each set of available offers
// once; of two where one has no more local and no fewer floor offers only that
// one is kept, if no offer stacks. Extras are those with more local offers than
// need be there, see usageStates. It reports false if there were too many.
func (k *comparer) scenarios(from, until time.Time) (out, extras []scenario, complete bool) {
	usage, complete := k.usageStates()
	type pair struct{ local, floor mask }
	seen, seenExtra := map[pair]bool{}, map[[3]mask]bool{}
	holders := k.holders()
	for _, m := range k.moments(from, until) {
		for _, h := range holders {
			for _, u := range usage {
				p := pair{m.local & h.local & u.local, m.floor & h.floor & u.floor}
				least := m.local & h.local & u.least
				s := scenario{p.local, p.floor, m.at, h.holder, least}
				switch id := [3]mask{p.local, p.floor, least}; {
				case p.floor == 0:
				case least != p.local && !seenExtra[id]:
					seenExtra[id] = true
					extras = append(extras, s)
				case least == p.local && !seen[p]:
					seen[p] = true
					out = append(out, s)
				}
			}
		}
	}
	if len(k.local.stack)+len(k.floor.stack) > 0 {
		return out, extras, complete
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
	return kept, nil, complete
}

// moments are one moment for each set of offers that calendars leave active.
func (k *comparer) moments(from, until time.Time) []scenario {
	lo, hi := moment{day: dayMin}, moment{day: dayMax}
	if !from.IsZero() {
		lo = momentOf(from)
	}
	if !until.IsZero() {
		hi = momentOf(until.Add(-1))
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
