package pgtest

import (
	"context"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// sharedPool is the database in which all Tx of this process run. Nothing is
// ever committed there.
var sharedPool = sync.OnceValues(func() (*pgxpool.Pool, error) {
	c, err := theCluster()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), setupLimit)
	defer cancel()
	name, err := c.clone(ctx)
	if err != nil {
		return nil, err
	}
	dsn, err := c.dsn(name)
	if err != nil {
		return nil, err
	}
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = 16
	return pgxpool.NewWithConfig(context.WithoutCancel(ctx), cfg)
})

// Tx returns a transaction in a migrated database that all tests of the process
// share; it is rolled back when the test ends. Rows of other tests are never
// visible, but unique keys do collide: two parallel tests that insert the same
// key wait for each other.
func Tx(t testing.TB) pgx.Tx {
	t.Helper()
	pool, err := sharedPool()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if err := tx.Rollback(context.WithoutCancel(t.Context())); err != nil && err != pgx.ErrTxClosed {
			t.Errorf("pgtest: roll back: %v", err)
		}
	})
	return tx
}
