// Package migrations holds the database schema as numbered SQL files and
// brings a database up to it.
//
// A file sql/NNNN_name.sql is version NNNN; versions run from 1 without gaps.
// A file that has been applied anywhere is never edited again: the table
// schema_migrations keeps each file's SHA-256, and a database whose files
// differ is refused. There is no way down; a mistake is mended by a later file.
package migrations

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed sql/*.sql
var embedded embed.FS

// What Check finds wrong. Each is wrapped with the versions concerned.
var (
	// ErrSchemaNewer: the database has versions this program does not know.
	ErrSchemaNewer = errors.New("database schema is newer than this program")
	// ErrSchemaMissing: the database lacks versions this program needs.
	ErrSchemaMissing = errors.New("database schema is behind this program")
	// ErrSchemaChanged: an applied version is not the file this program holds.
	ErrSchemaChanged = errors.New("database schema was made from other files")
)

// lockKey is the advisory lock under which one node at a time migrates ("unio").
const lockKey = 0x756e696f

// DB is what a pool, a connection and a transaction have in common.
type DB interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// migration is one SQL file.
type migration struct {
	version int
	name    string
	sha256  string // of the file, hex
	sql     string
}

var fileName = regexp.MustCompile(`^([0-9]{4})_([a-z0-9_]+)\.sql$`)

// load reads the migrations under sql/ in order and refuses odd names and gaps.
func load(fsys fs.FS) ([]migration, error) {
	entries, err := fs.ReadDir(fsys, "sql") // sorted by name, hence by version
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	var all []migration
	for _, e := range entries {
		m := fileName.FindStringSubmatch(e.Name())
		if m == nil {
			return nil, fmt.Errorf("migrations: file %s is not named NNNN_name.sql", e.Name())
		}
		version, err := strconv.Atoi(m[1])
		if err != nil {
			return nil, fmt.Errorf("migrations: file %s: %w", e.Name(), err)
		}
		if version != len(all)+1 {
			return nil, fmt.Errorf("migrations: file %s follows version %d", e.Name(), len(all))
		}
		body, err := fs.ReadFile(fsys, "sql/"+e.Name())
		if err != nil {
			return nil, fmt.Errorf("migrations: %w", err)
		}
		sum := sha256.Sum256(body)
		all = append(all, migration{version, m[2], hex.EncodeToString(sum[:]), string(body)})
	}
	return all, nil
}

// Fingerprint identifies the whole set of migrations: two programs with the
// same fingerprint make the same schema.
func Fingerprint() (string, error) {
	all, err := load(embedded)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, m := range all {
		fmt.Fprintf(h, "%d %s %s\n", m.version, m.name, m.sha256)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Apply brings the database up to this program's schema, each file in a
// transaction of its own. Nodes that start together apply each file once: every
// transaction takes one advisory lock and then looks again at what is missing.
// It returns ErrSchemaNewer or ErrSchemaChanged without touching anything.
func Apply(ctx context.Context, db DB) error {
	all, err := load(embedded)
	if err != nil {
		return err
	}
	return apply(ctx, db, all)
}

func apply(ctx context.Context, db DB, all []migration) error {
	for {
		done, err := applyNext(ctx, db, all)
		if err != nil {
			return fmt.Errorf("migrations: %w", err)
		}
		if done {
			return nil
		}
	}
}

// applyNext applies the first missing file and reports whether none was missing.
func applyNext(ctx context.Context, db DB, all []migration) (done bool, err error) {
	tx, err := db.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(lockKey)); err != nil {
		return false, err
	}
	_, err = tx.Exec(ctx, `CREATE TABLE IF NOT EXISTS schema_migrations (
		version    integer     PRIMARY KEY,
		name       text        NOT NULL,
		sha256     text        NOT NULL,
		applied_at timestamptz NOT NULL DEFAULT clock_timestamp())`)
	if err != nil {
		return false, err
	}
	applied, err := readApplied(ctx, tx)
	if err != nil {
		return false, err
	}
	switch err := compare(applied, all); {
	case err == nil:
		return true, tx.Commit(ctx)
	case !errors.Is(err, ErrSchemaMissing):
		return false, err
	}
	m := all[len(applied)]
	if _, err := tx.Exec(ctx, m.sql); err != nil {
		return false, fmt.Errorf("version %04d %s: %w", m.version, m.name, err)
	}
	// A stray COMMIT in the file would have released the lock and split the file.
	if status := tx.Conn().PgConn().TxStatus(); status != 'T' {
		return false, fmt.Errorf("version %04d %s ended its transaction itself", m.version, m.name)
	}
	_, err = tx.Exec(ctx, `INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)`,
		m.version, m.name, m.sha256)
	if err != nil {
		return false, fmt.Errorf("version %04d %s: %w", m.version, m.name, err)
	}
	return false, tx.Commit(ctx)
}

// Check returns nil if the database's schema is exactly this program's, else
// ErrSchemaNewer, ErrSchemaChanged or ErrSchemaMissing, in that order.
func Check(ctx context.Context, db DB) error {
	all, err := load(embedded)
	if err != nil {
		return err
	}
	return check(ctx, db, all)
}

func check(ctx context.Context, db DB, all []migration) error {
	var exists bool
	err := db.QueryRow(ctx, `SELECT to_regclass('schema_migrations') IS NOT NULL`).Scan(&exists)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	var applied []migration
	if exists {
		if applied, err = readApplied(ctx, db); err != nil {
			return fmt.Errorf("migrations: %w", err)
		}
	}
	return compare(applied, all)
}

// readApplied returns what the database has, in order; sql is left empty.
func readApplied(ctx context.Context, db interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}) ([]migration, error) {
	rows, err := db.Query(ctx, `SELECT version, name, sha256 FROM schema_migrations ORDER BY version`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (m migration, err error) {
		err = row.Scan(&m.version, &m.name, &m.sha256)
		return m, err
	})
}

// compare decides what the applied versions are to the known ones. Both are
// sorted; a hole in applied counts as changed, for files apply only in order.
func compare(applied, known []migration) error {
	if n := len(applied); n > 0 && applied[n-1].version > len(known) {
		return fmt.Errorf("%w: the database is at version %d, the program knows %d",
			ErrSchemaNewer, applied[n-1].version, len(known))
	}
	for i, a := range applied {
		if a.version != known[i].version || a.name != known[i].name || a.sha256 != known[i].sha256 {
			return fmt.Errorf("%w: version %04d %s", ErrSchemaChanged, a.version, a.name)
		}
	}
	if len(applied) < len(known) {
		return fmt.Errorf("%w: the database is at version %d, the program needs %d",
			ErrSchemaMissing, len(applied), len(known))
	}
	return nil
}
