package migrations

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ErrNotDurable: the database may lose a purchase that was acknowledged.
var ErrNotDurable = errors.New("database is not durable")

// CheckDurability returns ErrNotDurable, naming the settings, if a committed
// transaction could be lost in a crash as this session sees the settings:
// fsync, full_page_writes or synchronous_commit is off. It must run on a
// connection made like the service's own, since role and database may each
// carry a synchronous_commit of their own.
func CheckDurability(ctx context.Context, db DB) error {
	rows, err := db.Query(ctx, `
		SELECT name || '=' || setting FROM pg_settings
		WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'
		ORDER BY name`)
	if err != nil {
		return fmt.Errorf("migrations: durability: %w", err)
	}
	bad, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("migrations: durability: %w", err)
	}
	if len(bad) > 0 {
		return fmt.Errorf("%w: %s", ErrNotDurable, strings.Join(bad, ", "))
	}
	return nil
}
