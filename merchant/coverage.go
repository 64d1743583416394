package merchant

import (
	"fmt"
	"slices"
	"time"
)

// OverlapError: two contracts would be in force for one outlet at once, and
// neither gives way to the other.
type OverlapError struct {
	ContractID int64 // the one that stands in the way
	OutletID   int64 // 0: the whole merchant
}

func (e *OverlapError) Error() string {
	return fmt.Sprintf("merchant: contract %d is in force at outlet %d at that time", e.ContractID, e.OutletID)
}

// period is [from, until).
type period struct{ from, until time.Time }

func (p period) overlaps(q period) bool { return p.from.Before(q.until) && q.from.Before(p.until) }

// without returns what is left of p outside all of cut, in time order.
func (p period) without(cut []period) []period {
	left := []period{p}
	for _, q := range cut {
		var rest []period
		for _, l := range left {
			if !l.overlaps(q) {
				rest = append(rest, l)
				continue
			}
			if l.from.Before(q.from) {
				rest = append(rest, period{l.from, q.from})
			}
			if q.until.Before(l.until) {
				rest = append(rest, period{q.until, l.until})
			}
		}
		left = rest
	}
	return left
}

// claim is a live contract's (active, suspended or ending) claim to outlets.
type claim struct {
	contract int64
	outlet   int64 // 0: every outlet of the merchant
	period
}

// deriveCover is the rule of who is under which contract, for one outlet:
//
//   - what a contract that has ended did cover stays as it was (past);
//   - the outlet's own contracts cover it for their validity;
//   - a contract of the whole merchant covers it when none of those does, and
//     takes it back when the outlet's own contract is over.
//
// Claims of other outlets are ignored. It refuses two claims of the same kind
// that overlap with OverlapError.
func deriveCover(outlet int64, claims []claim, past []cover) ([]cover, error) {
	var taken []period
	for _, c := range past {
		taken = append(taken, period{c.from, c.until})
	}
	var rows []cover
	for _, level := range []int64{outlet, 0} { // the outlet's own first
		var seen []claim
		for _, c := range claims {
			if c.outlet != level {
				continue
			}
			if i := slices.IndexFunc(seen, func(d claim) bool { return c.overlaps(d.period) }); i >= 0 {
				return nil, &OverlapError{ContractID: seen[i].contract, OutletID: level}
			}
			seen = append(seen, c)
			for _, p := range c.without(taken) {
				rows = append(rows, cover{c.contract, p.from, p.until})
			}
		}
		for _, c := range seen {
			taken = append(taken, c.period)
		}
	}
	return rows, nil
}
