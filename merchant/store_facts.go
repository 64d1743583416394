package merchant

import (
	"context"
)

// ContractFacts is a contract with the names that people know it by.
type ContractFacts struct {
	Contract
	Merchant, Outlet, Office string // Outlet is "" for the whole merchant
	// Territory is the GB/T 2260 code that the office's cards mostly have.
	Territory int32
}

// ContractFacts reads a contract with its names. ErrNotFound.
func (s *Store) ContractFacts(ctx context.Context, id int64) (*ContractFacts, error) {
	c, err := s.Contract(ctx, id)
	if err != nil {
		return nil, err
	}
	f := &ContractFacts{Contract: *c}
	err = s.db.QueryRow(ctx, `SELECT m.name, coalesce(o.name, ''), u.name, u.territory
		FROM contracts c JOIN merchants m ON m.id = c.merchant_id JOIN unions u ON u.id = c.office_id
		LEFT JOIN outlets o ON o.id = c.outlet_id WHERE c.id = $1`, id).
		Scan(&f.Merchant, &f.Outlet, &f.Office, &f.Territory)
	return f, found("contract facts", err)
}
