package purchase

import (
	"net/netip"
	"time"

	"github.com/google/uuid"

	"unioncard/card"
	"unioncard/merchant"
	"unioncard/merchant/terms"
)

// Client is who asks: an authenticated terminal or POS server.
type Client struct {
	Terminal *merchant.Terminal
	// Addr is the network address the guess budget counts against.
	Addr netip.Addr
}

// VerifyRequest is a shown code and perhaps a basket.
type VerifyRequest struct {
	Code string
	// OutletID: 0 is the terminal's own; a POS server must name one.
	OutletID int64
	// HasAmount tells amount 0 from no amount. Without amount and items there is
	// no quote; with both, the items must add up to the amount.
	HasAmount bool
	AmountFen int64
	Items     []terms.Item
}

// AppliedOffer is an offer that contributes to a quote.
type AppliedOffer struct {
	ID, Title   string
	DiscountFen int64
}

// DeclinedOffer is an offer that does not, and why.
type DeclinedOffer struct {
	ID, Title string
	Reason    terms.Reason
	// NeedFen is how much more in scope would earn it, where Reason is about that.
	NeedFen int64
}

// VerifyAnswer is filled by Verify. The caller owns it and may use it again: its
// slices keep their memory.
type VerifyAnswer struct {
	NumberMasked, HolderMasked string
	// Union is the county or city union, never the grassroots union, which would
	// name the employer.
	Union string
	// ValidUntil is the card's last valid day, as 2006-01-02.
	ValidUntil []byte
	Kind       card.CodeKind
	// CheckHolder: a printed or typed code can be copied, so the till is to compare
	// the holder's name.
	CheckHolder bool

	HasQuote                           bool
	Token                              []byte
	ExpiresAt                          time.Time
	AmountFen, DiscountFen, PayableFen int64
	// Lifted: a floor's Terms earn more than the contract's and apply whole.
	Lifted   bool
	Applied  []AppliedOffer
	Declined []DeclinedOffer

	// Age is how old this node's view of cards and contracts is.
	Age          time.Duration
	TermsVersion int32
	// Stale: the view is older than the limit, so there is no quote.
	Stale bool

	// What the journal keeps of it.
	serial     int64
	outletID   int64
	contractID int64
}

// CommitRequest asks to record a quoted purchase under an idempotency key.
type CommitRequest struct {
	Key, Quote string
	// Items are the quoted ones again, or none if none were quoted.
	Items []terms.Item
	// MerchantRef and Operator are the merchant's own, at most 64 characters each.
	MerchantRef, Operator string
}

// Receipt is a purchase as its till sees it.
type Receipt struct {
	ID    uuid.UUID
	State State
	// PayableFen = AmountFen - DiscountFen; DiscountFen = MerchantShareFen +
	// UnionShareFen, who carries it.
	AmountFen, DiscountFen, PayableFen int64
	MerchantShareFen, UnionShareFen    int64
	// ReturnedFen is money given back to the member so far, GivenBackFen the
	// discount taken back with it.
	ReturnedFen, GivenBackFen int64
	CommittedAt               time.Time
	Key, MerchantRef          string
	OutletID                  int64
	// Replayed: this is the first answer under the key, given again.
	Replayed bool
}

// RefundRequest asks to give money back: AmountFen or Lines, not both.
type RefundRequest struct {
	AmountFen        int64
	Lines            []RefundLine
	Reason, Operator string
}

// RefundLine names a line of the purchase, from 1, and how much of it comes back.
type RefundLine struct {
	Line int
	// QtyMilli is in thousandths; 0 is all that remains of the line.
	QtyMilli int64
}

// UndoAnswer is what a void, refund or reversal did.
type UndoAnswer struct {
	PurchaseID uuid.UUID
	// Seq numbers the undos of a purchase from 1.
	Seq   int
	State State
	// What this undo gave back: money to the member, and discount.
	ReturnedFen, GivenBackFen int64
	// RemainingFen is the money that can still be returned.
	RemainingFen int64
	// Adjustment: the purchase's business day was closed, so this posts to a later one.
	Adjustment bool
	At         time.Time
	Replayed   bool
}

// ReversalAnswer is what stands under a reversed key: the purchase undone, or a
// tombstone, which means nothing was and nothing will be bought under it.
type ReversalAnswer struct {
	UndoAnswer
	// Found is false for a tombstone; then PurchaseID is the nil UUID.
	Found bool
}
