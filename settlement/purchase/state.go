package purchase

// State is the state of a purchase, as stored in purchases.state.
type State int16

// The states. A tombstone is a key that was reversed before anything was bought
// under it; it holds the key and is no purchase.
const (
	StateCommitted         State = 1
	StateVoided            State = 2
	StateReversed          State = 3
	StatePartiallyRefunded State = 4
	StateRefunded          State = 5
	StateTombstone         State = 9
)

// String returns the state's name in the API.
func (s State) String() string {
	switch s {
	case StateCommitted:
		return "committed"
	case StateVoided:
		return "voided"
	case StateReversed:
		return "reversed"
	case StatePartiallyRefunded:
		return "partially_refunded"
	case StateRefunded:
		return "refunded"
	case StateTombstone:
		return "tombstone"
	}
	return "unknown"
}

// action is what can be done to a purchase.
type action int16

const (
	actVoid       action = iota + 1
	actReverse           // leaves a tombstone where there is no purchase
	actRefund            // and something remains
	actRefundRest        // and nothing remains
)

// moves is the state machine: who may is the same for every row, the merchant's
// own client for the outlet (scope.go). What is not here is ErrPurchaseUndone;
// a second reversal is no move, it repeats its answer.
var moves = map[State]map[action]State{
	StateCommitted: {
		actVoid: StateVoided, actReverse: StateReversed,
		actRefund: StatePartiallyRefunded, actRefundRest: StateRefunded,
	},
	StatePartiallyRefunded: {
		actVoid: StateVoided, actReverse: StateReversed,
		actRefund: StatePartiallyRefunded, actRefundRest: StateRefunded,
	},
	// Nothing is left to give back; but who was told that the key is reversed must
	// never be told that the purchase stands.
	StateVoided:   {actReverse: StateReversed},
	StateRefunded: {actReverse: StateReversed},
}

// move returns the state after the action, or ErrPurchaseUndone.
func (s State) move(a action) (State, error) {
	to, ok := moves[s][a]
	if !ok {
		return s, ErrPurchaseUndone
	}
	return to, nil
}
