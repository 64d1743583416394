package draft

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/merchant"
	"unioncard/merchant/terms"
)

// Store reads and saves drafts in PostgreSQL. Given a transaction instead of a
// pool, its changes become part of that transaction.
type Store struct {
	db    merchant.DB
	clock func() time.Time
}

// NewStore returns a store.
func NewStore(db merchant.DB, clock func() time.Time) *Store { return &Store{db, clock} }

const columns = `SELECT object, version, terms, sha256, saved_by, saved_at FROM drafts `

// Get returns an object's draft. ErrNotFound if there is none, or it was
// discarded.
func (s *Store) Get(ctx context.Context, object string) (*Draft, error) {
	d, err := last(ctx, s.db, object)
	if err == nil && d.Terms == nil {
		return nil, ErrNotFound
	}
	return d, err
}

// At returns an earlier state of a draft. ErrNotFound if it is no longer kept or
// was a discarding.
func (s *Store) At(ctx context.Context, object string, version int32) (*Draft, error) {
	d, err := one(ctx, s.db, columns+`WHERE object = $1 AND version = $2`, object, version)
	if err == nil && d.Terms == nil {
		return nil, ErrNotFound
	}
	return d, err
}

// Version returns the version that the next save has to be based on: that of the
// draft, or of its discarding, or 0.
func (s *Store) Version(ctx context.Context, object string) (int32, error) {
	var v int32
	err := s.db.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM drafts WHERE object = $1`, object).Scan(&v)
	if err != nil {
		return 0, fmt.Errorf("draft: version: %w", err)
	}
	return v, nil
}

// History returns the latest states of a draft, the newest first, at most limit;
// a state without Terms is a discarding.
func (s *Store) History(ctx context.Context, object string, limit int) ([]*Draft, error) {
	rows, err := s.db.Query(ctx, columns+`WHERE object = $1 ORDER BY version DESC LIMIT $2`, object, limit)
	if err != nil {
		return nil, fmt.Errorf("draft: history: %w", err)
	}
	all, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("draft: history: %w", err)
	}
	return all, nil
}

// Save makes doc the draft of an object, if the draft is still at the version
// that the change was based on (0: there was none). Terms equal to what is there
// change nothing. It returns the draft as saved.
//
// ConflictError if somebody else saved meanwhile, terms.ErrInvalid for a document
// that is none or over MaxBytes. The primary key keeps two saves of one version
// apart: the second sees the conflict.
func (s *Store) Save(ctx context.Context, by merchant.By, object string, doc *terms.Terms, expect int32) (*Draft, error) {
	canonical, err := doc.Canonical()
	if err != nil {
		return nil, err
	}
	if len(canonical) > MaxBytes {
		return nil, fmt.Errorf("%w: document over %d bytes", terms.ErrInvalid, MaxBytes)
	}
	return s.write(ctx, by, object, canonical, expect)
}

// Discard ends an object's draft, as publishing what it held does. The version
// still rises.
func (s *Store) Discard(ctx context.Context, by merchant.By, object string, expect int32) error {
	_, err := s.write(ctx, by, object, nil, expect)
	return err
}

// write adds the next state of a draft; canonical is nil for a discarding.
func (s *Store) write(ctx context.Context, by merchant.By, object string, canonical []byte, expect int32) (*Draft, error) {
	if err := checkObject(object); err != nil {
		return nil, err
	}
	var out *Draft
	err := s.change(ctx, func(tx pgx.Tx) error {
		now, err := last(ctx, tx, object)
		if errors.Is(err, ErrNotFound) {
			now, err = &Draft{Object: object}, nil
		}
		if err != nil {
			return err
		}
		if now.Version != expect {
			return s.conflict(ctx, tx, now, expect)
		}
		sum := sha256.Sum256(canonical)
		if canonical == nil && now.Terms == nil || canonical != nil && now.Terms != nil && sum == now.SHA256 {
			out = now
			return nil
		}
		out, err = insert(ctx, tx, by, object, now.Version+1, canonical, s.clock())
		if err != nil {
			return err
		}
		return record(ctx, tx, by, now, out)
	})
	if errors.Is(err, errRaced) {
		now, lastErr := last(ctx, s.db, object)
		if lastErr != nil {
			return nil, lastErr
		}
		return nil, s.conflict(ctx, s.db, now, expect)
	}
	return out, err
}

// errRaced: the version was taken between reading and writing.
var errRaced = errors.New("draft: version taken")

func insert(ctx context.Context, tx pgx.Tx, by merchant.By, object string, version int32, canonical []byte, at time.Time) (*Draft, error) {
	sum := sha256.Sum256(canonical)
	stored := sum[:]
	if canonical == nil {
		stored = nil
	}
	d, err := one(ctx, tx, `INSERT INTO drafts (object, version, terms, sha256, saved_by, saved_at)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
		RETURNING object, version, terms, sha256, saved_by, saved_at`, object, version, canonical, stored, by.Actor, at)
	if errors.Is(err, ErrNotFound) {
		return nil, errRaced
	}
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `DELETE FROM drafts WHERE object = $1 AND version <= $2`, object, version-keep)
	if err != nil {
		return nil, fmt.Errorf("draft: prune: %w", err)
	}
	return d, nil
}

// record writes the save's event: how many offers came, went and changed, and
// the hash; the documents themselves are in the table.
func record(ctx context.Context, tx pgx.Tx, by merchant.By, was, is *Draft) error {
	var before any
	if was.Terms != nil {
		before = state(was)
	}
	if is.Terms == nil {
		return event.Record(ctx, tx, by.Actor, "draft.discard", is.Object, by.Reason, before, map[string]any{"draft": is.Version})
	}
	old := was.Terms
	if old == nil {
		old = &terms.Terms{V: terms.Version}
	}
	c := terms.Diff(old, is.Terms)
	after := state(is)
	after["added"], after["removed"], after["changed"] = len(c.Added), len(c.Removed), len(c.Changed)
	return event.Record(ctx, tx, by.Actor, "draft.save", is.Object, by.Reason, before, after)
}

func state(d *Draft) map[string]any {
	return map[string]any{"draft": d.Version, "offers": len(d.Terms.Offers), "sha256": hex.EncodeToString(d.SHA256[:])}
}

// conflict tells what changed since the version that was expected.
func (s *Store) conflict(ctx context.Context, db merchant.DB, now *Draft, expect int32) error {
	e := &ConflictError{Now: now}
	empty := &terms.Terms{V: terms.Version}
	base, current := empty, now.Terms
	if current == nil {
		current = empty
	}
	if expect > 0 {
		d, err := one(ctx, db, columns+`WHERE object = $1 AND version = $2`, now.Object, expect)
		if errors.Is(err, ErrNotFound) {
			return e
		}
		if err != nil {
			return err
		}
		if d.Terms != nil {
			base = d.Terms
		}
	}
	e.Known, e.Changes = true, terms.Diff(base, current)
	return e
}

func last(ctx context.Context, db merchant.DB, object string) (*Draft, error) {
	return one(ctx, db, columns+`WHERE object = $1 ORDER BY version DESC LIMIT 1`, object)
}

func one(ctx context.Context, db merchant.DB, sql string, args ...any) (*Draft, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("draft: read: %w", err)
	}
	d, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("draft: read: %w", err)
	}
	return d, nil
}

func scan(row pgx.CollectableRow) (*Draft, error) {
	var d Draft
	var doc, sum []byte
	if err := row.Scan(&d.Object, &d.Version, &doc, &sum, &d.Actor, &d.At); err != nil {
		return nil, err
	}
	if doc == nil {
		return &d, nil
	}
	copy(d.SHA256[:], sum)
	var err error
	d.Terms, err = terms.Parse(doc)
	return &d, err
}

// change runs f in a transaction of its own and commits it.
func (s *Store) change(ctx context.Context, f func(tx pgx.Tx) error) error {
	return merchant.InTx(ctx, s.db, "draft", f)
}
