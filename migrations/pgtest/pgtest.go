// Package pgtest gives tests a real PostgreSQL and a real Redis.
//
//	db := pgtest.New(t)   // a fresh, migrated database of the test's own
//	tx := pgtest.Tx(t)    // a transaction that is rolled back at the end
//	addr := pgtest.Redis(t)
//
// The server is the one whose address stands in UNIONCARD_TEST_DATABASE_URL (a
// role that may make databases), which `make test` sets for all packages; without
// it each test process starts one of its own, lazily. Migrated databases are
// cloned from a template, so a fresh one costs some 30 ms. Nothing needs a
// TestMain: servers, data and sockets go when the process ends, even by kill -9,
// and databases that a killed process left on a shared server are dropped by the
// next one.
package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/migrations"
)

// EnvURL names the variable with the address of a shared test server.
const EnvURL = "UNIONCARD_TEST_DATABASE_URL"

const (
	setupLimit = 2 * time.Minute // a first start on a busy machine
	// Advisory locks in the server's postgres database: the template is made
	// under one; each process holds another for as long as it lives.
	lockClass    = 0x75637074 // "ucpt"
	lockTemplate = 0
	prefix       = "unioncard_test_"
)

// cluster is the server as this process uses it.
type cluster struct {
	admin    *pgxpool.Pool
	adminDSN string
	alive    *pgx.Conn // holds this process's lock until the process ends
	template string
	prefix   string // of this process's databases
	next     atomic.Int64
	// stop is never called, the server ends with the process; but it must be
	// kept, or the collector closes the pipe that tells the janitor we live.
	stop func()
}

// theCluster is the one thing that all tests of a process share.
var theCluster = sync.OnceValues(func() (*cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), setupLimit)
	defer cancel()
	return connect(ctx)
})

func connect(ctx context.Context) (*cluster, error) {
	dsn, stop := os.Getenv(EnvURL), func() {}
	if dsn == "" {
		var err error
		if dsn, stop, err = Serve(ctx); err != nil {
			return nil, err
		}
	}
	fingerprint, err := migrations.Fingerprint()
	if err != nil {
		return nil, err
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	tag := binary.BigEndian.Uint32(random[:])>>1 | 1
	c := &cluster{
		adminDSN: dsn,
		stop:     stop,
		template: "unioncard_template_" + fingerprint[:12],
		prefix:   fmt.Sprintf("%s%08x_", prefix, tag),
	}
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = 4
	// The pool's own context must outlive the setup.
	if c.admin, err = pgxpool.NewWithConfig(context.WithoutCancel(ctx), cfg); err != nil {
		return nil, err
	}
	if c.alive, err = pgx.Connect(ctx, dsn); err != nil {
		return nil, err
	}
	if _, err := c.alive.Exec(ctx, `SELECT pg_advisory_lock($1, $2)`, lockClass, int32(tag)); err != nil {
		return nil, err
	}
	return c, c.prepare(ctx)
}

// prepare makes the template if no process has, and drops what killed ones left.
func (c *cluster) prepare(ctx context.Context) error {
	if _, err := c.alive.Exec(ctx, `SELECT pg_advisory_lock($1, $2)`, lockClass, lockTemplate); err != nil {
		return err
	}
	err := c.dropAbandoned(ctx)
	if err == nil {
		err = c.makeTemplate(ctx)
	}
	if _, unlockErr := c.alive.Exec(ctx, `SELECT pg_advisory_unlock($1, $2)`, lockClass, lockTemplate); err == nil {
		err = unlockErr
	}
	return err
}

func (c *cluster) makeTemplate(ctx context.Context) error {
	var exists bool
	err := c.alive.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, c.template).Scan(&exists)
	if err != nil || exists {
		return err
	}
	building := c.template + "_building" // renamed when complete, so a half-made one is never used
	for _, sql := range []string{
		`DROP DATABASE IF EXISTS ` + building + ` WITH (FORCE)`,
		`CREATE DATABASE ` + building,
	} {
		if _, err := c.alive.Exec(ctx, sql); err != nil {
			return err
		}
	}
	dsn, err := c.dsn(building)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	err = migrations.Apply(ctx, conn)
	if closeErr := conn.Close(ctx); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	_, err = c.alive.Exec(ctx, `ALTER DATABASE `+building+` RENAME TO `+c.template)
	return err
}

// dropAbandoned drops the databases of processes that no longer hold their lock.
func (c *cluster) dropAbandoned(ctx context.Context) error {
	rows, err := c.alive.Query(ctx, `SELECT datname FROM pg_database WHERE starts_with(datname, $1)`, prefix)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		if len(name) < len(prefix)+8 {
			continue
		}
		tag, err := strconv.ParseUint(name[len(prefix):len(prefix)+8], 16, 31)
		if err != nil || name[:len(c.prefix)] == c.prefix {
			continue
		}
		var free bool
		err = c.alive.QueryRow(ctx, `SELECT pg_try_advisory_lock($1, $2)`, lockClass, int32(tag)).Scan(&free)
		if err != nil {
			return err
		}
		if !free {
			continue
		}
		if _, err := c.alive.Exec(ctx, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`); err != nil {
			return err
		}
		if _, err := c.alive.Exec(ctx, `SELECT pg_advisory_unlock($1, $2)`, lockClass, int32(tag)); err != nil {
			return err
		}
	}
	return nil
}

// dsn is the address of another database of the same server.
func (c *cluster) dsn(db string) (string, error) {
	u, err := url.Parse(c.adminDSN)
	if err != nil || u.Scheme == "" {
		return "", fmt.Errorf("%s must be a postgres:// URL", EnvURL)
	}
	u.Path = "/" + db
	return u.String(), nil
}

// clone makes a database of its own for the caller and returns its name.
func (c *cluster) clone(ctx context.Context) (string, error) {
	name := c.prefix + strconv.FormatInt(c.next.Add(1), 10)
	_, err := c.admin.Exec(ctx, `CREATE DATABASE `+name+` TEMPLATE `+c.template)
	return name, err
}

// URL returns the address of a fresh, migrated database that is dropped, with
// whatever still uses it, when the test ends.
func URL(t testing.TB) string {
	t.Helper()
	c, err := theCluster()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	name, err := c.clone(t.Context())
	if err != nil {
		t.Fatalf("pgtest: clone: %v", err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if _, err := c.admin.Exec(ctx, `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			t.Errorf("pgtest: drop: %v", err)
		}
	})
	dsn, err := c.dsn(name)
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

// EmptyURL is URL without any migration applied.
func EmptyURL(t testing.TB) string {
	t.Helper()
	dsn := URL(t)
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(t.Context(), `DROP SCHEMA public CASCADE; CREATE SCHEMA public`); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return dsn
}

// New returns a pool of up to 16 connections to a fresh, migrated database: for
// tests that commit or race. Both go when the test ends.
func New(t testing.TB) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(URL(t))
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	cfg.MaxConns = 16
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(t.Context()), cfg)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(pool.Close) // before the drop: cleanups run last in, first out
	return pool
}
