package purchase

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DB is what stores here need; a pool and a transaction both have it.
type DB interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// partitionsAhead is how many days' partitions exist ahead of their day, and
// partitionLock the advisory lock under which one node makes and drops them.
const (
	partitionsAhead = 3
	partitionLock   = 0x6a6f7572 // "jour"
)

var journalColumns = []string{"at", "card_serial", "outlet_id", "terminal_id", "code_kind", "reason",
	"contract_id", "terms_version", "amount_fen", "discount_fen"}

// journalKeys are the columns by which complaints and follow-up look up.
var journalKeys = map[string]string{"outlet": "outlet_id", "card": "card_serial"}

// write copies entries in one statement.
func (j *Journal) write(ctx context.Context, half []verification) error {
	tx, err := j.db.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	// A journal need not wait for the disk: what a crash takes is as good as dropped.
	if _, err := tx.Exec(ctx, `SET LOCAL synchronous_commit = off`); err != nil {
		return err
	}
	_, err = tx.Conn().PgConn().CopyFrom(ctx, &journalRows{rows: half},
		`COPY verifications (`+strings.Join(journalColumns, ", ")+`) FROM STDIN (FORMAT binary)`)
	if err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// keepPartitions makes the partitions of today and the next days, gives those of
// days gone by the indexes that looking up needs, and drops those past their time.
// A partition is a day in Beijing. It works once an hour.
func (j *Journal) keepPartitions(ctx context.Context) error {
	now := j.opts.Clock()
	if !j.kept.IsZero() && now.Sub(j.kept) < time.Hour {
		return nil
	}
	tx, err := j.db.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(partitionLock)); err != nil {
		return err
	}
	today := dayOf(now)
	have, err := partitions(ctx, tx)
	if err != nil {
		return err
	}
	// Yesterday's too: entries of the minutes around midnight are on their way.
	for d := today - 1; d <= today+partitionsAhead; d++ {
		if have[partitionName(d)] {
			continue
		}
		_, err := tx.Exec(ctx, fmt.Sprintf(`CREATE TABLE %s PARTITION OF verifications FOR VALUES FROM ('%s') TO ('%s')`,
			partitionName(d), d.time().Format(time.RFC3339), (d+1).time().Format(time.RFC3339)))
		if err != nil {
			return err
		}
	}
	// Nothing is written to the day before yesterday any more, so that locking it
	// for its indexes holds nobody up.
	settled := partitionName(today - 1)
	for name := range have {
		if len(name) != len(settled) || name >= settled {
			continue
		}
		for _, column := range []string{"outlet", "card"} {
			index := pgx.Identifier{name + "_" + column}.Sanitize()
			_, err := tx.Exec(ctx, fmt.Sprintf(`CREATE INDEX IF NOT EXISTS %s ON %s (%s, at)`,
				index, pgx.Identifier{name}.Sanitize(), journalKeys[column]))
			if err != nil {
				return err
			}
		}
	}
	oldest := partitionName(today - day(j.opts.KeepDays))
	for name := range have {
		if len(name) == len(oldest) && name < oldest {
			if _, err := tx.Exec(ctx, `DROP TABLE `+pgx.Identifier{name}.Sanitize()); err != nil {
				return err
			}
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	j.kept = now
	return nil
}

// partitionName sorts by day.
func partitionName(d day) string { return "verifications_" + d.time().Format("20060102") }

// partitions returns the names of the journal's partitions.
func partitions(ctx context.Context, tx pgx.Tx) (map[string]bool, error) {
	rows, err := tx.Query(ctx, `SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'verifications'::regclass`)
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	have := make(map[string]bool, len(names))
	for _, n := range names {
		have[n] = true
	}
	return have, nil
}
