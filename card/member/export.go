package member

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Source is what another package keeps of a member beyond these tables.
type Source struct {
	Name string // key of the exported document
	// Read returns what is kept, as it marshals to JSON; nil for nothing.
	Read func(ctx context.Context, tx pgx.Tx, memberID int64) (any, error)
	// Erase removes what is personal in it; nil if nothing is.
	Erase func(ctx context.Context, tx pgx.Tx, memberID int64) error
}
