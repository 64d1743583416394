package report

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Days returns the last n business days of the offices in a territory (a path of
// the union tree), the oldest first, today last, days without purchases included;
// and when they were added up, zero if they never were.
func (s *Store) Days(ctx context.Context, scope string, n int) (days []Day, asOf time.Time, err error) {
	today := dateOf(s.clock())
	first := today.AddDate(0, 0, 1-n)
	if err := s.db.QueryRow(ctx, `SELECT as_of FROM purchase_days_state`).Scan(&asOf); err != nil {
		return nil, asOf, fmt.Errorf("report.Days: %w", err)
	}
	if asOf.Unix() == 0 {
		asOf = time.Time{}
	}
	rows, err := s.db.Query(ctx, `SELECT d.day, sum(d.purchases)::bigint, sum(d.amount_fen)::bigint, sum(d.discount_fen)::bigint,
		  sum(d.undone)::bigint, sum(d.returned_fen)::bigint, sum(d.given_back_fen)::bigint
		FROM purchase_days d JOIN unions u ON u.id = d.office_id
		WHERE d.day BETWEEN $1 AND $2 AND u.path LIKE $3 || '%' GROUP BY d.day`, first, today, scope)
	if err != nil {
		return nil, asOf, fmt.Errorf("report.Days: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Day])
	if err != nil {
		return nil, asOf, fmt.Errorf("report.Days: %w", err)
	}
	days = make([]Day, n)
	for i := range days {
		days[i].Date = first.AddDate(0, 0, i)
	}
	for _, d := range found {
		days[int(d.Date.Sub(first)/(24*time.Hour))] = d
	}
	return days, asOf, nil
}

// Trades returns the active merchants of a territory's offices by trade, the
// largest first.
func (s *Store) Trades(ctx context.Context, scope string) ([]TradeCount, error) {
	rows, err := s.db.Query(ctx, `SELECT m.trade, count(*) FROM merchants m JOIN unions u ON u.id = m.office_id
		WHERE m.status = 'active' AND u.path LIKE $1 || '%' GROUP BY m.trade ORDER BY 2 DESC, 1`, scope)
	if err != nil {
		return nil, fmt.Errorf("report.Trades: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[TradeCount])
	if err != nil {
		return nil, fmt.Errorf("report.Trades: %w", err)
	}
	return out, nil
}

// Cities returns where the active merchants of a territory's offices have active
// outlets, by city, in the order of their codes. A county that stands under no
// city (GB/T 2260 code xx90xx) is its own; what lies in none is the province's.
func (s *Store) Cities(ctx context.Context, scope string) ([]Place, error) {
	return s.places(ctx, scope, `CASE WHEN o.territory / 100 % 100 = 90 THEN o.territory ELSE o.territory / 100 * 100 END`)
}

// Counties is Cities by the outlets' own divisions.
func (s *Store) Counties(ctx context.Context, scope string) ([]Place, error) {
	return s.places(ctx, scope, `o.territory`)
}

func (s *Store) places(ctx context.Context, scope, division string) ([]Place, error) {
	rows, err := s.db.Query(ctx, `WITH found AS (
		  SELECT `+division+` AS division, count(DISTINCT o.merchant_id) AS n
		  FROM outlets o JOIN merchants m ON m.id = o.merchant_id JOIN unions u ON u.id = m.office_id
		  WHERE o.status = 'active' AND m.status = 'active' AND u.path LIKE $1 || '%' GROUP BY 1)
		SELECT f.division, coalesce(u.name, f.division::text), f.n
		FROM found f LEFT JOIN unions u ON u.division = f.division ORDER BY 1`, scope)
	if err != nil {
		return nil, fmt.Errorf("report.places: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Place])
	if err != nil {
		return nil, fmt.Errorf("report.places: %w", err)
	}
	return out, nil
}
