package report

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Bought is one purchase as its member sees it. Amounts are in fen.
type Bought struct {
	ID          uuid.UUID
	At          time.Time
	Merchant    string
	Outlet      string
	AmountFen   int64
	DiscountFen int64
	State       int16 // as purchases.state
	ReturnedFen int64
}

// Saved is what discounts have left a member with, undone ones taken off.
type Saved struct{ TotalFen, YearFen int64 }

// ErrPage: not a cursor of this list.
var ErrPage = errors.New("report: not a cursor of this list")

// boughtPage is how many purchases a page has.
const boughtPage = 30

// cursorBytes: microseconds since 1970 and the purchase's id.
const cursorBytes = 8 + 16

// Bought lists the purchases made with the given cards, the latest first, beginning
// after cursor ("" at the first), and the cursor of the next page, "" at the end.
// ErrPage.
//
// A card's purchases are found by the codes it used (code_uses), which every
// purchase has: an index by card on the purchases themselves would be paid for by
// every till.
func (s *Store) Bought(ctx context.Context, serials []int64, cursor string) (list []Bought, next string, err error) {
	at, id, err := readCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	rows, err := s.db.Query(ctx, `SELECT p.id, p.committed_at, m.name, o.name, p.amount_fen, p.discount_fen, p.state, p.returned_fen
		FROM code_uses c
		JOIN purchases p ON p.merchant_id = c.merchant_id AND p.id = c.purchase_id
		JOIN merchants m ON m.id = p.merchant_id JOIN outlets o ON o.id = p.outlet_id
		WHERE c.card_serial = ANY($1) AND p.state <> 9 AND ($2::timestamptz IS NULL OR (p.committed_at, p.id) < ($2, $3))
		ORDER BY p.committed_at DESC, p.id DESC LIMIT $4`, serials, at, id, boughtPage+1)
	if err != nil {
		return nil, "", fmt.Errorf("report.Bought: %w", err)
	}
	list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Bought])
	if err != nil {
		return nil, "", fmt.Errorf("report.Bought: %w", err)
	}
	if len(list) > boughtPage {
		list = list[:boughtPage]
		last := list[boughtPage-1]
		next = writeCursor(last.At, last.ID)
	}
	return list, next, nil
}

// Saved adds up what cards have earned, in all and since the year began in Beijing.
func (s *Store) Saved(ctx context.Context, serials []int64) (Saved, error) {
	year := time.Date(s.clock().In(beijing).Year(), 1, 1, 0, 0, 0, 0, beijing)
	var out Saved
	err := s.db.QueryRow(ctx, `SELECT coalesce(sum(p.discount_fen - p.given_back_fen), 0)::bigint,
		  coalesce(sum(p.discount_fen - p.given_back_fen) FILTER (WHERE p.committed_at >= $2), 0)::bigint
		FROM code_uses c JOIN purchases p ON p.merchant_id = c.merchant_id AND p.id = c.purchase_id
		WHERE c.card_serial = ANY($1) AND p.state <> 9`, serials, year).Scan(&out.TotalFen, &out.YearFen)
	if err != nil {
		return out, fmt.Errorf("report.Saved: %w", err)
	}
	return out, nil
}

func writeCursor(at time.Time, id uuid.UUID) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(b, id[:]...))
}

// readCursor is nil for the first page. A cursor grants nothing: whatever it says,
// only the given cards' purchases are read.
func readCursor(text string) (*time.Time, uuid.UUID, error) {
	if text == "" {
		return nil, uuid.UUID{}, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != cursorBytes {
		return nil, uuid.UUID{}, ErrPage
	}
	at := time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC()
	if y := at.Year(); y < 2000 || y > 9999 { // PostgreSQL's times end somewhere
		return nil, uuid.UUID{}, ErrPage
	}
	return &at, uuid.UUID(b[8:]), nil
}
