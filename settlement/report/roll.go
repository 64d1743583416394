package report

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// rollLock is the advisory lock of whoever adds up.
const rollLock = 0x726f6c6c // "roll"

// settled is how long after midnight nothing can be stamped with the day before
// any more: a batch that began before it has long been committed or given up.
const settled = time.Hour

// rollbackTimeout bounds a rollback whose caller has gone away.
const rollbackTimeout = 5 * time.Second

const rollSQL = `
WITH sold AS (
  SELECT business_day AS day, contract_id, count(*) AS n, sum(amount_fen) AS amount, sum(discount_fen) AS discount
  FROM purchases WHERE business_day > $1 AND state <> 9 GROUP BY 1, 2
), undone AS (
  SELECT u.business_day AS day, p.contract_id, count(*) FILTER (WHERE u.kind IN (1, 2)) AS n,
         sum(u.returned_fen) AS returned, sum(u.given_back_fen) AS given_back
  FROM purchase_undos u JOIN purchases p ON p.merchant_id = u.merchant_id AND p.id = u.purchase_id
  WHERE u.business_day > $1 AND p.state <> 9 GROUP BY 1, 2
), both_ways AS (
  SELECT day, contract_id, n, amount, discount, 0 AS undone, 0 AS returned, 0 AS given_back FROM sold
  UNION ALL
  SELECT day, contract_id, 0, 0, 0, n, returned, given_back FROM undone
)
INSERT INTO purchase_days (day, office_id, purchases, amount_fen, discount_fen, undone, returned_fen, given_back_fen)
SELECT b.day, c.office_id, sum(b.n), sum(b.amount), sum(b.discount), sum(b.undone), sum(b.returned), sum(b.given_back)
FROM both_ways b JOIN contracts c ON c.id = b.contract_id GROUP BY 1, 2
ON CONFLICT (day, office_id) DO UPDATE SET purchases = EXCLUDED.purchases, amount_fen = EXCLUDED.amount_fen,
  discount_fen = EXCLUDED.discount_fen, undone = EXCLUDED.undone, returned_fen = EXCLUDED.returned_fen,
  given_back_fen = EXCLUDED.given_back_fen
WHERE (purchase_days.purchases, purchase_days.amount_fen, purchase_days.discount_fen, purchase_days.undone,
       purchase_days.returned_fen, purchase_days.given_back_fen)
   IS DISTINCT FROM (EXCLUDED.purchases, EXCLUDED.amount_fen, EXCLUDED.discount_fen, EXCLUDED.undone,
       EXCLUDED.returned_fen, EXCLUDED.given_back_fen)`

// Roll adds up the days that can still change: today and later (a batch that
// finds today closed stamps the next), and the days before that were not settled
// at the last roll. It returns how many rows changed. Another node at the same
// work: it does nothing.
func (s *Store) Roll(ctx context.Context) (changed int64, err error) {
	tx, err := s.db.Begin(ctx)
	if err != nil {
		return 0, fmt.Errorf("report.Roll: %w", err)
	}
	defer func() {
		rollback, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		if rbErr := tx.Rollback(rollback); rbErr != nil && !errors.Is(rbErr, pgx.ErrTxClosed) {
			err = errors.Join(err, fmt.Errorf("report.Roll: rollback: %w", rbErr))
		}
	}()
	var mine bool
	if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, rollLock).Scan(&mine); err != nil {
		return 0, fmt.Errorf("report.Roll: lock: %w", err)
	}
	if !mine {
		return 0, nil
	}
	// The database's clock stamps the days, so it decides which are settled.
	var complete, now time.Time
	if err := tx.QueryRow(ctx, `SELECT complete, now() FROM purchase_days_state`).Scan(&complete, &now); err != nil {
		return 0, fmt.Errorf("report.Roll: state: %w", err)
	}
	tag, err := tx.Exec(ctx, rollSQL, complete)
	if err != nil {
		return 0, fmt.Errorf("report.Roll: %w", err)
	}
	if done := dateOf(now.Add(-settled)).AddDate(0, 0, -1); done.After(complete) {
		complete = done
	}
	if _, err := tx.Exec(ctx, `UPDATE purchase_days_state SET complete = $1, as_of = $2`, complete, now); err != nil {
		return 0, fmt.Errorf("report.Roll: state: %w", err)
	}
	if err := tx.Commit(ctx); err != nil {
		return 0, fmt.Errorf("report.Roll: commit: %w", err)
	}
	return tag.RowsAffected(), nil
}
