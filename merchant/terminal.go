package merchant

import "crypto/ed25519"

// TerminalStatus is whether a terminal may act.
type TerminalStatus string

// The statuses of a terminal, as stored. Retired is final.
const (
	TerminalActive    TerminalStatus = "active"
	TerminalSuspended TerminalStatus = "suspended"
	TerminalRetired   TerminalStatus = "retired"
)

var terminalMoves = []move[TerminalStatus]{
	{TerminalActive, "suspend", TerminalSuspended},
	{TerminalSuspended, "resume", TerminalActive},
	{TerminalActive, "retire", TerminalRetired},
	{TerminalSuspended, "retire", TerminalRetired},
}

// Terminal is a device in one outlet, or a merchant's POS server acting for all
// its outlets. Either is one OAuth client with a key of its own.
type Terminal struct {
	ID           int64
	MerchantID   int64
	OutletID     int64 // 0 for a POS server
	POSServer    bool
	ClientID     string
	Status       TerminalStatus
	TypedAllowed bool // whether card numbers may be typed by hand here
	PublicKey    ed25519.PublicKey
	Version      int64
}

// Usable says whether the terminal may act: nil or ErrTerminalSuspended.
func (t *Terminal) Usable() error {
	if t.Status == TerminalActive {
		return nil
	}
	return ErrTerminalSuspended
}

// MayAct says whether the terminal may act for an outlet: its own, or for a POS
// server any of its merchant's. Anything else is ErrNotFound (invariant 9).
func (t *Terminal) MayAct(o *Outlet) error {
	if o == nil || o.MerchantID != t.MerchantID || (!t.POSServer && o.ID != t.OutletID) {
		return ErrNotFound
	}
	return nil
}
