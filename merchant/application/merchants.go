package application

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/keyset"
	"unioncard/merchant"
)

// MerchantFilter is what a list of merchants is narrowed to.
type MerchantFilter struct {
	Text      string // part of the name, brand, code or an outlet's name
	Status    merchant.MerchantStatus
	Trade     merchant.Trade
	Territory int32 // of the office: a city takes in its counties
}

// MerchantRow is a merchant in a list; no personal value is in it.
type MerchantRow struct {
	ID                 int64
	Name, Brand, Code  string
	Trade              merchant.Trade
	Office             string
	Status             merchant.MerchantStatus
	Outlets, Contracts int // open outlets; contracts in force
	CreatedAt          time.Time
	OfficeID, Version  int64
	UnionOwned         bool
	OfficePath         string
	ApplicationID      int64 // that it came in by; 0 for an import
	ApplicationNumber  string
}

// Merchants lists the merchants of a territory (the path of its union).
func (s *Store) Merchants(ctx context.Context, scope string, f MerchantFilter, p keyset.Page) ([]MerchantRow, error) {
	where, order, args := p.Clause(map[string]string{"id": "m.id", "name": "m.name"}, "m.id",
		scope, string(f.Status), string(f.Trade), f.Territory, keyset.Like(f.Text), f.Text)
	return s.merchants(ctx, `u.path LIKE $1 || '%'
		AND ($2 = '' OR m.status = $2) AND ($3 = '' OR m.trade = $3)
		AND ($4 = 0 OR starts_with(u.path, (SELECT path FROM unions WHERE division = $4)))
		AND ($6 = '' OR m.name ILIKE $5 OR m.brand ILIKE $5 OR d.code ILIKE $5
			OR EXISTS (SELECT FROM outlets o WHERE o.merchant_id = m.id AND o.name ILIKE $5))
		AND `+where+order, args...)
}

// Merchant reads one. merchant.ErrNotFound.
func (s *Store) Merchant(ctx context.Context, id int64) (*MerchantRow, error) {
	list, err := s.merchants(ctx, `m.id = $1`, id)
	if err == nil && len(list) == 0 {
		err = merchant.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}

func (s *Store) merchants(ctx context.Context, where string, args ...any) ([]MerchantRow, error) {
	rows, err := s.DB.Query(ctx, `SELECT m.id, m.name, m.brand, coalesce(d.code, ''), m.trade, u.name, m.status,
			(SELECT count(*) FROM outlets o WHERE o.merchant_id = m.id AND o.status <> 'closed'),
			(SELECT count(*) FROM contracts c WHERE c.merchant_id = m.id AND c.status IN ('active', 'ending')),
			m.created_at, m.office_id, m.version, m.union_owned, u.path,
			coalesce((SELECT max(a.id) FROM applications a WHERE a.merchant_id = m.id), 0),
			coalesce((SELECT a.number FROM applications a WHERE a.merchant_id = m.id ORDER BY a.id DESC LIMIT 1), '')
		FROM merchants m JOIN unions u ON u.id = m.office_id LEFT JOIN merchant_details d ON d.merchant_id = m.id
		WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("application.Merchants: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r MerchantRow, err error) {
		return r, row.Scan(&r.ID, &r.Name, &r.Brand, &r.Code, &r.Trade, &r.Office, &r.Status, &r.Outlets, &r.Contracts,
			&r.CreatedAt, &r.OfficeID, &r.Version, &r.UnionOwned, &r.OfficePath,
			&r.ApplicationID, &r.ApplicationNumber)
	})
	if err != nil {
		return nil, fmt.Errorf("application.Merchants: %w", err)
	}
	return list, nil
}

// Holding is what a merchant has: outlets, contracts, terminals.
type Holding struct {
	Outlets   []HeldOutlet
	Contracts []HeldContract
	Terminals []HeldTerminal
}

// HeldOutlet is an outlet of a merchant.
type HeldOutlet struct {
	ID            int64
	Name, Address string
	Territory     int32
	Status        string
}

// HeldContract is a contract of a merchant.
type HeldContract struct {
	ID          int64
	Outlet      string // its outlet's name, "" for the whole merchant
	Office      string
	Status      string
	From, Until time.Time // until exclusive
	FloorClause bool
}

// LastDay is a moment of the contract's last day.
func (c HeldContract) LastDay() time.Time { return c.Until.Add(-time.Second) }

// HeldTerminal is a device of a merchant.
type HeldTerminal struct {
	ID        int64
	Outlet    string // "" for a POS server
	Status    string
	Activated time.Time
}

// holdingMax bounds each list of a merchant's page; more stand in the lists of
// their own.
const holdingMax = 100

// Holding reads what a merchant has, newest first, at most holdingMax of each.
func (s *Store) Holding(ctx context.Context, id int64) (*Holding, error) {
	h := &Holding{}
	rows, err := s.DB.Query(ctx, `SELECT id, name, address, territory, status FROM outlets WHERE merchant_id = $1
		ORDER BY status = 'closed', id LIMIT $2`, id, holdingMax)
	if err == nil {
		h.Outlets, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (o HeldOutlet, err error) {
			return o, row.Scan(&o.ID, &o.Name, &o.Address, &o.Territory, &o.Status)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("application.Holding: outlets: %w", err)
	}
	rows, err = s.DB.Query(ctx, `SELECT c.id, coalesce(o.name, ''), u.name, c.status, lower(c.valid), upper(c.valid), c.floor_clause
		FROM contracts c JOIN unions u ON u.id = c.office_id LEFT JOIN outlets o ON o.id = c.outlet_id
		WHERE c.merchant_id = $1 ORDER BY c.status = 'ended', c.id DESC LIMIT $2`, id, holdingMax)
	if err == nil {
		h.Contracts, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c HeldContract, err error) {
			return c, row.Scan(&c.ID, &c.Outlet, &c.Office, &c.Status, &c.From, &c.Until, &c.FloorClause)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("application.Holding: contracts: %w", err)
	}
	rows, err = s.DB.Query(ctx, `SELECT t.id, coalesce(o.name, ''), t.status, t.activated_at FROM terminals t
		LEFT JOIN outlets o ON o.id = t.outlet_id WHERE t.merchant_id = $1 ORDER BY t.status = 'retired', t.id DESC LIMIT $2`, id, holdingMax)
	if err == nil {
		h.Terminals, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t HeldTerminal, err error) {
			return t, row.Scan(&t.ID, &t.Outlet, &t.Status, &t.Activated)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("application.Holding: terminals: %w", err)
	}
	return h, nil
}
