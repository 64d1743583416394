package merchant

import "time"

// Snapshot is everything the tills' view holds of merchants at one moment. It is
// immutable: pointers got from it stay as they are and may be kept for as long
// as one request takes.
type Snapshot struct {
	merchants index[int64, *Merchant]
	outlets   index[int64, *Outlet]
	terminals index[int64, *Terminal]
	clients   index[string, *Terminal] // by client id
	contracts index[int64, *Contract]
	// belongs is a merchant's outlets, for the changes that touch all of them.
	belongs index[int64, []int64]
	// floors is every floor in effect or to come, or replaced within the last
	// hour, by id.
	floors map[int64]*Floor
	// broken counts the versions of Terms and floors that do not compile.
	broken int
	// categories are the names of all item categories by code, the retired ones too.
	categories map[string]string
}

// newSnapshot returns a snapshot that holds nothing.
func newSnapshot() *Snapshot {
	return &Snapshot{
		merchants: newIndex[int64, *Merchant](hashID),
		outlets:   newIndex[int64, *Outlet](hashID),
		terminals: newIndex[int64, *Terminal](hashID),
		clients:   newIndex[string, *Terminal](hashString),
		contracts: newIndex[int64, *Contract](hashID),
		belongs:   newIndex[int64, []int64](hashID),
		floors:    map[int64]*Floor{},
	}
}

// Merchant returns a merchant by id, nil if there is none.
func (s *Snapshot) Merchant(id int64) *Merchant { m, _ := s.merchants.get(id); return m }

// Outlet returns an outlet by id, nil if there is none.
func (s *Snapshot) Outlet(id int64) *Outlet { o, _ := s.outlets.get(id); return o }

// Terminal returns a terminal by id, nil if there is none.
func (s *Snapshot) Terminal(id int64) *Terminal { t, _ := s.terminals.get(id); return t }

// TerminalByClient returns a terminal by its OAuth client id, nil if there is none.
func (s *Snapshot) TerminalByClient(clientID string) *Terminal {
	t, _ := s.clients.get(clientID)
	return t
}

// Contract returns a contract by id, nil if there is none.
func (s *Snapshot) Contract(id int64) *Contract { c, _ := s.contracts.get(id); return c }

// Floor returns a floor by id; nil if there is none or it was replaced over an
// hour ago.
func (s *Snapshot) Floor(id int64) *Floor { return s.floors[id] }

// CategoryName is what people call an item category, its code if that has no name.
func (s *Snapshot) CategoryName(code string) string {
	if name := s.categories[code]; name != "" {
		return name
	}
	return code
}

// InForce returns the contract under which an outlet earns discounts at a
// moment, or why there is none: ErrNotFound, ErrMerchantExited, ErrOutletClosed,
// ErrNoContract, ErrContractSuspended (also for a suspended merchant) or
// ErrContractEnded.
func (s *Snapshot) InForce(outletID int64, at time.Time) (*Contract, error) {
	o := s.Outlet(outletID)
	if o == nil {
		return nil, ErrNotFound
	}
	m := s.Merchant(o.MerchantID)
	if m == nil {
		return nil, ErrNotFound
	}
	if m.Status == MerchantExited {
		return nil, ErrMerchantExited
	}
	if err := o.Usable(); err != nil {
		return nil, err
	}
	id, over, ok := o.contractAt(at)
	if !ok {
		if over {
			return nil, ErrContractEnded
		}
		return nil, ErrNoContract
	}
	c := s.Contract(id)
	if c == nil {
		return nil, ErrNoContract
	}
	if err := c.InForce(at); err != nil {
		return nil, err
	}
	if err := m.Usable(); err != nil {
		return nil, err
	}
	return c, nil
}

// Counts is the size of a snapshot, for metrics and logs.
type Counts struct {
	Merchants, Outlets, Terminals, Contracts, Floors int
	// Broken is how many versions of Terms and floors in view do not compile.
	Broken int
}

// Counts returns the size of the snapshot.
func (s *Snapshot) Counts() Counts {
	return Counts{
		Merchants: s.merchants.len(), Outlets: s.outlets.len(), Terminals: s.terminals.len(),
		Contracts: s.contracts.len(), Floors: len(s.floors), Broken: s.broken,
	}
}
