package voucher_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card"
	"unioncard/card/feed"
	"unioncard/card/phone"
	"unioncard/merchant"
	"unioncard/migrations/pgtest"
	"unioncard/settlement/budget"
	"unioncard/settlement/budget/voucher"
	"unioncard/settlement/ledger"
)

// by is who makes the tests' own changes.
var by = merchant.By{Actor: "test", Reason: "test"}

// world is a small province with members, each with a card of the member's number as
// serial and a session: odd ones of the county 410105 (union 3), even ones of the
// other city (union 4). Merchant 1 is the first city's.
type world struct {
	t         testing.TB
	ctx       context.Context
	pool      *pgxpool.Pool
	budgets   *budget.Store
	store     *voucher.Store
	unions    *card.Unions
	merchants *merchant.State
	today     ledger.Day
	parent    int64
}

func newWorld(t testing.TB, members int) *world {
	t.Helper()
	w := &world{t: t, ctx: t.Context(), pool: pgtest.New(t), unions: card.NewUnions(), today: ledger.DayOf(time.Now())}
	w.budgets = budget.NewStore(w.pool, budget.Options{Clock: time.Now})
	w.store = voucher.NewStore(w.pool, w.budgets, time.Now)
	w.merchants = merchant.NewState(time.Now, slog.New(slog.DiscardHandler))
	w.exec(`INSERT INTO unions (id, kind, name, parent_id, path, division, territory) VALUES
		(1, 'province', '河南省总工会', NULL, '/1/', 410000, 410000), (2, 'city', '郑州市总工会', 1, '/1/2/', 410100, 410100),
		(3, 'county', '金水区总工会', 2, '/1/2/3/', 410105, 410105), (4, 'city', '开封市总工会', 1, '/1/4/', 410200, 410200)`)
	w.exec(`INSERT INTO merchants (id, office_id, name, trade) VALUES (1, 2, '市商家', 'catering')`)
	w.exec(`INSERT INTO members (id, union_id, name_masked) SELECT i, 4 - i % 2, '张*' FROM generate_series(1, $1) i`, members)
	w.exec(`INSERT INTO cards (serial, member_id, number, status, territory, name_masked, valid_until)
		SELECT i, i, 4100000000000000 + i, 1, CASE i % 2 WHEN 1 THEN 410105 ELSE 410200 END, '张*',
			(date_trunc('month', now()) + interval '24 months - 1 day')::date FROM generate_series(1, $1) i`, members)
	w.exec(`INSERT INTO card_numbers (number, card_serial) SELECT number, serial FROM cards`)
	w.exec(`INSERT INTO live_cards (member_id, card_serial) SELECT member_id, serial FROM cards`)
	hashes := make([][]byte, members)
	for i := range hashes {
		raw, _ := base64.RawURLEncoding.DecodeString(token(int64(i + 1)))
		sum := sha256.Sum256(raw)
		hashes[i] = sum[:]
	}
	w.exec(`INSERT INTO phone_sessions (hash, member_id, created_at, seen_at)
		SELECT h, i, now(), now() FROM unnest($1::bytea[]) WITH ORDINALITY u(h, i)`, hashes)
	var err error
	w.parent, err = w.budgets.Create(w.ctx, by, 2, budget.Plan{Name: "总预算", FirstDay: w.today - 20, LastDay: w.today + 60, AmountFen: 1_000_000_000})
	w.must(err)
	w.must(w.tx(func(tx pgx.Tx) error { return w.budgets.OpenTx(w.ctx, tx, by, w.parent, 1) }))
	return w
}

// token is what a member's phone holds.
func token(member int64) string {
	raw := make([]byte, 32)
	binary.BigEndian.PutUint64(raw, uint64(member))
	return base64.RawURLEncoding.EncodeToString(raw)
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.pool.Exec(w.ctx, sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) count(sql string, args ...any) (n int64) {
	w.t.Helper()
	if err := w.pool.QueryRow(w.ctx, sql, args...).Scan(&n); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) tx(f func(tx pgx.Tx) error) error { return merchant.InTx(w.ctx, w.pool, "test", f) }

// plan is 满50减40, so many packs of four, claimed from a minute ago.
func (w *world) plan(name string, packs int32) voucher.Plan {
	return voucher.Plan{Name: name, FirstDay: w.today, LastDay: w.today + 30, FaceFen: 4000, NeedFen: 5000, Packs: packs, PerPack: 4,
		ClaimFrom: time.Now().Add(-time.Minute), ClaimUntil: time.Now().Add(time.Hour)}
}

// series makes an open series.
func (w *world) series(p voucher.Plan) int64 {
	w.t.Helper()
	id, err := w.store.Create(w.ctx, by, w.parent, p)
	w.must(err)
	w.must(w.tx(func(tx pgx.Tx) error { return w.store.OpenTx(w.ctx, tx, by, id) }))
	return id
}

// claimer runs a node's claimer until the test ends.
func (w *world) claimer(change ...func(*voucher.ClaimerOptions)) *voucher.Claimer {
	w.t.Helper()
	w.reload()
	o := voucher.ClaimerOptions{Tree: w.unions.Tree, Limits: phone.DefaultLimits(), GiveUp: time.Minute}
	for _, f := range change {
		f(&o)
	}
	c := voucher.NewClaimer(w.pool, o)
	ctx, stop := context.WithCancel(context.WithoutCancel(w.ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Run(ctx)
	}()
	w.t.Cleanup(func() { stop(); <-done })
	return c
}

// reload fills the node's view of unions and merchants.
func (w *world) reload(more ...feed.Source) {
	w.t.Helper()
	sources := append([]feed.Source{card.NewUnionSource(w.unions), merchant.NewSource(w.merchants)}, more...)
	w.must(feed.NewReader(w.pool, sources, feed.Options{Clock: time.Now}).Load(w.ctx))
}

// fields lists the fields at fault.
func fields(err error) (out []string) {
	if bad, ok := errors.AsType[merchant.FieldErrors](err); ok {
		for _, f := range bad {
			out = append(out, f.Field)
		}
	}
	return out
}

func number(serial int64) string { return fmt.Sprint(4100000000000000 + serial) }
