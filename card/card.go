package card

import (
	"errors"
	"fmt"
	"time"
)

// Status is a card's state, as in cards.status. Expired is no status of its own:
// it follows from the last valid day.
type Status uint8

// The statuses.
const (
	StatusNone      Status = 0 // there is no such card
	StatusActive    Status = 1
	StatusSuspended Status = 2
	StatusLost      Status = 3
	StatusCancelled Status = 4
	StatusLeft      Status = 5 // the member left the union
	StatusInactive  Status = 6 // issued, not yet activated
)

var statusNames = [...]string{"none", "active", "suspended", "lost", "cancelled", "left", "inactive"}

func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "unknown"
}

// Live reports whether a card of this status is its member's one live card.
func (s Status) Live() bool {
	return s == StatusActive || s == StatusSuspended || s == StatusLost || s == StatusInactive
}

// Why a card earns nothing. A till is told so only after the code was proved.
var (
	ErrCardSuspended = errors.New("card: suspended")
	ErrCardLost      = errors.New("card: reported lost")
	ErrCardCancelled = errors.New("card: cancelled")
	ErrCardExpired   = errors.New("card: expired")
	ErrMemberLeft    = errors.New("card: the member left the union")
	ErrCardInactive  = errors.New("card: not yet activated")
)

// Err is nil for an active card, else why it earns nothing. A card that does not
// exist gives ErrCodeInvalid, as a code for it would.
func (s Status) Err() error {
	switch s {
	case StatusActive:
		return nil
	case StatusSuspended:
		return ErrCardSuspended
	case StatusLost:
		return ErrCardLost
	case StatusCancelled:
		return ErrCardCancelled
	case StatusLeft:
		return ErrMemberLeft
	case StatusInactive:
		return ErrCardInactive
	}
	return ErrCodeInvalid
}

// Action is what can be done to a card.
type Action string

// The actions.
const (
	ActionIssue      Action = "issue"   // active at once
	ActionPrepare    Action = "prepare" // to be activated
	ActionActivate   Action = "activate"
	ActionSuspend    Action = "suspend"
	ActionResume     Action = "resume"
	ActionReportLost Action = "report_lost"
	ActionFound      Action = "found"
	ActionReplace    Action = "replace"
	ActionCancel     Action = "cancel"
	ActionLeave      Action = "leave"
)

// move is one row of the state machine.
type move struct {
	from   Status
	action Action
	to     Status
}

// moves is the whole state machine of a card. Cancelled and left are final; a
// member who comes back gets a new card. A card lost while suspended or inactive
// is so again when it is found or replaced: see store.go.
var moves = [...]move{
	{StatusNone, ActionIssue, StatusActive},
	{StatusNone, ActionPrepare, StatusInactive},
	{StatusInactive, ActionActivate, StatusActive},
	{StatusActive, ActionSuspend, StatusSuspended},
	{StatusSuspended, ActionResume, StatusActive},
	{StatusActive, ActionReportLost, StatusLost},
	{StatusSuspended, ActionReportLost, StatusLost},
	{StatusInactive, ActionReportLost, StatusLost},
	{StatusLost, ActionFound, StatusActive},
	{StatusActive, ActionReplace, StatusActive},
	{StatusSuspended, ActionReplace, StatusSuspended},
	{StatusLost, ActionReplace, StatusActive},
	{StatusInactive, ActionReplace, StatusInactive},
	{StatusActive, ActionCancel, StatusCancelled},
	{StatusSuspended, ActionCancel, StatusCancelled},
	{StatusLost, ActionCancel, StatusCancelled},
	{StatusInactive, ActionCancel, StatusCancelled},
	{StatusActive, ActionLeave, StatusLeft},
	{StatusSuspended, ActionLeave, StatusLeft},
	{StatusLost, ActionLeave, StatusLeft},
	{StatusInactive, ActionLeave, StatusLeft},
}

// Next is the status after an action, or a *MoveError.
func (s Status) Next(a Action) (Status, error) {
	for _, m := range moves {
		if m.from == s && m.action == a {
			return m.to, nil
		}
	}
	return s, &MoveError{Action: a, From: s}
}

// MoveError is an action that the card's present status does not allow; From is
// StatusNone if there is no such card.
type MoveError struct {
	Action Action
	From   Status
}

func (e *MoveError) Error() string {
	if e.From == StatusNone && e.Action != ActionIssue && e.Action != ActionPrepare {
		return fmt.Sprintf("card: can't %s: there is no such card", e.Action)
	}
	return fmt.Sprintf("card: can't %s a card that is %s", e.Action, e.From)
}

// Entry is what a node knows of a card.
type Entry struct {
	Status     Status
	Generation uint16 // 0 to 999; a replacement raises it, so older codes die
	Class      uint8  // 0 to 7, see members.class
	Last4      uint16 // last four digits of the card number
	Territory  int32  // GB/T 2260 of the member's county or city, or the province's
	Holder     string // masked: 张**
	ValidUntil Month  // the last valid month (Beijing)
	// PhoneEpoch is raised when another phone takes over, modulo 256, so that the
	// keys of the phone before it die. See Store.TakeOver.
	PhoneEpoch uint8
}

// Usable is nil if the card earns something at now, else why not: one of the
// ErrCard errors, ErrMemberLeft, or ErrCodeInvalid for no card.
func (e *Entry) Usable(now time.Time) error {
	if err := e.Status.Err(); err != nil {
		return err
	}
	if MonthOf(now) > e.ValidUntil {
		return ErrCardExpired
	}
	return nil
}

// AppendValidUntil appends the last valid day, as 2027-12-31.
func (e *Entry) AppendValidUntil(b []byte) []byte { return e.ValidUntil.AppendLastDay(b) }

// Month counts months from January 2015, when the network began, in Beijing
// time: 0 is 2015-01, 1023 is 2100-04.
type Month uint16

const (
	firstYear    = 2015
	maxMonth     = Month(1<<monthBits - 1)
	beijingShift = 8 * time.Hour // UTC+8 all year (GB/T 7408.1)
)

// MonthOf is the month of a moment by Beijing's clock, held within 2015-01 and
// 2100-04.
func MonthOf(t time.Time) Month {
	y, m, _ := t.UTC().Add(beijingShift).Date()
	return monthOf(y, m)
}

// monthOfDate is the month of a date as PostgreSQL gives it: at midnight UTC.
func monthOfDate(d time.Time) Month {
	y, m, _ := d.Date()
	return monthOf(y, m)
}

func monthOf(y int, m time.Month) Month {
	return Month(min(max((y-firstYear)*12+int(m)-1, 0), int(maxMonth)))
}

// LastDay is the month's last day, at midnight UTC, as PostgreSQL's date wants.
func (m Month) LastDay() time.Time {
	return time.Date(firstYear, time.January+time.Month(m)+1, 0, 0, 0, 0, 0, time.UTC)
}

// AppendLastDay appends the month's last day, as 2027-12-31.
func (m Month) AppendLastDay(b []byte) []byte { return m.LastDay().AppendFormat(b, time.DateOnly) }

func (m Month) String() string { return string(m.AppendLastDay(nil)) }
