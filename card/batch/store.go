package batch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/personal"
	"unioncard/card/union"
	"unioncard/card/union/event"
	"unioncard/card/union/keyset"
)

// Options of a Store.
type Options struct {
	Clock  func() time.Time
	Logger *slog.Logger
}

// Store keeps batches. Each change is one transaction with its event.
type Store struct {
	db    card.DB
	cards *card.Store
	codes *card.Codes
	vault *personal.Vault
	clock func() time.Time
	log   *slog.Logger
	wake  chan struct{}
}

// NewStore makes a store. codes makes printed codes, vault opens names for the card
// maker.
func NewStore(db card.DB, cards *card.Store, codes *card.Codes, vault *personal.Vault, o Options) *Store {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Store{db: db, cards: cards, codes: codes, vault: vault, clock: o.Clock, log: o.Logger, wake: make(chan struct{}, 1)}
}

// batchSQL is a batch with its progress; p sums up to nothing before the first card.
const batchSQL = `SELECT b.id, b.kind, b.union_id, b.title, b.target, b.due_on, b.valid_until, b.expiring, b.status, b.version,
	u.name, u.path, coalesce(p.issued, 0), coalesce(p.delivered, 0), coalesce(p.activated, 0), b.members, b.seen, b.failed,
	b.created_at, b.started_at, b.finished_at
	FROM batches b JOIN unions u ON u.id = b.union_id
	LEFT JOIN LATERAL (SELECT sum(issued) AS issued, sum(delivered) AS delivered, sum(activated) AS activated
		FROM batch_progress WHERE batch_id = b.id) p ON true `

func scanBatch(row pgx.CollectableRow) (b Batch, err error) {
	var validUntil time.Time
	var expiring *time.Time
	err = row.Scan(&b.ID, &b.Kind, &b.UnionID, &b.Title, &b.Target, &b.DueOn, &validUntil, &expiring, &b.Status, &b.Version,
		&b.Union, &b.Path, &b.Issued, &b.Delivered, &b.Activated, &b.Members, &b.Seen, &b.Failed,
		&b.CreatedAt, &b.StartedAt, &b.FinishAt)
	b.ValidUntil = card.MonthOf(validUntil)
	if expiring != nil {
		b.Expiring = card.MonthOf(*expiring)
	}
	return b, err
}

// Get reads a batch of the territory of a path; ErrNotFound.
func (s *Store) Get(ctx context.Context, path string, id int64) (Batch, error) {
	rows, err := s.db.Query(ctx, batchSQL+`WHERE b.id = $1 AND starts_with(u.path, $2)`, id, path)
	return one(rows, err)
}

func one(rows pgx.Rows, err error) (Batch, error) {
	if err != nil {
		return Batch{}, fmt.Errorf("batch: %w", err)
	}
	b, err := pgx.CollectExactlyOneRow(rows, scanBatch)
	if errors.Is(err, pgx.ErrNoRows) {
		return Batch{}, ErrNotFound
	}
	if err != nil {
		return Batch{}, fmt.Errorf("batch: %w", err)
	}
	return b, nil
}

// Filter narrows a list; zero values ask for nothing.
type Filter struct {
	Status  Status
	Kind    Kind
	Text    string // part of the title or of the union's name
	Overdue bool
}

// List is one page of the batches of a territory, ordered by "id" or "due_on".
func (s *Store) List(ctx context.Context, path string, f Filter, page keyset.Page) ([]Batch, error) {
	columns := map[string]string{"id": "b.id", "due_on": "b.due_on"}
	where, order, args := page.Clause(columns, "b.id", path, f.Status, f.Kind, f.Text, f.Overdue, s.today())
	rows, err := s.db.Query(ctx, batchSQL+`WHERE starts_with(u.path, $1) AND ($2::smallint = 0 OR b.status = $2)
		AND ($3::smallint = 0 OR b.kind = $3) AND ($4::text = '' OR strpos(b.title, $4) > 0 OR strpos(u.name, $4) > 0)
		AND (NOT $5::boolean OR b.status <> 4 AND b.due_on < $6::date AND coalesce(p.issued, 0) < b.target) AND `+where+order, args...)
	if err != nil {
		return nil, fmt.Errorf("batch.List: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanBatch)
	if err != nil {
		return nil, fmt.Errorf("batch.List: %w", err)
	}
	return list, nil
}

// today is the day in Beijing, as PostgreSQL's date wants it: at midnight UTC.
func (s *Store) today() time.Time { return Today(s.clock()) }

// Today is a moment's day in Beijing, at midnight UTC.
func Today(t time.Time) time.Time {
	y, m, d := t.UTC().Add(8 * time.Hour).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// Reach is how many members a batch of a union would find: those without a live
// card, or, for a renewal, those whose active card runs out by the end of expiring.
func (s *Store) Reach(ctx context.Context, path string, kind Kind, expiring card.Month) (n int64, err error) {
	sql := `SELECT count(*) FROM members m JOIN unions u ON u.id = m.union_id
		WHERE starts_with(u.path, $1) AND m.status <> 2 AND NOT EXISTS (SELECT FROM live_cards l WHERE l.member_id = m.id)`
	args := []any{path}
	if kind == Renew {
		sql = `SELECT count(*) FROM members m JOIN unions u ON u.id = m.union_id JOIN live_cards l ON l.member_id = m.id
			JOIN cards c ON c.serial = l.card_serial WHERE starts_with(u.path, $1) AND c.status = 1 AND c.valid_until <= $2`
		args = append(args, expiring.LastDay())
	}
	if err := s.db.QueryRow(ctx, sql, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("batch.Reach: %w", err)
	}
	return n, nil
}

// state is what events keep of a batch.
type state struct {
	Status     string `json:"status"`
	Union      int64  `json:"union"`
	Target     int    `json:"target"`
	DueOn      string `json:"due_on"`
	ValidUntil string `json:"valid_until"`
}

func (b *Batch) state() state {
	return state{b.Status.String(), b.UnionID, b.Target, b.DueOn.Format(time.DateOnly), b.ValidUntil.String()}
}

func object(id int64) string { return fmt.Sprintf("batch:%d", id) }

// Create plans a batch. The caller has checked the draft and that the union is in
// the account's territory. ErrNotFound if it was merged into another since. The
// tree is held (union.Hold), by Move too: a merger that saw no unfinished batch
// must not take one over, which would go on to the successor's members.
func (s *Store) Create(ctx context.Context, by card.By, d Draft) (id int64, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if err := union.Hold(ctx, tx); err != nil {
			return err
		}
		if u, err := union.Get(ctx, tx, d.UnionID); errors.Is(err, union.ErrNotFound) || err == nil && !u.Active {
			return ErrNotFound
		} else if err != nil {
			return err
		}
		var expiring *time.Time
		if d.Kind == Renew {
			day := d.Expiring.LastDay()
			expiring = &day
		}
		err := tx.QueryRow(ctx, `INSERT INTO batches (kind, union_id, title, target, due_on, valid_until, expiring)
			VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id`,
			d.Kind, d.UnionID, strings.TrimSpace(d.Title), d.Target, d.DueOn, d.ValidUntil.LastDay(), expiring).Scan(&id)
		if err != nil {
			return err
		}
		b := Batch{Draft: d, Status: Planned}
		return event.Record(ctx, tx, by.Actor, "batch.create", object(id), by.Reason, nil, b.state())
	})
	if err != nil {
		return 0, fmt.Errorf("batch.Create: %w", err)
	}
	return id, nil
}

// Change is what may be changed of a batch until it is closed.
type Change struct {
	Title  string
	Target int
	DueOn  time.Time
}

// Edit changes a batch that is still at a version: ErrChanged, ErrNotFound,
// *MoveError of a closed one. The row lock protects it, as all of the following.
func (s *Store) Edit(ctx context.Context, by card.By, path string, id, version int64, c Change) error {
	return s.locked(ctx, path, id, version, func(tx pgx.Tx, b *Batch) error {
		if b.Status == Closed {
			return &MoveError{"edit", b.Status}
		}
		before := b.state()
		b.Title, b.Target, b.DueOn = strings.TrimSpace(c.Title), c.Target, c.DueOn
		if _, err := tx.Exec(ctx, `UPDATE batches SET title = $2, target = $3, due_on = $4, version = version + 1 WHERE id = $1`,
			id, b.Title, b.Target, b.DueOn); err != nil {
			return err
		}
		return event.Record(ctx, tx, by.Actor, "batch.edit", object(id), by.Reason, before, b.state())
	})
}

// Move starts, stops or closes a batch that is still at a version: ErrChanged,
// ErrNotFound, *MoveError. A start goes through all members from the beginning;
// who has what it gives is passed over.
func (s *Store) Move(ctx context.Context, by card.By, path string, id, version int64, action Action) error {
	err := s.locked(ctx, path, id, version, func(tx pgx.Tx, b *Batch) error { return s.moveTx(ctx, tx, by, b, action) })
	if err == nil && action == Start {
		s.Wake()
	}
	return err
}

func (s *Store) moveTx(ctx context.Context, tx pgx.Tx, by card.By, b *Batch, action Action) error {
	next, err := b.Status.Next(action)
	if err != nil {
		return err
	}
	before := b.state()
	b.Status = next
	set := map[Action]string{
		Start: `run_actor = $3, run_reason = $4, at_union = 0, at_member = 0, seen = 0, failed = 0, retry_at = NULL,
			started_at = clock_timestamp(), finished_at = NULL,
			members = (SELECT count(*) FROM members m JOIN unions u ON u.id = m.union_id WHERE starts_with(u.path, $5)), `,
		Stop: `finished_at = clock_timestamp(), `, Finish: `finished_at = clock_timestamp(), `,
	}[action]
	args := []any{b.ID, next}
	if action == Start {
		args = append(args, by.Actor, by.Reason, b.Path)
	}
	if _, err := tx.Exec(ctx, `UPDATE batches SET `+set+`status = $2, version = version + 1 WHERE id = $1`, args...); err != nil {
		return err
	}
	return event.Record(ctx, tx, by.Actor, "batch."+string(action), object(b.ID), by.Reason, before, b.state())
}

// locked runs fn with a batch's row lock; version 0 is any.
func (s *Store) locked(ctx context.Context, path string, id, version int64, fn func(pgx.Tx, *Batch) error) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if err := union.Hold(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SELECT FROM batches WHERE id = $1 FOR UPDATE`, id); err != nil {
			return fmt.Errorf("batch: lock: %w", err)
		}
		rows, err := tx.Query(ctx, batchSQL+`WHERE b.id = $1 AND starts_with(u.path, $2)`, id, path)
		b, err := one(rows, err)
		if err != nil {
			return err
		}
		if version != 0 && version != b.Version {
			return ErrChanged
		}
		if err := fn(tx, &b); err != nil {
			return err
		}
		return nil
	})
}
