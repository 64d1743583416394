package application

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/merchant"
)

// Details is what an office knows of a merchant and no till needs.
type Details struct {
	Code       string
	Contact    Contact
	Bank       Bank
	Version    int64 // 0: nothing noted yet
	Unreadable bool  // contact and bank do not open with the keys at hand
}

// Details reads a merchant's details; the zero value if none were noted.
func (s *Store) Details(ctx context.Context, merchantID int64) (Details, error) {
	d, err := s.details(ctx, s.DB, merchantID)
	if errors.Is(err, merchant.ErrNotFound) {
		return Details{}, nil
	}
	return d, err
}

func merchantObject(id int64) string { return fmt.Sprintf("merchant:%d", id) }

func (s *Store) details(ctx context.Context, db querier, merchantID int64) (d Details, err error) {
	var sealed []byte
	err = db.QueryRow(ctx, `SELECT code, sealed, version FROM merchant_details WHERE merchant_id = $1`, merchantID).
		Scan(&d.Code, &sealed, &d.Version)
	if err != nil {
		return Details{}, notFound("details", err)
	}
	p, err := s.open(merchantObject(merchantID), sealed)
	if errors.Is(err, errSealed) {
		d.Unreadable = true
		return d, nil
	}
	d.Contact, d.Bank = p.Contact, p.Bank
	return d, err
}

// Check holds details to the rules of a document.
func (d *Details) check() error {
	doc := Document{Code: d.Code, Contact: d.Contact, Bank: d.Bank}
	doc.Normalize()
	d.Code, d.Contact, d.Bank = doc.Code, doc.Contact, doc.Bank
	var e merchant.FieldErrors
	doc.checkCompany(&e, false)
	doc.checkContact(&e, false)
	doc.checkBank(&e)
	return e.Err()
}

// SetDetails replaces the details of the version that was seen (0: there were
// none): ConflictError if they are others by now, merchant.FieldErrors,
// merchant.ErrNotFound. The merchant's row lock keeps two apart.
func (s *Store) SetDetails(ctx context.Context, by merchant.By, merchantID, version int64, d Details) error {
	if err := d.check(); err != nil {
		return err
	}
	return s.change(ctx, func(tx pgx.Tx) error { return s.SetDetailsTx(ctx, tx, by, merchantID, version, d) })
}

// SetDetailsTx is SetDetails in the caller's transaction, for checked details.
func (s *Store) SetDetailsTx(ctx context.Context, tx pgx.Tx, by merchant.By, merchantID, version int64, d Details) error {
	if err := d.check(); err != nil {
		return err
	}
	var name string
	if err := tx.QueryRow(ctx, `SELECT name FROM merchants WHERE id = $1 FOR NO KEY UPDATE`, merchantID).Scan(&name); err != nil {
		return notFound("lock merchant", err)
	}
	return s.putDetails(ctx, tx, by, merchantID, version, d, name)
}

// putDetails writes details; the caller holds the merchant's row.
func (s *Store) putDetails(ctx context.Context, tx pgx.Tx, by merchant.By, merchantID, version int64, d Details, name string) error {
	was, err := s.details(ctx, tx, merchantID)
	if err != nil && !errors.Is(err, merchant.ErrNotFound) {
		return err
	}
	if was.Version != version {
		changes, err := history(ctx, tx, "merchant", merchantID, version)
		if err != nil {
			return err
		}
		return &ConflictError{Object: merchantObject(merchantID), Changes: changes}
	}
	fields := changed(&Document{Code: was.Code, Contact: was.Contact, Bank: was.Bank}, &Document{Code: d.Code, Contact: d.Contact, Bank: d.Bank})
	if len(fields) == 0 && version > 0 {
		return nil
	}
	sealed, phone, err := s.seal(merchantObject(merchantID), personal{d.Contact, d.Bank})
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO merchant_details (merchant_id, code, name_key, sealed, phone_hash) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (merchant_id) DO UPDATE SET code = $2, name_key = $3, sealed = $4, phone_hash = $5,
		version = merchant_details.version + 1, updated_at = clock_timestamp()`, merchantID, d.Code, nameKey(name), sealed, phone)
	if err != nil {
		return fmt.Errorf("application: details: %w", err)
	}
	return event.Record(ctx, tx, by.Actor, "merchant.details", merchantObject(merchantID), by.Reason,
		map[string]any{"version": version}, map[string]any{"version": version + 1, "fields": fields})
}

// MerchantHistory is what happened to a merchant, oldest first.
func (s *Store) MerchantHistory(ctx context.Context, id int64) ([]Change, error) {
	return history(ctx, s.DB, "merchant", id, -1)
}
