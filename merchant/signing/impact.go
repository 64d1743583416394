package signing

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/draft"
	"unioncard/merchant/terms"
)

// Impacts finds, in the background, which contracts a floor would leave below
// before it is published. Any node may take one up; who does holds it by a lease
// in the database, by the database's clock. When a node dies its lease runs out
// and another takes the work up again, from the start: it is a function of the
// database and takes seconds.
type Impacts struct {
	db     merchant.DB
	clock  func() time.Time
	logger *slog.Logger
	wake   chan struct{}
}

// NewImpacts returns the work; Run does it.
func NewImpacts(db merchant.DB, clock func() time.Time, logger *slog.Logger) *Impacts {
	return &Impacts{db: db, clock: clock, logger: logger, wake: make(chan struct{}, 1)}
}

// ImpactState is where an impact list stands.
type ImpactState string

// The states of an impact list, as stored. Broken is final: it was tried too
// often, and is started anew by hand.
const (
	ImpactQueued  ImpactState = "queued"
	ImpactRunning ImpactState = "running"
	ImpactDone    ImpactState = "done"
	ImpactBroken  ImpactState = "broken"
)

// How an impact is held and how often it is tried.
const (
	impactLease    = 15 * time.Second
	impactBeat     = 500 * time.Millisecond
	impactPoll     = 2 * time.Second
	impactAttempts = 3
)

// Impact is one impact list.
type Impact struct {
	ID           int64
	Trade        merchant.Trade
	Brand        string
	Terms        *terms.Terms
	SHA256       string // in hex
	Effective    time.Time
	DeadlineDays int
	State        ImpactState
	Staff        string // who asked
	MadeAt       time.Time
	Done, Total  int // comparisons
	Contracts    int // how many the floor would bind
	Below        int // how many of them it would leave below
	Basis        string
	Fault        string // why it is broken, in Chinese
	FinishedAt   time.Time
}

// Object is what it is about, as drafts and proposals name it.
func (i *Impact) Object() string { return draft.FloorObject(i.Trade, i.Brand) }

// Over reports whether nothing more will come.
func (i *Impact) Over() bool { return i.State == ImpactDone || i.State == ImpactBroken }

// Start queues an impact list for the draft of a floor. effective zero is now.
// ErrNotYours for who may not write floors (they are the province's, so the
// account is one of the province's union), draft.ErrNotFound without a draft,
// merchant.FieldErrors.
func (w *Impacts) Start(ctx context.Context, a *staff.Account, trade merchant.Trade, brand string, effective time.Time, days int) (id int64, err error) {
	now := w.clock()
	if effective.IsZero() {
		effective = now
	}
	var bad merchant.FieldErrors
	if effective.Before(now.Add(-time.Minute)) {
		bad.Add("effective", "生效时间已经过去，请改成今天或以后")
	}
	if days < 0 || days > 365 {
		bad.Add("deadline_days", "限期应在 0 到 365 天之间")
	}
	if err := bad.Err(); err != nil {
		return 0, err
	}
	err = change(ctx, w.db, func(tx pgx.Tx) error {
		acct, err := accountNow(ctx, tx, a.ID)
		if err != nil {
			return err
		}
		if _, err := mayWriteFloors(ctx, tx, acct); err != nil {
			return err
		}
		object := draft.FloorObject(trade, brand)
		d, err := draft.NewStore(tx, w.clock).Get(ctx, object)
		if err != nil {
			return err
		}
		doc, err := d.Terms.Canonical()
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `INSERT INTO floor_impacts (trade, brand, terms, sha256, effective, deadline_days, staff_id, made_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
			trade, brand, doc, d.SHA256[:], effective, days, acct.ID, now).Scan(&id)
		if err != nil {
			return fmt.Errorf("signing: start impact: %w", err)
		}
		return event.Record(ctx, tx, actor(acct.ID), "floor.impact", object, "测算底线影响", nil,
			map[string]any{"impact": id, "sha256": hex.EncodeToString(d.SHA256[:]), "effective": effective, "deadline_days": days})
	})
	if err == nil {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	return id, err
}

// mayWriteFloors refuses whoever is not of the province's union with the right,
// and returns that union.
func mayWriteFloors(ctx context.Context, tx pgx.Tx, a *staff.Account) (root int64, err error) {
	var path string
	err = tx.QueryRow(ctx, `SELECT id, path FROM unions WHERE parent_id IS NULL ORDER BY id LIMIT 1`).Scan(&root, &path)
	if err != nil {
		return 0, fmt.Errorf("signing: province: %w", err)
	}
	if !a.Covers(path) || !a.May(staff.WriteFloor) {
		return 0, ErrNotYours
	}
	return root, nil
}

// Run takes up what is queued until ctx ends.
func (w *Impacts) Run(ctx context.Context) error {
	poll := time.NewTicker(impactPoll)
	defer poll.Stop()
	for {
		did, err := w.Work(ctx)
		if err != nil && ctx.Err() == nil {
			w.logger.Error("floor impact", "error", err)
		}
		if did && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
		case <-poll.C:
		}
	}
}

// Work does one impact list, if one is queued or was left by a node that died. It
// reports whether there was one.
func (w *Impacts) Work(ctx context.Context) (did bool, err error) {
	i, attempt, err := w.claim(ctx)
	if errors.Is(err, merchant.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if attempt > impactAttempts {
		return true, w.finish(ctx, i.ID, attempt, func(tx pgx.Tx) error { return w.markBroken(ctx, tx, i.ID) })
	}
	found, err := w.compute(ctx, i, attempt)
	if err != nil {
		return true, errors.Join(err, w.release(ctx, i.ID, attempt))
	}
	return true, w.finish(ctx, i.ID, attempt, func(tx pgx.Tx) error { return w.write(ctx, tx, i, found) })
}

// claim takes one impact list that nobody holds; merchant.ErrNotFound without one.
func (w *Impacts) claim(ctx context.Context) (*Impact, int, error) {
	var id int64
	var attempt int
	err := w.db.QueryRow(ctx, `UPDATE floor_impacts SET state = 'running', attempts = attempts + 1, done = 0, total = 0,
			lease_until = clock_timestamp() + $1
		WHERE id = (SELECT id FROM floor_impacts WHERE state = 'queued' OR state = 'running' AND lease_until < clock_timestamp()
			ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, attempts`, impactLease).Scan(&id, &attempt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, 0, merchant.ErrNotFound
	}
	if err != nil {
		return nil, 0, fmt.Errorf("signing: claim impact: %w", err)
	}
	i, err := w.Get(ctx, id)
	return i, attempt, err
}

// progress is how far a computation is.
type progress struct{ done, total int }

// compute finds the impact, telling the database every now and then how far it is,
// which renews the lease.
func (w *Impacts) compute(ctx context.Context, i *Impact, attempt int) (*merchant.Impact, error) {
	doc, err := i.Terms.Canonical()
	if err != nil {
		return nil, err
	}
	far := make(chan progress, 1)
	told, stop := make(chan error, 1), make(chan struct{})
	go func() { told <- w.tell(ctx, i.ID, attempt, far, stop) }()
	found, err := merchant.NewStore(w.db, w.clock).FloorImpact(ctx, merchant.NewFloor{
		Trade: i.Trade, Brand: i.Brand, Terms: doc, Effective: i.Effective, DeadlineDays: i.DeadlineDays,
	}, func(done, total int) {
		select { // only the latest figure matters
		case <-far:
		default:
		}
		select {
		case far <- progress{done, total}:
		default:
		}
	})
	close(stop)
	return found, errors.Join(err, <-told)
}

// tell renews the lease and writes the progress until stop is closed.
func (w *Impacts) tell(ctx context.Context, id int64, attempt int, far <-chan progress, stop <-chan struct{}) error {
	tick := time.NewTicker(impactBeat)
	defer tick.Stop()
	var p progress
	for {
		select {
		case <-stop:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		select {
		case p = <-far:
		default:
		}
		_, err := w.db.Exec(ctx, `UPDATE floor_impacts SET done = $3, total = $4, lease_until = clock_timestamp() + $5
			WHERE id = $1 AND attempts = $2 AND state = 'running'`, id, attempt, p.done, p.total, impactLease)
		if err != nil {
			return fmt.Errorf("signing: impact progress: %w", err)
		}
	}
}

// release gives up a lease, so that the next try need not wait for it to run out.
func (w *Impacts) release(ctx context.Context, id int64, attempt int) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	_, err := w.db.Exec(ctx, `UPDATE floor_impacts SET state = 'queued', lease_until = NULL
		WHERE id = $1 AND attempts = $2 AND state = 'running'`, id, attempt)
	if err != nil {
		return fmt.Errorf("signing: release impact: %w", err)
	}
	return nil
}

// finish writes an outcome, unless the lease has run out and somebody else holds
// it now.
func (w *Impacts) finish(ctx context.Context, id int64, attempt int, write func(tx pgx.Tx) error) error {
	return change(ctx, w.db, func(tx pgx.Tx) error {
		var state ImpactState
		var now int
		err := tx.QueryRow(ctx, `SELECT state, attempts FROM floor_impacts WHERE id = $1 FOR UPDATE`, id).Scan(&state, &now)
		if err != nil {
			return fmt.Errorf("signing: finish impact: %w", err)
		}
		if state != ImpactRunning || now != attempt {
			return nil
		}
		return write(tx)
	})
}

func (w *Impacts) markBroken(ctx context.Context, tx pgx.Tx, id int64) error {
	_, err := tx.Exec(ctx, `UPDATE floor_impacts SET state = 'broken', finished_at = $2, lease_until = NULL,
		fault = '试了几次都没有算完，请重新测算；仍不行请告诉系统管理员' WHERE id = $1`, id, w.clock())
	if err != nil {
		return fmt.Errorf("signing: break impact: %w", err)
	}
	return nil
}

// write stores the rows of an impact.
func (w *Impacts) write(ctx context.Context, tx pgx.Tx, i *Impact, found *merchant.Impact) error {
	members, err := membersOf(ctx, tx, found.Below)
	if err != nil {
		return err
	}
	rows := make([][]any, len(found.Below))
	for n, b := range found.Below {
		comparison, err := json.Marshal(b.Comparison)
		if err != nil {
			return fmt.Errorf("signing: comparison: %w", err)
		}
		rows[n] = []any{i.ID, b.ContractID, b.OfficeID, b.TermsVersion, comparison, orNull(b.Deadline), orNull(b.Resolved), members[b.OfficeID]}
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"impact_rows"}, []string{"impact_id", "contract_id", "office_id", "terms_version",
		"comparison", "deadline", "resolved_at", "members"}, pgx.CopyFromRows(rows))
	if err != nil {
		return fmt.Errorf("signing: impact rows: %w", err)
	}
	_, err = tx.Exec(ctx, `UPDATE floor_impacts SET state = 'done', done = $2, total = $2, contracts = $3, below = $4,
		basis = $5, finished_at = $6, lease_until = NULL WHERE id = $1`,
		i.ID, found.Compared, found.Contracts, len(found.Below), found.Basis, w.clock())
	if err != nil {
		return fmt.Errorf("signing: impact: %w", err)
	}
	return nil
}

// orNull is null for no time.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// membersOf counts the live cards (active, suspended or lost) in the territories
// of the offices concerned.
func membersOf(ctx context.Context, tx pgx.Tx, below []merchant.ImpactRow) (map[int64]int64, error) {
	seen, offices := map[int64]int64{}, []int64{}
	for _, b := range below {
		if _, ok := seen[b.OfficeID]; !ok {
			seen[b.OfficeID] = 0
			offices = append(offices, b.OfficeID)
		}
	}
	if len(offices) == 0 {
		return seen, nil
	}
	rows, err := tx.Query(ctx, `WITH t AS (SELECT territory, count(*) AS n FROM cards WHERE status IN (1, 2, 3, 6) GROUP BY territory)
		SELECT o.id, sum(t.n)::bigint FROM unions o JOIN unions u ON starts_with(u.path, o.path) JOIN t ON t.territory = u.division
		WHERE o.id = ANY ($1) GROUP BY o.id`, offices)
	if err != nil {
		return nil, fmt.Errorf("signing: members: %w", err)
	}
	var office, n int64
	_, err = pgx.ForEachRow(rows, []any{&office, &n}, func() error {
		seen[office] = n
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("signing: members: %w", err)
	}
	return seen, nil
}
