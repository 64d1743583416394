package territory

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union"
	"unioncard/card/union/keyset"
)

// Row is a union in a list.
type Row struct {
	ID        int64
	Kind      union.Kind
	Name      string
	Parent    string // the name of the union above, "" at the root
	Path      string
	Active    bool
	Successor string // the name of what it was merged into
	Former    string // the former name that the search found, "" if it found the present one
	Order     int64  // its place in the list's own order
}

// Filter narrows a list of unions. Scope is the path of the asker's territory and
// must be given.
type Filter struct {
	Scope  string
	Parent int64  // only what hangs directly under it; 0 for all
	Text   string // in the name, or in a former one
	Kind   union.Kind
	// State is "active", "merged" or "" for both.
	State string
}

// List is one page of the unions of a territory; the page's sort is "name", "order"
// (territories by their code, then the others by id) or "id".
func List(ctx context.Context, db union.Querier, f Filter, p keyset.Page) ([]Row, error) {
	where, order, args := p.Clause(map[string]string{"name": "u.name", "order": orderSQL, "id": "u.id"}, "u.id",
		f.Scope, f.Parent, f.Text, keyset.Like(f.Text), f.Kind, f.State)
	rows, err := db.Query(ctx, `SELECT u.id, u.kind, u.name, coalesce(p.name, ''), u.path, u.active, coalesce(s.name, ''),
			CASE WHEN $3 = '' OR u.name LIKE $4 THEN '' ELSE coalesce((SELECT n.name FROM union_names n
				WHERE n.union_id = u.id AND n.name LIKE $4 ORDER BY n.until DESC LIMIT 1), '') END, `+orderSQL+`
		FROM unions u LEFT JOIN unions p ON p.id = u.parent_id LEFT JOIN unions s ON s.id = u.merged_into
		WHERE starts_with(u.path, $1) AND ($2::bigint = 0 OR u.parent_id = $2)
		AND ($3 = '' OR u.name LIKE $4 OR EXISTS (SELECT FROM union_names n WHERE n.union_id = u.id AND n.name LIKE $4))
		AND ($5 = '' OR u.kind = $5) AND ($6 = '' OR u.active = ($6 = 'active')) AND `+where+order, args...)
	if err != nil {
		return nil, fmt.Errorf("territory: list: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Row])
	if err != nil {
		return nil, fmt.Errorf("territory: list: %w", err)
	}
	return found, nil
}

// orderSQL puts territories by their code before industries and grassroots unions.
const orderSQL = `coalesce(u.division::bigint, CASE u.kind WHEN 'grassroots' THEN 2000000 ELSE 1000000 END)`
