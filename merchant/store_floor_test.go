package merchant_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
	"unioncard/merchant"
	"unioncard/merchant/terms"
	"unioncard/migrations/pgtest"
)

// discount evaluates Terms on a comparison's counterexample.
func discount(t *testing.T, doc []byte, c terms.Comparison, remaining []terms.Remaining) int64 {
	t.Helper()
	parsed, err := terms.Parse(doc)
	if err != nil {
		t.Fatal(err)
	}
	form, err := parsed.Compile()
	if err != nil {
		t.Fatal(err)
	}
	if err := terms.CheckBasket(c.Counterexample.AmountFen, c.Counterexample.Items); err != nil {
		t.Fatalf("the counterexample is no basket: %v", err)
	}
	var r terms.Result
	form.Evaluate(&terms.Input{
		AmountFen: c.Counterexample.AmountFen, Items: c.Counterexample.Items, At: c.At, Holder: c.Holder, Remaining: remaining,
	}, &r)
	return r.DiscountFen
}

// proves checks that a comparison's basket really earns less under local.
func proves(t *testing.T, c terms.Comparison, local, floor []byte) {
	t.Helper()
	if c.Verdict != terms.Worse || c.Counterexample == nil {
		t.Fatalf("no counterexample: %+v", c)
	}
	got, want := discount(t, local, c, c.LocalUsage), discount(t, floor, c, c.FloorUsage)
	if got != c.LocalFen || want != c.FloorFen || got >= want {
		t.Errorf("the basket earns %d under the terms, %d under the floor; said %d and %d", got, want, c.LocalFen, c.FloorFen)
	}
}

func (w *world) floor(trade merchant.Trade, brand string, doc []byte, effective time.Time, days int) merchant.PublishedFloor {
	w.t.Helper()
	out, err := w.store.PublishFloor(w.ctx, by, merchant.NewFloor{
		Trade: trade, Brand: brand, Terms: doc, Effective: effective, DeadlineDays: days})
	w.must(err)
	return out
}

// Terms below a floor are refused with a basket that proves it: below the
// trade's, the brand's, one to come, and for an outlet's own contract the chain's.
func TestPublishBelowFloor(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		brand  string
		floors func(w *world, m int64)
		chain  bool
		terms  []byte
		bound  []byte // that refuses it; nil: published
	}{
		"at the trade's":      {floors: func(w *world, _ int64) { w.floor(merchant.TradeCatering, "", percent(9000), time.Time{}, 30) }, terms: percent(9000)},
		"below the trade's":   {floors: func(w *world, _ int64) { w.floor(merchant.TradeCatering, "", percent(9000), time.Time{}, 30) }, terms: percent(9100), bound: percent(9000)},
		"another trade's":     {floors: func(w *world, _ int64) { w.floor(merchant.TradeHealth, "", percent(5000), time.Time{}, 30) }, terms: percent(9100)},
		"below the brand's":   {brand: "老郑州", floors: func(w *world, _ int64) { w.floor("", "老郑州", percent(8800), time.Time{}, 30) }, terms: percent(9000), bound: percent(8800)},
		"another brand's":     {brand: "老郑州", floors: func(w *world, _ int64) { w.floor("", "阿利", percent(5000), time.Time{}, 30) }, terms: percent(9000)},
		"below one to come":   {floors: func(w *world, _ int64) { w.floor(merchant.TradeCatering, "", percent(8500), noon.AddDate(0, 3, 0), 30) }, terms: percent(9000), bound: percent(8500)},
		"floor after its end": {floors: func(w *world, _ int64) { w.floor(merchant.TradeCatering, "", percent(8500), noon.AddDate(1, 0, 0), 30) }, terms: percent(9000)},
		"floor replaced before": {floors: func(w *world, _ int64) {
			w.clock.set(noon.Add(-time.Hour))
			w.floor(merchant.TradeCatering, "", percent(7000), noon.Add(-time.Hour), 30)
			w.floor(merchant.TradeCatering, "", percent(9500), noon, 30)
			w.clock.set(noon)
		}, terms: percent(9000)},
		"below the chain's": {chain: true, floors: func(w *world, m int64) { w.active(m, 0, w.province, false, percent(8000)) }, terms: percent(8500), bound: percent(8000)},
		"a city's chain":    {chain: true, floors: func(w *world, m int64) { w.active(m, 0, w.city, false, percent(8000)) }, terms: percent(8500)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, ownTx(t))
			m := w.merchant(tt.brand)
			o := w.outlet(m)
			tt.floors(w, m)
			if !tt.chain {
				o = 0
			}
			c := w.draft(m, o, w.county, true)
			_, err := w.store.PublishTerms(w.ctx, by, c, tt.terms, noon)
			if tt.bound == nil {
				w.must(err)
				w.must(w.store.ActivateContract(w.ctx, by, c))
				return
			}
			var below *merchant.BelowFloorError
			if !errors.As(err, &below) || !errors.Is(err, merchant.ErrBelowFloor) {
				t.Fatalf("published: %v", err)
			}
			proves(t, below.Comparison, tt.terms, tt.bound)
			if n := w.count(`SELECT count(*) FROM contract_terms WHERE contract_id = $1`, c); n != 0 {
				t.Errorf("%d versions", n)
			}
		})
	}
}

// A floor that rises between publishing on a draft and activating it binds.
func TestActivateBelowRisenFloor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ownTx(t))
	c := w.draft(w.merchant(""), 0, w.county, true)
	_, err := w.store.PublishTerms(w.ctx, by, c, percent(9000), time.Time{})
	w.must(err)
	if out := w.floor(merchant.TradeCatering, "", percent(8000), time.Time{}, 30); len(out.Below) != 0 {
		t.Errorf("a draft is listed: %+v", out.Below)
	}
	if err := w.store.ActivateContract(w.ctx, by, c); !errors.Is(err, merchant.ErrBelowFloor) {
		t.Errorf("%v", err)
	}
}

// Versions take effect in order; each ends the one before at its start.
func TestPublishVersions(t *testing.T) {
	t.Parallel()
	tx := ownTx(t)
	w := newWorld(t, tx)
	c := w.active(w.merchant(""), 0, w.county, false, percent(9000))
	later := noon.AddDate(0, 0, 7)
	out, err := w.store.PublishTerms(w.ctx, by, c, percent(8500), later)
	w.must(err)
	if out.Version != 2 || !out.Effective.Equal(later) {
		t.Errorf("%+v", out)
	}
	contract := w.view(tx).Contract(c)
	if v := contract.TermsAt(later.Add(-time.Microsecond)); v == nil || v.Version != 1 {
		t.Errorf("before: %+v", v)
	}
	if v := contract.TermsAt(later); v == nil || v.Version != 2 || v.SHA256 != out.SHA256 {
		t.Errorf("from its start: %+v", v)
	}
	if v := contract.TermsVersion(2); v == nil || contract.TermsVersion(3) != nil {
		t.Errorf("by number: %+v", v)
	}
	var invalid *merchant.InvalidError
	for name, at := range map[string]time.Time{
		"before one to come": noon.Add(time.Hour), "at the same time": later,
		"in the past": noon.Add(-time.Second), "after the contract": noon.AddDate(1, 0, 0),
	} {
		if _, err := w.store.PublishTerms(w.ctx, by, c, percent(8000), at); !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.store.PublishTerms(w.ctx, by, c, []byte(`{"v":1,"offers":[{}]}`), time.Time{}); !errors.Is(err, terms.ErrInvalid) {
		t.Errorf("no Terms: %v", err)
	}
}

// Versions published at once: every one that is told it was published has its
// own place, and at no moment do two have effect.
func TestPublishAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.New(t))
	c := w.active(w.merchant(""), 0, w.county, false, percent(9000))
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[int32]bool{}
	for i := range 8 {
		wg.Go(func() {
			out, err := w.store.PublishTerms(w.ctx, by, c, percent(8000+i), noon.AddDate(0, 0, 1+i))
			mu.Lock()
			defer mu.Unlock()
			var invalid *merchant.InvalidError
			if err == nil && seen[out.Version] {
				t.Errorf("version %d twice", out.Version)
			} else if err != nil && !errors.As(err, &invalid) {
				t.Error(err)
			}
			seen[out.Version] = seen[out.Version] || err == nil
		})
	}
	wg.Wait()
	delete(seen, 0)
	if n := w.count(`SELECT count(*) FROM contract_terms`); n != len(seen)+1 || n < 2 {
		t.Errorf("%d versions, %d acknowledged", n, len(seen))
	}
}

// A floor and Terms below it published at once: never both without the floor
// knowing of the contract.
func TestFloorAgainstPublish(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.New(t))
	const contracts = 6
	ids := make([]int64, contracts)
	for i := range ids {
		ids[i] = w.active(w.merchant(""), 0, w.county, false, percent(8000))
	}
	errs := make([]error, contracts)
	var floor merchant.PublishedFloor
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() { _, errs[i] = w.store.PublishTerms(w.ctx, by, id, percent(9000), noon.Add(time.Hour)) })
		if i == contracts/2 {
			wg.Go(func() { floor = w.floor(merchant.TradeCatering, "", percent(8500), noon.Add(time.Minute), 30) })
		}
	}
	wg.Wait()
	below := map[int64]bool{}
	for _, b := range floor.Below {
		below[b.ContractID] = true
	}
	for i, id := range ids {
		if (errs[i] == nil) != below[id] {
			t.Errorf("contract %d: published %v, listed %v", id, errs[i], below[id])
		}
		if errs[i] != nil && !errors.Is(errs[i], merchant.ErrBelowFloor) {
			t.Error(errs[i])
		}
	}
}

// A risen floor lists the contracts below it with proof, lifts those with the
// clause, and gives the others a deadline, which suspends them by itself.
func TestRisenFloor(t *testing.T) {
	t.Parallel()
	tx := ownTx(t)
	w := newWorld(t, tx)
	m := w.merchant("")
	with := w.active(m, w.outlet(m), w.county, true, percent(9000))
	without := w.active(m, w.outlet(m), w.county, false, percent(9000))
	above := w.active(m, w.outlet(m), w.county, true, percent(8000))
	from := noon.AddDate(0, 0, 10)
	floor := w.floor(merchant.TradeCatering, "", percent(8500), from, 30)
	if len(floor.Below) != 2 || floor.Below[0].ContractID != with || floor.Below[1].ContractID != without {
		t.Fatalf("below: %+v", floor.Below)
	}
	deadline := from.AddDate(0, 0, 30)
	if b := floor.Below; !b[0].Lifted || !b[0].Deadline.IsZero() || b[1].Lifted || !b[1].Deadline.Equal(deadline) {
		t.Errorf("%+v", b)
	}
	for _, b := range floor.Below {
		proves(t, b.Comparison, percent(9000), percent(8500))
	}
	lifts := func(contract int64, at time.Time) int { return len(w.view(tx).Contract(contract).Lifts(at)) }
	if lifts(with, from.Add(-1)) != 0 || lifts(with, from) != 1 || lifts(without, from) != 0 || lifts(above, from) != 0 {
		t.Error("the floor must lift the contract with the clause from its start, and no other")
	}
	if f := w.view(tx).Contract(with).Lifts(from)[0]; f.ID != floor.ID || f.Terms == nil {
		t.Errorf("%+v", f)
	}

	for _, tt := range []struct {
		at   time.Time
		want []int64
	}{{deadline.Add(-time.Second), nil}, {deadline, []int64{without}}, {deadline, nil}} {
		w.clock.set(tt.at)
		got, err := w.store.SuspendOverdue(w.ctx, tt.at)
		w.must(err)
		if fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("at %v: suspended %v, want %v", tt.at, got, tt.want)
		}
	}
	if n := w.count(`SELECT count(*) FROM events WHERE actor = 'system' AND action = 'contract.suspend'`); n != 1 {
		t.Errorf("%d events", n)
	}
	var below *merchant.BelowFloorError
	if err := w.store.ResumeContract(w.ctx, by, without); !errors.As(err, &below) || below.Bound.FloorID != floor.ID {
		t.Fatalf("resumed while overdue: %v", err)
	}
	proves(t, below.Comparison, percent(9000), percent(8500))

	// Better Terms settle both; the lift ends where they start.
	for _, id := range []int64{with, without} {
		_, err := w.store.PublishTerms(w.ctx, by, id, percent(8500), deadline)
		w.must(err)
	}
	w.must(w.store.ResumeContract(w.ctx, by, without))
	if lifts(with, deadline.Add(-time.Microsecond)) != 1 || lifts(with, deadline) != 0 {
		t.Error("the lift must end where better Terms start")
	}
	if got, err := w.store.SuspendOverdue(w.ctx, deadline.AddDate(0, 0, 1)); err != nil || len(got) != 0 {
		t.Errorf("suspended %v, %v", got, err)
	}
}

// Better Terms that bind only after the deadline do not stop the suspension;
// those before it do. Raising the floor again buys no time.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ownTx(t))
	late := w.active(w.merchant(""), 0, w.county, false, percent(9000))
	early := w.active(w.merchant(""), 0, w.county, false, percent(9000))
	idle := w.active(w.merchant(""), 0, w.county, false, percent(9000))
	w.floor(merchant.TradeCatering, "", percent(8500), noon, 30)
	deadline := noon.AddDate(0, 0, 30)
	for id, at := range map[int64]time.Time{late: deadline.Add(time.Hour), early: deadline.Add(-time.Hour)} {
		_, err := w.store.PublishTerms(w.ctx, by, id, percent(8000), at)
		w.must(err)
	}
	again := w.floor(merchant.TradeCatering, "", percent(8300), noon.AddDate(0, 0, 20), 30)
	if n := len(again.Below); n != 3 {
		t.Fatalf("%d below: %+v", n, again.Below)
	}
	want := map[int64]time.Time{late: deadline, early: noon.AddDate(0, 0, 50), idle: deadline}
	for _, b := range again.Below {
		if !b.Deadline.Equal(want[b.ContractID]) {
			t.Errorf("contract %d: deadline %v, want %v", b.ContractID, b.Deadline, want[b.ContractID])
		}
	}
	got, err := w.store.SuspendOverdue(w.ctx, deadline)
	w.must(err)
	if len(got) != 2 || got[0] != late || got[1] != idle {
		t.Errorf("suspended %v, want %d and %d", got, late, idle)
	}
}

// A floor comes before the contracts it leaves below, in the feed: the view must
// know it when it reads them, and they may come in another piece.
func TestFloorComesBeforeItsContracts(t *testing.T) {
	t.Parallel()
	tx := ownTx(t)
	w := newWorld(t, tx)
	c := w.active(w.merchant(""), 0, w.county, true, percent(9000))
	first := w.floor(merchant.TradeCatering, "", percent(8500), noon, 30).ID
	var last int64
	w.one(&last, `SELECT max(id) FROM changes`)
	second := w.floor(merchant.TradeCatering, "", percent(8000), noon.Add(time.Hour), 30).ID
	type row struct {
		Kind   feed.Kind
		Object int64
	}
	rows, err := tx.Query(w.ctx, `SELECT kind, object_id FROM changes WHERE id > $1 ORDER BY id`, last)
	w.must(err)
	got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	w.must(err)
	want := []row{{feed.KindFloor, second}, {feed.KindFloor, first}, {feed.KindContract, c}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A first floor that reaches back leaves time to renegotiate all the same.
func TestDeadlineOfFloorThatReachesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ownTx(t))
	w.active(w.merchant(""), 0, w.county, false, percent(9000))
	out := w.floor(merchant.TradeCatering, "", percent(8500), noon.AddDate(0, 0, -90), 30)
	if len(out.Below) != 1 || !out.Below[0].Deadline.Equal(noon.AddDate(0, 0, 30)) {
		t.Errorf("%+v", out.Below)
	}
}

// A lower floor that follows ends the lift and the deadline of the higher one.
func TestFloorFalls(t *testing.T) {
	t.Parallel()
	tx := ownTx(t)
	w := newWorld(t, tx)
	with := w.active(w.merchant("老郑州"), 0, w.county, true, percent(9000))
	without := w.active(w.merchant("老郑州"), 0, w.county, false, percent(9000))
	w.floor("", "老郑州", percent(8500), noon, 30)
	falls := noon.AddDate(0, 0, 5)
	if out := w.floor("", "老郑州", percent(9500), falls, 30); out.Version != 2 || len(out.Below) != 0 {
		t.Errorf("%+v", out)
	}
	view := w.view(tx)
	if len(view.Contract(with).Lifts(noon)) != 1 || len(view.Contract(with).Lifts(falls)) != 0 {
		t.Error("the lift must end with the floor")
	}
	if got, err := w.store.SuspendOverdue(w.ctx, noon.AddDate(0, 0, 40)); err != nil || len(got) != 0 {
		t.Errorf("suspended %v (%d has nothing to renegotiate), %v", got, without, err)
	}
}

func TestPublishFloorRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ownTx(t))
	w.floor(merchant.TradeCatering, "", percent(9000), noon.AddDate(0, 0, 1), 30)
	var invalid *merchant.InvalidError
	for name, n := range map[string]merchant.NewFloor{
		"neither":            {Terms: percent(9000)},
		"both":               {Trade: merchant.TradeCatering, Brand: "老郑州", Terms: percent(9000)},
		"deadline":           {Trade: merchant.TradeCatering, Terms: percent(9000), DeadlineDays: 366},
		"before one to come": {Trade: merchant.TradeCatering, Terms: percent(9000), Effective: noon.Add(time.Hour)},
		"in the past":        {Trade: merchant.TradeCatering, Terms: percent(9000), Effective: noon.Add(-time.Hour)},
	} {
		if _, err := w.store.PublishFloor(w.ctx, by, n); !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
