// Package report adds up what the offices look at every day: purchases and
// discounts by business day and signing office, merchants by trade and place.
//
// Purchases come by the million and are never read for a page view. Roll adds
// them up in the background, one row an office and day (purchase_days); only the
// days that can still change are added up again. Invariants:
//
//   - a day's figures are those of the purchases and undoings stamped with that
//     business day, of one snapshot of the database; tombstones count nowhere;
//   - two nodes that roll at once do the work once, and a roll that dies half way
//     leaves the figures of the one before.
//
// An office's figures are those of the contracts it signed (article 18), wherever
// the member's union lies.
package report

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// DB is what a pool and a transaction have in common.
type DB interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Store reads and writes the figures.
type Store struct {
	db    DB
	clock func() time.Time
}

// NewStore returns a store.
func NewStore(db DB, clock func() time.Time) *Store { return &Store{db, clock} }

// Day is one business day's figures. Amounts are in fen.
type Day struct {
	Date         time.Time // midnight UTC of the date
	Purchases    int64     // recorded on this day
	AmountFen    int64     // before discount
	DiscountFen  int64
	Undone       int64 // voided or reversed on this day
	ReturnedFen  int64 // money back to members on this day
	GivenBackFen int64 // discount taken back with it
}

// Kept is the day's purchases without those undone.
func (d Day) Kept() int64 { return d.Purchases - d.Undone }

// NetDiscountFen is the discount that members kept. It is below nought on a day
// that undid more than it sold.
func (d Day) NetDiscountFen() int64 { return d.DiscountFen - d.GivenBackFen }

// TradeCount is a trade's active merchants.
type TradeCount struct {
	Trade     string
	Merchants int64
}

// Place is a territory's active merchants: those with an active outlet there.
type Place struct {
	Division  int // GB/T 2260
	Name      string
	Merchants int64
}

var beijing = time.FixedZone("Asia/Shanghai", 8*3600)

// dateOf is a moment's day in Beijing, as midnight UTC, which is how PostgreSQL's
// dates come and go.
func dateOf(t time.Time) time.Time {
	y, m, d := t.In(beijing).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}
