package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Day is a business day: a calendar day in Beijing, counted from 1970-01-01.
type Day int32

const beijingOffset = 8 * 3600 // no summer time since 1992

// DayOf returns the day in Beijing at t.
func DayOf(t time.Time) Day {
	s := t.Unix() + beijingOffset
	d := s / 86400
	if s%86400 < 0 {
		d--
	}
	return Day(d)
}

// Date returns the day at midnight UTC, as a date goes to and comes from PostgreSQL.
func (d Day) Date() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// Start returns the day's first moment, Beijing time.
func (d Day) Start() time.Time {
	return time.Unix(int64(d)*86400-beijingOffset, 0).In(time.FixedZone("Asia/Shanghai", beijingOffset))
}

// String returns the day as 2006-01-02.
func (d Day) String() string { return d.Date().Format(time.DateOnly) }

// ParseDay reads a day written as 2006-01-02.
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fmt.Errorf("ledger: day: %w", err)
	}
	return Day(t.Unix() / 86400), nil
}

// Kind is what a transfer is for.
type Kind int16

// The kinds of transfers, as stored in transfers.kind.
const (
	Purchase        Kind = 1
	Void            Kind = 2
	Reversal        Kind = 3
	Refund          Kind = 4
	Adjusting       Kind = 5  // of a statement
	Funding         Kind = 6  // of a budget: opening and top-up
	Allocation      Kind = 7  // of a budget's money to a series
	Return          Kind = 8  // of what is left of a budget or series
	Paying          Kind = 9  // of a merchant, with a payment batch
	PaymentReturned Kind = 10 // the bank sent it back
)

var transferNames = [...]string{Purchase: "purchase", Void: "void", Reversal: "reversal", Refund: "refund",
	Adjusting: "adjustment", Funding: "funding", Allocation: "allocation", Return: "return",
	Paying: "payment", PaymentReturned: "payment_returned"}

// String returns the kind's name.
func (k Kind) String() string {
	if k < Purchase || int(k) >= len(transferNames) {
		return fmt.Sprintf("kind_%d", int16(k))
	}
	return transferNames[k]
}

// Transfer is one entry: Fen go from Debit to Credit.
type Transfer struct {
	// MerchantID is 0 for a transfer that concerns no merchant.
	MerchantID int64
	Day        Day
	// Doc is what posts it: the purchase's id, or an id made for the occasion.
	Doc uuid.UUID
	// Seq is 0 for a purchase and the undoing's number for what undoes it.
	Seq int32
	// Leg numbers the transfers of one (merchant, day, doc, seq) from 1. Post numbers
	// those that come with 0, in their order.
	Leg           int16
	Kind          Kind
	Debit, Credit Account
	Fen           int64 // above 0
}

// check says what is wrong with a transfer; the table refuses the same.
func (t *Transfer) check() error {
	switch {
	case t.Fen <= 0:
		return fmt.Errorf("ledger: post: %d fen", t.Fen)
	case !t.Debit.Valid() || !t.Credit.Valid() || t.Debit == t.Credit:
		return fmt.Errorf("ledger: post: from %v to %v", t.Debit, t.Credit)
	case t.Kind < Purchase || t.Kind > PaymentReturned:
		return fmt.Errorf("ledger: post: %v", t.Kind)
	case t.MerchantID < 0:
		return fmt.Errorf("ledger: post: merchant %d", t.MerchantID)
	}
	return nil
}

// posting is what shares one row of legs.
type posting struct {
	merchant int64
	day      Day
	doc      uuid.UUID
	seq      int32
}

// Number gives legs to the transfers that have none, counting from 1 within each
// posting in the order given.
func Number(transfers []Transfer) {
	var legs map[posting]int16
	for i := range transfers {
		t := &transfers[i]
		if t.Leg != 0 {
			continue
		}
		if legs == nil {
			legs = make(map[posting]int16)
		}
		k := posting{t.MerchantID, t.Day, t.Doc, t.Seq}
		legs[k]++
		t.Leg = legs[k]
	}
}

// Post writes transfers in the caller's transaction. Posting the same one twice
// (merchant, day, doc, seq, leg) is the primary key's to refuse. An error is a
// defect of the caller's, not something to tell a person.
func Post(ctx context.Context, tx pgx.Tx, transfers ...Transfer) error {
	if len(transfers) == 0 {
		return nil
	}
	Number(transfers)
	n := len(transfers)
	merchants, days, docs := make([]int64, n), make([]time.Time, n), make([][16]byte, n)
	seqs, legs, kinds := make([]int32, n), make([]int16, n), make([]int16, n)
	debits, credits, fen := make([]int64, n), make([]int64, n), make([]int64, n)
	for i := range transfers {
		t := &transfers[i]
		if err := t.check(); err != nil {
			return err
		}
		merchants[i], days[i], docs[i], seqs[i], legs[i] = t.MerchantID, t.Day.Date(), t.Doc, t.Seq, t.Leg
		kinds[i], debits[i], credits[i], fen[i] = int16(t.Kind), int64(t.Debit), int64(t.Credit), t.Fen
	}
	_, err := tx.Exec(ctx, `INSERT INTO transfers (merchant_id, business_day, doc, seq, leg, kind, debit, credit, fen)
		SELECT * FROM unnest($1::bigint[], $2::date[], $3::uuid[], $4::integer[], $5::smallint[], $6::smallint[],
			$7::bigint[], $8::bigint[], $9::bigint[])`, merchants, days, docs, seqs, legs, kinds, debits, credits, fen)
	if err != nil {
		return fmt.Errorf("ledger: post: %w", err)
	}
	return nil
}
