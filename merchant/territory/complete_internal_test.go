package territory

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"unioncard/migrations/pgtest"
)

// TestEveryColumnIsThoughtOf finds every column of the database that names a union
// or a territory, by its foreign key or its name, and fails for one that a merger
// neither moves nor leaves as history.
func TestEveryColumnIsThoughtOf(t *testing.T) {
	t.Parallel()
	rows, err := pgtest.Tx(t).Query(t.Context(), `
		SELECT c.conrelid::regclass::text || '.' || a.attname FROM pg_constraint c
		JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
		WHERE c.contype = 'f' AND c.confrelid = 'unions'::regclass
		UNION SELECT table_name || '.' || column_name FROM information_schema.columns
		WHERE table_schema = 'public' AND column_name ~ '(union_id|office_id|territory|division)$|^(from|to|into)_union$|_path$'`)
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	known := history()
	for _, m := range moves() {
		known = append(known, m.columns...)
	}
	for _, c := range found {
		if !slices.Contains(known, c) {
			t.Errorf("%s names a union or a territory: say in move.go whether a merger moves it", c)
		}
	}
	for _, c := range known {
		if !slices.Contains(found, c) {
			t.Errorf("%s does not exist", c)
		}
	}
}
