package merchant

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"unioncard/merchant/terms"
)

// ErrBelowFloor: Terms would be worse for the member than a floor that binds
// them (invariant 1). Errors of this kind are a *BelowFloorError.
var ErrBelowFloor = errors.New("merchant: terms are below a floor")

// Bound is what Terms may not fall below: a floor, or for an outlet's own
// contract under a province-signed chain the chain's Terms.
type Bound struct {
	FloorID    int64  // 0 for a chain's Terms
	ContractID int64  // the chain's contract, 0 for a floor
	Trade      Trade  // of a trade's floor
	Brand      string // of a brand's floor
	Version    int32  // of the floor, or of the chain's Terms
}

func (b Bound) String() string {
	switch {
	case b.ContractID != 0:
		return fmt.Sprintf("version %d of contract %d", b.Version, b.ContractID)
	case b.Brand != "":
		return fmt.Sprintf("version %d of the floor of brand %s", b.Version, b.Brand)
	default:
		return fmt.Sprintf("version %d of the floor of trade %s", b.Version, b.Trade)
	}
}

// BelowFloorError carries the proof: a basket on which the Terms give less than
// the bound, with both discounts, or the offers that could not be decided.
type BelowFloorError struct {
	Bound      Bound
	Comparison terms.Comparison
}

func (e *BelowFloorError) Error() string {
	c := &e.Comparison
	if c.Verdict != terms.Worse || c.Counterexample == nil {
		return fmt.Sprintf("merchant: terms cannot be proved to meet %s (offers %s)", e.Bound, strings.Join(c.Offers, ", "))
	}
	return fmt.Sprintf("merchant: terms are below %s: on a basket of %d fen they give %d fen, it gives %d fen",
		e.Bound, c.Counterexample.AmountFen, c.LocalFen, c.FloorFen)
}

// Is makes errors.Is(err, ErrBelowFloor) true.
func (e *BelowFloorError) Is(target error) bool { return target == ErrBelowFloor }

// Below is a contract that a published floor (or a chain's new Terms) outgrew.
type Below struct {
	ContractID   int64
	TermsVersion int32
	Comparison   terms.Comparison
	// Lifted: the contract has the floor clause, the till lifts it from the
	// floor's start. Otherwise Deadline is when it is suspended by itself; zero
	// under a chain, whose Terms set no deadline.
	Lifted   bool
	Deadline time.Time
	// Resolved is the start of a version already published that meets the floor;
	// zero: none.
	Resolved time.Time
}

// version is a published version of Terms as stored: of a contract, or a floor.
type version struct {
	Bound Bound // which; of a contract's Terms only ContractID and Version
	Doc   *terms.Terms
	sum   string // SHA-256 of the canonical JSON; "" for bounds
	from  time.Time
	until time.Time // far for none
}

// far stands for "no end" where periods are compared.
var far = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

func (v version) period() period { return period{v.from, v.until} }

// timeless says whether none of the offers has a calendar.
func (v version) timeless() bool {
	return !slices.ContainsFunc(v.Doc.Offers, func(o terms.Offer) bool {
		c := &o.Calendar
		return c.From != "" || c.To != "" || len(c.Weekdays)+len(c.Hours)+len(c.Blackout) > 0
	})
}

// intersect is what two periods have in common; ok is false if nothing.
func (p period) intersect(q period) (both period, ok bool) {
	both = p
	if q.from.After(both.from) {
		both.from = q.from
	}
	if q.until.Before(both.until) {
		both.until = q.until
	}
	return both, both.from.Before(both.until)
}

// compareWithin compares Terms with a bound over the time both are valid.
func compareWithin(local, bound *terms.Compiled, p period) terms.Comparison {
	var until time.Time // zero: no end
	if p.until.Before(far) {
		until = p.until
	}
	return terms.CompareWithin(local, bound, p.from, until)
}

// holdAgainst compares Terms that bind during p with everything they may not
// fall below; the first that they do is a BelowFloorError.
func holdAgainst(local *terms.Compiled, p period, bounds []version) error {
	for _, b := range bounds {
		c, _, ok, err := b.hold(local, p)
		if err != nil {
			return err
		}
		if ok && c.Verdict != terms.NotWorse {
			return &BelowFloorError{Bound: b.Bound, Comparison: c}
		}
	}
	return nil
}

// hold compares Terms that bind during p with the bound v, over the time that
// both are valid; ok is false if there is none.
func (v version) hold(local *terms.Compiled, p period) (c terms.Comparison, both period, ok bool, err error) {
	if both, ok = p.intersect(v.period()); !ok {
		return c, both, false, nil
	}
	bound, err := v.Doc.Compile()
	if err != nil {
		return c, both, false, fmt.Errorf("merchant: %s: %w", v.Bound, err)
	}
	return compareWithin(local, bound, both), both, true, nil
}

// belowBound finds a contract's versions that fall below a bound while the
// contract is valid: the first of them, and when the last of them is replaced
// (zero: never). ok is false if none does.
func belowBound(valid period, versions []version, bound version, compare func(version, period) (terms.Comparison, error)) (b Below, ok bool, err error) {
	slices.SortFunc(versions, func(x, y version) int { return x.from.Compare(y.from) })
	for _, v := range versions {
		both, overlap := v.period().intersect(valid)
		if overlap {
			both, overlap = both.intersect(bound.period())
		}
		if !overlap {
			continue
		}
		c, err := compare(v, both)
		if err != nil {
			return Below{}, false, err
		}
		if c.Verdict == terms.NotWorse {
			continue
		}
		if !ok {
			b = Below{ContractID: v.Bound.ContractID, TermsVersion: v.Bound.Version, Comparison: c}
		}
		ok, b.Resolved = true, time.Time{}
		if v.until.Before(far) {
			b.Resolved = v.until
		}
	}
	return b, ok, nil
}

// comparisonJSON is how a comparison is kept with a renegotiation.
func comparisonJSON(c terms.Comparison) ([]byte, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("merchant: comparison: %w", err)
	}
	return b, nil
}
