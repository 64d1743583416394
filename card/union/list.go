package union

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Step is one union on the way down to another.
type Step struct {
	ID   int64
	Name string
}

// Above lists what lies above a union within a territory, from the top, without the
// union itself.
func Above(ctx context.Context, db Querier, scope, path string) ([]Step, error) {
	rows, err := db.Query(ctx, `SELECT id, name FROM unions WHERE starts_with($2::text, path) AND starts_with(path, $1) AND path <> $2
		ORDER BY length(path)`, scope, path)
	if err != nil {
		return nil, fmt.Errorf("union.Above: %w", err)
	}
	steps, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Step])
	if err != nil {
		return nil, fmt.Errorf("union.Above: %w", err)
	}
	return steps, nil
}
