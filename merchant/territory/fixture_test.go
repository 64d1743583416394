package territory_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/signing"
	"unioncard/merchant/territory"
	"unioncard/migrations/pgtest"
)

var (
	by   = merchant.By{Actor: "test", Reason: "区划调整"}
	noon = time.Date(2026, 6, 1, 4, 0, 0, 0, time.UTC)
)

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

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is Henan in a database of its own.
type world struct {
	t         testing.TB
	ctx       context.Context
	db        *pgxpool.Pool
	clock     *clock
	store     *territory.Store
	merchants *merchant.Store
	cards     *card.Store
	desk      *signing.Store
	unions    map[int32]int64 // by division
	handed    []int64         // offices that HandOver was told of
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, ctx: t.Context(), db: pgtest.New(t), clock: &clock{now: noon}}
	w.store = territory.New(w.db, territory.Options{Clock: w.clock.Now,
		HandOver: []func(context.Context, pgx.Tx, int64) error{func(_ context.Context, _ pgx.Tx, office int64) error {
			w.handed = append(w.handed, office)
			return nil
		}}})
	w.merchants = merchant.NewStore(w.db, w.clock.Now)
	w.cards = card.NewStore(w.db, card.StoreOptions{})
	w.desk = signing.New(w.db, signing.Options{Clock: w.clock.Now, Kinds: []signing.Kind{w.store.Kind()}})
	var err error
	w.unions, err = w.cards.SeedUnions(w.ctx, card.By(by))
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
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

func (w *world) number(sql string, args ...any) (n int64) {
	w.t.Helper()
	w.one(&n, sql, args...)
	return n
}

// grassroots adds a union.
func (w *world) grassroots(parent int64, name string) int64 {
	w.t.Helper()
	id, err := w.store.Add(w.ctx, by, parent, name)
	w.must(err)
	return id
}

// members registers members with a card each and returns the first serial.
func (w *world) members(union int64, n int) int64 {
	w.t.Helper()
	code := int32(w.number(`SELECT territory FROM unions WHERE id = $1`, union))
	first, err := w.cards.BulkLoad(w.ctx, card.By(by), n, card.BulkOptions{}, func(_ int, r *card.BulkRow) {
		*r = card.BulkRow{UnionID: union, Territory: code, Name: "王小明", ValidUntil: card.MonthOf(noon) + 24}
	})
	w.must(err)
	return first
}

// account makes an account of a union with roles.
func (w *world) account(union int64, roles ...staff.Role) *staff.Account {
	w.t.Helper()
	a := &staff.Account{Login: fmt.Sprintf("u%d", w.number(`SELECT count(*) FROM staff`)), Name: "王小明", UnionID: union, Roles: roles}
	w.one(&a.ID, `INSERT INTO staff (login, name, union_id, roles, password, password_at, created_at)
		VALUES ($1, $2, $3, $4, 'x', $5, $5) RETURNING id`, a.Login, a.Name, union, roles, noon)
	w.one(&a.Path, `SELECT path FROM unions WHERE id = $1`, union)
	return a
}

// shop is a merchant of an office with an outlet and a contract in force.
func (w *world) shop(office int64, place int32, doc string) (merchantID, outlet, contract int64) {
	w.t.Helper()
	merchantID, err := w.merchants.CreateMerchant(w.ctx, by, merchant.NewMerchant{OfficeID: office, Name: "老郑州烩面", Trade: merchant.TradeCatering})
	w.must(err)
	outlet, err = w.merchants.CreateOutlet(w.ctx, by, merchant.NewOutlet{MerchantID: merchantID, Name: "花园路店", Territory: place})
	w.must(err)
	contract, err = w.merchants.CreateContract(w.ctx, by, merchant.NewContract{MerchantID: merchantID, OfficeID: office,
		ValidFrom: noon.AddDate(0, -1, 0), ValidUntil: noon.AddDate(1, 0, 0), RefundTail: 30 * 24 * time.Hour})
	w.must(err)
	_, err = w.merchants.PublishTerms(w.ctx, by, contract, []byte(doc), time.Time{})
	w.must(err)
	w.must(w.merchants.ActivateContract(w.ctx, by, contract))
	return merchantID, outlet, contract
}

// discount is Terms of one offer for the members of some territories, all if none.
func discount(codes ...int32) string {
	who := ""
	for i, c := range codes {
		if i > 0 {
			who += ","
		}
		who += fmt.Sprint(c)
	}
	if who != "" {
		who = `,"eligibility":{"territories":[` + who + `]}`
	}
	return `{"v":1,"offers":[{"id":"off","title":"会员折扣","benefit":{"kind":"percent","rate_bp":9000},"funding_bp":10000` + who + `}]}`
}
