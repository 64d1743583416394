package report_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/migrations/pgtest"
	"unioncard/settlement/report"
)

// world is a province (1) with two cities (2: 郑州, 3: 济源) and a county (4, of
// 2); office n has merchant n, in trade and place of its own, with contract n.
type world struct {
	t     testing.TB
	pool  *pgxpool.Pool
	store *report.Store
	today time.Time // the database's
	seq   int64
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, pool: pgtest.New(t)}
	w.store = report.NewStore(w.pool, time.Now)
	w.exec(`INSERT INTO unions (id, kind, name, parent_id, path, division, territory) VALUES
		(1, 'province', '河南省总工会', NULL, '/1/', 410000, 410000), (2, 'city', '郑州市总工会', 1, '/1/2/', 410100, 410100),
		(3, 'city', '济源市总工会', 1, '/1/3/', 419001, 419001), (4, 'county', '金水区总工会', 2, '/1/2/4/', 410105, 410105)`)
	w.exec(`INSERT INTO merchants (id, office_id, name, trade) VALUES (1, 1, '省', 'travel'), (2, 2, '市', 'catering'), (3, 3, '源', 'catering'), (4, 4, '区', 'health')`)
	w.exec(`INSERT INTO outlets (merchant_id, name, territory) SELECT m, 'o', t FROM (VALUES (1, 410105), (1, 410106), (1, 419001), (2, 410105), (3, 419001), (4, 410105), (4, 410000)) AS v (m, t)`)
	w.exec(`INSERT INTO contracts (id, merchant_id, office_id, trade, status, valid, refund_until)
		SELECT id, id, office_id, trade, 'active', '[2020-01-01,2040-01-01)', '2040-01-01' FROM merchants`)
	if err := w.pool.QueryRow(t.Context(), `SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date`).Scan(&w.today); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.pool.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

// buy records a purchase of a merchant some days ago.
func (w *world) buy(merchant int64, daysAgo int, amount, discount int64) uuid.UUID {
	w.t.Helper()
	w.seq++
	id := uuid.New()
	w.exec(`INSERT INTO purchases (merchant_id, id, terminal_id, idem_key, request_hash, state, outlet_id, contract_id, terms_version,
		  card_serial, code_kind, code_key, quote_id, quoted_at, amount_fen, discount_fen, union_share_fen, applied, business_day, committed_at)
		VALUES ($1, $2, 1, $3, '', 1, 1, $1, 1, 1, 1, 1, 1, now(), $4, $5, 0, '[]', $6, now())`,
		merchant, id, fmt.Sprint(w.seq), amount, discount, w.today.AddDate(0, 0, -daysAgo))
	return id
}

func (w *world) undo(merchant int64, id uuid.UUID, kind, daysAgo int, returned, givenBack int64) {
	w.t.Helper()
	w.exec(`INSERT INTO purchase_undos (merchant_id, purchase_id, seq, kind, terminal_id, request_hash, returned_fen, given_back_fen, answer, business_day, at)
		VALUES ($1, $2, (SELECT count(*) FROM purchase_undos WHERE purchase_id = $2), $3, 1, '', $4, $5, '{}', $6, now())`,
		merchant, id, kind, returned, givenBack, w.today.AddDate(0, 0, -daysAgo))
}

func (w *world) roll() int64 {
	w.t.Helper()
	n, err := w.store.Roll(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) days(scope string, n int) []report.Day {
	w.t.Helper()
	days, _, err := w.store.Days(w.t.Context(), scope, n)
	if err != nil {
		w.t.Fatal(err)
	}
	return days
}

func TestDays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, asOf, err := w.store.Days(t.Context(), "/1/", 3); err != nil || !asOf.IsZero() {
		t.Errorf("before the first roll: as of %v, %v", asOf, err)
	}
	a := w.buy(2, 0, 10000, 1000)
	b := w.buy(2, 0, 20000, 2000)
	w.buy(4, 0, 500, 50)
	old := w.buy(4, 1, 300, 30)
	w.buy(3, 2, 100, 10)
	w.undo(2, a, 1, 0, 9000, 1000) // void
	w.undo(2, b, 3, 0, 9000, 1000) // half of it refunded
	w.undo(4, old, 4, 0, 270, 30)  // refunded a day later
	w.exec(`UPDATE purchases SET state = 2 WHERE id = $1`, a)
	dead := w.buy(2, 0, 0, 0)
	w.exec(`UPDATE purchases SET state = 9 WHERE id = $1`, dead) // a tombstone

	w.roll()
	at := func(daysAgo int) time.Time { return w.today.AddDate(0, 0, -daysAgo) }
	for scope, want := range map[string][]report.Day{
		"/1/": {{at(2), 1, 100, 10, 0, 0, 0}, {at(1), 1, 300, 30, 0, 0, 0}, {at(0), 3, 30500, 3050, 1, 18270, 2030}},
		// A city sees its counties, not its sister and not the province.
		"/1/2/":   {{Date: at(2)}, {at(1), 1, 300, 30, 0, 0, 0}, {at(0), 3, 30500, 3050, 1, 18270, 2030}},
		"/1/2/4/": {{Date: at(2)}, {at(1), 1, 300, 30, 0, 0, 0}, {at(0), 1, 500, 50, 0, 270, 30}},
		"/1/3/":   {{at(2), 1, 100, 10, 0, 0, 0}, {Date: at(1)}, {Date: at(0)}},
		"/1/23/":  {{Date: at(2)}, {Date: at(1)}, {Date: at(0)}},
	} {
		if d := cmp.Diff(want, w.days(scope, 3)); d != "" {
			t.Errorf("%s: %s", scope, d)
		}
	}
	if n := w.roll(); n != 0 {
		t.Errorf("a second roll changed %d rows", n)
	}
	w.buy(3, 0, 100, 10)
	if n := w.roll(); n != 1 {
		t.Errorf("one purchase changed %d rows", n)
	}
	if got := w.days("/1/3/", 1)[0]; got.Kept() != 1 || got.NetDiscountFen() != 10 {
		t.Errorf("after another purchase: %+v", got)
	}
}

// TestSettledDays: a settled day is not added up again, one that was still open
// at the last roll is, however long the service was away.
func TestSettledDays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.buy(2, 5, 100, 10)
	w.roll()
	w.exec(`UPDATE purchase_days_state SET complete = $1`, w.today.AddDate(0, 0, -4))
	w.buy(2, 5, 100, 10) // cannot happen; shows that the day is left alone
	w.buy(2, 3, 100, 10)
	if n := w.roll(); n != 1 {
		t.Errorf("%d rows changed", n)
	}
	var complete time.Time
	if err := w.pool.QueryRow(t.Context(), `SELECT complete FROM purchase_days_state`).Scan(&complete); err != nil {
		t.Fatal(err)
	}
	if complete.Before(w.today.AddDate(0, 0, -2)) || !complete.Before(w.today) {
		t.Errorf("complete up to %v on %v", complete, w.today)
	}
}

// TestTwoRoll: who finds another at it does nothing; one that dies leaves nothing.
func TestTwoRoll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.buy(2, 0, 100, 10)
	tx, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := report.NewStore(tx, time.Now).Roll(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	if n := w.roll(); n != 0 {
		t.Errorf("rolled %d rows beside another", n)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.roll(); n != 1 {
		t.Errorf("after the other died: %d rows", n)
	}
}

func TestPlacesAndTrades(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`UPDATE outlets SET status = 'closed' WHERE merchant_id = 1 AND territory = 410106`)
	trades, err := w.store.Trades(t.Context(), "/1/")
	if d := cmp.Diff([]report.TradeCount{{"catering", 2}, {"health", 1}, {"travel", 1}}, trades); d != "" || err != nil {
		t.Error(d, err)
	}
	cities, err := w.store.Cities(t.Context(), "/1/")
	if d := cmp.Diff([]report.Place{{410000, "河南省总工会", 1}, {410100, "郑州市总工会", 3}, {419001, "济源市总工会", 2}}, cities); d != "" || err != nil {
		t.Error(d, err)
	}
	counties, err := w.store.Counties(t.Context(), "/1/2/")
	if d := cmp.Diff([]report.Place{{410000, "河南省总工会", 1}, {410105, "金水区总工会", 2}}, counties); d != "" || err != nil {
		t.Error(d, err)
	}
	w.exec(`UPDATE merchants SET status = 'exited' WHERE id = 4`)
	if counties, err = w.store.Counties(t.Context(), "/1/2/"); len(counties) != 1 || err != nil {
		t.Errorf("after the exit: %v, %v", counties, err)
	}
}
