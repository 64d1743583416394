package recon

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"unioncard/card/sheet"
	"unioncard/merchant"
	"unioncard/settlement/ledger"
)

// beside is how far beyond the file's days purchases are read: to say that a sale was
// recorded on the day before or after, and because a purchase's id carries the time at
// which it was made and not its business day.
const beside = 36 * time.Hour

// idAt is the smallest id that a purchase made at t can have (UUIDv7: milliseconds in
// its first 48 bits).
func idAt(t time.Time) uuid.UUID {
	var id uuid.UUID
	ms := uint64(max(t.UnixMilli(), 0))
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id
}

const purchaseColumns = `p.id, p.outlet_id, p.committed_at, p.business_day - date '1970-01-01', coalesce(p.merchant_ref, ''),
	p.amount_fen, p.discount_fen, coalesce(c.number % 10000, -1)::smallint`

// purchases reads what the merchant sold and undid on the days, what it sold on those
// beside, and of what the file names by id the rest. A range of the primary key finds
// it, as the ids are in order of time. *sheet.Error for many more than a file can have
// rows: they would not agree, and fill the memory before that is known.
func (s *Store) purchases(ctx context.Context, db merchant.DB, merchantID int64, first, last ledger.Day, rows []Row) ([]Purchase, error) {
	var out []Purchase
	at := map[uuid.UUID]int{}
	read := func(where string, args ...any) error {
		found, err := db.Query(ctx, `SELECT `+purchaseColumns+` FROM purchases p LEFT JOIN cards c ON c.serial = p.card_serial
			WHERE p.merchant_id = $1 AND p.state <> 9 AND `+where, args...)
		if err != nil {
			return err
		}
		defer found.Close()
		for found.Next() {
			var p Purchase
			var sale Sums
			if err := found.Scan(&p.ID, &p.OutletID, &p.At, &p.Day, &p.Ref, &sale.Fen, &sale.Discount, &p.Last4); err != nil {
				return err
			}
			if _, twice := at[p.ID]; twice {
				continue
			}
			if len(out) >= 2*s.limits.Rows {
				return &sheet.Error{Code: "too_many", Message: "这几天的优惠消费太多，一次对不完。请分成几段日期上传，一次少几天。"}
			}
			sale.Paid, sale.Has = sale.Fen-sale.Discount, hasAll
			p.Sale = sale
			p.Beyond = p.Day < first || p.Day > last
			at[p.ID] = len(out)
			out = append(out, p)
		}
		return found.Err()
	}
	if err := read(`p.id >= $2 AND p.id < $3`, merchantID, idAt(first.Start().Add(-beside)), idAt((last + 1).Start().Add(beside))); err != nil {
		return nil, fmt.Errorf("recon: purchases: %w", err)
	}
	undone, err := undosOf(ctx, db, merchantID, first, last)
	if err != nil {
		return nil, err
	}
	named := map[uuid.UUID]bool{}
	for id := range undone {
		named[id] = true
	}
	for i := range rows {
		if rows[i].ID != uuid.Nil {
			named[rows[i].ID] = true
		}
	}
	var missing []uuid.UUID
	for id := range named {
		if _, ok := at[id]; !ok {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		if err := read(`p.id = ANY($2)`, merchantID, missing); err != nil {
			return nil, fmt.Errorf("recon: purchases: %w", err)
		}
	}
	for id, undos := range undone {
		i, ok := at[id]
		if !ok {
			continue
		}
		p := &out[i]
		p.Undos = undos
		if p.Beyond { // sold before, given back within the days
			p.Beyond, p.Sale = false, Sums{}
		}
	}
	return out, nil
}

// undosOf reads what was undone on the days, by purchase.
func undosOf(ctx context.Context, db merchant.DB, merchantID int64, first, last ledger.Day) (map[uuid.UUID][]Undo, error) {
	rows, err := db.Query(ctx, `SELECT purchase_id, at, returned_fen, given_back_fen FROM purchase_undos
		WHERE merchant_id = $1 AND business_day BETWEEN $2 AND $3 ORDER BY purchase_id, seq`, merchantID, first.Date(), last.Date())
	if err != nil {
		return nil, fmt.Errorf("recon: undos: %w", err)
	}
	out := map[uuid.UUID][]Undo{}
	var id uuid.UUID
	var when time.Time
	var returned, back int64
	_, err = pgx.ForEachRow(rows, []any{&id, &when, &returned, &back}, func() error {
		out[id] = append(out[id], Undo{At: when, Sums: Sums{Fen: -returned - back, Discount: -back, Paid: -returned, Has: hasAll}})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("recon: undos: %w", err)
	}
	return out, nil
}
