package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/card/union/event"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/signing"
)

// Kind is the proposal to take a checked workbook in.
func (s *Store) Kind() signing.Kind {
	return signing.Kind{
		Name: KindApply, Title: "导入商家", Right: staff.ImportBusiness,
		Fingerprint: func(ctx context.Context, tx pgx.Tx, object string, _ json.RawMessage) (string, error) {
			id, ok := signing.ObjectID(object, "importrun")
			if !ok {
				return "", merchant.ErrNotFound
			}
			r, err := New(tx, s.clock, s.applications).Get(ctx, id)
			switch {
			case err != nil:
				return "", err
			case !r.Report.Good():
				return "", ErrFaults
			case !r.Applied.IsZero():
				return "", ErrTaken
			}
			return fmt.Sprintf("%x", r.SHA256), nil
		},
		Apply: func(ctx context.Context, tx pgx.Tx, by merchant.By, p *signing.Proposal) error {
			id, ok := signing.ObjectID(p.Object, "importrun")
			if !ok {
				return merchant.ErrNotFound
			}
			return s.apply(ctx, tx, by, id)
		},
	}
}

// apply takes a workbook in, in the transaction of its approval, whole or not at
// all. ErrFaults if it meets what its check did not, ErrTaken. The run's row lock
// keeps two apart; import_applied_once stands behind it.
func (s *Store) apply(ctx context.Context, tx pgx.Tx, by merchant.By, id int64) error {
	var data []byte
	var office int64
	var taken bool
	err := tx.QueryRow(ctx, `SELECT data, office_id, applied_at IS NOT NULL FROM import_runs WHERE id = $1 FOR UPDATE`, id).
		Scan(&data, &office, &taken)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return merchant.ErrNotFound
	case err != nil:
		return fmt.Errorf("intake: run: %w", err)
	case taken:
		return ErrTaken
	}
	b, err := s.unpack(ctx, data)
	if err != nil {
		return err
	}
	if err := s.take(ctx, tx, by, office, b); err != nil {
		return err
	}
	if len(b.faults) > 0 {
		f := b.faults[0]
		return fmt.Errorf("%w: %s row %d: %s", ErrFaults, f.Sheet, f.Row, f.What)
	}
	_, err = tx.Exec(ctx, `UPDATE import_runs SET applied_at = $2 WHERE id = $1`, id, s.clock())
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.ConstraintName == "import_applied_once" {
		return ErrTaken
	}
	if err != nil {
		return fmt.Errorf("intake: taken in: %w", err)
	}
	r := b.report()
	return event.Record(ctx, tx, by.Actor, "import.apply", "importrun:"+strconv.FormatInt(id, 10), by.Reason, nil,
		map[string]any{"merchants": r.Merchants, "outlets": r.Outlets, "contracts": r.Contracts})
}
