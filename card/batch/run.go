package batch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/union"
)

const (
	// chunk is how many members one step takes: its row locks are held for well
	// under a second.
	chunk = 2000
	// pollEvery is how often a worker looks for what other nodes started.
	pollEvery = 2 * time.Second
	// maxWait bounds the pause after a failed step.
	maxWait = time.Minute
)

// Wake makes this node's worker look at once.
func (s *Store) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run works on running batches until ctx ends. Any number of nodes may.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		for {
			did, err := s.Step(ctx)
			if err != nil && ctx.Err() == nil {
				s.log.Error("batch", "error", err)
			}
			if !did || ctx.Err() != nil {
				break
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.wake:
		}
	}
}

// run is what a step needs of the batch it works on.
type run struct {
	Batch
	by                card.By
	atUnion, atMember int64
}

// Step takes one chunk of one running batch that no other node is at, the least
// advanced first, and reports whether there was one. What fails is tried again
// after a pause that grows. The batch's row lock protects the place reached.
func (s *Store) Step(ctx context.Context) (did bool, err error) {
	var at int64
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		// Before any row lock: the cards' territories follow from the tree.
		if err := union.Hold(ctx, tx); err != nil {
			return err
		}
		r, err := s.next(ctx, tx)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		did, at = true, r.ID
		return s.stepTx(ctx, tx, r)
	})
	if err != nil && at != 0 && ctx.Err() == nil {
		_, failed := s.db.Exec(ctx, `UPDATE batches SET failed = failed + 1,
			retry_at = clock_timestamp() + least(interval '1 second' * 2 ^ least(failed, 10), $2) WHERE id = $1 AND status = 2`, at, maxWait)
		err = errors.Join(err, failed)
	}
	if err != nil {
		return did, fmt.Errorf("batch.Step: %w", err)
	}
	return did, nil
}

// next locks the running batch to work on; pgx.ErrNoRows if there is none.
func (s *Store) next(ctx context.Context, tx pgx.Tx) (r run, err error) {
	var validUntil time.Time
	var expiring *time.Time
	err = tx.QueryRow(ctx, `SELECT b.id, b.kind, b.union_id, b.target, b.due_on, b.status, b.valid_until, b.expiring, u.path,
		b.run_actor, b.run_reason, b.at_union, b.at_member
		FROM batches b JOIN unions u ON u.id = b.union_id
		WHERE b.status = 2 AND (b.retry_at IS NULL OR b.retry_at <= clock_timestamp())
		ORDER BY b.seen, b.id LIMIT 1 FOR UPDATE OF b SKIP LOCKED`).
		Scan(&r.ID, &r.Kind, &r.UnionID, &r.Target, &r.DueOn, &r.Status, &validUntil, &expiring, &r.Path,
			&r.by.Actor, &r.by.Reason, &r.atUnion, &r.atMember)
	r.ValidUntil = card.MonthOf(validUntil)
	if expiring != nil {
		r.Expiring = card.MonthOf(*expiring)
	}
	return r, err
}

// stepTx gives the next members of a run what it gives, or ends the run.
func (s *Store) stepTx(ctx context.Context, tx pgx.Tx, r run) error {
	// By union, then by member: both in the order of an index, however many unions
	// and members the province has.
	rows, err := tx.Query(ctx, `SELECT u.id, m.id FROM unions u CROSS JOIN LATERAL (
			SELECT m.id FROM members m WHERE m.union_id = u.id AND (u.id > $2 OR m.id > $3) ORDER BY m.id LIMIT $4) m
		WHERE starts_with(u.path, $1) AND u.id >= $2 ORDER BY u.id, m.id LIMIT $4`, r.Path, r.atUnion, r.atMember, chunk)
	if err != nil {
		return fmt.Errorf("members: %w", err)
	}
	var members []int64
	var unionID, member int64
	if _, err = pgx.ForEachRow(rows, []any{&unionID, &member}, func() error {
		members = append(members, member)
		return nil
	}); err != nil {
		return fmt.Errorf("members: %w", err)
	}
	if len(members) == 0 {
		return s.moveTx(ctx, tx, r.by, &r.Batch, Finish)
	}
	// Before the cards: the progress that IssueBatch writes comes last.
	_, err = tx.Exec(ctx, `UPDATE batches SET at_union = $2, at_member = $3, seen = seen + $4, failed = 0, retry_at = NULL WHERE id = $1`,
		r.ID, unionID, member, len(members))
	if err != nil {
		return fmt.Errorf("place: %w", err)
	}
	if r.Kind == Renew {
		return s.renew(ctx, tx, r, members)
	}
	_, err = s.cards.IssueBatch(ctx, tx, r.by, members, card.Issuing{ValidUntil: r.ValidUntil, Status: card.StatusInactive, Batch: r.ID})
	return err
}

// renew renews and counts: renewed cards belong to the batch that issued them, so
// a renewal counts for itself, under the union's own territory.
func (s *Store) renew(ctx context.Context, tx pgx.Tx, r run, members []int64) error {
	n, err := s.cards.RenewMany(ctx, tx, r.by, members, r.Expiring, r.ValidUntil)
	if err != nil || n == 0 {
		return err
	}
	if err := s.tell(ctx, tx, r.by, "batch.renew", r.ID, map[string]any{"cards": n,
		"valid_until": r.ValidUntil.String(), "expiring": r.Expiring.String()}); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO batch_progress AS p (batch_id, territory, issued)
		SELECT $1, territory, $2 FROM unions WHERE id = $3
		ON CONFLICT (batch_id, territory) DO UPDATE SET issued = p.issued + excluded.issued`, r.ID, n, r.UnionID)
	if err != nil {
		return fmt.Errorf("count: %w", err)
	}
	return nil
}
