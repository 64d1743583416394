package territory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
	"unioncard/card/union"
	"unioncard/merchant"
)

// settleAfter is how long after a merger no transaction is left that read the tree
// as it was before: far longer than any request or worker's step may take.
const settleAfter = 5 * time.Minute

// Settle moves, once for every merger that is a few minutes old, what writers left
// behind that had read the tree before and did not hold it, and returns how many
// mergers it looked at. It does nothing while another node is at it.
func (s *Store) Settle(ctx context.Context) (done int64, err error) {
	for {
		more := false
		err := s.change(ctx, func(tx pgx.Tx) error {
			more, err = s.settleOne(ctx, tx)
			return err
		})
		if err != nil || !more {
			return done, err
		}
		done++
	}
}

func (s *Store) settleOne(ctx context.Context, tx pgx.Tx) (found bool, err error) {
	var id, from, into int64
	var m union.Merger
	var by merchant.By
	err = tx.QueryRow(ctx, `SELECT id, union_id, into_id, from_territory, into_territory, by, reason FROM union_mergers
		WHERE settled_at IS NULL AND at <= $1 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED`, s.now().Add(-settleAfter)).
		Scan(&id, &from, &into, &m.From.Territory, &m.Into.Territory, &by.Actor, &by.Reason)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("territory: settle: %w", err)
	}
	if err := union.Close(ctx, tx); err != nil {
		return false, err
	}
	was, err := union.Get(ctx, tx, from)
	if err != nil {
		return false, err
	}
	now, err := union.Successor(ctx, tx, into) // which may have been merged since
	if err != nil {
		return false, err
	}
	m.From.ID, m.From.Division = from, was.Division
	m.Into.ID, m.Into.Territory = now.ID, now.Territory
	rest, err := moveAll(ctx, tx, by, &m, s.now())
	if err != nil {
		return false, err
	}
	if err := straighten(ctx, tx, &m, now, rest); err != nil {
		return false, err
	}
	for _, f := range s.handOver {
		if err := f(ctx, tx, from); err != nil {
			return false, err
		}
	}
	if _, err := tx.Exec(ctx, `UPDATE union_mergers SET settled_at = $2 WHERE id = $1`, id, s.now()); err != nil {
		return false, fmt.Errorf("territory: settle: %w", err)
	}
	if len(rest) == 0 {
		return true, nil
	}
	// The rows of the feed are written; this one also wakes its readers.
	return true, feed.Record(ctx, tx, feed.Change{Kind: feed.KindUnion, ObjectID: now.ID, Version: now.Version})
}

// straighten gives every card below the successor that still has the old territory
// the one of its member's union.
func straighten(ctx context.Context, tx pgx.Tx, m *union.Merger, now *union.Union, rest map[string]int64) error {
	if m.From.Territory == m.Into.Territory {
		return nil
	}
	var n int64
	err := tx.QueryRow(ctx, `WITH n AS (UPDATE cards c SET territory = u.territory, version = c.version + 1
			FROM unions u JOIN members m ON m.union_id = u.id
			WHERE starts_with(u.path, $1) AND m.id = c.member_id AND c.territory = $2 AND u.territory <> $2
			RETURNING c.serial AS id, c.version), `+fed(feed.KindCard)+counted, now.Path, m.From.Territory).Scan(&n)
	if err != nil {
		return fmt.Errorf("territory: settle cards: %w", err)
	}
	if n > 0 {
		rest["cards"] += n
	}
	return nil
}
