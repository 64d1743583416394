package settlement

import (
	"errors"
	"fmt"

	"unioncard/merchant"
)

// What a caller branches on.
var (
	// ErrChanged: somebody has changed the statement or payment since it was shown.
	ErrChanged = errors.New("settlement: changed meanwhile")
	// ErrNothingToPay: no confirmed statement of the days chosen is to be paid.
	ErrNothingToPay = errors.New("settlement: nothing to pay")
	// ErrDayNotOver: a business day is closed when it is over.
	ErrDayNotOver = errors.New("settlement: the day is not over")
	// ErrClosing: another closer is at work.
	ErrClosing = errors.New("settlement: another closer is at work")
	// ErrNotSent: a payment's bank file exists once it is approved.
	ErrNotSent = errors.New("settlement: payment is not approved")
)

// State is where a statement stands.
type State string

// The states of a statement, as stored. A confirmed and a resolved one are payable.
const (
	StateClosed    State = "closed"
	StateConfirmed State = "confirmed"
	StateDisputed  State = "disputed"
	StateResolved  State = "resolved"
	StatePaid      State = "paid"
)

// States lists the states in their order.
func States() []State {
	return []State{StateClosed, StateConfirmed, StateDisputed, StateResolved, StatePaid}
}

// The actions on a statement.
const (
	actConfirm = "confirm" // by the merchant, by staff for it, or by itself after the term
	actDispute = "dispute" // by the merchant, or by staff for it, within the term
	actResolve = "resolve" // by the office's finance; with money, by two people
	actPay     = "pay"     // by the bank's answer
	actReturn  = "return"  // by the bank's answer
)

// moves is the state machine of a statement.
var moves = map[State]map[string]State{
	StateClosed:    {actConfirm: StateConfirmed, actDispute: StateDisputed},
	StateDisputed:  {actResolve: StateResolved},
	StateConfirmed: {actPay: StatePaid},
	StateResolved:  {actPay: StatePaid},
	StatePaid:      {actReturn: StateConfirmed},
}

// next makes one move; *merchant.MoveError for one that there is not.
func next(id int64, from State, action string) (State, error) {
	to, ok := moves[from][action]
	if !ok {
		return "", &merchant.MoveError{Object: statementObject(id), From: string(from), Action: action}
	}
	return to, nil
}

// May says whether a statement in this state takes an action: "confirm", "dispute",
// "resolve".
func (s State) May(action string) bool { return moves[s][action] != "" }

// Payable says whether a statement in this state may be taken into a payment.
func (s State) Payable() bool { return s == StateConfirmed || s == StateResolved }

func statementObject(id int64) string { return fmt.Sprintf("statement:%d", id) }
func paymentObject(id int64) string   { return fmt.Sprintf("payment:%d", id) }
