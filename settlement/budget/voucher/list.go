package voucher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant"
	"unioncard/settlement/budget"
)

// Row is a series with its money and its vouchers.
type Row struct {
	budget.Row
	FaceFen, NeedFen      int64
	Packs                 int32
	PerPack               int16
	Stackable             bool
	ClaimFrom, ClaimUntil time.Time // zero: only granted
	Territory             int32
	TerritoryName         string // "" for all
	Claimed               int32  // packs claimed or granted
}

// Burn is where a series' vouchers are. Held + Used + Expired + Revoked are those
// given out.
type Burn struct {
	Packs, Claimed               int32
	Held, Used, Expired, Revoked int64
	budget.Figures
}

const seriesSQL = `SELECT s.face_fen, s.need_fen, s.packs, s.per_pack, s.stackable, s.claim_from, s.claim_until, s.territory,
	coalesce((SELECT t.name FROM unions t WHERE t.division = s.territory AND s.territory <> 0 LIMIT 1), ''), s.claimed FROM voucher_series s WHERE s.budget_id = $1`

// Get returns a series; merchant.ErrNotFound. Whether the asker may know of it is the
// caller's to check (merchant.Locate "budget").
func (s *Store) Get(ctx context.Context, id int64) (*Row, error) {
	b, err := s.budgets.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	r := Row{Row: *b}
	var from, until *time.Time
	err = s.db.QueryRow(ctx, seriesSQL, id).Scan(&r.FaceFen, &r.NeedFen, &r.Packs, &r.PerPack, &r.Stackable, &from, &until, &r.Territory, &r.TerritoryName, &r.Claimed)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, merchant.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("voucher.Get: %w", err)
	}
	if from != nil {
		r.ClaimFrom, r.ClaimUntil = *from, *until
	}
	return &r, nil
}

// Burn counts a series' vouchers by what became of them, as of now; it reads each of
// them, some 10 ms for 50,000. merchant.ErrNotFound.
func (s *Store) Burn(ctx context.Context, id int64) (*Burn, error) {
	r, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	b := Burn{Packs: r.Packs, Claimed: r.Claimed, Figures: r.Figures}
	err = s.db.QueryRow(ctx, `SELECT count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 2),
		count(*) FILTER (WHERE state = 3), count(*) FILTER (WHERE state = 4) FROM vouchers WHERE series_id = $1`, id).
		Scan(&b.Held, &b.Used, &b.Expired, &b.Revoked)
	if err != nil {
		return nil, fmt.Errorf("voucher.Burn: %w", err)
	}
	return &b, nil
}

// Counts are the packs of many series at once, for lists.
func (s *Store) Counts(ctx context.Context, ids []int64) (map[int64]Row, error) {
	rows, err := s.db.Query(ctx, `SELECT budget_id, face_fen, need_fen, packs, per_pack, stackable, claimed, coalesce(claim_from, 'epoch'), coalesce(claim_until, 'epoch')
		FROM voucher_series WHERE budget_id = ANY ($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("voucher.Counts: %w", err)
	}
	out := map[int64]Row{}
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
		var r Row
		err := row.Scan(&r.ID, &r.FaceFen, &r.NeedFen, &r.Packs, &r.PerPack, &r.Stackable, &r.Claimed, &r.ClaimFrom, &r.ClaimUntil)
		if r.ClaimFrom.Unix() == 0 {
			r.ClaimFrom, r.ClaimUntil = time.Time{}, time.Time{}
		}
		out[r.ID] = r
		return struct{}{}, err
	})
	if err != nil {
		return nil, fmt.Errorf("voucher.Counts: %w", err)
	}
	return out, nil
}
