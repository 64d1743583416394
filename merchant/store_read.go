package merchant

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Contract reads a contract as it stands, without its Terms. ErrNotFound.
func (s *Store) Contract(ctx context.Context, id int64) (*Contract, error) {
	rows, err := s.db.Query(ctx, contractSQL+` WHERE id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("merchant: contract: %w", err)
	}
	c, err := pgx.CollectExactlyOneRow(rows, scanContract)
	if err != nil {
		return nil, found("contract", err)
	}
	return c, nil
}

// Name is a merchant's name. ErrNotFound.
func (s *Store) Name(ctx context.Context, id int64) (name string, err error) {
	err = s.db.QueryRow(ctx, `SELECT name FROM merchants WHERE id = $1`, id).Scan(&name)
	return name, found("merchant", err)
}

// Outlet reads an outlet as it stands. ErrNotFound.
func (s *Store) Outlet(ctx context.Context, id int64) (OutletFacts, error) {
	var o OutletFacts
	err := s.db.QueryRow(ctx, `SELECT o.id, o.merchant_id, m.name, o.name, o.address, o.territory, o.lon, o.lat, o.status, o.version,
			m.status, m.office_id, o.unopened FROM outlets o JOIN merchants m ON m.id = o.merchant_id WHERE o.id = $1`, id).
		Scan(&o.ID, &o.MerchantID, &o.Merchant, &o.Name, &o.Address, &o.Territory, &o.Lon, &o.Lat, &o.Status, &o.Version,
			&o.MerchantStatus, &o.OfficeID, &o.Unopened)
	return o, found("outlet", err)
}

// OutletFacts is an outlet as an office sees it.
type OutletFacts struct {
	ID, MerchantID int64
	Merchant, Name string
	Address        string
	Territory      int32
	Lon, Lat       *float64
	Status         OutletStatus
	Version        int64
	MerchantStatus MerchantStatus
	OfficeID       int64 // of the merchant
	Unopened       bool  // never open yet: a second person opens it
}
