package member

import (
	"context"
	"fmt"
	"time"
)

// Waiting is how many transfers wait for an answer of the unions at or below that of
// a path, and how many of them go through without one within so long.
func (s *Store) Waiting(ctx context.Context, path string, within time.Duration) (all, soon int, err error) {
	err = s.db.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE t.due_at < $2) FROM member_transfers t JOIN unions u ON u.id = t.from_union
		WHERE t.state = 'requested' AND starts_with(u.path, $1)`, path, s.clock().Add(within)).Scan(&all, &soon)
	if err != nil {
		return 0, 0, fmt.Errorf("member.Waiting: %w", err)
	}
	return all, soon, nil
}
