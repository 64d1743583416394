package merchant

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
)

// NewMerchant is what registering a merchant needs.
type NewMerchant struct {
	OfficeID   int64 // the union whose office answers for it
	Name       string
	Brand      string // "" if none
	Trade      Trade
	UnionOwned bool
}

// CreateMerchant registers a merchant and returns its id. Nothing protects two
// of the same name: companies do share names.
func (s *Store) CreateMerchant(ctx context.Context, by By, n NewMerchant) (int64, error) {
	if err := required("Name", n.Name); err != nil {
		return 0, err
	}
	if !slices.Contains(Trades(), n.Trade) {
		return 0, &InvalidError{Field: "Trade", Detail: "is not one of the trades"}
	}
	var id int64
	err := s.change(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `INSERT INTO merchants (office_id, name, brand, trade, union_owned)
			VALUES ($1, $2, $3, $4, $5) RETURNING id`, n.OfficeID, n.Name, n.Brand, n.Trade, n.UnionOwned).Scan(&id)
		if err != nil {
			return fmt.Errorf("merchant: create merchant: %w", foreign(err, "merchants_office_id_fkey", "OfficeID"))
		}
		return record(ctx, tx, by, "merchant.create", merchantRows.object(id), nil, map[string]any{
			"office": n.OfficeID, "trade": n.Trade, "brand": n.Brand, "union_owned": n.UnionOwned, "status": MerchantActive,
		}, feed.Change{Kind: feed.KindMerchant, ObjectID: id, Version: 1})
	})
	return id, err
}

// foreign turns a broken foreign key into an InvalidError of a field.
func foreign(err error, constraint, field string) error {
	if violates(err, constraint) {
		return &InvalidError{Field: field, Detail: "does not exist"}
	}
	return err
}

// SuspendMerchant stops every contract of the merchant from earning, at once.
// The merchant's row lock keeps two moves apart. MoveError if it is not active.
func (s *Store) SuspendMerchant(ctx context.Context, by By, id int64) error {
	return setStatus(ctx, s, by, merchantRows, merchantMoves, id, "suspend")
}

// ResumeMerchant ends a suspension. Protection and errors as SuspendMerchant.
func (s *Store) ResumeMerchant(ctx context.Context, by By, id int64) error {
	return setStatus(ctx, s, by, merchantRows, merchantMoves, id, "resume")
}

// ExitMerchant takes the merchant out of the network for good (article 18).
// Protection and errors as SuspendMerchant.
func (s *Store) ExitMerchant(ctx context.Context, by By, id int64) error {
	return setStatus(ctx, s, by, merchantRows, merchantMoves, id, "exit")
}

// NewOutlet is what opening an outlet needs.
type NewOutlet struct {
	MerchantID int64
	Name       string
	Address    string
	Territory  int32    // GB/T 2260 division of the county or city it stands in
	Lon, Lat   *float64 // degrees, GCJ-02 as the maps here use it; nil if unknown
	// Unopened: it is suspended from the start, and only OpenOutlet opens it.
	Unopened bool
}

// CreateOutlet opens an outlet and returns its id. It joins the merchant's
// contract from that contract's start, if there is one. The merchant's row lock
// keeps it apart from contracts being activated or ended.
func (s *Store) CreateOutlet(ctx context.Context, by By, n NewOutlet) (int64, error) {
	if err := required("Name", n.Name); err != nil {
		return 0, err
	}
	if n.Territory < 100000 || n.Territory > 999999 {
		return 0, &InvalidError{Field: "Territory", Detail: "is not a division code"}
	}
	var id int64
	err := s.change(ctx, func(tx pgx.Tx) error {
		m, err := lockMerchant(ctx, tx, n.MerchantID)
		if err != nil {
			return err
		}
		if m.Status == MerchantExited {
			return ErrMerchantExited
		}
		status := OutletActive
		if n.Unopened {
			status = OutletSuspended
		}
		err = tx.QueryRow(ctx, `INSERT INTO outlets (merchant_id, name, address, territory, lon, lat, status, unopened)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
			n.MerchantID, n.Name, n.Address, n.Territory, n.Lon, n.Lat, status, n.Unopened).Scan(&id)
		if err != nil {
			return fmt.Errorf("merchant: create outlet: %w", err)
		}
		if err := rederive(ctx, tx, n.MerchantID, id); err != nil {
			return err
		}
		return record(ctx, tx, by, "outlet.create", outletRows.object(id), nil, map[string]any{
			"merchant": n.MerchantID, "territory": n.Territory, "status": status, "unopened": n.Unopened,
		}, feed.Change{Kind: feed.KindOutlet, ObjectID: id, Version: 1})
	})
	return id, err
}
