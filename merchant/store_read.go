package merchant

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Contract reads a contract as it stands, without its Terms. ErrNotFound.
func (s *Store) Contract(ctx context.Context, id int64) (*Contract, error) {
	rows, err := s.db.Query(ctx, contractSQL+` WHERE id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("merchant: contract: %w", err)
	}
	c, err := pgx.CollectExactlyOneRow(rows, scanContract)
	if err != nil {
		return nil, found("contract", err)
	}
	return c, nil
}
