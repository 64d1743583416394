package member

import "fmt"

// Action is what can be done to a membership.
type Action string

// The actions.
const (
	ActionRegister Action = "register"
	ActionLeave    Action = "leave"
	ActionRejoin   Action = "rejoin"
	ActionRetire   Action = "retire"
	ActionTransfer Action = "transfer" // to ask for one, and to carry it out
	ActionErase    Action = "erase"
)

// moves is the whole state machine of a membership. Erasure empties a membership
// that has ended; the row stays, for the cards and purchases that name it.
var moves = [...]struct {
	from   Status
	action Action
	to     Status
}{
	{StatusNone, ActionRegister, StatusIn},
	{StatusIn, ActionLeave, StatusLeft},
	{StatusRetired, ActionLeave, StatusLeft},
	{StatusLeft, ActionRejoin, StatusIn},
	{StatusRetired, ActionRejoin, StatusIn}, // back at work
	{StatusIn, ActionRetire, StatusRetired},
	{StatusIn, ActionTransfer, StatusIn},
	{StatusRetired, ActionTransfer, StatusRetired},
	{StatusLeft, ActionErase, StatusLeft},
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

// MoveError is an action that the membership's present status does not allow.
type MoveError struct {
	Action Action
	From   Status
}

func (e *MoveError) Error() string {
	return fmt.Sprintf("member: can't %s a member who is %s", e.Action, e.From)
}
