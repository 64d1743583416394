package settlement

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/merchant"
	"unioncard/merchant/application"
	"unioncard/migrations/pgtest"
	"unioncard/settlement/ledger"
)

// world is a database with a province, a city (2) and a county (3), merchants with two
// outlets each (merchant m: 2m-1 and 2m) of the city, one contract each, and a budget
// (1) of the city. Purchases are put into it as the committer and the desk leave them.
type world struct {
	t      testing.TB
	ctx    context.Context
	pool   *pgxpool.Pool
	store  *Store
	closer *Closer
	today  ledger.Day
	n      int
}

func newWorld(t testing.TB, merchants int, o CloserOptions) *world {
	t.Helper()
	w := &world{t: t, ctx: t.Context(), pool: pgtest.New(t)}
	o.Duty = 1
	w.closer = NewCloser(w.pool, o)
	vault := application.NewVault(func() []application.VaultKey {
		return []application.VaultKey{{ID: 1, Secret: make([]byte, 32)}}
	})
	w.store = NewStore(w.pool, Options{Clock: time.Now, Details: application.New(application.Options{DB: w.pool, Vault: vault, Clock: time.Now})})
	w.exec(`INSERT INTO unions (id, kind, name, parent_id, path, division, territory) VALUES
		(1, 'province', '河南省总工会', NULL, '/1/', 410000, 410000),
		(2, 'city', '郑州市总工会', 1, '/1/2/', 410100, 410100),
		(3, 'city', '开封市总工会', 1, '/1/3/', 410200, 410200)`)
	w.exec(`INSERT INTO merchants (id, office_id, name, trade) SELECT m, 2, '商家' || m, 'catering' FROM generate_series(1, $1) m`, merchants)
	w.exec(`INSERT INTO outlets (id, merchant_id, name, territory) SELECT o, (o + 1) / 2, '门店' || o, 410100 FROM generate_series(1, 2 * $1) o`, merchants)
	w.exec(`INSERT INTO contracts (id, merchant_id, office_id, trade, status, valid, refund_until, floor_clause)
		SELECT m, m, 2, 'catering', 'active', tstzrange(now() - interval '60 days', now() + interval '60 days'),
		       now() + interval '90 days', false FROM generate_series(1, $1) m`, merchants)
	if err := w.pool.QueryRow(w.ctx, `SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date - date '1970-01-01'`).Scan(&w.today); err != nil {
		t.Fatal(err)
	}
	w.exec(`INSERT INTO budgets (id, office_id, kind, name, state, first_day, last_day, amount_fen, granted_fen)
		VALUES (1, 2, 'budget', '补贴', 'open', $1, $2, 100000000, 100000000)`, (w.today - 100).Date(), (w.today + 100).Date())
	w.exec(`INSERT INTO budget_slices (budget_id, slice, granted_fen) VALUES (1, 0, 100000000)`)
	w.post(ledger.Transfer{Day: w.today - 100, Doc: uuid.New(), Kind: ledger.Funding, Debit: ledger.Fund(2), Credit: ledger.Budget(1), Fen: 100000000})
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
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

func (w *world) post(transfers ...ledger.Transfer) {
	w.t.Helper()
	w.must(pgx.BeginFunc(w.ctx, w.pool, func(tx pgx.Tx) error { return ledger.Post(w.ctx, tx, transfers...) }))
}

// sale is a purchase of the world.
type sale struct {
	id                       uuid.UUID
	merchant, outlet         int64
	day                      ledger.Day
	amount, discount, union  int64
	returned, given, unioned int64
	seq                      int32
}

func (s *sale) payable() int64 { return s.amount - s.discount }

// buy records a purchase whose union share comes from budget 1.
func (w *world) buy(outlet int64, day ledger.Day, amount, discount, union int64) *sale {
	w.t.Helper()
	w.n++
	s := &sale{id: uuid.Must(uuid.NewV7()), merchant: (outlet + 1) / 2, outlet: outlet, day: day, amount: amount, discount: discount, union: union}
	applied, err := json.Marshal([]map[string]any{{"offer": "off", "fen": discount, "union_fen": union, "budget": 1}})
	w.must(err)
	w.exec(`INSERT INTO purchases (merchant_id, id, terminal_id, idem_key, request_hash, state, outlet_id, contract_id, terms_version,
			card_serial, code_kind, code_key, quote_id, quoted_at, amount_fen, discount_fen, union_share_fen, applied, business_day, committed_at)
		VALUES ($1, $2, $3, $4, '\x00', 1, $3, $1, 1, $5, 1, $5, $5, now(), $6, $7, $8, $9, $10, now())`,
		s.merchant, s.id, outlet, fmt.Sprint("k", w.n), w.n, amount, discount, union, applied, day.Date())
	w.exec(`UPDATE budget_slices SET spent_fen = spent_fen + $1`, union)
	w.post(s.legs(day, 0, ledger.Purchase, discount-union, union)...)
	return s
}

// legs are the transfers of a purchase, or with another kind those of its undoing.
func (s *sale) legs(day ledger.Day, seq int32, kind ledger.Kind, merchantShare, union int64) (out []ledger.Transfer) {
	put := func(debit, credit ledger.Account, fen int64) {
		if kind != ledger.Purchase {
			debit, credit = credit, debit
		}
		if fen > 0 {
			out = append(out, ledger.Transfer{MerchantID: s.merchant, Day: day, Doc: s.id, Seq: seq, Kind: kind, Debit: debit, Credit: credit, Fen: fen})
		}
	}
	put(ledger.Discount(s.merchant), ledger.Members(), merchantShare)
	put(ledger.Budget(1), ledger.Merchant(s.merchant), union)
	return out
}

// undo gives money back to the member on a day, as the desk does it; all of it is a
// void on the same day, else a refund.
func (w *world) undo(s *sale, day ledger.Day, fen int64) {
	w.t.Helper()
	s.seq++
	all := s.returned+fen == s.payable()
	given, union := s.discount-s.given, s.union-s.unioned
	if !all {
		given = s.discount*(s.returned+fen)/s.payable() - s.given
		union = 0
		if s.discount > 0 {
			union = s.union*(s.given+given)/s.discount - s.unioned
		}
	}
	kind, state, entry := 3, 4, ledger.Refund
	switch {
	case all && s.returned == 0 && day == s.day:
		kind, state, entry = 1, 2, ledger.Void
	case all:
		state = 5
	}
	w.exec(`INSERT INTO purchase_undos (merchant_id, purchase_id, seq, kind, terminal_id, idem_key, request_hash, returned_fen,
			given_back_fen, union_back_fen, adjustment, answer, business_day, at)
		VALUES ($1, $2, $3, $4, $5, $6, '\x00', $7, $8, $9, $10, '{}', $11, now())`,
		s.merchant, s.id, s.seq, kind, s.outlet, fmt.Sprint("u", s.id, s.seq), fen, given, union, day != s.day, day.Date())
	w.exec(`UPDATE purchases SET state = $3, returned_fen = returned_fen + $4, given_back_fen = given_back_fen + $5
		WHERE merchant_id = $1 AND id = $2`, s.merchant, s.id, state, fen, given)
	w.exec(`UPDATE budget_slices SET back_fen = back_fen + $1`, union)
	w.post(s.legs(day, s.seq, entry, given-union, union)...)
	s.returned, s.given, s.unioned = s.returned+fen, s.given+given, s.unioned+union
}

// close closes a day and all before it.
func (w *world) close(day ledger.Day) []Closed {
	w.t.Helper()
	closed, err := w.closer.Close(w.ctx, day, day == w.today)
	w.must(err)
	return closed
}

// turned says whether midnight has come since the world was made: what the test says
// of today is then not to be held against the code.
func (w *world) turned() bool {
	return w.count(`SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date - date '1970-01-01'`) != int64(w.today)
}

// statement reads the statement of a merchant and day.
func (w *world) statement(merchantID int64, day ledger.Day) *Statement {
	w.t.Helper()
	st, err := w.store.Get(w.ctx, merchantID, w.count(`SELECT id FROM statements WHERE merchant_id = $1 AND business_day = $2`, merchantID, day.Date()))
	w.must(err)
	return st
}

func (w *world) wantErr(err, want error) {
	w.t.Helper()
	if !errors.Is(err, want) {
		w.t.Fatalf("got error %v, want %v", err, want)
	}
}

var finance = merchant.By{Actor: "staff:7", Reason: "测试"}
