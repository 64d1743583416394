package phone

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Still says whether a session that a request began with has not ended since, for
// what lasts longer than a request. ErrNoSession. Unlike BySession it is no use of
// the session: a stream does not keep it from becoming idle.
func (s *Store) Still(ctx context.Context, se *Session) error {
	now := s.now()
	var there bool
	err := s.db.QueryRow(ctx, `SELECT true FROM phone_sessions se JOIN members m ON m.id = se.member_id
		WHERE se.hash = $1 AND se.seen_at > $2 AND se.created_at > $3 AND m.status IN (1, 3)`,
		se.hash, now.Add(-s.limits.Idle), now.Add(-s.limits.Absolute)).Scan(&there)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNoSession
	}
	if err != nil {
		return fmt.Errorf("phone.Still: %w", err)
	}
	return nil
}
