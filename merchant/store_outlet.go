package merchant

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// SuspendOutlet stops an outlet from earning, at once. The outlet's row lock
// keeps two moves apart. MoveError if it is not active.
func (s *Store) SuspendOutlet(ctx context.Context, by By, id int64) error {
	return setStatus(ctx, s, by, outletRows, outletMoves, id, "suspend")
}

// ResumeOutlet ends a suspension. Protection and errors as SuspendOutlet; MoveError
// too for an outlet that has not been opened yet.
func (s *Store) ResumeOutlet(ctx context.Context, by By, id int64) error {
	return s.whether(ctx, id, "resume", false, func(tx pgx.Tx) error {
		return setStatus(ctx, NewStore(tx, s.clock), by, outletRows, outletMoves, id, "resume")
	})
}

// OpenOutlet opens an outlet that was made unopened. The caller sees to it that two
// people want that: it earns from now on, by a contract that is in force already.
// Protection and errors as SuspendOutlet; MoveError if it was opened before.
func (s *Store) OpenOutlet(ctx context.Context, by By, id int64) error {
	return s.whether(ctx, id, "open", true, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE outlets SET unopened = false WHERE id = $1`, id); err != nil {
			return fmt.Errorf("merchant: open outlet: %w", err)
		}
		return setStatus(ctx, NewStore(tx, s.clock), by, outletRows, openMoves, id, "open")
	})
}

// CloseOutlet closes an outlet for good. Protection and errors as SuspendOutlet.
func (s *Store) CloseOutlet(ctx context.Context, by By, id int64) error {
	return setStatus(ctx, s, by, outletRows, outletMoves, id, "close")
}

// whether makes a move of an outlet that is unopened, or is not, and keeps that so
// until it is made.
func (s *Store) whether(ctx context.Context, id int64, action string, unopened bool, do func(tx pgx.Tx) error) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		var is bool
		var status OutletStatus
		err := tx.QueryRow(ctx, `SELECT unopened, status FROM outlets WHERE id = $1 FOR NO KEY UPDATE`, id).Scan(&is, &status)
		if err != nil {
			return found("lock outlet", err)
		}
		if is != unopened {
			return &MoveError{Object: outletRows.object(id), From: string(status), Action: action}
		}
		return do(tx)
	})
}
