package budget_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/migrations/pgtest"
	"unioncard/settlement/budget"
	"unioncard/settlement/ledger"
)

// by is who makes the tests' own changes.
var by = merchant.By{Actor: "test", Reason: "test"}

// world is a small province: 1 the province's union, 2 a city's, 3 a county's of it,
// 4 another city's. Merchant 1 is the city's, 2 the county's, 3 the other city's, 4
// the province's.
type world struct {
	t     testing.TB
	ctx   context.Context
	db    merchant.DB
	store *budget.Store
	today ledger.Day
}

func newWorld(t testing.TB, db merchant.DB) *world {
	t.Helper()
	w := &world{t: t, ctx: t.Context(), db: db, store: budget.NewStore(db, budget.Options{Clock: time.Now}), today: ledger.DayOf(time.Now())}
	w.exec(`INSERT INTO unions (id, kind, name, parent_id, path, division, territory) VALUES
		(1, 'province', '河南省总工会', NULL, '/1/', 410000, 410000), (2, 'city', '郑州市总工会', 1, '/1/2/', 410100, 410100),
		(3, 'county', '金水区总工会', 2, '/1/2/3/', 410105, 410105), (4, 'city', '开封市总工会', 1, '/1/4/', 410200, 410200)`)
	w.exec(`INSERT INTO merchants (id, office_id, name, trade) VALUES (1, 2, '市商家', 'catering'), (2, 3, '区商家', 'shopping'),
		(3, 4, '外市商家', 'catering'), (4, 1, '省商家', 'catering')`)
	return w
}

func inTx(t testing.TB) *world { return newWorld(t, pgtest.Tx(t)) }

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Exec(w.ctx, sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) count(sql string, args ...any) (n int64) {
	w.t.Helper()
	if err := w.db.QueryRow(w.ctx, sql, args...).Scan(&n); err != nil {
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

// tx runs a step in a transaction of its own.
func (w *world) tx(f func(tx pgx.Tx) error) error { return merchant.InTx(w.ctx, w.db, "test", f) }

func (w *world) plan(name string, fen int64) budget.Plan {
	return budget.Plan{Name: name, FirstDay: w.today, LastDay: w.today + 30, AmountFen: fen}
}

// draft makes the draft of a budget of the city.
func (w *world) draft(name string, fen int64) int64 {
	w.t.Helper()
	id, err := w.store.Create(w.ctx, by, 2, w.plan(name, fen))
	w.must(err)
	return id
}

func (w *world) open(id int64) error {
	return w.tx(func(tx pgx.Tx) error { return w.store.OpenTx(w.ctx, tx, by, id, 1) })
}

func (w *world) topUp(id, fen int64) error {
	return w.tx(func(tx pgx.Tx) error { return w.store.TopUpTx(w.ctx, tx, by, id, fen) })
}

func (w *world) close(id int64) error {
	return w.tx(func(tx pgx.Tx) error { return w.store.CloseTx(w.ctx, tx, by, id) })
}

// opened makes an open budget of the city.
func (w *world) opened(name string, fen int64) int64 {
	w.t.Helper()
	id := w.draft(name, fen)
	w.must(w.open(id))
	return id
}

// series makes the draft of a series of a budget.
func (w *world) series(parent int64, name string, fen int64) (id int64) {
	w.t.Helper()
	w.must(w.tx(func(tx pgx.Tx) (err error) {
		id, err = w.store.CreateTx(w.ctx, tx, by, 2, parent, w.plan(name, fen))
		return err
	}))
	return id
}

// spend draws on a budget as purchases do, on one slice, rebalancing first; it returns
// what there was.
func (w *world) spend(id, fen int64) (spent int64) {
	w.t.Helper()
	fen = min(fen, w.get(id).LeftFen)
	if fen == 0 {
		return 0
	}
	w.must(budget.Rebalance(w.ctx, w.db, id, 5, fen))
	w.must(w.tx(func(tx pgx.Tx) error {
		tag, err := tx.Exec(w.ctx, `UPDATE budget_slices SET spent_fen = spent_fen + $2, uses = uses + 1
			WHERE budget_id = $1 AND slice = 5 % (SELECT slices FROM budgets WHERE id = $1)`, id, fen)
		if err == nil && tag.RowsAffected() != 1 {
			w.t.Errorf("no slice to spend on")
		}
		if err != nil {
			return err
		}
		return w.post(tx, ledger.Purchase, ledger.Budget(id), ledger.Merchant(1), fen)
	}))
	return fen
}

// back gives back to a budget as undoing does.
func (w *world) back(id, fen int64) {
	w.t.Helper()
	w.must(w.tx(func(tx pgx.Tx) error {
		if _, err := tx.Exec(w.ctx, `UPDATE budget_slices SET back_fen = back_fen + $2 WHERE budget_id = $1 AND slice = 0`, id, fen); err != nil {
			return err
		}
		return w.post(tx, ledger.Refund, ledger.Merchant(1), ledger.Budget(id), fen)
	}))
}

func (w *world) post(tx pgx.Tx, kind ledger.Kind, from, to ledger.Account, fen int64) error {
	if fen == 0 {
		return nil
	}
	_, err := tx.Exec(w.ctx, `INSERT INTO transfers (merchant_id, business_day, doc, seq, leg, kind, debit, credit, fen)
		VALUES (1, $1, gen_random_uuid(), 0, 1, $2, $3, $4, $5)`, w.today.Date(), int16(kind), int64(from), int64(to), fen)
	return err
}

// balance is what an account holds: credits less debits.
func (w *world) balance(a ledger.Account) int64 {
	w.t.Helper()
	return w.count(`SELECT coalesce(sum(CASE WHEN credit = $1 THEN fen ELSE -fen END), 0)::bigint FROM transfers WHERE $1 IN (debit, credit)`, int64(a))
}

func (w *world) get(id int64) *budget.Row {
	w.t.Helper()
	r, err := w.store.Get(w.ctx, id)
	w.must(err)
	return r
}

// account makes an account of a union with roles.
func (w *world) account(union int64, roles ...staff.Role) *staff.Account {
	w.t.Helper()
	a := &staff.Account{UnionID: union, Roles: roles}
	w.must(w.db.QueryRow(w.ctx, `INSERT INTO staff (login, name, union_id, roles, password, password_at, created_at)
		VALUES ('u' || nextval('card_serial'), '王小明', $1, $2, 'x', now(), now()) RETURNING id`, union, roles).Scan(&a.ID))
	w.must(w.db.QueryRow(w.ctx, `SELECT path FROM unions WHERE id = $1`, union).Scan(&a.Path))
	return a
}

func itoa(id int64) string { return strconv.FormatInt(id, 10) }
