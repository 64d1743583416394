package settlement

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"unioncard/settlement/ledger"
)

// Figures are what a merchant, or one of its outlets, did on a business day. An
// undoing of an earlier day's purchase is not among them: it is an Adjustment.
type Figures struct {
	Purchases        int64 `json:"purchases"`
	GrossFen         int64 `json:"gross_fen"` // before discount
	DiscountFen      int64 `json:"discount_fen"`
	MerchantShareFen int64 `json:"merchant_share_fen"`
	UnionShareFen    int64 `json:"union_share_fen"`
	Undone           int64 `json:"undone"`  // voided or reversed the same day
	Refunds          int64 `json:"refunds"` // refunds the same day
	// What the day's undoings gave back: money to members, discount, and the union's
	// share of that discount.
	ReturnedFen  int64 `json:"returned_fen"`
	GivenBackFen int64 `json:"given_back_fen"`
	UnionBackFen int64 `json:"union_back_fen"`
}

// NetDiscountFen is the discount that members kept of the day's purchases by its end.
func (f Figures) NetDiscountFen() int64 { return f.DiscountFen - f.GivenBackFen }

func (f *Figures) add(g *Figures) {
	f.Purchases += g.Purchases
	f.GrossFen += g.GrossFen
	f.DiscountFen += g.DiscountFen
	f.MerchantShareFen += g.MerchantShareFen
	f.UnionShareFen += g.UnionShareFen
	f.Undone += g.Undone
	f.Refunds += g.Refunds
	f.ReturnedFen += g.ReturnedFen
	f.GivenBackFen += g.GivenBackFen
	f.UnionBackFen += g.UnionBackFen
}

// OutletFigures are the figures of one outlet.
type OutletFigures struct {
	Outlet int64 `json:"outlet"`
	Figures
}

// The kinds of a statement's adjustments.
const (
	KindVoid     = "void"
	KindReversal = "reversal"
	KindRefund   = "refund"
	KindPosted   = "posted" // by a person
)

// Adjustment is a correction that came on the day: an undoing of an earlier day's
// purchase, or what somebody posted.
type Adjustment struct {
	Kind string `json:"kind"`
	// Of an undoing: the purchase, which undoing of it, its business day and outlet,
	// the money returned to the member and the discount given back.
	Purchase     uuid.UUID `json:"purchase,omitzero"`
	Seq          int32     `json:"seq,omitzero"`
	PurchaseDay  string    `json:"purchase_day,omitzero"` // 2006-01-02
	Outlet       int64     `json:"outlet,omitzero"`
	ReturnedFen  int64     `json:"returned_fen,omitzero"`
	GivenBackFen int64     `json:"given_back_fen,omitzero"`
	// Of what was posted: its number, cause ("difference", "dispute", …) and reason.
	ID     int64  `json:"id,omitzero"`
	Cause  string `json:"cause,omitzero"`
	Reason string `json:"reason,omitzero"`
	// Fen is what it adds to what the union owes the merchant; below 0 takes off.
	Fen int64 `json:"fen"`
}

// PaymentEntry is a payment of the day, or one that the bank returned.
type PaymentEntry struct {
	Payment int64 `json:"payment"` // the batch
	// Fen is above 0 for a payment, below 0 for one returned.
	Fen int64 `json:"fen"`
}

// Body is a statement's content. Its canonical bytes are what Marshal gives.
type Body struct {
	V        int    `json:"v"` // 1
	Number   string `json:"number"`
	Merchant int64  `json:"merchant"`
	Day      string `json:"day"` // 2006-01-02, Beijing
	// Balance: what the union owes the merchant, in fen.
	OpeningFen  int64 `json:"opening_fen"`
	DueFen      int64 `json:"due_fen"`
	PaidFen     int64 `json:"paid_fen"`
	ClosingFen  int64 `json:"closing_fen"`
	AdjustedFen int64 `json:"adjusted_fen"`
	Figures
	Outlets     []OutletFigures `json:"outlets"`     // by id; empty without a purchase or undoing
	Adjustments []Adjustment    `json:"adjustments"` // undoings by purchase and seq, then what was posted, by id
	Payments    []PaymentEntry  `json:"payments"`    // by batch, a payment before its return
}

// Marshal gives the body's canonical bytes: the same for the same body on every node
// and in every year, as the fields have one order and all numbers are whole.
func (b *Body) Marshal() (body []byte, sum [sha256.Size]byte, err error) {
	if body, err = json.Marshal(b); err != nil {
		return nil, sum, fmt.Errorf("settlement: body: %w", err)
	}
	return body, sha256.Sum256(body), nil
}

// ParseBody reads the bytes of a body.
func ParseBody(body []byte) (*Body, error) {
	var b Body
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, fmt.Errorf("settlement: body: %w", err)
	}
	return &b, nil
}

// Statement is a closed statement as lists show it. Body and SHA256 are read by Get.
type Statement struct {
	ID           int64
	Number       string
	MerchantID   int64
	Merchant     string // its name now
	OfficeID     int64  // of the merchant now
	Office       string
	Day          ledger.Day
	State        State
	Figures      Figures
	Adjustments  int64
	AdjustedFen  int64
	PaidFen      int64
	OpeningFen   int64
	DueFen       int64
	ClosingFen   int64
	ClosedAt     time.Time
	ConfirmBy    ledger.Day // the last day for confirming or disputing
	SettledAt    time.Time  // when it was confirmed or resolved; zero: not yet
	SettledBy    string     // actor: "staff:3", "merchant:9", "system" after the term
	PaymentID    int64      // the live payment it is in, 0 for none
	Version      int64
	SHA256       [sha256.Size]byte
	Body         []byte
	OpenDisputes int // 0 or 1
}

// Content is the statement's body, read.
func (s *Statement) Content() (*Body, error) { return ParseBody(s.Body) }

// Number names a statement for people: its day and its merchant's number.
func Number(day ledger.Day, merchantID int64) string {
	return fmt.Sprintf("JS%s-%d", day.Date().Format("20060102"), merchantID)
}

// ParseNumber reads what Number wrote; false for anything else.
func ParseNumber(s string) (day ledger.Day, merchantID int64, ok bool) {
	var date string
	if n, err := fmt.Sscanf(s, "JS%8s-%d", &date, &merchantID); n != 2 || err != nil || merchantID <= 0 {
		return 0, 0, false
	}
	t, err := time.Parse("20060102", date)
	if err != nil {
		return 0, 0, false
	}
	day = ledger.Day(t.Unix() / 86400)
	return day, merchantID, Number(day, merchantID) == s
}

// Dispute is what a merchant says is wrong with a statement, and the answer to it.
type Dispute struct {
	ID          int64
	StatementID int64
	MerchantID  int64
	Day         ledger.Day
	Reason      string
	OpenedBy    string
	OpenedAt    time.Time
	Open        bool
	Accepted    bool
	Answer      string
	AnsweredBy  string
	AnsweredAt  time.Time
	Adjustment  int64 // the adjustment it led to, 0 for none
}
