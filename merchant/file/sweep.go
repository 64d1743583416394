package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
)

// orphanAge is how long content may lie without a row: longer than any
// transaction, and a day for whoever wants to look why.
const orphanAge = 24 * time.Hour

// sweepBatch bounds how long uploads wait for a sweep.
const sweepBatch = 500

// Sweep deletes content that no row names, a day after it was written, and
// returns how many. Run it now and then, on any number of nodes. While an upload
// is under way that batch is left for the next run, so nobody waits.
func (s *Store) Sweep(ctx context.Context) (removed int, err error) {
	before := s.clock().Add(-orphanAge)
	sums, temps, err := s.disk.older(before)
	if err != nil {
		return 0, err
	}
	for _, t := range temps {
		if err := ignoreAbsent(os.Remove(t)); err != nil {
			return removed, fmt.Errorf("file.Sweep: %w", err)
		}
	}
	for len(sums) > 0 {
		n := min(len(sums), sweepBatch)
		gone, err := s.sweep(ctx, sums[:n], before)
		removed += gone
		if err != nil {
			return removed, fmt.Errorf("file.Sweep: %w", err)
		}
		sums = sums[n:]
	}
	return removed, nil
}

func (s *Store) sweep(ctx context.Context, sums [][32]byte, before time.Time) (removed int, err error) {
	tx, err := s.db.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer func() {
		rollback, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if rbErr := tx.Rollback(rollback); rbErr != nil && !errors.Is(rbErr, pgx.ErrTxClosed) {
			err = errors.Join(err, rbErr)
		}
	}()
	var alone bool
	if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, int64(lockKey)).Scan(&alone); err != nil || !alone {
		return 0, err
	}
	raw := make([][]byte, len(sums))
	for i := range sums {
		raw[i] = sums[i][:]
	}
	rows, err := tx.Query(ctx, `SELECT s FROM unnest($1::bytea[]) s WHERE NOT EXISTS (SELECT FROM files WHERE sha256 = s)`, raw)
	if err != nil {
		return 0, err
	}
	orphans, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		return 0, err
	}
	for _, o := range orphans {
		gone, err := s.disk.removeOlder([32]byte(o), before)
		if err != nil {
			return removed, err
		}
		if gone {
			removed++
		}
	}
	return removed, nil
}
