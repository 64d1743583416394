package staff

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/keyset"
)

// Row is an account as lists and pages show it.
type Row struct {
	ID       int64
	Login    string
	Name     string
	UnionID  int64
	Union    string
	Path     string
	Roles    []Role
	Disabled bool
	// OneTimeUntil: a one-time password waits to be changed until then.
	OneTimeUntil *time.Time
	HasFactor    bool
	Recovery     int // recovery codes left
	PasswordAt   time.Time
	LastSignIn   *time.Time
	Version      int64
}

const rowColumns = `st.id, st.login, st.name, st.union_id, u.name, u.path, st.roles, st.disabled, st.one_time_until, st.totp IS NOT NULL,
	(SELECT count(*) FROM staff_recovery r WHERE r.staff_id = st.id)::int, st.password_at,
	(SELECT max(d.used_at) FROM staff_devices d WHERE d.staff_id = st.id), st.version`

func (r *Row) fields() []any {
	return []any{&r.ID, &r.Login, &r.Name, &r.UnionID, &r.Union, &r.Path, &r.Roles, &r.Disabled, &r.OneTimeUntil, &r.HasFactor,
		&r.Recovery, &r.PasswordAt, &r.LastSignIn, &r.Version}
}

// Get reads one account. ErrNotFound.
func (s *Store) Get(ctx context.Context, id int64) (*Row, error) {
	var r Row
	err := s.db.QueryRow(ctx, `SELECT `+rowColumns+` FROM staff st JOIN unions u ON u.id = st.union_id WHERE st.id = $1`, id).Scan(r.fields()...)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("staff.Get: %w", err)
	}
	return &r, nil
}

// ListFilter narrows a list; "" asks for nothing.
type ListFilter struct {
	Text  string // anywhere in login, name or union
	Role  Role
	State string // "active", "disabled" or "waiting" for a first sign-in
}

// List lists the accounts at or below a path.
func (s *Store) List(ctx context.Context, scope string, f ListFilter, page keyset.Page) ([]Row, error) {
	where, order, args := page.Clause(map[string]string{"login": "st.login", "id": "st.id"}, "st.id",
		scope, f.Text, keyset.Like(f.Text), string(f.Role), f.State)
	rows, err := s.db.Query(ctx, `SELECT `+rowColumns+` FROM staff st JOIN unions u ON u.id = st.union_id
		WHERE starts_with(u.path, $1) AND ($2 = '' OR st.login LIKE $3 OR st.name LIKE $3 OR u.name LIKE $3)
			AND ($4 = '' OR $4 = ANY (st.roles))
			AND CASE $5 WHEN 'active' THEN NOT st.disabled WHEN 'disabled' THEN st.disabled
				WHEN 'waiting' THEN NOT st.disabled AND st.one_time_until IS NOT NULL ELSE true END
			AND `+where+order, args...)
	if err != nil {
		return nil, fmt.Errorf("staff.List: %w", err)
	}
	return collect("staff.List", rows)
}

func collect(what string, rows pgx.Rows) ([]Row, error) {
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r Row, err error) { return r, row.Scan(r.fields()...) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return all, nil
}

// All lists every account, by id, behind one.
func (s *Store) All(ctx context.Context, after int64, limit int) ([]Row, error) {
	rows, err := s.db.Query(ctx, `SELECT `+rowColumns+` FROM staff st JOIN unions u ON u.id = st.union_id WHERE st.id > $1 ORDER BY st.id LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("staff.All: %w", err)
	}
	return collect("staff.All", rows)
}

// RootUnion is the id of the union at the root. ErrNotFound before there is one.
func (s *Store) RootUnion(ctx context.Context) (id int64, err error) {
	err = s.db.QueryRow(ctx, `SELECT id FROM unions WHERE parent_id IS NULL`).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("staff.RootUnion: %w", err)
	}
	return id, nil
}

// Office is a union to choose for an account.
type Office struct {
	ID    int64
	Name  string
	Depth int // below the asker's own, 0 for that
}

// Offices finds the active unions at or below a path whose name holds a text,
// in the order of the tree, at most limit.
func (s *Store) Offices(ctx context.Context, scope, text string, limit int) ([]Office, error) {
	rows, err := s.db.Query(ctx, `SELECT id, name, length(path) - length(replace(path, '/', '')) - (length($1) - length(replace($1, '/', '')))
		FROM unions WHERE starts_with(path, $1) AND active AND ($2 = '' OR name LIKE $3)
		ORDER BY (kind = 'grassroots'), string_to_array(trim(both '/' from path), '/')::bigint[] LIMIT $4`,
		scope, text, keyset.Like(text), limit)
	if err != nil {
		return nil, fmt.Errorf("staff.Offices: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Office])
	if err != nil {
		return nil, fmt.Errorf("staff.Offices: %w", err)
	}
	return all, nil
}
