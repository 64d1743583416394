package card

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
)

// InBatch says which cards of a batch something is done to.
type InBatch struct {
	Batch int64
	// UnionPath: only members of that union and those below it, "" for all.
	UnionPath string
	// Numbers: only cards of these numbers, nil for all.
	Numbers []int64
	// Limit is how many at most in one transaction, up to MaxMany.
	Limit int
}

func (in *InBatch) check() error {
	if in.Batch == 0 || in.Limit < 1 || in.Limit > MaxMany {
		return errors.New("which cards of which batch?")
	}
	return nil
}

// inBatch picks the cards of an InBatch ($1 to $4) under a further condition, and
// locks them in the order of their serials.
func inBatch(condition string) string {
	return `WITH picked AS (
		SELECT c.serial FROM cards c
		WHERE c.batch_id = $1 AND ($3::bigint[] IS NULL OR c.number = ANY ($3)) AND c.status IN (1, 2, 3, 6) AND ` + condition + `
		AND ($2 = '' OR EXISTS (SELECT FROM members m JOIN unions u ON u.id = m.union_id WHERE m.id = c.member_id AND starts_with(u.path, $2)))
		ORDER BY c.serial LIMIT $4 FOR UPDATE OF c) `
}

// DeliverBatch marks cards of a batch as handed out that were not, and returns how
// many it marked: fewer than in.Limit means that none is left. The cards' row locks
// protect it; no till cares, so no feed row is written.
func (s *Store) DeliverBatch(ctx context.Context, tx pgx.Tx, by By, in InBatch) (delivered int, err error) {
	if err = in.check(); err != nil {
		return 0, fmt.Errorf("card.DeliverBatch: %w", err)
	}
	c, err := changedRows(tx.Query(ctx, inBatch(`c.delivered_at IS NULL`)+`
		UPDATE cards c SET delivered_at = clock_timestamp() FROM picked WHERE c.serial = picked.serial
		RETURNING c.serial, c.version`, in.Batch, in.UnionPath, in.Numbers, in.Limit))
	if err == nil && len(c.serials) > 0 {
		if err = countOn(ctx, tx, `delivered`, c.serials); err == nil {
			err = s.tellBatch(ctx, tx, by, "batch.deliver", in, len(c.serials))
		}
	}
	if err != nil {
		return 0, fmt.Errorf("card.DeliverBatch: %w", err)
	}
	return len(c.serials), nil
}

// ActivateBatch activates cards of a batch that have been handed out and are still
// inactive, each with its feed row, and returns how many: fewer than in.Limit means
// that none is left. The cards' row locks protect it.
func (s *Store) ActivateBatch(ctx context.Context, tx pgx.Tx, by By, in InBatch) (activated int, err error) {
	if err = in.check(); err != nil {
		return 0, fmt.Errorf("card.ActivateBatch: %w", err)
	}
	c, err := changedRows(tx.Query(ctx, inBatch(`c.status = 6 AND c.delivered_at IS NOT NULL`)+`
		UPDATE cards c SET status = 1, activated_at = clock_timestamp(), version = c.version + 1
		FROM picked WHERE c.serial = picked.serial RETURNING c.serial, c.version`,
		in.Batch, in.UnionPath, in.Numbers, in.Limit))
	if err == nil && len(c.serials) > 0 {
		if err = feedMany(ctx, tx, c.serials, c.versions); err == nil {
			err = countOn(ctx, tx, `activated`, c.serials)
		}
		if err == nil {
			err = s.tellBatch(ctx, tx, by, "batch.activate", in, len(c.serials))
		}
	}
	if err != nil {
		return 0, fmt.Errorf("card.ActivateBatch: %w", err)
	}
	return len(c.serials), nil
}

func (s *Store) tellBatch(ctx context.Context, tx pgx.Tx, by By, action string, in InBatch, n int) error {
	after := map[string]any{"cards": n}
	if in.UnionPath != "" {
		after["path"] = in.UnionPath
	}
	return event.Record(ctx, tx, by.Actor, action, fmt.Sprintf("batch:%d", in.Batch), by.Reason, nil, after)
}
