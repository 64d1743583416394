package union

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Merger is a union that becomes a part of another.
type Merger struct {
	From, Into Union // as they were before
	// Below are the unions below From, which move with it: where each was, and where
	// it is. Only a union without a division of its own may change its territory.
	Below []Moved
}

// Moved is a union that a merger above it moves.
type Moved struct {
	ID                         int64
	FromTerritory, ToTerritory int32
	Active                     bool
}

// Changes reports whether cards of members below change their territory.
func (m *Merger) Changes() bool { return m.From.Territory != m.Into.Territory }

// mayMerge refuses two that can not become one: the province, unions of different
// sorts, and one that lies in the other. A county's union may go up into its city's,
// as a functional zone's does when the zone is dissolved.
func mayMerge(from, into *Union) error {
	if !from.Active || !into.Active {
		return ErrInactive
	}
	same := from.Kind == into.Kind || from.Kind == County && into.Kind == City && into.Contains(from)
	if from.ID == into.ID || from.Kind == Province || !same || from.Contains(into) {
		return ErrNoMerger
	}
	return nil
}

// Merging is what Merge would do now, without doing it: it takes no lock.
// ErrNotFound, ErrInactive, ErrNoMerger.
func Merging(ctx context.Context, db Querier, from, into int64) (*Merger, error) {
	return merging(ctx, db, from, into, "")
}

func merging(ctx context.Context, db Querier, from, into int64, lock string) (*Merger, error) {
	ends, err := query(ctx, db, `SELECT `+unionColumns+` FROM unions WHERE id = ANY ($1) ORDER BY id = $2 DESC`+lock, []int64{from, into}, from)
	if err != nil {
		return nil, fmt.Errorf("union.Merge: %w", err)
	}
	if len(ends) == 1 && from == into {
		return nil, ErrNoMerger
	}
	if len(ends) != 2 {
		return nil, ErrNotFound
	}
	m := &Merger{From: ends[0], Into: ends[1]}
	if err := mayMerge(&m.From, &m.Into); err != nil {
		return nil, err
	}
	below, err := query(ctx, db, `SELECT `+unionColumns+` FROM unions WHERE starts_with(path, $1) AND id <> $2 ORDER BY id`+lock, m.From.Path, from)
	if err != nil {
		return nil, fmt.Errorf("union.Merge: below: %w", err)
	}
	for i := range below {
		u := &below[i]
		to := u.Territory
		if u.Division == 0 && to == m.From.Territory {
			to = m.Into.Territory
		}
		m.Below = append(m.Below, Moved{ID: u.ID, FromTerritory: u.Territory, ToTerritory: to, Active: u.Active})
	}
	return m, nil
}

// Merge makes from a part of into: everything below from hangs below into from then
// on, and from stays where it was, inactive. It has the tree to itself until the
// transaction ends, and locks the rows of the two and of all below against new
// references to them. What belongs to the unions (members, cards, merchants) is the
// caller's to move, as are the events and the change feed rows. ErrNotFound,
// ErrInactive, ErrNoMerger.
func Merge(ctx context.Context, tx pgx.Tx, from, into int64) (*Merger, error) {
	if err := Close(ctx, tx); err != nil {
		return nil, err
	}
	m, err := merging(ctx, tx, from, into, ` FOR UPDATE`)
	if err != nil {
		return nil, err
	}
	if err := hang(ctx, tx, m); err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `UPDATE unions SET active = false, merged_into = $2, version = version + 1 WHERE id = $1`, from, into)
	if err != nil {
		return nil, fmt.Errorf("union.Merge: %w", err)
	}
	if _, err := tx.Exec(ctx, `UPDATE unions SET version = version + 1 WHERE id = $1`, into); err != nil {
		return nil, fmt.Errorf("union.Merge: %w", err)
	}
	return m, nil
}

// Close has the tree's lock alone until the transaction ends: nobody holds the tree
// (Hold), and no other merger runs.
func Close(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(treeLock)); err != nil {
		return fmt.Errorf("union.Close: %w", err)
	}
	return nil
}

// Successor is the active union that a union is by now: itself, or what it was
// merged into. ErrNotFound.
func Successor(ctx context.Context, db Querier, id int64) (*Union, error) {
	found, err := query(ctx, db, `WITH RECURSIVE way AS (
			SELECT id, merged_into FROM unions WHERE id = $1
			UNION SELECT u.id, u.merged_into FROM way w JOIN unions u ON u.id = w.merged_into)
		SELECT `+unionColumns+` FROM unions WHERE id = (SELECT id FROM way WHERE merged_into IS NULL)`, id)
	if err != nil {
		return nil, fmt.Errorf("union.Successor: %w", err)
	}
	if len(found) == 0 {
		return nil, ErrNotFound
	}
	return &found[0], nil
}

// hang moves what is below m.From to below m.Into: the first level's parents, and
// everybody's path and territory.
func hang(ctx context.Context, tx pgx.Tx, m *Merger) error {
	_, err := tx.Exec(ctx, `UPDATE unions SET
			parent_id = CASE WHEN parent_id = $1 THEN $2 ELSE parent_id END,
			path = $4 || substr(path, length($3) + 1),
			territory = CASE WHEN division IS NULL AND territory = $5 THEN $6 ELSE territory END,
			version = version + 1
		WHERE starts_with(path, $3) AND id <> $1`,
		m.From.ID, m.Into.ID, m.From.Path, m.Into.Path, m.From.Territory, m.Into.Territory)
	if err != nil {
		return fmt.Errorf("union.Merge: move what is below: %w", err)
	}
	return nil
}

// Trees are the tree as it is and as the merger will have made it. They are for
// looking ahead: Merge itself works on the rows.
func (m *Merger) Trees(ctx context.Context, db Querier) (before, after *Tree, err error) {
	unions, err := query(ctx, db, `SELECT `+unionColumns+` FROM unions ORDER BY id`)
	if err != nil {
		return nil, nil, fmt.Errorf("union.Trees: %w", err)
	}
	if before, err = NewTree(unions); err != nil {
		return nil, nil, err
	}
	for i := range unions {
		u := &unions[i]
		switch {
		case u.ID == m.From.ID:
			u.Active, u.MergedInto = false, m.Into.ID
		case m.From.Contains(u):
			if u.ParentID == m.From.ID {
				u.ParentID = m.Into.ID
			}
			if u.Division == 0 && u.Territory == m.From.Territory {
				u.Territory = m.Into.Territory
			}
			u.Path = m.Into.Path + u.Path[len(m.From.Path):]
		}
	}
	after, err = NewTree(unions)
	return before, after, err
}
