// Package keyset cuts long lists into pages by the last row shown rather than by
// a count of rows to skip: page 10,000 costs what page 1 does, and a row that
// comes or goes meanwhile shifts nothing.
//
// A list is ordered by one column and then by id, so the order is total. The
// column's expression must never be NULL (COALESCE it) and, to be fast on a long
// list, have an index together with the id.
//
//	where, order, args := p.Clause(map[string]string{"name": "m.name", "id": "m.id"}, "m.id", scope, text)
//	rows, err := db.Query(ctx, `SELECT … FROM merchants m WHERE m.path LIKE $1 AND … AND `+where+order, args...)
package keyset

import (
	"fmt"
	"slices"
	"strings"
)

// Mark is where a page ends: a row's value in the column of the order, and its id.
// Value is a string, int64 or time.Time; it is not looked at where the order is by
// id alone.
type Mark struct {
	Value any
	ID    int64
}

// Page is one page of a list.
type Page struct {
	// Sort is the key of the column; "id" is the id alone.
	Sort string
	Desc bool
	// From is the row beside which the page lies, nil for the first page; Back: it
	// lies before that row in the order shown.
	From *Mark
	Back bool
	// Limit is how many rows to fetch: one more than are shown, so that it is known
	// whether there are more.
	Limit int
}

// Clause is what the page adds to a statement: a condition for its WHERE, and
// " ORDER BY … LIMIT $n" for its end, with their parameters after args. A key that
// columns does not have, which a list's own definition rules out, orders by id.
func (p Page) Clause(columns map[string]string, id string, args ...any) (where, order string, all []any) {
	all = slices.Clone(args)
	param := func(v any) string {
		all = append(all, v)
		return fmt.Sprintf("$%d", len(all))
	}
	column := columns[p.Sort]
	if column == "" || column == id {
		column = ""
	}
	op, way := ">", " ASC"
	if p.Desc != p.Back {
		op, way = "<", " DESC"
	}
	where = "true"
	switch {
	case p.From == nil:
	case column == "":
		where = id + " " + op + " " + param(p.From.ID)
	default:
		where = "(" + column + ", " + id + ") " + op + " (" + param(p.From.Value) + ", " + param(p.From.ID) + ")"
	}
	order = " ORDER BY "
	if column != "" {
		order += column + way + ", "
	}
	order += id + way + " LIMIT " + param(p.Limit)
	return where, order, all
}

// Like is a text as a pattern for LIKE that finds it anywhere; its own %, _ and
// backslashes stand for themselves.
func Like(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + "%"
}

// Cut turns the rows fetched (up to Limit) into the rows shown, in the order
// shown, and says whether more lie beyond them in the page's direction.
func Cut[T any](p Page, rows []T) (shown []T, more bool) {
	if more = len(rows) >= p.Limit; more {
		rows = rows[:p.Limit-1]
	}
	if p.Back {
		rows = slices.Clone(rows)
		slices.Reverse(rows)
	}
	return rows, more
}
