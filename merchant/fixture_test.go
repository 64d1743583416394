package merchant_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant"
	"unioncard/migrations/pgtest"
)

// by is who makes the tests' changes.
var by = merchant.By{Actor: "test", Reason: "test"}

// noon is when most tests begin: a Monday in Beijing.
var noon = time.Date(2026, 6, 1, 4, 0, 0, 0, time.UTC)

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// world is a small province in a database.
type world struct {
	t                      testing.TB
	ctx                    context.Context
	db                     merchant.DB
	clock                  *clock
	store                  *merchant.Store
	province, city, county int64 // unions
}

// ownTx is a transaction in a database of the test's own, rolled back at its end:
// for tests that publish floors, whose locks would meet those of other tests in
// pgtest.Tx's shared database.
func ownTx(t testing.TB) pgx.Tx {
	t.Helper()
	pool := pgtest.New(t)
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tx.Rollback(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return tx
}

func newWorld(t testing.TB, db merchant.DB) *world {
	t.Helper()
	w := &world{t: t, ctx: t.Context(), db: db, clock: &clock{now: noon}}
	w.store = merchant.NewStore(db, w.clock.Now)
	// Divisions and paths are unique, and tests share a database: draw them.
	root, division := fmt.Sprintf("/%d/", rand.Int64()), 100_000+3*rand.IntN(290_000)
	w.one(&w.province, `INSERT INTO unions (kind, name, path, division, territory)
		VALUES ('province', '河南省总工会', $1, $2, $2) RETURNING id`, root, division)
	w.one(&w.city, `INSERT INTO unions (kind, name, parent_id, path, division, territory)
		VALUES ('city', '郑州市总工会', $1, $2, $3, $3) RETURNING id`, w.province, root+"2/", division+1)
	w.one(&w.county, `INSERT INTO unions (kind, name, parent_id, path, division, territory)
		VALUES ('county', '金水区总工会', $1, $2, $3, $3) RETURNING id`, w.city, root+"2/3/", division+2)
	return w
}

// one reads one value.
func (w *world) one(into any, sql string, args ...any) {
	w.t.Helper()
	if err := w.db.QueryRow(w.ctx, sql, args...).Scan(into); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) merchant(brand string) int64 {
	w.t.Helper()
	id, err := w.store.CreateMerchant(w.ctx, by, merchant.NewMerchant{
		OfficeID: w.county, Name: "老郑州烩面", Brand: brand, Trade: merchant.TradeCatering})
	w.must(err)
	return id
}

func (w *world) outlet(merchantID int64) int64 {
	w.t.Helper()
	id, err := w.store.CreateOutlet(w.ctx, by, merchant.NewOutlet{MerchantID: merchantID, Name: "花园路店", Territory: 410105})
	w.must(err)
	return id
}

// draft draws up a contract of 2026; outlet 0 is the whole merchant.
func (w *world) draft(merchantID, outlet, office int64, clause bool) int64 {
	w.t.Helper()
	id, err := w.store.CreateContract(w.ctx, by, merchant.NewContract{
		MerchantID: merchantID, OutletID: outlet, OfficeID: office,
		ValidFrom:  time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		ValidUntil: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
		RefundTail: 30 * 24 * time.Hour, FloorClause: clause})
	w.must(err)
	return id
}

// active is a draft with Terms, put in force.
func (w *world) active(merchantID, outlet, office int64, clause bool, doc []byte) int64 {
	w.t.Helper()
	id := w.draft(merchantID, outlet, office, clause)
	_, err := w.store.PublishTerms(w.ctx, by, id, doc, time.Time{})
	w.must(err)
	w.must(w.store.ActivateContract(w.ctx, by, id))
	return id
}

// terminal activates a terminal of an outlet.
func (w *world) terminal(outlet int64) *merchant.Terminal {
	w.t.Helper()
	code, err := w.store.IssueActivationCode(w.ctx, by, outlet)
	w.must(err)
	t, err := w.store.Activate(w.ctx, code.Code, newKey(w.t))
	w.must(err)
	return t
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func newKey(t testing.TB) ed25519.PublicKey {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// percent is Terms of one offer: rate in basis points of the price paid.
func percent(rate int) []byte {
	return fmt.Appendf(nil, `{"v":1,"offers":[{"id":"off","title":"会员折扣","benefit":{"kind":"percent","rate_bp":%d},"funding_bp":10000}]}`, rate)
}

// oneSession is a feed.Session in the test's own transaction.
type oneSession struct{ tx pgx.Tx }

func (oneSession) Workers() int { return 1 }

func (s oneSession) InSnapshot(ctx context.Context, f func(context.Context, pgx.Tx) error) error {
	return f(ctx, s.tx)
}

// view loads a fresh State from a transaction.
func (w *world) view(tx pgx.Tx) *merchant.Snapshot {
	w.t.Helper()
	state := merchant.NewState(w.clock.Now, slog.New(slog.DiscardHandler))
	w.must(merchant.NewSource(state).Load(w.ctx, oneSession{tx}))
	return state.Snapshot()
}

// count counts rows.
func (w *world) count(sql string, args ...any) (n int) {
	w.t.Helper()
	w.one(&n, sql, args...)
	return n
}
