package main

import (
	"unioncard/settlement/purchase"
)

// sold hears of every purchase as it is recorded. Lanes call it; nothing in it
// waits.
func (n *node) sold(s purchase.Sale) {
	if s.DiscountFen > 0 {
		n.listing.signs.Sold(s.OutletID, s.At)
	}
}
