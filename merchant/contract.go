package merchant

import (
	"fmt"
	"time"

	"unioncard/merchant/terms"
)

// ContractStatus is where a contract stands.
type ContractStatus string

// The statuses of a contract, as stored. An active or ending contract earns
// discounts within its validity; ended is final.
const (
	ContractDraft     ContractStatus = "draft"
	ContractActive    ContractStatus = "active"
	ContractSuspended ContractStatus = "suspended"
	ContractEnding    ContractStatus = "ending"
	ContractEnded     ContractStatus = "ended"
)

// contractMoves is the state machine of a contract. "notice" sets an earlier end
// in the future, "expire" is time passing the end of the validity.
var contractMoves = []move[ContractStatus]{
	{ContractDraft, "activate", ContractActive},
	{ContractDraft, "end", ContractEnded},
	{ContractActive, "suspend", ContractSuspended},
	{ContractActive, "notice", ContractEnding},
	{ContractActive, "end", ContractEnded},
	{ContractActive, "expire", ContractEnded},
	{ContractSuspended, "resume", ContractActive},
	{ContractSuspended, "end", ContractEnded},
	{ContractSuspended, "expire", ContractEnded},
	{ContractEnding, "suspend", ContractSuspended},
	{ContractEnding, "notice", ContractEnding},
	{ContractEnding, "end", ContractEnded},
	{ContractEnding, "expire", ContractEnded},
}

// MaxYears is the longest that a contract is signed for.
const MaxYears = 10

// CheckLength refuses a validity of over MaxYears, whose last day may be the same
// day of the year as its first, with FieldErrors on "valid_until".
func CheckLength(from, until time.Time) error {
	if !until.After(from.AddDate(MaxYears, 0, 1)) {
		return nil
	}
	return FieldErrors{{Field: "valid_until", Message: fmt.Sprintf("协议有效期最长 %d 年，请改截止日期。", MaxYears)}}
}

// Contract is an agreement between an office and a merchant. In a Snapshot it
// carries its effective Terms and the floors that lift it.
type Contract struct {
	ID          int64
	MerchantID  int64
	OutletID    int64 // 0: the whole merchant
	OfficeID    int64
	Trade       Trade
	Brand       string
	Status      ContractStatus
	ValidFrom   time.Time // inclusive
	ValidUntil  time.Time // exclusive
	RefundUntil time.Time // refunds and reversals are taken up to here
	FloorClause bool      // 随省条款: a risen floor lifts it at the till
	Version     int64

	versions []*TermsVersion // in time order, disjoint; those replaced over an hour ago are left out
	lifts    []lift
	lifting  []*Floor // the floors of lifts
	due      []due
}

// TermsVersion is one published version of a contract's Terms.
type TermsVersion struct {
	Version int32
	SHA256  [32]byte // of the Terms' canonical JSON
	From    time.Time
	Until   time.Time // exclusive; zero: no later version yet
	// Terms is nil if what the database holds does not compile: the contract then
	// has no terms during this version.
	Terms *terms.Compiled
}

// covers says whether at is within [From, Until).
func (v *TermsVersion) covers(at time.Time) bool {
	return !at.Before(v.From) && (v.Until.IsZero() || at.Before(v.Until))
}

// lift is one floor that the contract is below, until its own Terms caught up.
type lift struct {
	floor *Floor
	until time.Time // exclusive; zero: as long as the floor has effect
}

// due is one renegotiation with a deadline, from which the contract is suspended.
type due struct {
	floor *Floor
	from  time.Time // the deadline
	until time.Time // exclusive: when better Terms bind; zero: never yet
}

// overdue says whether a renegotiation's deadline has passed at a moment without
// better Terms, while its floor has effect. It is the rule of overdueSQL.
func (c *Contract) overdue(at time.Time) bool {
	for i := range c.due {
		d := &c.due[i]
		if !at.Before(d.from) && (d.until.IsZero() || at.Before(d.until)) && d.floor.covers(at) {
			return true
		}
	}
	return false
}

// InForce says whether the contract earns discounts at a moment: nil,
// ErrNoContract (draft or not begun), ErrContractSuspended (also past the deadline
// of a renegotiation, before SuspendOverdue has come by) or ErrContractEnded.
func (c *Contract) InForce(at time.Time) error {
	switch {
	case c.Status == ContractEnded || !at.Before(c.ValidUntil):
		return ErrContractEnded
	case c.Status == ContractDraft || at.Before(c.ValidFrom):
		return ErrNoContract
	case c.Status == ContractSuspended || c.overdue(at):
		return ErrContractSuspended
	}
	return nil
}

// TermsAt returns the version of the Terms effective at a moment, which may lie
// up to an hour in the past; nil if none is, or if it does not compile.
func (c *Contract) TermsAt(at time.Time) *TermsVersion {
	for _, v := range c.versions {
		if v.covers(at) {
			if v.Terms == nil {
				return nil
			}
			return v
		}
	}
	return nil
}

// TermsVersion returns a version by its number if it is still held: it has
// effect, will have, or was replaced within the last hour.
func (c *Contract) TermsVersion(version int32) *TermsVersion {
	for _, v := range c.versions {
		if v.Version == version && v.Terms != nil {
			return v
		}
	}
	return nil
}

// Lifts returns the floors that lift the contract at a moment (it has the floor
// clause and its Terms are below them). The caller must not change the slice. It
// allocates only while some of several floors lift and others do not.
func (c *Contract) Lifts(at time.Time) []*Floor {
	n := 0
	for i := range c.lifts {
		if c.lifts[i].holds(at) {
			n++
		}
	}
	switch n {
	case 0:
		return nil
	case len(c.lifts):
		return c.lifting
	}
	some := make([]*Floor, 0, n)
	for i := range c.lifts {
		if c.lifts[i].holds(at) {
			some = append(some, c.lifts[i].floor)
		}
	}
	return some
}

// holds says whether the floor lifts the contract at a moment.
func (l *lift) holds(at time.Time) bool {
	return l.floor.covers(at) && l.floor.Terms != nil && (l.until.IsZero() || at.Before(l.until))
}

// setLifts replaces what lifts the contract.
func (c *Contract) setLifts(lifts []lift) {
	c.lifts, c.lifting = lifts, make([]*Floor, len(lifts))
	for i := range lifts {
		c.lifting[i] = lifts[i].floor
	}
}

// Floor is a version of the province's Terms for a trade or a brand (底线条件),
// below which local Terms may not fall.
type Floor struct {
	ID      int64
	Trade   Trade  // "" for a brand's floor
	Brand   string // "" for a trade's floor
	Version int32
	SHA256  [32]byte
	From    time.Time
	Until   time.Time // exclusive; zero: no later version yet
	// Terms is nil if what the database holds does not compile.
	Terms *terms.Compiled
}

// covers says whether the floor has effect at a moment.
func (f *Floor) covers(at time.Time) bool {
	return !at.Before(f.From) && (f.Until.IsZero() || at.Before(f.Until))
}
