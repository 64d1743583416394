package report

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Series is a voucher series (消费券) as members see it. Amounts are in fen; days are
// midnight UTC of the date, the first and the last included.
type Series struct {
	ID                int64
	Name              string
	Office            string // the union that pays
	FaceFen, NeedFen  int64  // 满 need 减 face
	PerPack           int16  // vouchers that one claim gives
	Stackable         bool
	FirstDay, LastDay time.Time
	Trades            []string
	Merchants         []string // names; with Trades empty too: everywhere in the union's territory
	State             string   // as budgets.state
	// Claims: from inclusive, until exclusive; nil for one that is only granted.
	From, Until *time.Time
	Left        int32 // packs not claimed yet
}

// Voucher is one that a card holds or held.
type Voucher struct {
	SeriesID int64
	No       int16
	State    int16 // as vouchers.state
	GotAt    time.Time
	// Where and when it was used; "" and nil for one that is not.
	Outlet string
	UsedAt *time.Time
}

// Bounds on what a page of vouchers shows: series that ended this long ago are left
// out, and no more than the latest are listed.
const (
	voucherDays  = 90
	seriesListed = 100
)

// Vouchers lists the series of which the cards hold or held vouchers, those that end
// soonest first, and the vouchers in them.
func (s *Store) Vouchers(ctx context.Context, serials []int64) ([]Series, []Voucher, error) {
	since := dateOf(s.clock()).AddDate(0, 0, -voucherDays)
	list, err := s.series(ctx, `b.last_day >= $2 AND v.budget_id IN (SELECT series_id FROM vouchers WHERE card_serial = ANY($1))
		ORDER BY b.last_day, b.id LIMIT $3`, serials, since, seriesListed)
	if err != nil {
		return nil, nil, fmt.Errorf("report.Vouchers: %w", err)
	}
	ids := make([]int64, 0, len(list))
	for i := range list {
		ids = append(ids, list[i].ID)
	}
	rows, err := s.db.Query(ctx, `SELECT v.series_id, v.no, v.state, v.got_at, coalesce(o.name, ''), p.committed_at
		FROM vouchers v
		LEFT JOIN purchases p ON p.merchant_id = v.merchant_id AND p.id = v.purchase_id
		LEFT JOIN outlets o ON o.id = p.outlet_id
		WHERE v.card_serial = ANY($1) AND v.series_id = ANY($2) ORDER BY v.series_id, v.card_serial, v.no`, serials, ids)
	if err != nil {
		return nil, nil, fmt.Errorf("report.Vouchers: %w", err)
	}
	held, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Voucher])
	if err != nil {
		return nil, nil, fmt.Errorf("report.Vouchers: %w", err)
	}
	return list, held, nil
}

// Claimable lists the open series that the holder of one of the cards may claim now or
// later, by the territory of a card, and those that were claimed; those that open
// first in front.
func (s *Store) Claimable(ctx context.Context, serials []int64) ([]Series, error) {
	list, err := s.series(ctx, `b.state = 'open' AND v.claim_until > $2 AND (v.territory = 0
		  OR EXISTS (SELECT FROM vouchers h WHERE h.card_serial = ANY($1) AND h.series_id = b.id)
		  OR EXISTS (SELECT FROM cards c JOIN unions own ON own.division = c.territory JOIN unions wide ON wide.division = v.territory
			WHERE c.serial = ANY($1) AND starts_with(own.path, wide.path)))
		ORDER BY v.claim_from, b.id LIMIT $3`, serials, s.clock(), seriesListed)
	if err != nil {
		return nil, fmt.Errorf("report.Claimable: %w", err)
	}
	return list, nil
}

func (s *Store) series(ctx context.Context, where string, args ...any) ([]Series, error) {
	rows, err := s.db.Query(ctx, `SELECT b.id, b.name, u.name, v.face_fen, v.need_fen, v.per_pack, v.stackable, b.first_day, b.last_day, b.trades,
		  ARRAY(SELECT m.name FROM merchants m WHERE m.id = ANY(b.merchants) ORDER BY m.id LIMIT 20),
		  b.state, v.claim_from, v.claim_until, v.packs - v.claimed
		FROM voucher_series v JOIN budgets b ON b.id = v.budget_id JOIN unions u ON u.id = b.office_id WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Series])
}
