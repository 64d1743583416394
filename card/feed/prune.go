package feed

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	pruneBatch = 20_000     // rows a transaction, so that none holds the log for long
	pruneLock  = 0x75636665 // "ucfe": one pruner at a time
)

// pruneRows deletes rows older than $1 whose transactions every reader that is
// not behind has seen, and moves changes_low over them in the same statement.
// Rows at or above the oldest running transaction stay: readers' snapshots
// start there, and moving changes_low past it would make all of them load
// afresh. (max over bigint: xid8 has no max before PostgreSQL 15.)
const pruneRows = `WITH gone AS (
		DELETE FROM changes WHERE id IN (
			SELECT id FROM changes
			WHERE at < clock_timestamp() - $1::interval AND xid < pg_snapshot_xmin(pg_current_snapshot())
			ORDER BY at LIMIT $2)
		RETURNING xid::text::bigint AS xid),
	top AS (SELECT max(xid) + 1 AS xid, count(*) AS n FROM gone),
	moved AS (
		UPDATE changes_low low SET xid = CASE
			WHEN low.xid > pg_snapshot_xmax(pg_current_snapshot()) THEN top.xid::text::xid8 -- of a restored dump
			ELSE greatest(low.xid::text::bigint, top.xid)::text::xid8 END
		FROM top WHERE top.n > 0)
	SELECT n FROM top`

// Prune deletes changes older than keep and returns how many. A reader further
// behind than that loads afresh.
func Prune(ctx context.Context, pool *pgxpool.Pool, keep time.Duration) (pruned int64, err error) {
	for {
		var n int64
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			var mine bool
			if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, pruneLock).Scan(&mine); err != nil || !mine {
				return err
			}
			return tx.QueryRow(ctx, pruneRows, keep, pruneBatch).Scan(&n)
		})
		if err != nil {
			return pruned, fmt.Errorf("feed.Prune: %w", err)
		}
		pruned += n
		if n < pruneBatch {
			return pruned, nil
		}
	}
}

// RunPruner prunes every ten minutes until ctx ends. Every node may run one.
func RunPruner(ctx context.Context, pool *pgxpool.Pool, keep time.Duration, logger *slog.Logger) {
	for wait(ctx, 10*time.Minute) {
		if n, err := Prune(ctx, pool, keep); err != nil && ctx.Err() == nil {
			logger.Warn("change feed: pruning failed", "error", err)
		} else if n > 0 {
			logger.Info("change feed: pruned", "rows", n)
		}
	}
}
