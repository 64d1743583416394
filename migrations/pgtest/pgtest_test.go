package pgtest_test

import (
	"testing"

	"unioncard/migrations/pgtest"
)

func TestNewGivesEachTestItsOwnDatabase(t *testing.T) {
	t.Parallel()
	a, b := pgtest.New(t), pgtest.New(t)
	if _, err := a.Exec(t.Context(), `CREATE TABLE only_here ()`); err != nil {
		t.Fatal(err)
	}
	var seen bool
	err := b.QueryRow(t.Context(), `SELECT to_regclass('only_here') IS NOT NULL`).Scan(&seen)
	if err != nil {
		t.Fatal(err)
	}
	if seen {
		t.Error("a table made in one test's database is seen in another's")
	}
}
func TestTx(t *testing.T) {
	t.Parallel()
	tx := pgtest.Tx(t)
	var n int
	if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM schema_migrations").Scan(&n); err != nil || n == 0 {
		t.Error(err)
	}
}
func TestRedis(t *testing.T) {
	t.Parallel()
	t.Log(pgtest.Redis(t))
}
func BenchmarkClone(b *testing.B) {
	for b.Loop() {
		pgtest.URL(b)
	}
}
