package report

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// HandOver takes from an office that another has taken in what was added up of the
// days that can still change: the next Roll counts their purchases for whoever
// answers for the contracts by then. Settled days stay the office's own for good.
// The lock keeps a Roll that still sees the old contracts out.
func HandOver(ctx context.Context, tx pgx.Tx, office int64) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(rollLock)); err != nil {
		return fmt.Errorf("report.HandOver: lock: %w", err)
	}
	_, err := tx.Exec(ctx, `DELETE FROM purchase_days WHERE office_id = $1 AND day > (SELECT complete FROM purchase_days_state)`, office)
	if err != nil {
		return fmt.Errorf("report.HandOver: %w", err)
	}
	return nil
}
