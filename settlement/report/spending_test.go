package report_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"unioncard/card/union/keyset"
	"unioncard/settlement/ledger"
	"unioncard/settlement/report"
)

// budget opens a budget of an office; the money's own way is package budget's.
func (w *world) budget(id, office int64, name string) {
	w.t.Helper()
	w.exec(`INSERT INTO budgets (id, office_id, kind, name, state, first_day, last_day, amount_fen) VALUES ($1, $2, 'budget', $3, 'open', '2020-01-01', '2040-01-01', 1000000)`, id, office, name)
}

// outlet is the purchase's outlet: world.buy has them all in the province's, 410105.
func (w *world) outlet(id uuid.UUID, outlet int64) {
	w.t.Helper()
	w.exec(`UPDATE purchases SET outlet_id = $2 WHERE id = $1`, id, outlet)
}

// post posts what a purchase, an undoing or an adjustment took from an account, or
// gave back to it (fen below nought).
func (w *world) post(kind ledger.Kind, merchant int64, doc uuid.UUID, seq int32, daysAgo int, from ledger.Account, fen int64) {
	w.t.Helper()
	t := ledger.Transfer{MerchantID: merchant, Day: ledger.Day(w.today.AddDate(0, 0, -daysAgo).Unix() / 86400), Doc: doc, Seq: seq, Kind: kind,
		Debit: from, Credit: ledger.Merchant(merchant), Fen: fen}
	if fen < 0 {
		t.Debit, t.Credit, t.Fen = t.Credit, t.Debit, -fen
	}
	w.transfer(t)
}

func (w *world) transfer(t ledger.Transfer) {
	w.t.Helper()
	tx, err := w.pool.Begin(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := ledger.Post(w.t.Context(), tx, t); err != nil {
		w.t.Error(err)
	}
	if err := tx.Commit(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) rollSpending() int64 {
	w.t.Helper()
	n, err := w.store.RollSpending(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// spent sells and undoes on three days: the city's budget 12 and the county's 14, an
// adjustment of the county's and a union share of before there were budgets.
func (w *world) spent() {
	w.budget(12, 2, "市补贴")
	w.budget(14, 4, "区补贴")
	a := w.buy(2, 2, 10000, 4000)
	w.outlet(a, 4) // 410105
	w.post(ledger.Purchase, 2, a, 0, 2, ledger.Budget(12), 3000)
	b := w.buy(3, 1, 10000, 4000)
	w.outlet(b, 5) // 419001: the city's money, spent elsewhere
	w.post(ledger.Purchase, 3, b, 0, 1, ledger.Budget(12), 2000)
	w.post(ledger.Refund, 3, b, 1, 0, ledger.Budget(12), -500)
	c := w.buy(4, 1, 10000, 4000)
	w.outlet(c, 6)
	w.post(ledger.Purchase, 4, c, 0, 1, ledger.Budget(14), 700)
	w.post(ledger.Void, 4, c, 1, 1, ledger.Budget(14), -700)
	w.post(ledger.Adjusting, 4, uuid.New(), 0, 0, ledger.Adjustment(4), 90)
	d := w.buy(1, 0, 10000, 4000)
	w.outlet(d, 2) // 410106
	w.post(ledger.Purchase, 1, d, 0, 0, ledger.Unbudgeted(), 5)
	// What is no spending: a merchant's own share, funding, a payment.
	w.post(ledger.Purchase, 2, uuid.New(), 0, 0, ledger.Discount(2), 11)
	w.transfer(ledger.Transfer{Kind: ledger.Funding, Debit: ledger.Fund(2), Credit: ledger.Budget(12), Fen: 500000})
	w.post(ledger.Paying, 2, uuid.New(), 0, 0, ledger.Payment(1), -3000)
}

func (w *world) all() report.SpendingFilter {
	return report.SpendingFilter{From: w.today.AddDate(0, 0, -2), To: w.today}
}

func TestSpendingDays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if asOf, err := w.store.SpendingAsOf(t.Context()); err != nil || !asOf.IsZero() {
		t.Errorf("before the first roll: as of %v, %v", asOf, err)
	}
	w.spent()
	w.rollSpending()
	at := func(daysAgo int, s report.Spending) report.SpendingDay {
		return report.SpendingDay{Date: w.today.AddDate(0, 0, -daysAgo), Spending: s}
	}
	filtered := func(change func(*report.SpendingFilter)) report.SpendingFilter {
		f := w.all()
		change(&f)
		return f
	}
	nothing := report.Spending{}
	for name, c := range map[string]struct {
		scope string
		f     report.SpendingFilter
		want  []report.SpendingDay
	}{
		"province": {"/1/", w.all(), []report.SpendingDay{at(2, report.Spending{Uses: 1, SpentFen: 3000}), at(1, report.Spending{Uses: 2, SpentFen: 2700, Undone: 1, BackFen: 700}),
			at(0, report.Spending{Uses: 2, SpentFen: 95, BackFen: 500})}},
		// A city sees its own money and its counties', wherever it was spent, and not
		// what others spent in it.
		"city": {"/1/2/", w.all(), []report.SpendingDay{at(2, report.Spending{Uses: 1, SpentFen: 3000}), at(1, report.Spending{Uses: 2, SpentFen: 2700, Undone: 1, BackFen: 700}),
			at(0, report.Spending{Uses: 1, SpentFen: 90, BackFen: 500})}},
		"county":   {"/1/2/4/", w.all(), []report.SpendingDay{at(2, nothing), at(1, report.Spending{Uses: 1, SpentFen: 700, Undone: 1, BackFen: 700}), at(0, report.Spending{Uses: 1, SpentFen: 90})}},
		"sister":   {"/1/3/", w.all(), []report.SpendingDay{at(2, nothing), at(1, nothing), at(0, nothing)}},
		"no city":  {"/1/23/", w.all(), []report.SpendingDay{at(2, nothing), at(1, nothing), at(0, nothing)}},
		"one day":  {"/1/", filtered(func(f *report.SpendingFilter) { f.To = f.From }), []report.SpendingDay{at(2, report.Spending{Uses: 1, SpentFen: 3000})}},
		"backward": {"/1/", filtered(func(f *report.SpendingFilter) { f.To = f.From.AddDate(0, 0, -9) }), []report.SpendingDay{}},
		"budget":   {"/1/", filtered(func(f *report.SpendingFilter) { f.Account = ledger.Budget(14) }), []report.SpendingDay{at(2, nothing), at(1, report.Spending{Uses: 1, SpentFen: 700, Undone: 1, BackFen: 700}), at(0, nothing)}},
		"trade":    {"/1/", filtered(func(f *report.SpendingFilter) { f.Trade = "travel" }), []report.SpendingDay{at(2, nothing), at(1, nothing), at(0, report.Spending{Uses: 1, SpentFen: 5})}},
		"office":   {"/1/", filtered(func(f *report.SpendingFilter) { f.OfficeID = 2 }), []report.SpendingDay{at(2, report.Spending{Uses: 1, SpentFen: 3000}), at(1, report.Spending{Uses: 1, SpentFen: 2000}), at(0, report.Spending{BackFen: 500})}},
		"place":    {"/1/", filtered(func(f *report.SpendingFilter) { f.Place = 419001 }), []report.SpendingDay{at(2, nothing), at(1, report.Spending{Uses: 1, SpentFen: 2000}), at(0, report.Spending{BackFen: 500})}},
		"its city": {"/1/", filtered(func(f *report.SpendingFilter) { f.Place = 410100 }), []report.SpendingDay{at(2, report.Spending{Uses: 1, SpentFen: 3000}), at(1, report.Spending{Uses: 1, SpentFen: 700, Undone: 1, BackFen: 700}), at(0, report.Spending{Uses: 2, SpentFen: 95})}},
	} {
		got, err := w.store.SpendingDays(t.Context(), c.scope, c.f)
		if d := cmp.Diff(c.want, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, d)
		}
	}
	if n := w.rollSpending(); n != 0 {
		t.Errorf("a second roll changed %d rows", n)
	}
	if asOf, err := w.store.SpendingAsOf(t.Context()); err != nil || asOf.IsZero() {
		t.Errorf("after a roll: as of %v, %v", asOf, err)
	}
}

func TestSpendingParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.spent()
	w.rollSpending()
	city, void := report.Spending{Uses: 2, SpentFen: 5000, BackFen: 500}, report.Spending{Uses: 1, SpentFen: 700, Undone: 1, BackFen: 700}
	there := report.Spending{Uses: 1, SpentFen: 2000, BackFen: 500}
	adjusted, old := report.Spending{Uses: 1, SpentFen: 90}, report.Spending{Uses: 1, SpentFen: 5}
	county := report.Spending{Uses: 2, SpentFen: 790, Undone: 1, BackFen: 700}
	for name, c := range map[string]struct {
		got  func() ([]report.SpendingPart, error)
		want []report.SpendingPart
	}{
		"trades": {func() ([]report.SpendingPart, error) { return w.store.SpendingTrades(t.Context(), "/1/", w.all()) },
			[]report.SpendingPart{{Trade: "catering", Spending: city}, {Trade: "health", Spending: county}, {Trade: "travel", Spending: old}}},
		"cities": {func() ([]report.SpendingPart, error) { return w.store.SpendingCities(t.Context(), "/1/", w.all()) },
			[]report.SpendingPart{{Place: 410100, Spending: report.Spending{Uses: 4, SpentFen: 3795, Undone: 1, BackFen: 700}}, {Place: 419001, Spending: there}}},
		"counties": {func() ([]report.SpendingPart, error) { return w.store.SpendingCounties(t.Context(), "/1/2/", w.all()) },
			[]report.SpendingPart{{Place: 410105, Spending: report.Spending{Uses: 3, SpentFen: 3790, Undone: 1, BackFen: 700}}, {Place: 419001, Spending: there}}},
		"offices": {func() ([]report.SpendingPart, error) { return w.store.SpendingOffices(t.Context(), "/1/", w.all()) },
			[]report.SpendingPart{{OfficeID: 2, Name: "郑州市总工会", Spending: city}, {OfficeID: 4, Name: "金水区总工会", Spending: county}, {OfficeID: 1, Name: "河南省总工会", Spending: old}}},
		"budgets": {func() ([]report.SpendingPart, error) { return w.store.SpendingBudgets(t.Context(), "/1/", w.all()) },
			[]report.SpendingPart{{Account: ledger.Budget(12), Name: "市补贴", Spending: city}, {Account: ledger.Adjustment(4), Spending: adjusted},
				{Account: ledger.Unbudgeted(), Spending: old}, {Account: ledger.Budget(14), Name: "区补贴", Spending: void}}},
	} {
		got, err := c.got()
		if d := cmp.Diff(c.want, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, d)
		}
	}
	rows, err := w.store.SpendingRows(t.Context(), "/1/", w.all(), keyset.Page{Sort: "day", Desc: true, Limit: 2})
	want := []report.SpendingRow{
		{Date: w.today, Office: "郑州市总工会", Account: ledger.Budget(12), Budget: "市补贴", Place: 419001, Trade: "catering", Spending: report.Spending{BackFen: 500}},
		{Date: w.today, Office: "金水区总工会", Account: ledger.Adjustment(4), Place: 410105, Trade: "health", Spending: adjusted}}
	byMoney := cmpopts.SortSlices(func(a, b report.SpendingRow) bool { return a.Account < b.Account })
	// Rows of one day come in the order in which they were first added up.
	if d := cmp.Diff(2, len(rows)); d != "" || err != nil || rows[0].Date != w.today {
		t.Error(d, err)
	}
	if all, err := w.store.SpendingRows(t.Context(), "/1/2/", w.all(), keyset.Page{Sort: "day", Desc: true, Limit: 3}); err != nil {
		t.Error(err)
	} else if d := cmp.Diff(want, all[:2], byMoney, cmpopts.IgnoreFields(report.SpendingRow{}, "ID")); d != "" {
		t.Error(d)
	}
}

// TestSpendingRollsAnew: an open day is added up again, for whoever the money and
// the outlet are of by then; a settled one stays.
func TestSpendingRollsAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.budget(12, 2, "市补贴")
	w.budget(14, 4, "区补贴")
	old, open := w.buy(2, 5, 10000, 4000), w.buy(4, 0, 10000, 4000)
	w.post(ledger.Purchase, 2, old, 0, 5, ledger.Budget(12), 100)
	w.post(ledger.Purchase, 4, open, 0, 0, ledger.Budget(14), 7)
	w.rollSpending()
	w.exec(`UPDATE spending_state SET complete = $1`, w.today.AddDate(0, 0, -4))
	w.post(ledger.Purchase, 2, uuid.New(), 0, 5, ledger.Budget(12), 1) // cannot happen; shows that the day is left alone
	w.exec(`UPDATE budgets SET office_id = 2`)
	w.exec(`UPDATE outlets SET territory = 410102`)
	if n := w.rollSpending(); n != 2 { // the old row gone, the new one written
		t.Errorf("%d rows changed", n)
	}
	f := report.SpendingFilter{From: w.today.AddDate(0, 0, -9), To: w.today}
	got, err := w.store.SpendingCounties(t.Context(), "/1/2/", f)
	want := []report.SpendingPart{{Place: 410105, Spending: report.Spending{Uses: 1, SpentFen: 100}}, {Place: 410102, Spending: report.Spending{Uses: 1, SpentFen: 7}}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(err, d)
	}
	if got, err := w.store.SpendingOffices(t.Context(), "/1/2/4/", f); len(got) != 0 || err != nil {
		t.Errorf("the county still has %v, %v", got, err)
	}
	var complete time.Time
	if err := w.pool.QueryRow(t.Context(), `SELECT complete FROM spending_state`).Scan(&complete); err != nil {
		t.Fatal(err)
	}
	if complete.Before(w.today.AddDate(0, 0, -2)) || !complete.Before(w.today) {
		t.Errorf("complete up to %v on %v", complete, w.today)
	}
}

// TestTwoRollSpending: who finds another at it does nothing; one that dies leaves
// nothing.
func TestTwoRollSpending(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.budget(12, 2, "市补贴")
	w.post(ledger.Purchase, 2, w.buy(2, 0, 100, 10), 0, 0, ledger.Budget(12), 10)
	tx, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := report.NewStore(tx, time.Now).RollSpending(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.rollSpending(); n != 0 {
		t.Errorf("rolled %d rows beside another", n)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.rollSpending(); n != 1 {
		t.Errorf("after the other died: %d rows", n)
	}
}
