package migrations_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/migrations"
	"unioncard/migrations/pglocal"
	"unioncard/migrations/pgtest"
)

// connect returns a connection to a database without any schema.
func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func set(t *testing.T, bodies ...string) []migrations.Migration {
	t.Helper()
	fsys := fstest.MapFS{}
	for i, body := range bodies {
		fsys["sql/000"+strconv.Itoa(i+1)+"_step.sql"] = &fstest.MapFile{Data: []byte(body)}
	}
	all, err := migrations.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestApplyInSteps(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.EmptyURL(t))
	two := set(t, `CREATE TABLE a (n int); CREATE TABLE b (n int)`, `INSERT INTO a VALUES (1)`)
	if err := migrations.CheckSet(t.Context(), conn, two); !errors.Is(err, migrations.ErrSchemaMissing) {
		t.Fatalf("check on an empty database: %v", err)
	}
	if err := migrations.ApplySet(t.Context(), conn, two[:1]); err != nil {
		t.Fatal(err)
	}
	if err := migrations.CheckSet(t.Context(), conn, two); !errors.Is(err, migrations.ErrSchemaMissing) {
		t.Fatalf("check one version behind: %v", err)
	}
	for range 2 { // the second finds nothing to do
		if err := migrations.ApplySet(t.Context(), conn, two); err != nil {
			t.Fatal(err)
		}
	}
	if err := migrations.CheckSet(t.Context(), conn, two); err != nil {
		t.Fatal(err)
	}
	if err := migrations.CheckSet(t.Context(), conn, two[:1]); !errors.Is(err, migrations.ErrSchemaNewer) {
		t.Errorf("check by an older program: %v", err)
	}
	if err := migrations.ApplySet(t.Context(), conn, two[:1]); !errors.Is(err, migrations.ErrSchemaNewer) {
		t.Errorf("apply by an older program: %v", err)
	}
	edited := set(t, `CREATE TABLE a (n bigint)`, `INSERT INTO a VALUES (1)`)
	if err := migrations.ApplySet(t.Context(), conn, edited); !errors.Is(err, migrations.ErrSchemaChanged) {
		t.Errorf("apply of an edited file: %v", err)
	}
	var rows int
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM a`).Scan(&rows); err != nil || rows != 1 {
		t.Errorf("version 2 ran %d times, %v", rows, err)
	}
}

func TestApplyFailureLeavesNothing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		halves     int // what a file that commits has done is done
	}{
		{"error half-way", `CREATE TABLE half (n int); SELECT 1/0`, 0},
		{"commits itself", `CREATE TABLE half (n int); COMMIT`, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, pgtest.EmptyURL(t))
			all := set(t, `CREATE TABLE a (n int)`, tt.body)
			if err := migrations.ApplySet(t.Context(), conn, all); err == nil {
				t.Fatal("apply succeeded")
			}
			var versions, halves int
			err := conn.QueryRow(t.Context(), `SELECT
				(SELECT count(*) FROM schema_migrations),
				(SELECT count(*) FROM pg_class WHERE relname = 'half')`).Scan(&versions, &halves)
			if err != nil {
				t.Fatal(err)
			}
			if versions != 1 || halves != tt.halves {
				t.Errorf("%d versions and %d half-made tables, want 1 and %d", versions, halves, tt.halves)
			}
		})
	}
}

// Eight nodes start at once on an empty database; each file must run once. The
// files are not idempotent: a second run would fail or add a row.
func TestApplyRace(t *testing.T) {
	t.Parallel()
	dsn := pgtest.EmptyURL(t)
	all := set(t, `CREATE TABLE a (n int)`, `INSERT INTO a VALUES (1)`, `ALTER TABLE a ADD m int`)
	var wg sync.WaitGroup
	for range 8 {
		conn := connect(t, dsn)
		wg.Go(func() {
			if err := migrations.ApplySet(t.Context(), conn, all); err != nil {
				t.Errorf("apply: %v", err)
			}
		})
	}
	wg.Wait()
	var rows int
	err := connect(t, dsn).QueryRow(t.Context(), `SELECT count(*) FROM a`).Scan(&rows)
	if err != nil || rows != 1 {
		t.Errorf("version 2 ran %d times, %v", rows, err)
	}
}

func TestEmbedded(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.EmptyURL(t))
	if err := migrations.Check(t.Context(), conn); !errors.Is(err, migrations.ErrSchemaMissing) {
		t.Fatalf("Check on an empty database: %v", err)
	}
	if err := migrations.Apply(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Check(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
}

func TestCheckDurability(t *testing.T) {
	t.Parallel()
	dsn := pgtest.EmptyURL(t)
	if err := migrations.CheckDurability(t.Context(), connect(t, dsn)); err != nil {
		t.Fatalf("on a durable server: %v", err)
	}
	conn := connect(t, dsn)
	if _, err := conn.Exec(t.Context(), `SET synchronous_commit = off`); err != nil {
		t.Fatal(err)
	}
	err := migrations.CheckDurability(t.Context(), conn)
	if !errors.Is(err, migrations.ErrNotDurable) || !strings.Contains(err.Error(), "synchronous_commit=off") {
		t.Errorf("in a session with synchronous_commit off: %v", err)
	}
	// A database may carry the setting too; only a new session sees it.
	if _, err := conn.Exec(t.Context(), `DO $$ BEGIN EXECUTE format(
		'ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$`); err != nil {
		t.Fatal(err)
	}
	if err := migrations.CheckDurability(t.Context(), connect(t, dsn)); !errors.Is(err, migrations.ErrNotDurable) {
		t.Errorf("in a database with synchronous_commit off: %v", err)
	}
}

func TestCheckDurabilityOfTheServer(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "migrations-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL's user must get in
		t.Fatal(err)
	}
	server, err := pglocal.Start(t.Context(), pglocal.Options{
		Dir: dir, Logger: slog.New(slog.DiscardHandler), Throwaway: true,
		Settings: map[string]string{"fsync": "off", "full_page_writes": "off"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	err = migrations.CheckDurability(t.Context(), connect(t, server.DSN(pglocal.Database)))
	if !errors.Is(err, migrations.ErrNotDurable) || !strings.Contains(err.Error(), "fsync=off, full_page_writes=off") {
		t.Errorf("on a server without fsync: %v", err)
	}
}

// The service and its migrations must not need a superuser.
func TestRoleIsNoSuperuser(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.EmptyURL(t))
	_, err := conn.Exec(t.Context(), `COPY (SELECT 1) TO PROGRAM 'cat'`)
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "42501" {
		t.Errorf("COPY TO PROGRAM: %v, want insufficient_privilege", err)
	}
}
