package directory

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant"
)

// writeSigns writes last discounts down, never an earlier one over a later. Rows
// come in the order of ids, so two nodes never wait for each other.
func writeSigns(ctx context.Context, db merchant.DB, discount map[int64]int64) error {
	if len(discount) == 0 {
		return nil
	}
	ids := slices.Sorted(maps.Keys(discount))
	secs := make([]int64, len(ids))
	for i, id := range ids {
		secs[i] = discount[id]
	}
	_, err := db.Exec(ctx, `INSERT INTO outlet_signs (outlet_id, discount_at)
		SELECT id, to_timestamp(sec) FROM unnest($1::bigint[], $2::bigint[]) AS n (id, sec)
		WHERE EXISTS (SELECT FROM outlets o WHERE o.id = n.id) ORDER BY id
		ON CONFLICT (outlet_id) DO UPDATE SET discount_at = excluded.discount_at
			WHERE outlet_signs.discount_at < excluded.discount_at`, ids, secs)
	if err != nil {
		return fmt.Errorf("directory: write signs: %w", err)
	}
	return nil
}

// readSigns reads every sign of life.
func readSigns(ctx context.Context, db merchant.DB) (*signs, error) {
	k := &signs{map[int64]int64{}, map[int64]int64{}, map[int64]int64{}}
	for _, q := range []struct {
		sql  string
		into map[int64]int64
	}{
		{`SELECT outlet_id, extract(epoch FROM discount_at)::bigint FROM outlet_signs`, k.discount},
		{`SELECT t.outlet_id, extract(epoch FROM max(s.seen_at))::bigint FROM terminal_signs s
			JOIN terminals t ON t.id = s.terminal_id WHERE t.outlet_id IS NOT NULL GROUP BY 1`, k.seen},
		{`SELECT t.merchant_id, extract(epoch FROM max(s.seen_at))::bigint FROM terminal_signs s
			JOIN terminals t ON t.id = s.terminal_id WHERE t.outlet_id IS NULL GROUP BY 1`, k.server},
	} {
		rows, err := db.Query(ctx, q.sql)
		if err != nil {
			return nil, fmt.Errorf("directory: read signs: %w", err)
		}
		var id, sec int64
		_, err = pgx.ForEachRow(rows, []any{&id, &sec}, func() error {
			q.into[id] = sec
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("directory: read signs: %w", err)
		}
	}
	return k, nil
}
