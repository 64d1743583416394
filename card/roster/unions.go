package roster

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/union"
)

// unionNames finds the unions that a file names, among those of the run's territory.
type unionNames struct {
	own    int64 // where a row without a name goes, 0 for nowhere
	byName map[string][]*unionName
	byID   map[int64]*unionName
}

type unionName struct {
	id         int64
	name       string
	parent     string
	grassroots bool
}

// loadUnions reads the active unions at or below the run's.
func loadUnions(ctx context.Context, db card.DB, r *Run) (*unionNames, error) {
	rows, err := db.Query(ctx, `SELECT u.id, u.name, coalesce(p.name, ''), u.kind = $2 FROM unions u LEFT JOIN unions p ON p.id = u.parent_id
		WHERE u.path LIKE $1 || '%' AND u.active`, r.Path, union.Grassroots)
	if err != nil {
		return nil, fmt.Errorf("roster: unions: %w", err)
	}
	u := &unionNames{byName: map[string][]*unionName{}, byID: map[int64]*unionName{}}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*unionName, error) {
		var n unionName
		return &n, row.Scan(&n.id, &n.name, &n.parent, &n.grassroots)
	})
	if err != nil {
		return nil, fmt.Errorf("roster: unions: %w", err)
	}
	for _, n := range all {
		u.byID[n.id] = n
		u.byName[plainUnion(n.name)] = append(u.byName[plainUnion(n.name)], n)
		if n.id == r.UnionID && n.grassroots {
			u.own = n.id
		}
	}
	return u, nil
}

// plainUnion is a name without blanks, in one width.
func plainUnion(s string) string {
	return strings.ToLower(strings.Join(strings.Fields(halfWidth(s)), ""))
}

// find is the union that a cell names: by full name, by "parent/name" where several
// have that name, or by number.
func (u *unionNames) find(text string) (int64, *Fault) {
	refuse := func(f Fault) (int64, *Fault) { return 0, &f }
	name := plainUnion(text)
	if name == "" {
		if u.own == 0 {
			return refuse(faultUnionEmpty())
		}
		return u.own, nil
	}
	found := u.byName[name]
	if parent, own, ok := cutLast(name, "/"); ok && len(found) == 0 {
		for _, n := range u.byName[own] {
			if plainUnion(n.parent) == parent {
				found = append(found, n)
			}
		}
	}
	if id, err := strconv.ParseInt(name, 10, 64); err == nil && len(found) == 0 && u.byID[id] != nil {
		found = []*unionName{u.byID[id]}
	}
	switch {
	case len(found) == 0:
		return refuse(faultUnion())
	case len(found) > 1:
		return refuse(faultUnionSeveral(len(found)))
	case !found[0].grassroots:
		return refuse(faultUnionKind())
	}
	return found[0].id, nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+len(sep):], true
}
