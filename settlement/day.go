package settlement

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/settlement/ledger"
	"unioncard/settlement/purchase"
)

// openDay is the business day that what is posted now belongs to: today, or the next
// one that is not sealed. It holds the locks of the days that it may be until the end
// of the transaction, so that none of them is sealed meanwhile. The locks are taken in
// the order of the days, before any row's (purchase.DayLock).
func openDay(ctx context.Context, tx pgx.Tx) (day ledger.Day, err error) {
	_, err = tx.Exec(ctx, `SELECT pg_advisory_xact_lock_shared($1, d), pg_advisory_xact_lock_shared($1, d + 1),
			pg_advisory_xact_lock_shared($1, d + 2)
		FROM (SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date - date '1970-01-01') AS today (d)`, purchase.DayLock)
	if err != nil {
		return 0, fmt.Errorf("settlement: lock days: %w", err)
	}
	// A statement of its own: it must see what was sealed while the locks were waited for.
	err = tx.QueryRow(ctx, `SELECT min(t.d) - date '1970-01-01' FROM (
			SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date + n AS d FROM generate_series(0, 2) AS n) AS t
		WHERE NOT EXISTS (SELECT FROM business_days b WHERE b.day = t.d AND b.closed_at IS NOT NULL)`).Scan(&day)
	if err != nil {
		return 0, fmt.Errorf("settlement: open day: %w", err)
	}
	return day, nil
}
