package merchant

import "time"

// Listing is what the public directory may say of an outlet at a moment: under
// which contract it earns discounts, by which Terms, and when that may change by
// the clock alone.
type Listing struct {
	Outlet   *Outlet
	Merchant *Merchant
	// Contract is nil while the outlet is not to be listed; Terms and Lifts then
	// are empty too.
	Contract *Contract
	Terms    *TermsVersion
	Lifts    []*Floor
	// Next is the first moment after the one asked for at which the answer may be
	// another one although nobody changes anything; zero: never.
	Next time.Time
	// Stays says that the outlet is still listed at Next.
	Stays bool
}

// Listing returns how an outlet is listed at a moment: an active outlet of an
// active merchant, under a contract in force that has Terms. Outlet is nil for
// one that is not in view.
func (s *Snapshot) Listing(outletID int64, at time.Time) Listing {
	l := s.listing(outletID, at)
	if l.Outlet == nil {
		return l
	}
	l.Next = s.nextBoundary(l.Outlet, at)
	if l.Contract != nil && !l.Next.IsZero() {
		l.Stays = s.listing(outletID, l.Next).Contract != nil
	}
	return l
}

func (s *Snapshot) listing(outletID int64, at time.Time) Listing {
	l := Listing{Outlet: s.Outlet(outletID)}
	if l.Outlet == nil {
		return l
	}
	if l.Merchant = s.Merchant(l.Outlet.MerchantID); l.Merchant == nil {
		return l
	}
	c, err := s.InForce(outletID, at)
	if err != nil {
		return l
	}
	if l.Terms = c.TermsAt(at); l.Terms == nil {
		return l
	}
	l.Contract, l.Lifts = c, c.Lifts(at)
	return l
}

// nextBoundary is the first moment after at at which coverage, a contract, its
// Terms, or a floor that it is below begins or ends.
func (s *Snapshot) nextBoundary(o *Outlet, at time.Time) (next time.Time) {
	mark := func(t time.Time) {
		if t.After(at) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for i := range o.cover {
		cover := &o.cover[i]
		if !cover.until.After(at) {
			continue
		}
		mark(cover.from)
		mark(cover.until)
		c := s.Contract(cover.contract)
		if c == nil {
			continue
		}
		mark(c.ValidFrom)
		mark(c.ValidUntil)
		for _, v := range c.versions {
			mark(v.From)
			mark(v.Until)
		}
		for k := range c.lifts {
			mark(c.lifts[k].until)
			mark(c.lifts[k].floor.From)
			mark(c.lifts[k].floor.Until)
		}
		for k := range c.due {
			mark(c.due[k].from)
			mark(c.due[k].until)
			mark(c.due[k].floor.From)
			mark(c.due[k].floor.Until)
		}
	}
	return next
}

// EachOutlet calls f for every outlet in view, in no order.
func (s *Snapshot) EachOutlet(f func(*Outlet)) {
	s.outlets.each(func(_ int64, o *Outlet) { f(o) })
}

// OutletsOf returns the ids of a merchant's outlets. It must not be changed.
func (s *Snapshot) OutletsOf(merchantID int64) []int64 {
	ids, _ := s.belongs.get(merchantID)
	return ids
}
