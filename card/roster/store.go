package roster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/member"
	"unioncard/card/personal"
	"unioncard/card/sheet"
	"unioncard/card/union/event"
	"unioncard/card/union/staff"
)

// Options of a Store.
type Options struct {
	Vault   *personal.Vault
	Members *member.Store
	Clock   func() time.Time
	Logger  *slog.Logger
	// Limits of files; sheet.DefaultLimits with MaxBytes and MaxRows if zero.
	Limits sheet.Limits
	// Bounds of what an account and a union may have checked; DefaultBounds if zero.
	Bounds Bounds
}

// Store keeps runs and does their work. Any number of nodes may run one.
type Store struct {
	db      card.DB
	vault   *personal.Vault
	members *member.Store
	clock   func() time.Time
	log     *slog.Logger
	limits  sheet.Limits
	bounds  Bounds
	wake    chan struct{}
}

// NewStore makes a store over a pool.
func NewStore(db card.DB, o Options) *Store {
	s := &Store{db: db, vault: o.Vault, members: o.Members, clock: o.Clock, log: o.Logger, limits: o.Limits, bounds: o.Bounds, wake: make(chan struct{}, 1)}
	if s.bounds == (Bounds{}) {
		s.bounds = DefaultBounds()
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.limits == (sheet.Limits{}) {
		s.limits = sheet.DefaultLimits()
		s.limits.Bytes, s.limits.Rows = MaxBytes, MaxRows
	}
	return s
}

// Errors of runs.
var (
	// ErrNotFound: no such run.
	ErrNotFound = errors.New("roster: no such run")
	// ErrState: the run is not where this could be done: somebody was quicker.
	ErrState = errors.New("roster: the run has gone on")
	// ErrNothing: there is no row to apply.
	ErrNothing = errors.New("roster: nothing to apply")
)

// SameFileError: the union has the file already.
type SameFileError struct {
	RunID     int64
	AppliedAt time.Time // zero if it has not been applied
}

func (e *SameFileError) Error() string {
	return fmt.Sprintf("roster: the same file as run %d", e.RunID)
}

// RefusedError is a sentence about a field of the upload's form.
type RefusedError struct{ Field, Message string }

func (e *RefusedError) Error() string { return "roster: " + e.Field }

var beijing = time.FixedZone("CST", 8*60*60)

// today is the date in Beijing, at midnight UTC as PostgreSQL's date wants it.
func (s *Store) today() time.Time {
	y, m, d := s.clock().In(beijing).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

const runSQL = `SELECT r.id, r.union_id, u.name, u.path, r.name, r.state, r.bytes, p.name, r.created_at, r.format, r.headings, r.ignored,
	r.rows_done, r.part_done, r.began_part, extract(epoch FROM clock_timestamp() - r.began_at)::float8,
	r.n_new, r.n_changed, r.n_unchanged, r.n_moved, r.n_transfer, r.n_rejoin, r.n_faulty, r.n_stale, r.n_phoneless, r.fault_code, r.fault,
	r.checked_at, coalesce(c.name, ''), r.confirmed_at, r.reason, r.applied_at, r.purged_at IS NOT NULL
	FROM roster_runs r JOIN unions u ON u.id = r.union_id JOIN staff p ON p.id = r.staff_id LEFT JOIN staff c ON c.id = r.confirmed_by `

const wholePart = 10_000

func scanRun(row pgx.CollectableRow) (r Run, err error) {
	var part, began int
	var seconds *float64
	var checked, confirmed, applied *time.Time
	err = row.Scan(&r.ID, &r.UnionID, &r.Union, &r.Path, &r.Name, &r.State, &r.Bytes, &r.Staff, &r.CreatedAt, &r.Format, &r.Headings, &r.Ignored,
		&r.RowsDone, &part, &began, &seconds,
		&r.New, &r.Changed, &r.Unchanged, &r.Moved, &r.Transfer, &r.Rejoin, &r.Faulty, &r.Stale, &r.Phoneless, &r.FaultCode, &r.Fault,
		&checked, &r.ConfirmedBy, &confirmed, &r.Reason, &applied, &r.Purged)
	for to, from := range map[*time.Time]*time.Time{&r.CheckedAt: checked, &r.ConfirmedAt: confirmed, &r.AppliedAt: applied} {
		if from != nil {
			*to = *from
		}
	}
	r.Part = float64(part) / wholePart
	if seconds != nil && part > began {
		r.Left = time.Duration(*seconds / float64(part-began) * float64(wholePart-part) * float64(time.Second))
	}
	return r, err
}

// Get reads a run. ErrNotFound.
func (s *Store) Get(ctx context.Context, id int64) (*Run, error) {
	rows, err := s.db.Query(ctx, runSQL+`WHERE r.id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("roster.Get: %w", err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, scanRun)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("roster.Get: %w", err)
	}
	return &r, nil
}

// List is the last runs of the unions at or below that of a path, newest first,
// before a run's id (0: from the newest).
func (s *Store) List(ctx context.Context, path string, before int64, limit int) ([]Run, error) {
	rows, err := s.db.Query(ctx, runSQL+`WHERE u.path LIKE $1 || '%' AND ($2::bigint = 0 OR r.id < $2) AND r.state <> 'uploading'
		ORDER BY r.id DESC LIMIT $3`, path, before, limit)
	if err != nil {
		return nil, fmt.Errorf("roster.List: %w", err)
	}
	runs, err := pgx.CollectRows(rows, scanRun)
	if err != nil {
		return nil, fmt.Errorf("roster.List: %w", err)
	}
	return runs, nil
}

// Confirm has a checked run applied: the clerk has seen the counts. ErrNotFound,
// ErrState for one that has gone on, ErrNothing. The run's row lock protects it.
func (s *Store) Confirm(ctx context.Context, a *staff.Account, id int64, reason string) error {
	err := card.InTx(ctx, s.db, func(tx pgx.Tx) error {
		state, c, err := lockRun(ctx, tx, id)
		switch {
		case err != nil:
			return err
		case state != Checked:
			return ErrState
		case c.Effect() == 0:
			return ErrNothing
		}
		_, err = tx.Exec(ctx, `UPDATE roster_runs SET state = 'confirmed', confirmed_by = $2, confirmed_at = $3, reason = $4,
			tries = 0, lease_until = NULL WHERE id = $1`, id, a.ID, s.clock(), reason)
		if err != nil {
			return err
		}
		return event.Record(ctx, tx, a.Actor(), "roster.confirm", object(id), reason, nil, c.event())
	})
	if err != nil {
		return fmt.Errorf("roster.Confirm: %w", err)
	}
	s.stir()
	return nil
}

// Discard drops a run that is not being worked on and has not been applied, with
// its rows. ErrNotFound, ErrState. The run's row lock protects it.
func (s *Store) Discard(ctx context.Context, a *staff.Account, id int64) error {
	err := card.InTx(ctx, s.db, func(tx pgx.Tx) error {
		state, c, err := lockRun(ctx, tx, id)
		if err != nil {
			return err
		}
		if state != Checked && state != Refused && state != Broken && state != Queued {
			return ErrState
		}
		if _, err := tx.Exec(ctx, `UPDATE roster_runs SET state = 'discarded' WHERE id = $1`, id); err != nil {
			return err
		}
		return event.Record(ctx, tx, a.Actor(), "roster.discard", object(id), "放弃这份名册", nil, c.event())
	})
	if err != nil {
		return fmt.Errorf("roster.Discard: %w", err)
	}
	return s.purge(ctx, id, true)
}

// event is what events keep of a run's counts.
func (c Counts) event() map[string]any {
	return map[string]any{"new": c.New, "changed": c.Changed, "unchanged": c.Unchanged, "moved": c.Moved, "transfer": c.Transfer,
		"rejoin": c.Rejoin, "faulty": c.Faulty}
}

func lockRun(ctx context.Context, tx pgx.Tx, id int64) (state State, c Counts, err error) {
	err = tx.QueryRow(ctx, `SELECT state, n_new, n_changed, n_unchanged, n_moved, n_transfer, n_rejoin, n_faulty FROM roster_runs
		WHERE id = $1 FOR UPDATE`, id).Scan(&state, &c.New, &c.Changed, &c.Unchanged, &c.Moved, &c.Transfer, &c.Rejoin, &c.Faulty)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	return state, c, err
}

// recount sets a run's counts from its rows.
func recount(ctx context.Context, tx pgx.Tx, id int64) error {
	_, err := tx.Exec(ctx, `UPDATE roster_runs r SET n_new = c.n1, n_changed = c.n2, n_unchanged = c.n3, n_moved = c.n4, n_transfer = c.n5,
			n_rejoin = c.n6, n_faulty = c.n9, n_phoneless = c.bare
		FROM (SELECT count(*) FILTER (WHERE outcome = 1) n1, count(*) FILTER (WHERE outcome = 2) n2, count(*) FILTER (WHERE outcome = 3) n3,
			count(*) FILTER (WHERE outcome = 4) n4, count(*) FILTER (WHERE outcome = 5) n5, count(*) FILTER (WHERE outcome = 6) n6,
			count(*) FILTER (WHERE outcome = 9) n9, count(*) FILTER (WHERE outcome <> 9 AND phone_hash IS NULL) bare
			FROM roster_rows WHERE run_id = $1) c WHERE r.id = $1`, id)
	if err != nil {
		return fmt.Errorf("count: %w", err)
	}
	return nil
}

// stir wakes the worker of this node.
func (s *Store) stir() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
