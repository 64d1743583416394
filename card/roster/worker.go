package roster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/member"
	"unioncard/card/sheet"
)

// How a run is held and how often it is tried.
const (
	lease    = 30 * time.Second
	beatAt   = 5 * time.Second // how often a lease is renewed
	poll     = 2 * time.Second
	maxTries = 5
)

// errLost: another node holds the run by now, or it is gone.
var errLost = errors.New("roster: the lease is lost")

// Run does the work of runs until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		did, err := s.Work(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("roster import", "error", err)
		}
		if did && err == nil && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-tick.C:
		}
	}
}

// held is a run that this node works on.
type held struct {
	*Run
	token   int64
	lastRow int
	tries   int
	beaten  time.Time
}

// Work does one run's check or application, if one waits or was left by a node that
// died. It reports whether there was one.
func (s *Store) Work(ctx context.Context) (did bool, err error) {
	h, err := s.claim(ctx)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	switch {
	case h.tries > maxTries:
		err = s.refuse(ctx, h, Broken, "broken", "试了几次都没有办完。请放弃后重新上传；仍不行请告诉系统管理员。")
	case h.State == Checking:
		err = s.check(ctx, h)
		if fault, ok := asFileFault(err); ok {
			err = s.refuse(ctx, h, Refused, fault.Code, fault.Message)
		}
	default:
		err = s.apply(ctx, h)
	}
	if errors.Is(err, errLost) {
		return true, nil
	}
	if err != nil {
		return true, errors.Join(fmt.Errorf("run %d: %w", h.ID, err), s.release(ctx, h))
	}
	return true, nil
}

func asFileFault(err error) (*sheet.Error, bool) { return errors.AsType[*sheet.Error](err) }

// claim takes a run that nobody holds. ErrNotFound without one.
func (s *Store) claim(ctx context.Context) (*held, error) {
	h := &held{beaten: time.Now()}
	var id int64
	err := s.db.QueryRow(ctx, `UPDATE roster_runs SET token = token + 1, tries = tries + 1, lease_until = clock_timestamp() + $1,
			state = CASE WHEN state IN ('queued', 'checking') THEN 'checking' ELSE 'applying' END,
			began_at = clock_timestamp(), began_part = part_done
		WHERE id = (SELECT id FROM roster_runs WHERE state IN ('queued', 'checking', 'confirmed', 'applying')
			AND (lease_until IS NULL OR lease_until < clock_timestamp()) ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
		RETURNING id, token, tries, last_row`, lease).Scan(&id, &h.token, &h.tries, &h.lastRow)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("roster: claim: %w", err)
	}
	h.Run, err = s.Get(ctx, id)
	return h, err
}

// beat renews the lease when it is time. errLost.
func (s *Store) beat(ctx context.Context, h *held) error {
	if time.Since(h.beaten) < beatAt {
		return nil
	}
	h.beaten = time.Now()
	return s.hold(ctx, s.db.QueryRow(ctx, `UPDATE roster_runs SET lease_until = clock_timestamp() + $3
		WHERE id = $1 AND token = $2 AND state IN ('checking', 'applying') RETURNING id`, h.ID, h.token, lease))
}

// hold turns a row that is not there into errLost.
func (s *Store) hold(_ context.Context, row pgx.Row) error {
	var id int64
	err := row.Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return errLost
	}
	return err
}

// release gives up a lease, so that the next try need not wait for it to run out.
func (s *Store) release(ctx context.Context, h *held) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, err := s.db.Exec(ctx, `UPDATE roster_runs SET lease_until = NULL WHERE id = $1 AND token = $2 AND state IN ('checking', 'applying')`, h.ID, h.token)
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	return nil
}

// refuse ends a run whose file can't be read, or that failed too often.
func (s *Store) refuse(ctx context.Context, h *held, state State, code, sentence string) error {
	err := card.InTx(ctx, s.db, func(tx pgx.Tx) error {
		err := s.hold(ctx, tx.QueryRow(ctx, `UPDATE roster_runs SET state = $3, fault_code = $4, fault = $5, lease_until = NULL, checked_at = $6
			WHERE id = $1 AND token = $2 AND state IN ('checking', 'applying') RETURNING id`, h.ID, h.token, state, code, sentence, s.clock()))
		if err != nil || state != Refused {
			return err
		}
		return noteCheck(ctx, tx, h.ID)
	})
	if err != nil {
		return err
	}
	return s.purge(ctx, h.ID, true)
}

// purge deletes what a run no longer needs: the upload and the rows, or all but the
// faulty ones, in pieces that hold no lock for long. It may be done again.
func (s *Store) purge(ctx context.Context, id int64, faulty bool) error {
	const piece = 50_000
	if _, err := s.db.Exec(ctx, `DELETE FROM roster_chunks WHERE run_id = $1`, id); err != nil {
		return fmt.Errorf("roster: purge: %w", err)
	}
	for {
		tag, err := s.db.Exec(ctx, `DELETE FROM roster_rows WHERE run_id = $1 AND row_no IN
			(SELECT row_no FROM roster_rows WHERE run_id = $1 AND ($2 OR outcome <> 9) LIMIT $3)`, id, faulty, piece)
		if err != nil {
			return fmt.Errorf("roster: purge: %w", err)
		}
		if tag.RowsAffected() < piece {
			break
		}
	}
	if !faulty {
		return nil
	}
	_, err := s.db.Exec(ctx, `UPDATE roster_runs SET purged_at = $2 WHERE id = $1`, id, s.clock())
	if err != nil {
		return fmt.Errorf("roster: purge: %w", err)
	}
	return nil
}

// Prune deletes uploads that broke off, lets runs expire that nobody finished, and
// deletes the rows of those that are over, and what a node left that died before it
// had deleted what its run no longer needed. It returns how many runs it dealt with.
func (s *Store) Prune(ctx context.Context) (done int64, err error) {
	const (
		busy  = 10 * time.Minute // the node that ended the run may still be deleting
		again = 24 * time.Hour   // how long leftovers are looked for
	)
	now := s.clock()
	rows, err := s.db.Query(ctx, `SELECT id, state, state IN ('checked', 'applied') AND coalesce(applied_at, checked_at) >= $2
		FROM roster_runs r WHERE purged_at IS NULL AND (
			state = 'uploading' AND created_at < $1 OR state = 'checked' AND checked_at < $2
			OR state = 'applied' AND applied_at < $2 OR state IN ('refused', 'discarded', 'expired', 'broken')
			OR state = 'checked' AND checked_at < $3 AND EXISTS (SELECT FROM roster_chunks c WHERE c.run_id = r.id)
			OR state = 'applied' AND applied_at BETWEEN $4 AND $3 AND EXISTS (SELECT FROM roster_rows w WHERE w.run_id = r.id AND w.outcome <> 9))
		ORDER BY id LIMIT 100`, now.Add(-uploadLimit), now.Add(-Kept), now.Add(-busy), now.Add(-again))
	if err != nil {
		return 0, fmt.Errorf("roster.Prune: %w", err)
	}
	type old struct {
		ID    int64
		State State
		Left  bool // only leftovers go
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[old])
	if err != nil {
		return 0, fmt.Errorf("roster.Prune: %w", err)
	}
	for _, o := range all {
		switch {
		case o.Left && o.State == Applied:
			err = s.purge(ctx, o.ID, false)
		case o.Left:
			_, err = s.db.Exec(ctx, `DELETE FROM roster_chunks WHERE run_id = $1`, o.ID)
		case o.State == Uploading:
			err = s.drop(ctx, o.ID)
		case o.State == Checked:
			// Not if a clerk confirms it in this moment.
			err = s.hold(ctx, s.db.QueryRow(ctx, `UPDATE roster_runs SET state = 'expired' WHERE id = $1 AND state = 'checked' RETURNING id`, o.ID))
			if errors.Is(err, errLost) {
				continue
			}
			fallthrough
		default:
			if err == nil {
				err = s.purge(ctx, o.ID, true)
			}
		}
		if err != nil {
			return done, fmt.Errorf("roster.Prune: %w", err)
		}
		done++
	}
	return done, nil
}

// Source lets the erasure of a member reach the rows of runs that are not over. A run
// that still has them loses them: there is nobody any more whom they are about.
func Source() member.Source {
	return member.Source{Name: "rosters", Erase: func(ctx context.Context, tx pgx.Tx, memberID int64) error {
		if _, err := tx.Exec(ctx, `DELETE FROM roster_rows WHERE member_id = $1`, memberID); err != nil {
			return fmt.Errorf("roster.Source: %w", err)
		}
		return nil
	}}
}
