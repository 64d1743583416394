package union

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

// What a caller branches on.
var (
	ErrNotFound = errors.New("union: there is no such union")
	// ErrInactive: the union was merged into another.
	ErrInactive = errors.New("union: merged into another")
	// ErrStale: somebody else changed the union since it was read.
	ErrStale = errors.New("union: changed meanwhile")
	// ErrNameTaken: an active union of that name hangs in the same place.
	ErrNameTaken = errors.New("union: the name is taken")
	// ErrName: no name that people can read.
	ErrName = errors.New("union: no name")
	// ErrNoMerger: these two can not become one.
	ErrNoMerger = errors.New("union: can't be merged into that one")
)

// MaxName is the longest name of a union in characters.
const MaxName = 60

// treeLock is the advisory lock of the tree's shape ("uctree").
const treeLock = 0x7563_7472_6565

// Hold keeps the tree's shape as it is until the end of the transaction: no union
// is merged meanwhile. Any number may hold it at once. It comes before the
// transaction's first row lock, so that a merger and the holder never wait for
// each other.
func Hold(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock_shared($1)`, int64(treeLock)); err != nil {
		return fmt.Errorf("union.Hold: %w", err)
	}
	return nil
}

// CleanName is a name as it is stored: without spaces around it, full-width
// brackets, one kind of space. ErrName for a blank one, one too long and one with
// characters that don't print.
func CleanName(name string) (string, error) {
	name = strings.Join(strings.Fields(strings.NewReplacer("(", "（", ")", "）").Replace(name)), " ")
	if n := utf8.RuneCountInString(name); n < 2 || n > MaxName || !utf8.ValidString(name) {
		return "", ErrName
	}
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return "", ErrName
	}
	return name, nil
}

// free refuses a name that an active union under the same parent has, but for
// except. The advisory lock keeps two that take it at once apart.
func free(ctx context.Context, tx pgx.Tx, parent, except int64, name string) error {
	var taken bool
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, $2))`, "union name "+name, parent); err != nil {
		return fmt.Errorf("union: name: %w", err)
	}
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM unions WHERE parent_id IS NOT DISTINCT FROM nullif($1::bigint, 0)
		AND name = $2 AND active AND id <> $3)`, parent, name, except).Scan(&taken)
	if err != nil {
		return fmt.Errorf("union: name: %w", err)
	}
	if taken {
		return ErrNameTaken
	}
	return nil
}

// Get reads a union. ErrNotFound.
func Get(ctx context.Context, db Querier, id int64) (*Union, error) {
	found, err := query(ctx, db, `SELECT `+unionColumns+` FROM unions WHERE id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("union.Get: %w", err)
	}
	if len(found) == 0 {
		return nil, ErrNotFound
	}
	return &found[0], nil
}

// Add inserts a grassroots union under an active one: Insert with a name that is
// clean and free. ErrName, ErrNameTaken, ErrInactive, ErrNotFound. The caller
// writes the event and the change feed row.
func Add(ctx context.Context, tx pgx.Tx, parent int64, name string) (*Union, error) {
	name, err := CleanName(name)
	if err != nil {
		return nil, err
	}
	if err := Hold(ctx, tx); err != nil {
		return nil, err
	}
	if _, err := Get(ctx, tx, parent); err != nil {
		return nil, err
	}
	if err := free(ctx, tx, parent, 0, name); err != nil {
		return nil, err
	}
	u := Union{Kind: Grassroots, Name: name, ParentID: parent}
	if err := Insert(ctx, tx, &u); err != nil {
		return nil, err
	}
	return &u, nil
}

// Rename gives a union that is still at a version another name and keeps the old
// one (Names). It returns the union as it was and as it is; a name that is the
// present one changes nothing. ErrName, ErrNameTaken, ErrStale, ErrInactive,
// ErrNotFound. The row's lock protects it. The caller writes the event and the
// change feed row.
func Rename(ctx context.Context, tx pgx.Tx, id, version int64, name string, at time.Time) (was, is *Union, err error) {
	if name, err = CleanName(name); err != nil {
		return nil, nil, err
	}
	found, err := query(ctx, tx, `SELECT `+unionColumns+` FROM unions WHERE id = $1 FOR NO KEY UPDATE`, id)
	if err != nil {
		return nil, nil, fmt.Errorf("union.Rename: %w", err)
	}
	if len(found) == 0 {
		return nil, nil, ErrNotFound
	}
	was = &found[0]
	switch {
	case !was.Active:
		return nil, nil, ErrInactive
	case was.Version != version:
		return nil, nil, ErrStale
	case was.Name == name:
		return was, was, nil
	}
	if err := free(ctx, tx, was.ParentID, id, name); err != nil {
		return nil, nil, err
	}
	now := *was
	now.Name, now.Version = name, was.Version+1
	if _, err := tx.Exec(ctx, `WITH kept AS (INSERT INTO union_names (union_id, until, name) VALUES ($1, $3, $4))
		UPDATE unions SET name = $2, version = version + 1 WHERE id = $1`, id, name, at, was.Name); err != nil {
		return nil, nil, fmt.Errorf("union.Rename: %w", err)
	}
	return was, &now, nil
}

// Name is what a union was called before a moment.
type Name struct {
	Name  string
	Until time.Time
}

// Names lists what a union was called before, the latest first.
func Names(ctx context.Context, db Querier, id int64) ([]Name, error) {
	rows, err := db.Query(ctx, `SELECT name, until FROM union_names WHERE union_id = $1 ORDER BY until DESC`, id)
	if err != nil {
		return nil, fmt.Errorf("union.Names: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Name])
	if err != nil {
		return nil, fmt.Errorf("union.Names: %w", err)
	}
	return names, nil
}
