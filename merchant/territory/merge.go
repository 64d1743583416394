package territory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
	"unioncard/card/union"
	"unioncard/card/union/event"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/signing"
)

// KindMerge is the name of the proposal that merges a union into another. Its object
// is the union merged.
const KindMerge = "union.merge"

// Payload is what a proposal to merge holds.
type Payload struct {
	Into int64 `json:"into"`
}

// ErrNeedsChecker: only grassroots unions are merged by one person.
var ErrNeedsChecker = errors.New("territory: this merger takes a second person")

// Merge merges one grassroots union into another at once. ErrNeedsChecker for other
// unions; merchant.FieldErrors on "into"; BlockedError.
func (s *Store) Merge(ctx context.Context, by merchant.By, from, into int64) error {
	return merchant.InTxAgain(ctx, s.db, "territory", func(tx pgx.Tx) error {
		u, err := union.Get(ctx, tx, from)
		if err != nil {
			return err
		}
		if u.Kind != union.Grassroots {
			return ErrNeedsChecker
		}
		return s.mergeTx(ctx, tx, by, from, into)
	})
}

// Office is the union to which a merger of two is proposed: the nearest province,
// city or county union at or above both. merchant.ErrNotFound.
func (s *Store) Office(ctx context.Context, a, b int64) (id int64, err error) {
	err = s.db.QueryRow(ctx, `SELECT o.id FROM unions o, unions a, unions b WHERE a.id = $1 AND b.id = $2
		AND starts_with(a.path, o.path) AND starts_with(b.path, o.path) AND o.id <> a.id
		AND o.kind IN ('province', 'city', 'county') AND o.active ORDER BY length(o.path) DESC LIMIT 1`, a, b).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, merchant.ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("territory: office: %w", err)
	}
	return id, nil
}

// Kind is the proposal to merge two unions, for signing.Options. What its maker and
// checker see are the two unions; members and merchants change every day and only
// their Terms can stand against it, which is looked at again.
func (s *Store) Kind() signing.Kind {
	ends := func(object string, payload json.RawMessage) (from, into int64, err error) {
		var p Payload
		if err := json.Unmarshal(payload, &p); err != nil {
			return 0, 0, fmt.Errorf("territory: payload: %w", err)
		}
		from, ok := signing.ObjectID(object, "union")
		if !ok {
			return 0, 0, merchant.ErrNotFound
		}
		return from, p.Into, nil
	}
	return signing.Kind{
		Name: KindMerge, Title: "合并工会", Right: staff.WriteUnions,
		Fingerprint: func(ctx context.Context, tx pgx.Tx, object string, payload json.RawMessage) (string, error) {
			from, into, err := ends(object, payload)
			if err != nil {
				return "", err
			}
			m, err := union.Merging(ctx, tx, from, into)
			if refused := inForm(err, "into", "into"); err != nil && refused != err {
				return err.Error(), nil // what Check refuses; for a waiting proposal, a change
			}
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%d %q into %d %q", from, m.From.Name, into, m.Into.Name), nil
		},
		Check: func(ctx context.Context, tx pgx.Tx, object string, payload json.RawMessage) error {
			from, into, err := ends(object, payload)
			if err != nil {
				return err
			}
			m, err := union.Merging(ctx, tx, from, into)
			if err != nil {
				return inForm(err, "into", "into")
			}
			return s.check(ctx, tx, m)
		},
		Apply: func(ctx context.Context, tx pgx.Tx, by merchant.By, p *signing.Proposal) error {
			from, into, err := ends(p.Object, p.Payload)
			if err != nil {
				return err
			}
			return s.mergeTx(ctx, tx, by, from, into)
		},
	}
}

// mergeTx makes from a part of into.
func (s *Store) mergeTx(ctx context.Context, tx pgx.Tx, by merchant.By, from, into int64) error {
	// Looked at before the lock to refuse early, and, as Terms that name a territory
	// hold the tree (merchant.PublishTerms), once more under it.
	m, err := union.Merging(ctx, tx, from, into)
	if err != nil {
		return inForm(err, "into", "into")
	}
	if err := union.Close(ctx, tx); err != nil {
		return err
	}
	if err := s.check(ctx, tx, m); err != nil {
		return err
	}
	if m, err = union.Merge(ctx, tx, from, into); err != nil {
		return inForm(err, "into", "into")
	}
	moved, err := moveAll(ctx, tx, by, m, s.now())
	if err != nil {
		return err
	}
	for _, f := range s.handOver {
		if err := f(ctx, tx, from); err != nil {
			return err
		}
	}
	return s.recordMerger(ctx, tx, by, m, moved)
}

// check refuses a merger that the rules of the tree allow.
func (s *Store) check(ctx context.Context, tx pgx.Tx, m *union.Merger) error {
	if err := checkUnfinished(ctx, tx, m.From.ID); err != nil {
		return err
	}
	lost, _, err := s.shift(ctx, tx, m)
	if err != nil {
		return err
	}
	return blocked(lost)
}

// recordMerger writes what a merger did, for both unions' histories.
func (s *Store) recordMerger(ctx context.Context, tx pgx.Tx, by merchant.By, m *union.Merger, moved map[string]int64) error {
	counts, err := json.Marshal(moved)
	if err != nil {
		return fmt.Errorf("territory: merger: %w", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO union_mergers (union_id, into_id, from_territory, into_territory, below, moved, by, reason, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, m.From.ID, m.Into.ID, m.From.Territory, m.Into.Territory,
		len(m.Below), counts, by.Actor, by.Reason, s.now())
	if err != nil {
		return fmt.Errorf("territory: merger: %w", err)
	}
	// A reader reads the whole tree anew, so the two rows stand for all below too.
	err = feed.Record(ctx, tx, feed.Change{Kind: feed.KindUnion, ObjectID: m.From.ID, Version: m.From.Version + 1},
		feed.Change{Kind: feed.KindUnion, ObjectID: m.Into.ID, Version: m.Into.Version + 1})
	if err != nil {
		return err
	}
	after := map[string]any{"union": m.Into.ID, "path": m.Into.Path, "unions_below": len(m.Below), "moved": moved}
	if err := event.Record(ctx, tx, by.Actor, "union.merge", object(m.From.ID), by.Reason,
		map[string]any{"path": m.From.Path, "territory": m.From.Territory}, after); err != nil {
		return err
	}
	return event.Record(ctx, tx, by.Actor, "union.absorb", object(m.Into.ID), by.Reason, nil,
		map[string]any{"union": m.From.ID, "unions_below": len(m.Below), "moved": moved})
}
