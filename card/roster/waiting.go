package roster

import (
	"context"
	"fmt"
)

// Waiting is how many checked rosters of the unions at or below that of a path wait
// to be applied or discarded.
func (s *Store) Waiting(ctx context.Context, path string) (n int, err error) {
	err = s.db.QueryRow(ctx, `SELECT count(*) FROM roster_runs r JOIN unions u ON u.id = r.union_id
		WHERE r.state = 'checked' AND r.purged_at IS NULL AND starts_with(u.path, $1)`, path).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("roster.Waiting: %w", err)
	}
	return n, nil
}
