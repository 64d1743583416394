package budget

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"unioncard/card/union"
	"unioncard/merchant"
	"unioncard/settlement/ledger"
)

// Kind tells a budget from a voucher series' own.
type Kind string

// The kinds, as stored.
const (
	KindBudget Kind = "budget"
	KindSeries Kind = "series"
)

// Status is where a budget stands.
type Status string

// The states, as stored. Closed is final.
const (
	Draft  Status = "draft"
	Open   Status = "open"
	Frozen Status = "frozen"
	Closed Status = "closed"
)

// Entry is what a till's node knows of a budget. It is never changed.
type Entry struct {
	ID       int64
	OfficeID int64
	ParentID int64 // of a series, else 0
	Kind     Kind
	Name     string
	Status   Status
	// FirstDay and LastDay are the days on which it pays, both included.
	FirstDay, LastDay ledger.Day
	Trades            []string // sorted; empty: all
	Merchants         []int64  // sorted; empty: all in the office's territory
	// MemberCapFen is what one card may have of it; 0 for no bound.
	MemberCapFen int64
	// Slices is over how many its money is spread, 1 to 64.
	Slices  int
	Version int64
}

// PaysOn reports whether the budget is open and a moment is on one of its days.
func (e *Entry) PaysOn(at time.Time) bool {
	day := ledger.DayOf(at)
	return e.Status == Open && e.FirstDay <= day && day <= e.LastDay
}

// State is a node's view of the budgets that are not closed, kept current by the
// change feed. Safe for concurrent use; asking it allocates nothing.
type State struct {
	merchants *merchant.State
	tree      func() *union.Tree
	now       atomic.Pointer[map[int64]*Entry]
	mu        sync.Mutex // one application of changes at a time
	short     sync.Map   // of shortage, by budget
}

// NewState returns an empty state. Where a budget pays follows from the merchants'
// offices in the tree.
func NewState(merchants *merchant.State, tree func() *union.Tree) *State {
	s := &State{merchants: merchants, tree: tree}
	s.now.Store(&map[int64]*Entry{})
	return s
}

// Get returns a budget that is open or frozen, else nil.
func (s *State) Get(id int64) *Entry { return (*s.now.Load())[id] }

// Pays reports whether a budget is open and pays at a moment, at a merchant of a
// trade. It says nothing of how much is left.
func (s *State) Pays(id int64, at time.Time, merchantID int64, trade string) bool {
	e := s.Get(id)
	if e == nil || !e.PaysOn(at) {
		return false
	}
	m := s.merchants.Snapshot().Merchant(merchantID)
	return m != nil && e.PaysAt(s.tree(), m.OfficeID, merchantID, trade)
}

// PaysAt reports whether the budget pays at a merchant of an office, whatever the
// moment. A merchant of an upper office has to be named.
func (e *Entry) PaysAt(tree *union.Tree, officeID, merchantID int64, trade string) bool {
	if len(e.Trades) > 0 {
		if _, ok := slices.BinarySearch(e.Trades, trade); !ok {
			return false
		}
	}
	if len(e.Merchants) == 0 {
		return tree.InScope(e.OfficeID, officeID)
	}
	_, named := slices.BinarySearch(e.Merchants, merchantID)
	return named && (tree.InScope(e.OfficeID, officeID) || tree.InScope(officeID, e.OfficeID))
}
