package fleet

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/keyset"
	"unioncard/merchant"
)

// Outlet is an outlet as an office's list shows it.
type Outlet struct {
	ID         int64
	Name       string
	MerchantID int64
	Merchant   string
	Address    string
	Territory  int32
	Status     merchant.OutletStatus
	ContractID int64 // in force now, 0 without
	Terminals  int   // not retired
}

// OutletFilter narrows the list of outlets. Path is the territory and must be
// given.
type OutletFilter struct {
	Path   string
	Text   string // in the outlet's or the merchant's name or the address
	Status merchant.OutletStatus
	// Without picks outlets without a contract in force, or without a terminal.
	Without string
}

// Outlets is one page of the outlets; the page's sort is "name", "merchant" or "id".
func (s *Store) Outlets(ctx context.Context, f OutletFilter, p keyset.Page) ([]Outlet, error) {
	where, order, args := p.Clause(map[string]string{"name": "x.name", "merchant": "x.merchant", "id": "x.id"}, "x.id",
		f.Path, s.clock(), string(f.Status), keyset.Like(f.Text), f.Without)
	rows, err := s.db.Query(ctx, `SELECT * FROM (
			SELECT o.id, o.name, o.merchant_id, m.name AS merchant, o.address, o.territory, o.status,
				coalesce((SELECT c.id FROM contract_outlets co JOIN contracts c ON c.id = co.contract_id
					WHERE co.outlet_id = o.id AND co.during @> $2::timestamptz AND c.status IN ('active', 'ending') LIMIT 1), 0) AS contract,
				(SELECT count(*) FROM terminals t WHERE t.outlet_id = o.id AND t.status <> 'retired') AS terminals
			FROM outlets o JOIN merchants m ON m.id = o.merchant_id JOIN unions u ON u.id = m.office_id
			WHERE starts_with(u.path, $1)) x
		WHERE ($3 = '' OR x.status = $3) AND (x.name LIKE $4 OR x.merchant LIKE $4 OR x.address LIKE $4)
			AND ($5 = '' OR $5 = 'contract' AND x.contract = 0 OR $5 = 'terminal' AND x.terminals = 0) AND `+where+order, args...)
	if err != nil {
		return nil, fmt.Errorf("fleet: outlets: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Outlet])
	if err != nil {
		return nil, fmt.Errorf("fleet: outlets: %w", err)
	}
	return out, nil
}
