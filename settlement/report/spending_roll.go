package report

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// spendLock is the advisory lock of whoever adds up what was spent.
const spendLock = 0x7370656e // "spen"

// spendSQL adds up the transfers of the open days by who paid, where and in which
// trade. Its parameters are the last complete day, the first account that pays and
// the last one of each kind (budgets, adjustments, before budgets).
//
// An outlet or a budget that has changed hands meanwhile is counted anew for the days
// that are open: rows that nothing adds up to any more go.
const spendSQL = `
WITH moved AS (
  SELECT t.business_day AS day, t.merchant_id, t.doc, t.kind, t.debit AS account, t.fen AS spent, 0::bigint AS back
  FROM transfers t WHERE t.business_day > $1 AND t.kind BETWEEN 1 AND 5
    AND (t.debit BETWEEN $2 AND $3 OR t.debit BETWEEN $4 AND $5 OR t.debit BETWEEN $6 AND $7)
  UNION ALL
  SELECT t.business_day, t.merchant_id, t.doc, t.kind, t.credit, 0, t.fen
  FROM transfers t WHERE t.business_day > $1 AND t.kind BETWEEN 1 AND 5
    AND (t.credit BETWEEN $2 AND $3 OR t.credit BETWEEN $4 AND $5 OR t.credit BETWEEN $6 AND $7)
), summed AS MATERIALIZED (
  SELECT v.day, v.account,
         CASE WHEN v.account BETWEEN $2 AND $3 THEN coalesce(b.office_id, m.office_id)
              WHEN v.account BETWEEN $4 AND $5 THEN v.account - $4 ELSE m.office_id END AS office_id,
         coalesce(o.territory, u.territory) AS place, coalesce(c.trade, m.trade) AS trade,
         count(*) FILTER (WHERE v.spent > 0 AND v.kind IN (1, 5)) AS uses, sum(v.spent)::bigint AS spent,
         count(*) FILTER (WHERE v.back > 0 AND v.kind IN (2, 3)) AS undone, sum(v.back)::bigint AS back
  FROM moved v JOIN merchants m ON m.id = v.merchant_id JOIN unions u ON u.id = m.office_id
  LEFT JOIN budgets b ON v.account BETWEEN $2 AND $3 AND b.id = v.account - $2
  LEFT JOIN purchases p ON p.merchant_id = v.merchant_id AND p.id = v.doc AND v.kind < 5
  LEFT JOIN outlets o ON o.id = p.outlet_id
  LEFT JOIN contracts c ON c.id = p.contract_id
  GROUP BY 1, 2, 3, 4, 5
), gone AS (
  DELETE FROM spending_days d WHERE d.day > $1 AND NOT EXISTS (SELECT FROM summed s
    WHERE (s.day, s.account, s.office_id, s.place, s.trade) = (d.day, d.account, d.office_id, d.place, d.trade)) RETURNING 1
), written AS (
  INSERT INTO spending_days AS d (day, account, office_id, place, trade, uses, spent_fen, undone, back_fen)
  SELECT day, account, office_id, place, trade, uses, spent, undone, back FROM summed ORDER BY 1, 2, 3, 4, 5
  ON CONFLICT (day, account, office_id, place, trade) DO UPDATE
  SET uses = EXCLUDED.uses, spent_fen = EXCLUDED.spent_fen, undone = EXCLUDED.undone, back_fen = EXCLUDED.back_fen
  WHERE (d.uses, d.spent_fen, d.undone, d.back_fen) IS DISTINCT FROM (EXCLUDED.uses, EXCLUDED.spent_fen, EXCLUDED.undone, EXCLUDED.back_fen)
  RETURNING 1
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM written)`

// RollSpending adds up what the union spent on the days that can still change, as
// Roll does purchases, and returns how many rows changed. Another node at the same
// work: it does nothing.
func (s *Store) RollSpending(ctx context.Context) (changed int64, err error) {
	tx, err := s.db.Begin(ctx)
	if err != nil {
		return 0, fmt.Errorf("report.RollSpending: %w", err)
	}
	defer func() {
		rollback, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		if rbErr := tx.Rollback(rollback); rbErr != nil && !errors.Is(rbErr, pgx.ErrTxClosed) {
			err = errors.Join(err, fmt.Errorf("report.RollSpending: rollback: %w", rbErr))
		}
	}()
	var mine bool
	if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, int64(spendLock)).Scan(&mine); err != nil {
		return 0, fmt.Errorf("report.RollSpending: lock: %w", err)
	}
	if !mine {
		return 0, nil
	}
	// The database's clock stamps the days, so it decides which are settled.
	var complete, now time.Time
	if err := tx.QueryRow(ctx, `SELECT complete, now() FROM spending_state`).Scan(&complete, &now); err != nil {
		return 0, fmt.Errorf("report.RollSpending: state: %w", err)
	}
	args := []any{complete}
	for _, a := range payers() {
		args = append(args, a.first, a.last)
	}
	if err := tx.QueryRow(ctx, spendSQL, args...).Scan(&changed); err != nil {
		return 0, fmt.Errorf("report.RollSpending: %w", err)
	}
	if done := dateOf(now.Add(-settled)).AddDate(0, 0, -1); done.After(complete) {
		complete = done
	}
	if _, err := tx.Exec(ctx, `UPDATE spending_state SET complete = $1, as_of = $2`, complete, now); err != nil {
		return 0, fmt.Errorf("report.RollSpending: state: %w", err)
	}
	if err := tx.Commit(ctx); err != nil {
		return 0, fmt.Errorf("report.RollSpending: commit: %w", err)
	}
	return changed, nil
}
