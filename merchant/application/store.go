package application

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant"
	"unioncard/merchant/file"
)

// Store keeps applications and merchants' details.
type Store struct{ Options }

// Options is what a Store works on.
type Options struct {
	DB    merchant.DB
	Vault *Vault
	Files *file.Store
	Clock func() time.Time
	// Barred is the first day on which a merchant that left for cause may come
	// back, zero if it may at once (the re-entry rule); nil: there is no such rule.
	Barred func(ctx context.Context, db merchant.DB, merchantID int64) (time.Time, error)
}

// New returns a store.
func New(o Options) *Store { return &Store{o} }

// change runs f in a transaction of its own and commits it.
func (s *Store) change(ctx context.Context, f func(tx pgx.Tx) error) error {
	return merchant.InTx(ctx, s.DB, "application", f)
}

const applicationSQL = `SELECT a.id, a.number, a.office_id, u.name, u.path, a.source, a.status, a.code, a.legal_name, a.brand,
	a.trade, a.note, a.sealed, a.reason, a.fix, coalesce(a.merchant_id, 0), coalesce(a.contract_id, 0), a.version,
	a.created_by, a.created_at, a.updated_at, coalesce(a.submitted_at, 'epoch')
	FROM applications a JOIN unions u ON u.id = a.office_id `

// personal is the sealed part of a document.
type personal struct {
	Contact Contact `json:"contact"`
	Bank    Bank    `json:"bank"`
}

func (s *Store) scan(row pgx.Row) (*Application, error) {
	var a Application
	var sealed []byte
	err := row.Scan(&a.ID, &a.Number, &a.OfficeID, &a.Office, &a.OfficePath, &a.Source, &a.Stage, &a.Doc.Code, &a.Doc.LegalName,
		&a.Doc.Brand, &a.Doc.Trade, &a.Doc.Note, &sealed, &a.Reason, &a.Fix, &a.MerchantID, &a.ContractID, &a.Version,
		&a.CreatedBy, &a.CreatedAt, &a.UpdatedAt, &a.SubmittedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, merchant.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("application: read: %w", err)
	}
	if a.SubmittedAt.Equal(time.Unix(0, 0)) {
		a.SubmittedAt = time.Time{}
	}
	p, err := s.open(a.Object(), sealed)
	if errors.Is(err, errSealed) {
		a.Unreadable = true
		return &a, nil
	}
	a.Doc.Contact, a.Doc.Bank = p.Contact, p.Bank
	return &a, err
}

// open unseals contact and bank details; errSealed if no key at hand opens them.
func (s *Store) open(of string, sealed []byte) (p personal, err error) {
	plain, err := s.Vault.Open(of, sealed)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(plain, &p); err != nil {
		return personal{}, fmt.Errorf("application: sealed value: %w", errSealed)
	}
	return p, nil
}

// seal encrypts contact and bank details and hashes the phone.
func (s *Store) seal(of string, p personal) (sealed, phone []byte, err error) {
	plain, err := json.Marshal(p)
	if err != nil {
		return nil, nil, fmt.Errorf("application: seal: %w", err)
	}
	if sealed, err = s.Vault.Seal(of, plain); err != nil {
		return nil, nil, fmt.Errorf("application: seal: %w", err)
	}
	if phone, err = s.Vault.Hash("phone", p.Contact.Phone); err != nil {
		return nil, nil, fmt.Errorf("application: hash: %w", err)
	}
	return sealed, phone, nil
}

// Get reads an application. merchant.ErrNotFound.
func (s *Store) Get(ctx context.Context, id int64) (*Application, error) {
	a, err := s.scan(s.DB.QueryRow(ctx, applicationSQL+`WHERE a.id = $1`, id))
	if err != nil {
		return nil, err
	}
	a.Doc.Outlets, err = outlets(ctx, s.DB, id)
	return a, err
}

// lock reads an application and keeps it as it is until the transaction ends.
func (s *Store) lock(ctx context.Context, tx pgx.Tx, id int64) (*Application, error) {
	a, err := s.scan(tx.QueryRow(ctx, applicationSQL+`WHERE a.id = $1 FOR NO KEY UPDATE OF a`, id))
	if err != nil {
		return nil, err
	}
	a.Doc.Outlets, err = outlets(ctx, tx, id)
	return a, err
}

// lockAt is lock for somebody who saw a version: ConflictError if it is not that.
func (s *Store) lockAt(ctx context.Context, tx pgx.Tx, id, version int64) (*Application, error) {
	a, err := s.lock(ctx, tx, id)
	if err != nil || a.Version == version {
		return a, err
	}
	changes, err := history(ctx, tx, "application", id, version)
	if err != nil {
		return nil, err
	}
	return nil, &ConflictError{Object: a.Object(), Changes: changes}
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func outlets(ctx context.Context, db querier, id int64) ([]Outlet, error) {
	rows, err := db.Query(ctx, `SELECT name, address, territory, lon, lat FROM application_outlets
		WHERE application_id = $1 ORDER BY ord`, id)
	if err != nil {
		return nil, fmt.Errorf("application: outlets: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o Outlet, err error) {
		return o, row.Scan(&o.Name, &o.Address, &o.Territory, &o.Lon, &o.Lat)
	})
	if err != nil {
		return nil, fmt.Errorf("application: outlets: %w", err)
	}
	return list, nil
}

func putOutlets(ctx context.Context, tx pgx.Tx, id int64, list []Outlet) error {
	if _, err := tx.Exec(ctx, `DELETE FROM application_outlets WHERE application_id = $1`, id); err != nil {
		return fmt.Errorf("application: outlets: %w", err)
	}
	for i, o := range list {
		_, err := tx.Exec(ctx, `INSERT INTO application_outlets (application_id, ord, name, address, address_key, territory, lon, lat)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, id, i, o.Name, o.Address, addressKey(o.Address), o.Territory, o.Lon, o.Lat)
		if err != nil {
			return fmt.Errorf("application: outlets: %w", err)
		}
	}
	return nil
}

// History is what happened to an application, oldest first.
func (s *Store) History(ctx context.Context, id int64) ([]Change, error) {
	return history(ctx, s.DB, "application", id, -1)
}

// history reads an object's events; with a version only those that led past it.
func history(ctx context.Context, db querier, kind string, id, past int64) ([]Change, error) {
	rows, err := db.Query(ctx, `SELECT e.at, e.actor, coalesce(s.name, ''), e.action, e.reason,
			ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(e.after->'fields') WHEN 'array' THEN e.after->'fields' ELSE '[]' END))
		FROM events e LEFT JOIN staff s ON e.actor = 'staff:' || s.id
		WHERE e.object_kind = $1 AND e.object_id = $2::text
		AND ($3::bigint < 0 OR jsonb_typeof(e.after->'version') = 'number' AND (e.after->>'version')::bigint > $3)
		ORDER BY e.id LIMIT 1000`, kind, fmt.Sprint(id), past)
	if err != nil {
		return nil, fmt.Errorf("application: history: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Change, err error) {
		return c, row.Scan(&c.At, &c.Actor, &c.Who, &c.Action, &c.Reason, &c.Fields)
	})
	if err != nil {
		return nil, fmt.Errorf("application: history: %w", err)
	}
	return list, nil
}
