package exit_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/merchant"
	"unioncard/merchant/exit"
	"unioncard/migrations/pgtest"
)

var by = merchant.By{Actor: "staff:7", Reason: "商家要求"}

// noon is when the tests begin: a Monday in Beijing.
var noon = time.Date(2026, 6, 1, 4, 0, 0, 0, time.UTC)

// gate is a gate that tests open and close.
type gate struct{ open atomic.Bool }

func (*gate) Name() string { return "test" }

func (g *gate) Open(_ context.Context, _ pgx.Tx, _ int64) ([]merchant.Blocker, error) {
	if g.open.Load() {
		return []merchant.Blocker{{What: "还有一件投诉没有办结"}}, nil
	}
	return nil, nil
}

// world is one merchant with two outlets, a till in each, and one contract.
type world struct {
	*testing.T
	ctx                context.Context
	pool               *pgxpool.Pool
	now                atomic.Pointer[time.Time]
	shops              *merchant.Store
	exits              *exit.Store
	gate               *gate
	office             int64
	merchant, contract int64
	outlets, tills     [2]int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, ctx: t.Context(), pool: pgtest.New(t), gate: &gate{}}
	w.set(noon)
	clock := func() time.Time { return *w.now.Load() }
	w.shops, w.exits = merchant.NewStore(w.pool, clock), exit.New(w.pool, clock, w.gate)
	w.scan(&w.office, `INSERT INTO unions (kind, name, path, division, territory)
		VALUES ('province', '河南省总工会', '/1/', 410000, 410000) RETURNING id`)
	var err error
	w.merchant, err = w.shops.CreateMerchant(w.ctx, by, merchant.NewMerchant{OfficeID: w.office, Name: "老郑州烩面", Trade: merchant.TradeCatering})
	w.must(err)
	for i := range w.outlets {
		w.outlets[i], err = w.shops.CreateOutlet(w.ctx, by, merchant.NewOutlet{MerchantID: w.merchant, Name: "花园路店", Territory: 410105})
		w.must(err)
		w.tills[i] = w.till(w.outlets[i])
	}
	w.contract = w.sign(0, noon.AddDate(0, -1, 0), noon.AddDate(1, 0, 0))
	return w
}

func (w *world) set(t time.Time) { w.now.Store(&t) }

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) scan(into any, sql string, args ...any) {
	w.Helper()
	w.must(w.pool.QueryRow(w.ctx, sql, args...).Scan(into))
}

func (w *world) sign(outlet int64, from, until time.Time) int64 {
	w.Helper()
	id, err := w.shops.CreateContract(w.ctx, by, merchant.NewContract{MerchantID: w.merchant, OutletID: outlet, OfficeID: w.office,
		ValidFrom: from, ValidUntil: until, RefundTail: 30 * 24 * time.Hour})
	w.must(err)
	_, err = w.shops.PublishTerms(w.ctx, by, id, []byte(`{"v":1,"offers":[{"id":"a","title":"九折","benefit":{"kind":"percent","rate_bp":9000},"funding_bp":10000}]}`), time.Time{})
	w.must(err)
	w.must(w.shops.ActivateContract(w.ctx, by, id))
	return id
}

func (w *world) till(outlet int64) int64 {
	w.Helper()
	code, err := w.shops.IssueActivationCode(w.ctx, by, outlet)
	w.must(err)
	public, _, err := ed25519.GenerateKey(nil)
	w.must(err)
	t, err := w.shops.Activate(w.ctx, code.Code, public)
	w.must(err)
	return t.ID
}

func (w *world) order(o exit.Order) (p *exit.Plan, err error) {
	err = pgx.BeginFunc(w.ctx, w.pool, func(tx pgx.Tx) error {
		p, err = w.exits.OrderTx(w.ctx, tx, by, w.contract, o)
		return err
	})
	return p, err
}

// advance moves plans on at a moment and says what is left of everything.
func (w *world) advance(at time.Time) (state exit.State, contract merchant.ContractStatus, tills [2]string, shop string) {
	w.Helper()
	w.set(at)
	_, err := w.shops.EndExpired(w.ctx, at)
	w.must(err)
	_, err = w.exits.Advance(w.ctx, at)
	w.must(err)
	if p, err := w.exits.Latest(w.ctx, w.contract); err == nil {
		state = p.State
	} else if !errors.Is(err, merchant.ErrNotFound) {
		w.Fatal(err)
	}
	w.scan(&contract, `SELECT status FROM contracts WHERE id = $1`, w.contract)
	for i, id := range w.tills {
		w.scan(&tills[i], `SELECT status FROM terminals WHERE id = $1`, id)
	}
	w.scan(&shop, `SELECT status FROM merchants WHERE id = $1`, w.merchant)
	return state, contract, tills, shop
}

var notice = exit.Order{Kind: exit.KindNotice, Cause: "merchant_wish", NoticedOn: "2026-05-30", LastDay: "2026-06-30", Merchant: true}

func TestNotice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, err := w.order(notice)
	w.must(err)
	end := time.Date(2026, 6, 30, 16, 0, 0, 0, time.UTC) // midnight in Beijing
	if !p.LastPurchase.Equal(end) || !p.RefundUntil.Equal(end.Add(30*24*time.Hour)) || !p.ReentryFrom.IsZero() {
		t.Errorf("plan %+v", p)
	}
	w.gate.open.Store(true)
	both := [2]string{"active", "active"}
	for _, step := range []struct {
		name     string
		at       time.Time
		close    bool
		state    exit.State
		contract merchant.ContractStatus
		tills    [2]string
		shop     string
	}{
		{"before", end.Add(-time.Second), false, exit.StateRunning, merchant.ContractEnding, both, "active"},
		{"last purchase", end, false, exit.StateSettling, merchant.ContractEnded, both, "active"},
		{"in the tail", p.RefundUntil.Add(-time.Second), false, exit.StateSettling, merchant.ContractEnded, both, "active"},
		{"a gate is open", p.RefundUntil, false, exit.StateSettling, merchant.ContractEnded, both, "active"},
		{"closed", p.RefundUntil.Add(time.Hour), true, exit.StateDone, merchant.ContractEnded, [2]string{"retired", "retired"}, "exited"},
		{"again", p.RefundUntil.Add(2 * time.Hour), true, exit.StateDone, merchant.ContractEnded, [2]string{"retired", "retired"}, "exited"},
	} {
		w.gate.open.Store(!step.close)
		state, contract, tills, shop := w.advance(step.at)
		if state != step.state || contract != step.contract || tills != step.tills || shop != step.shop {
			t.Errorf("%s: plan %s, contract %s, tills %v, merchant %s", step.name, state, contract, tills, shop)
		}
	}
	var actions []string
	rows, _ := w.pool.Query(w.ctx, `SELECT action FROM events WHERE object_kind = 'exitplan' ORDER BY id`)
	actions, err = pgx.CollectRows(rows, pgx.RowTo[string])
	w.must(err)
	if diff := cmp.Diff([]string{"exit.plan", "exit.settling", "exit.done"}, actions); diff != "" {
		t.Error(diff)
	}
}

func TestCauseEndsAtOnceAndBars(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, err := w.order(exit.Order{Kind: exit.KindCause, Cause: "breach", NoticedOn: "2026-06-01"})
	w.must(err)
	if state, contract, _, _ := w.advance(noon); state != exit.StateSettling || contract != merchant.ContractEnded {
		t.Errorf("plan %s, contract %s", state, contract)
	}
	until, err := w.exits.BarredUntil(w.ctx, w.merchant)
	w.must(err)
	if got := until.Format(time.DateOnly); got != "2027-06-01" {
		t.Errorf("barred until %s", got)
	}
	w.set(noon.AddDate(1, 0, 1))
	if until, err = w.exits.BarredUntil(w.ctx, w.merchant); err != nil || !until.IsZero() {
		t.Errorf("after the bar: %v, %v", until, err)
	}
	if state, _, tills, shop := w.advance(p.RefundUntil); state != exit.StateDone || tills[0] != "retired" || shop != "active" {
		t.Errorf("plan %s, tills %v, merchant %s: it was not to leave", state, tills, shop)
	}
}

// A contract that runs out gets a plan by itself; a till whose outlet has another
// contract goes on.
func TestExpiryKeepsWhatIsStillUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sign(w.outlets[1], noon, noon.AddDate(3, 0, 0))
	end := noon.AddDate(1, 0, 0)
	if state, _, _, _ := w.advance(end.Add(-time.Second)); state != "" {
		t.Errorf("a plan before the end: %s", state)
	}
	if state, contract, _, _ := w.advance(end); state != exit.StateSettling || contract != merchant.ContractEnded {
		t.Errorf("plan %s, contract %s", state, contract)
	}
	_, _, tills, shop := w.advance(end.AddDate(0, 0, 31))
	if diff := cmp.Diff([2]string{"retired", "active"}, tills); diff != "" || shop != "active" {
		t.Errorf("merchant %s, tills %s", shop, diff)
	}
}

func TestAnEarlierDayReplacesThePlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, err := w.order(notice)
	w.must(err)
	sooner := notice
	sooner.LastDay = "2026-06-20"
	second, err := w.order(sooner)
	w.must(err)
	if first.ID != second.ID || second.Version != 2 {
		t.Errorf("plans %d and %d, version %d", first.ID, second.ID, second.Version)
	}
	w.must(func() error {
		_, err := w.order(exit.Order{Kind: exit.KindCause, Cause: "fraud", NoticedOn: "2026-06-01"})
		return err
	}())
	var n int
	w.scan(&n, `SELECT count(*) FROM exit_plans`)
	if n != 1 {
		t.Errorf("%d plans", n)
	}
	var move *merchant.MoveError
	if _, err := w.order(notice); !errors.As(err, &move) && err == nil {
		t.Errorf("an ended contract was ended again: %v", err)
	}
}

func TestOrderRefusals(t *testing.T) {
	t.Parallel()
	c := &merchant.Contract{ValidFrom: noon.AddDate(0, -1, 0), ValidUntil: noon.AddDate(1, 0, 0)}
	for name, tc := range map[string]struct {
		change func(*exit.Order)
		field  string
	}{
		"good":              {func(*exit.Order) {}, ""},
		"no cause":          {func(o *exit.Order) { o.Cause = "" }, "cause"},
		"forged cause":      {func(o *exit.Order) { o.Cause = "expiry" }, "cause"},
		"no kind":           {func(o *exit.Order) { o.Kind = "expiry" }, "kind"},
		"not a day":         {func(o *exit.Order) { o.LastDay = "2026-02-30" }, "last_day"},
		"no day":            {func(o *exit.Order) { o.LastDay = "" }, "last_day"},
		"too soon":          {func(o *exit.Order) { o.LastDay = "2026-06-06" }, "last_day"},
		"after the end":     {func(o *exit.Order) { o.LastDay = "2027-06-01" }, "last_day"},
		"in 50 years":       {func(o *exit.Order) { o.LastDay = "2076-06-01" }, "last_day"},
		"not told yet":      {func(o *exit.Order) { o.NoticedOn = "2026-06-02" }, "noticed_on"},
		"told before it":    {func(o *exit.Order) { o.NoticedOn = "2006-06-02" }, "noticed_on"},
		"at once, no cause": {func(o *exit.Order) { o.Kind, o.LastDay = exit.KindCause, "" }, "cause"},
		"at once, with day": {func(o *exit.Order) { o.Kind, o.Cause = exit.KindCause, "fraud" }, "last_day"},
	} {
		o := notice
		tc.change(&o)
		err := o.Check(c, noon)
		var wrong merchant.FieldErrors
		if errors.As(err, &wrong); tc.field == "" && err != nil || tc.field != "" && wrong.On(tc.field) == "" {
			t.Errorf("%s: %v, want %q at fault", name, err, tc.field)
		}
	}
}

// Notice for a day before a contract begins is refused at the form, not after the
// approval.
func TestOrderBeforeTheStart(t *testing.T) {
	t.Parallel()
	c := &merchant.Contract{ValidFrom: noon.AddDate(0, 2, 0), ValidUntil: noon.AddDate(1, 0, 0)}
	var wrong merchant.FieldErrors
	o := notice
	o.NoticedOn = "2026-06-01"
	if err := o.Check(c, noon); !errors.As(err, &wrong) || wrong.On("last_day") == "" || wrong.On("noticed_on") != "" {
		t.Errorf("%v", err)
	}
	// For cause it may be ended before it begins; there is nothing to wait for.
	w := newWorld(t)
	w.contract = w.sign(w.outlets[1], noon.AddDate(0, 2, 0), noon.AddDate(1, 0, 0))
	_, err := w.order(exit.Order{Kind: exit.KindCause, Cause: "fraud", NoticedOn: "2026-06-01"})
	w.must(err)
	w.advance(noon)
	if state, contract, tills, _ := w.advance(noon.Add(time.Minute)); state != exit.StateDone || contract != merchant.ContractEnded || tills[1] != "active" {
		t.Errorf("plan %s, contract %s, tills %v", state, contract, tills)
	}
}

func TestEffect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := w.sign(w.outlets[1], noon, noon.AddDate(3, 0, 0))
	e, err := w.exits.Effect(w.ctx, own, noon)
	w.must(err)
	want := &exit.Effect{Outlets: []exit.EffectOutlet{{ID: w.outlets[1], Name: "花园路店", Falls: w.contract}}, Terminals: 1,
		Others: []exit.OtherContract{{ID: w.contract, Status: merchant.ContractActive, Office: "河南省总工会", From: noon.AddDate(0, -1, 0), LastDay: noon.AddDate(1, 0, 0).Add(-time.Second)}}}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
	w.gate.open.Store(true)
	e, err = w.exits.Effect(w.ctx, w.contract, noon)
	w.must(err)
	if len(e.Outlets) != 1 || e.Outlets[0].Falls != 0 || e.LastContract || len(e.Open) != 1 || e.Open[0].Gate != "test" {
		t.Errorf("effect %+v", e)
	}
	if _, err := w.exits.Effect(w.ctx, 999, noon); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("no contract: %v", err)
	}
}

// Two nodes move plans at once: each plan moves once.
func TestAdvanceAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.order(exit.Order{Kind: exit.KindCause, Cause: "fraud", NoticedOn: "2026-06-01"})
	w.must(err)
	moved := make(chan int, 4)
	for range cap(moved) {
		go func() {
			n, err := w.exits.Advance(w.ctx, noon)
			if err != nil {
				t.Error(err)
			}
			moved <- n
		}()
	}
	total := 0
	for range cap(moved) {
		total += <-moved
	}
	if total != 1 {
		t.Errorf("the plan moved %d times", total)
	}
}

// One contract that can't be given a plan keeps neither other contracts nor plans
// that are due from their turn.
func TestOneBadContractHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.sign(w.outlets[1], noon, noon.AddDate(1, 0, 0))
	_, err := w.pool.Exec(w.ctx, fmt.Sprintf(`CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION 'spoilt'; END $$;
		CREATE TRIGGER spoil BEFORE INSERT ON exit_plans FOR EACH ROW WHEN (NEW.contract_id = %d) EXECUTE FUNCTION spoil()`, w.contract))
	w.must(err)
	end := noon.AddDate(1, 0, 0)
	w.set(end)
	_, err = w.shops.EndExpired(w.ctx, end)
	w.must(err)
	for range 2 {
		if _, err := w.exits.Advance(w.ctx, end); err == nil {
			t.Error("the bad one is not told of")
		}
	}
	if p, err := w.exits.Latest(w.ctx, good); err != nil || p.State != exit.StateSettling {
		t.Errorf("the good one: %+v, %v", p, err)
	}
}

// The tills of a contract that ran out while its renewal was being signed stay.
func TestRenewalUnderWayKeepsTheTills(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exits = exit.New(w.pool, func() time.Time { return *w.now.Load() }, exit.RenewalGate{})
	end := noon.AddDate(1, 0, 0)
	next, err := w.shops.CreateContract(w.ctx, by, merchant.NewContract{MerchantID: w.merchant, OfficeID: w.office,
		ValidFrom: end, ValidUntil: end.AddDate(1, 0, 0)})
	w.must(err)
	_, err = w.pool.Exec(w.ctx, `INSERT INTO renewals (contract_id, follows) VALUES ($1, $2)`, next, w.contract)
	w.must(err)
	for _, day := range []int{0, 31, 60} {
		if state, _, tills, _ := w.advance(end.AddDate(0, 0, day)); state != exit.StateSettling || tills[0] != "active" {
			t.Errorf("day %d: plan %s, tills %v", day, state, tills)
		}
	}
	w.must(w.shops.EndContract(w.ctx, by, next, time.Time{}))
	if state, _, tills, _ := w.advance(end.AddDate(0, 0, 61)); state != exit.StateDone || tills[0] != "retired" {
		t.Errorf("given up: plan %s, tills %v", state, tills)
	}
}
