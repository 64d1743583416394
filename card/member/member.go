// Package member holds the members of the unions: who is registered where, and how
// a membership moves (article 22: grassroots unions register members).
//
// # States
//
// A membership is in the union, left or retired; the table in move.go says what
// leads from one to another. Between two unions a member moves by a transfer that
// both see: the receiving union asks, the releasing one agrees or declines; without
// an answer it goes through after 15 days.
//
// # Invariants
//
// One person is one member in the whole province, left or not, and one phone number
// belongs to at most one membership that has not ended (unique indexes on keyed
// hashes). A member has at most one open transfer. Leaving cancels the card;
// a transfer takes it along. Personal values stand only in sealed columns: events,
// errors and logs hold ids and names of fields (invariant 11).
package member

import (
	"errors"
	"fmt"
	"time"

	"unioncard/card/personal"
)

// Status is a membership's state, as in members.status.
type Status uint8

// The statuses.
const (
	StatusNone    Status = 0 // there is no such member
	StatusIn      Status = 1
	StatusLeft    Status = 2
	StatusRetired Status = 3 // keeps the card
)

var statusNames = [...]string{"none", "in", "left", "retired"}

func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "unknown"
}

// Live reports whether the membership has not ended.
func (s Status) Live() bool { return s == StatusIn || s == StatusRetired }

// Member is a membership as pages show it: masked.
type Member struct {
	ID          int64
	UnionID     int64
	Union       string // its name
	Path        string // its path
	Name        string // masked, as on tills
	ResidentID  string // masked, "" for a member of before personal data or erased
	Phone       string // masked, "" without one
	Class       uint8
	Status      Status
	JoinedOn    time.Time // date at midnight UTC, zero if unknown
	RetiredOn   time.Time // zero unless retired, or of before it was kept
	LeftOn      time.Time // zero unless left
	ErasedAt    time.Time // zero unless erased
	CreatedAt   time.Time
	Version     int64
	Transfer    int64 // the open transfer, 0 if none
	HasPersonal bool  // there is something to reveal
}

// Errors of members.
var (
	// ErrNotFound: no such member or transfer.
	ErrNotFound = errors.New("member: no such member")
	// ErrStale: somebody else has changed the member since the form was opened.
	ErrStale = errors.New("member: changed meanwhile")
	// ErrUnion: no union takes members under that id: it does not exist, has been
	// merged, or is no grassroots union.
	ErrUnion = errors.New("member: this union takes no members")
	// ErrMoving: the member has an open transfer already.
	ErrMoving = errors.New("member: a transfer is open")
	// ErrHere: the member is in the receiving union already.
	ErrHere = errors.New("member: is in this union already")
	// ErrNoData: nothing personal is kept of the member: erased, or from before.
	ErrNoData = errors.New("member: nothing personal is kept")
)

// TakenError: the resident ID or phone number belongs to another membership.
type TakenError struct {
	Field    string // personal.FieldResidentID or FieldPhone
	MemberID int64  // 0 if it came and went meanwhile
	UnionID  int64
	Union    string // name
	Path     string // for the asker's territory: outside it only the union's name may be told
	Status   Status
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("member: the %s is that of member %d", e.Field, e.MemberID)
}

// InvalidError is a form whose personal values can't be taken, field by field.
type InvalidError struct{ Faults []*personal.Fault }

func (e *InvalidError) Error() string {
	return fmt.Sprintf("member: %d fields at fault", len(e.Faults))
}

// check normalises a person's values. A phone may be missing.
func check(p personal.Person, today time.Time) (personal.Person, error) {
	var bad []*personal.Fault
	add := func(err error) {
		if f, ok := errors.AsType[*personal.Fault](err); ok {
			bad = append(bad, f)
		}
	}
	id, err := personal.CheckResidentID(p.ResidentID)
	if err == nil {
		err = id.CheckAge(today)
	}
	add(err)
	out := personal.Person{ResidentID: string(id)}
	if p.Phone != "" {
		out.Phone, err = personal.ParsePhone(p.Phone)
		add(err)
	}
	out.Name, err = personal.ParseName(p.Name)
	add(err)
	if bad != nil {
		return personal.Person{}, &InvalidError{Faults: bad}
	}
	return out, nil
}
