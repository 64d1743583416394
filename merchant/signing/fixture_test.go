package signing_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/signing"
	"unioncard/migrations/pgtest"
)

// by is who makes the tests' own changes.
var by = merchant.By{Actor: "test", Reason: "test"}

// noon is when most tests begin: a Monday in Beijing.
var noon = time.Date(2026, 6, 1, 4, 0, 0, 0, time.UTC)

// clock is a clock that tests set.
type clock struct {
	mu   sync.Mutex
	now  time.Time
	tick time.Duration // how far it goes on each time somebody looks
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(c.tick)
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// world is a small province in a database of its own.
type world struct {
	t                               testing.TB
	ctx                             context.Context
	db                              merchant.DB
	clock                           *clock
	merchants                       *merchant.Store
	province, city, county, sibling int64 // unions
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return worldIn(t, pgtest.New(t))
}

func worldIn(t testing.TB, db merchant.DB) *world {
	t.Helper()
	w := &world{t: t, ctx: t.Context(), db: db, clock: &clock{now: noon}}
	w.merchants = merchant.NewStore(db, w.clock.Now)
	w.province = w.union("province", "河南省总工会", 0, 410000)
	w.city = w.union("city", "郑州市总工会", w.province, 410100)
	w.county = w.union("county", "金水区总工会", w.city, 410105)
	w.sibling = w.union("county", "二七区总工会", w.city, 410103)
	return w
}

func (w *world) union(kind, name string, parent int64, division int) (id int64) {
	w.t.Helper()
	w.one(&id, `WITH n AS (SELECT nextval(pg_get_serial_sequence('unions', 'id')) AS id)
		INSERT INTO unions (id, kind, name, parent_id, path, division, territory)
		SELECT n.id, $1, $2, nullif($3::bigint, 0),
			coalesce((SELECT path FROM unions WHERE id = $3), '/') || n.id || '/', $4::int, $4::int FROM n RETURNING id`,
		kind, name, parent, division)
	return id
}

// account makes an account of a union with roles.
func (w *world) account(union int64, roles ...staff.Role) *staff.Account {
	w.t.Helper()
	a := &staff.Account{Login: fmt.Sprintf("u%d", rand.Int64N(1<<40)), Name: "王小明", UnionID: union, Roles: roles}
	if roles == nil {
		roles = []staff.Role{}
	}
	w.one(&a.ID, `INSERT INTO staff (login, name, union_id, roles, password, password_at, created_at)
		VALUES ($1, $2, $3, $4, 'x', $5, $5) RETURNING id`, a.Login, a.Name, union, roles, noon)
	w.one(&a.Path, `SELECT path FROM unions WHERE id = $1`, union)
	return a
}

// one reads one value.
func (w *world) one(into any, sql string, args ...any) {
	w.t.Helper()
	if err := w.db.QueryRow(w.ctx, sql, args...).Scan(into); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Exec(w.ctx, sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// count counts rows.
func (w *world) count(sql string, args ...any) (n int) {
	w.t.Helper()
	w.one(&n, sql, args...)
	return n
}

// desk is a store of proposals of the given kinds.
func (w *world) desk(kinds ...signing.Kind) *signing.Store {
	return signing.New(w.db, signing.Options{Clock: w.clock.Now, Kinds: kinds})
}
