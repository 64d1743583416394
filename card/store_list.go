package card

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/keyset"
)

// Held is a card with who holds it and what became of it, for offices.
type Held struct {
	Card
	UnionID  int64
	Union    string // the member's
	IssuedAt time.Time
	// DeliveredAt is of the plastic that is good now, Activated of the card: it may be
	// earlier than ReplacedAt, when its present plastic was ordered; nil for the first.
	DeliveredAt, Activated, ReplacedAt *time.Time
	BatchTitle                         string
	// Fresh: it stands in no print file, since it was issued or replaced.
	Fresh bool
}

// ListFilter narrows a list; zero values ask for nothing.
type ListFilter struct {
	Status Status // StatusNone: all
	// Expiring: live cards valid to the end of that month at most.
	Expiring *Month
	Batch    int64
	Member   int64
	// Undelivered, of a batch: live and not handed out.
	Undelivered bool
}

const heldSQL = `SELECT c.serial, c.member_id, c.number, c.generation, c.status, c.class, c.territory, c.name_masked,
	c.valid_until, c.version, c.lost_from, c.phone_epoch, coalesce(c.batch_id, 0), m.union_id, u.name, c.issued_at,
	c.delivered_at, c.activated_at, coalesce(b.title, ''), c.print_file IS NULL,
	CASE WHEN c.generation > 1 THEN (SELECT max(e.at) FROM events e
		WHERE e.object_kind = 'card' AND e.object_id = c.serial::text AND e.action = 'card.replace') END
	FROM cards c JOIN members m ON m.id = c.member_id JOIN unions u ON u.id = m.union_id LEFT JOIN batches b ON b.id = c.batch_id `

func scanHeld(row pgx.CollectableRow) (h Held, err error) {
	var validUntil time.Time
	c := &h.Card
	err = row.Scan(&c.Serial, &c.MemberID, &c.Number, &c.Generation, &c.Status, &c.Class, &c.Territory, &c.Holder,
		&validUntil, &c.Version, &c.LostFrom, &c.PhoneEpoch, &c.Batch, &h.UnionID, &h.Union, &h.IssuedAt,
		&h.DeliveredAt, &h.Activated, &h.BatchTitle, &h.Fresh, &h.ReplacedAt)
	c.ValidUntil, c.Last4 = monthOfDate(validUntil), uint16(c.Number%10_000)
	return h, err
}

// List is one page of the cards of the members at or below the union of a path,
// ordered by "id", the serial: the latest issued have the largest.
func (s *Store) List(ctx context.Context, path string, f ListFilter, page keyset.Page) ([]Held, error) {
	page.Sort = "id"
	var expiring *time.Time
	if f.Expiring != nil {
		day := f.Expiring.LastDay()
		expiring = &day
	}
	where, order, args := page.Clause(map[string]string{"id": "c.serial"}, "c.serial",
		path, f.Status, expiring, f.Batch, f.Member, f.Undelivered)
	rows, err := s.db.Query(ctx, heldSQL+`WHERE starts_with(u.path, $1) AND ($2::smallint = 0 OR c.status = $2)
		AND ($3::date IS NULL OR c.valid_until <= $3 AND c.status IN (1, 2, 3, 6)) AND ($4::bigint = 0 OR c.batch_id = $4)
		AND ($5::bigint = 0 OR c.member_id = $5) AND (NOT $6::boolean OR c.delivered_at IS NULL AND c.status IN (1, 2, 3, 6))
		AND `+where+order, args...)
	if err != nil {
		return nil, fmt.Errorf("card.List: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanHeld)
	if err != nil {
		return nil, fmt.Errorf("card.List: %w", err)
	}
	return list, nil
}

// Show reads a card of the territory of a path; ErrCodeInvalid if there is none.
func (s *Store) Show(ctx context.Context, path string, serial int64) (Held, error) {
	rows, err := s.db.Query(ctx, heldSQL+`WHERE c.serial = $1 AND starts_with(u.path, $2)`, serial, path)
	if err != nil {
		return Held{}, fmt.Errorf("card.Show: %w", err)
	}
	h, err := pgx.CollectExactlyOneRow(rows, scanHeld)
	if errors.Is(err, pgx.ErrNoRows) {
		return Held{}, ErrCodeInvalid
	}
	if err != nil {
		return Held{}, fmt.Errorf("card.Show: %w", err)
	}
	return h, nil
}
