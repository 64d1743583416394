package feed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// errBehind: rows that this reader has not seen may have been pruned, or there
// are so many that loading everything is quicker.
var errBehind = errors.New("feed: too far behind")

// maxChanges is how many changes one poll applies at most, which bounds its
// memory and, well within Options.Timeout, its time. More come of a bulk import
// in one transaction; then the reader loads afresh.
const maxChanges = 100_000

// chunk is how many changes one call of Apply gets at most.
const chunk = 4096

var readOnly = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}

// readSnapshot tells this poll's snapshot and clock, and whether rows pruned so
// far may be missing between the previous snapshot and this one. A
// changes_low beyond every transaction of this database came with a restored
// dump and says nothing.
const readSnapshot = `SELECT pg_current_snapshot()::text, clock_timestamp(),
	pg_snapshot_xmin($1::pg_snapshot) < low.xid AND low.xid <= pg_snapshot_xmax(pg_current_snapshot())
	FROM changes_low low`

// readChanges takes what this poll's snapshot sees and the previous one's did
// not. xids of a restored dump lie beyond the present snapshot; the load has
// read those objects, so they are left out instead of taken at every poll.
const readChanges = `SELECT id, kind, object_id, version, at FROM changes
	WHERE xid >= pg_snapshot_xmin($1::pg_snapshot)
	  AND xid < pg_snapshot_xmax(pg_current_snapshot())
	  AND NOT pg_visible_in_snapshot(xid, $1::pg_snapshot)
	ORDER BY id LIMIT $2`

// readAgain is readChanges for the first poll on a new connection. The old one
// may have ended with a crash of PostgreSQL, after which it gives out again the
// ids of transactions that had not reached the disk, and the previous snapshot
// takes a reused id for one that it has seen to its end. Whatever bears such an id
// was written after the previous poll, at the time $3; the minute is for a clock
// that was set back. Rows may so be applied twice.
const readAgain = `SELECT id, kind, object_id, version, at FROM changes
	WHERE xid < pg_snapshot_xmax(pg_current_snapshot())
	  AND (xid >= pg_snapshot_xmin($1::pg_snapshot) AND NOT pg_visible_in_snapshot(xid, $1::pg_snapshot)
	    OR at >= $3::timestamptz - interval '1 minute')
	ORDER BY id LIMIT $2`

// pollOnce is one poll; started is when it began, before its snapshot.
func (r *Reader) pollOnce(ctx context.Context, started time.Time) error {
	tx, err := r.conn.BeginTx(ctx, readOnly)
	if err != nil {
		return fmt.Errorf("feed: begin: %w", err)
	}
	defer rollback(ctx, tx)
	var snapshot string
	var databaseNow time.Time
	var behind bool
	if err := tx.QueryRow(ctx, readSnapshot, r.prev).Scan(&snapshot, &databaseNow, &behind); err != nil {
		return fmt.Errorf("feed: snapshot: %w", err)
	}
	if behind {
		return errBehind
	}
	changes, err := r.queryChanges(ctx, tx)
	if err != nil {
		return err
	}
	if err := r.apply(ctx, tx, changes); err != nil {
		return err
	}
	if len(changes) > 0 {
		now := r.opts.Clock()
		r.metrics.appliedRows(changes, databaseNow.Add(now.Sub(started)), r.Age(now))
	}
	r.prev, r.prevAt, r.again = snapshot, databaseNow, false
	r.setApplied(started)
	return nil
}

func (r *Reader) queryChanges(ctx context.Context, tx pgx.Tx) ([]Change, error) {
	sql, args := readChanges, []any{r.prev, maxChanges + 1}
	if r.again {
		sql, args = readAgain, append(args, r.prevAt)
	}
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("feed: read: %w", err)
	}
	changes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Change, error) {
		var c Change
		err := row.Scan(&c.ID, &c.Kind, &c.ObjectID, &c.Version, &c.At)
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("feed: read: %w", err)
	}
	if len(changes) > maxChanges {
		return nil, errBehind
	}
	return changes, nil
}

// apply hands each source the changes of its kinds.
func (r *Reader) apply(ctx context.Context, tx pgx.Tx, changes []Change) error {
	perSource := make([][]Change, len(r.sources))
	for _, c := range changes {
		for _, i := range r.byKind[c.Kind] {
			perSource[i] = append(perSource[i], c)
		}
	}
	for i, list := range perSource {
		for len(list) > 0 {
			n := min(chunk, len(list))
			if err := r.sources[i].Apply(ctx, tx, list[:n:n]); err != nil {
				return fmt.Errorf("feed: apply: %w", err)
			}
			list = list[n:]
		}
	}
	return nil
}

// rollback ends a transaction in any case, also when its context is over. Only
// reading happens in it, so its outcome does not matter.
func rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = tx.Rollback(ctx)
}
