package merchant

import (
	"slices"
	"time"
)

// OutletStatus is whether an outlet is open.
type OutletStatus string

// The statuses of an outlet, as stored. Closed is final.
const (
	OutletActive    OutletStatus = "active"
	OutletSuspended OutletStatus = "suspended"
	OutletClosed    OutletStatus = "closed"
)

var outletMoves = []move[OutletStatus]{
	{OutletActive, "suspend", OutletSuspended},
	{OutletSuspended, "resume", OutletActive},
	{OutletActive, "close", OutletClosed},
	{OutletSuspended, "close", OutletClosed},
}

// openMoves are those of an outlet that has never been open.
var openMoves = []move[OutletStatus]{{OutletSuspended, "open", OutletActive}}

// Outlet is a shop or a service window.
type Outlet struct {
	ID         int64
	MerchantID int64
	Name       string
	Territory  int32 // GB/T 2260 division of the county or city it stands in
	Status     OutletStatus
	Version    int64

	cover []cover // which contract covers it when, in time order, disjoint
}

// cover is one row of contract_outlets: contract covers the outlet during
// [from, until).
type cover struct {
	contract    int64
	from, until time.Time
}

// Usable says whether the outlet is open: nil or ErrOutletClosed.
func (o *Outlet) Usable() error {
	switch o.Status {
	case OutletActive:
		return nil
	case OutletSuspended:
		return errOutletSuspended
	default:
		return ErrOutletClosed
	}
}

// contractAt returns the contract that covers the outlet at a moment; if none
// does, over says whether one did before.
func (o *Outlet) contractAt(at time.Time) (id int64, over, ok bool) {
	for i := range o.cover {
		c := &o.cover[i]
		if at.Before(c.from) {
			return 0, over, false
		}
		if at.Before(c.until) {
			return c.contract, false, true
		}
		over = true
	}
	return 0, over, false
}

// withCover returns a copy of the outlet with other coverage.
func (o *Outlet) withCover(rows []cover) *Outlet {
	n := *o
	n.cover = slices.Clone(rows)
	slices.SortFunc(n.cover, func(a, b cover) int { return a.from.Compare(b.from) })
	return &n
}
