package budget_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"unioncard/card/union/keyset"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/signing"
	"unioncard/migrations/pgtest"
	"unioncard/settlement/budget"
	"unioncard/settlement/ledger"
)

// moved says which move was refused, "" for none.
func moved(err error) string {
	if m, ok := errors.AsType[*merchant.MoveError](err); ok {
		return m.Action + " while " + m.From
	}
	return ""
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

// TestLife leads a budget through its states: every fen is in the ledger.
func TestLife(t *testing.T) {
	t.Parallel()
	w := inTx(t)
	id := w.draft("夏送清凉", 10_000_000)
	if got := w.balance(ledger.Budget(id)); got != 0 {
		t.Fatalf("a draft holds %d fen", got)
	}
	w.must(w.open(id))
	if got := moved(w.open(id)); got != "open while open" {
		t.Errorf("opened twice: %q", got)
	}
	if got := w.spend(id, 4_000_000); got != 4_000_000 {
		t.Fatalf("spent %d", got)
	}
	w.must(w.topUp(id, 1_000_000))
	w.must(w.store.Freeze(w.ctx, by, id))
	if got := moved(w.store.Freeze(w.ctx, by, id)); got != "freeze while frozen" {
		t.Errorf("frozen twice: %q", got)
	}
	w.must(w.store.Unfreeze(w.ctx, by, id))
	w.back(id, 500_000)
	want := budget.Figures{AmountFen: 11_000_000, SpentFen: 3_500_000, LeftFen: 7_500_000, Uses: 1}
	if d := cmp.Diff(want, w.get(id).Figures); d != "" {
		t.Error(d)
	}
	if got := w.balance(ledger.Budget(id)); got != 7_500_000 {
		t.Errorf("the ledger has %d left", got)
	}
	w.must(w.close(id))
	if got := moved(w.close(id)); got != "close while closed" {
		t.Errorf("closed twice: %q", got)
	}
	if got := moved(w.topUp(id, 1)); got != "topup while closed" {
		t.Errorf("topped up closed: %q", got)
	}
	if r := w.get(id); r.LeftFen != 0 || r.ReturnedFen != 7_500_000 || w.balance(ledger.Budget(id)) != 0 {
		t.Errorf("closed with %+v, the ledger has %d", r.Figures, w.balance(ledger.Budget(id)))
	}
	w.back(id, 200_000)
	for i, want := range []int64{1, 0} {
		if n, err := w.store.Sweep(w.ctx); err != nil || n != want {
			t.Errorf("sweep %d: %d, %v; want %d", i, n, err, want)
		}
	}
	if r := w.get(id); r.LeftFen != 0 || r.ReturnedFen != 7_700_000 || w.balance(ledger.Budget(id)) != 0 || w.balance(ledger.Fund(2)) != -3_300_000 {
		t.Errorf("swept: %+v, the ledger has %d", r.Figures, w.balance(ledger.Budget(id)))
	}
	var got []string
	rows, err := w.db.Query(w.ctx, `SELECT action FROM events WHERE object_kind = 'budget' AND object_id = $1 ORDER BY id`, itoa(id))
	w.must(err)
	got, err = pgx.CollectRows(rows, pgx.RowTo[string])
	w.must(err)
	if d := cmp.Diff([]string{"budget.create", "budget.open", "budget.topup", "budget.freeze", "budget.unfreeze", "budget.close", "budget.return"}, got); d != "" {
		t.Error(d)
	}
}

// TestPlanRefusals has one plan for every field that can be wrong.
func TestPlanRefusals(t *testing.T) {
	t.Parallel()
	w := inTx(t)
	w.draft("已有", 100)
	for name, c := range map[string]struct {
		change func(*budget.Plan)
		want   []string
	}{
		"good":             {func(*budget.Plan) {}, nil},
		"no name":          {func(p *budget.Plan) { p.Name = " " }, []string{"name"}},
		"long name":        {func(p *budget.Plan) { p.Name = strings.Repeat("长", budget.MaxName+1) }, []string{"name"}},
		"control":          {func(p *budget.Plan) { p.Name = "a\x00b" }, []string{"name"}},
		"not UTF-8":        {func(p *budget.Plan) { p.Name = "a\xff" }, []string{"name"}},
		"zero":             {func(p *budget.Plan) { p.AmountFen = 0 }, []string{"amount"}},
		"negative":         {func(p *budget.Plan) { p.AmountFen = -1 }, []string{"amount"}},
		"overflowing":      {func(p *budget.Plan) { p.AmountFen = math.MaxInt64 }, []string{"amount"}},
		"just too much":    {func(p *budget.Plan) { p.AmountFen = budget.MaxFen + 1 }, []string{"amount"}},
		"backwards":        {func(p *budget.Plan) { p.LastDay = p.FirstDay - 1 }, []string{"last_day"}},
		"over":             {func(p *budget.Plan) { p.FirstDay, p.LastDay = w.today-9, w.today-2 }, []string{"last_day"}},
		"too long":         {func(p *budget.Plan) { p.LastDay = p.FirstDay + budget.MaxDays }, []string{"last_day"}},
		"negative cap":     {func(p *budget.Plan) { p.MemberCapFen = -1 }, []string{"member_cap"}},
		"no such trade":    {func(p *budget.Plan) { p.Trades = []merchant.Trade{"gambling"} }, []string{"trades"}},
		"another city's":   {func(p *budget.Plan) { p.Merchants = []int64{1, 3} }, []string{"merchants"}},
		"no such merchant": {func(p *budget.Plan) { p.Merchants = []int64{99} }, []string{"merchants"}},
		"own, below, above": {func(p *budget.Plan) {
			p.Name, p.Merchants = "上下", []int64{4, 2, 1, 2}
		}, nil},
		"overlapping": {func(p *budget.Plan) { p.Name, p.FirstDay, p.LastDay = "已有", w.today+30, w.today+90 }, []string{"name"}},
		"the day after": {func(p *budget.Plan) {
			p.Name, p.FirstDay, p.LastDay = "已有", w.today+31, w.today+90
		}, nil},
	} {
		p := w.plan("新的"+name, 100)
		c.change(&p)
		_, err := w.store.Create(w.ctx, by, 2, p)
		if d := cmp.Diff(c.want, fields(err)); d != "" || c.want == nil && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.store.Create(w.ctx, by, 99, w.plan("无主", 1)); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("a budget of no office: %v", err)
	}
	id := w.opened("追加", budget.MaxFen-10)
	for _, fen := range []int64{0, -5, 11, math.MaxInt64} {
		if got := fields(w.topUp(id, fen)); !cmp.Equal(got, []string{"amount"}) {
			t.Errorf("top-up of %d: %v", fen, got)
		}
	}
	w.must(w.topUp(id, 10))
}

func TestEdit(t *testing.T) {
	t.Parallel()
	w := inTx(t)
	id := w.draft("草稿", 100)
	p := w.plan("改了", 200)
	p.Trades, p.MemberCapFen = []merchant.Trade{"shopping", "catering", "shopping"}, 50
	w.must(w.store.Edit(w.ctx, by, id, 1, p))
	if r := w.get(id); r.Name != "改了" || r.AmountFen != 200 || r.MemberCapFen != 50 || r.Version != 2 || !cmp.Equal(r.Trades, []merchant.Trade{"catering", "shopping"}) {
		t.Errorf("%+v", r)
	}
	if err := w.store.Edit(w.ctx, by, id, 1, p); !errors.Is(err, budget.ErrChanged) {
		t.Errorf("the second of two: %v", err)
	}
	if err := w.store.Discard(w.ctx, by, id, 1); !errors.Is(err, budget.ErrChanged) {
		t.Errorf("discard of what was changed: %v", err)
	}
	w.must(w.open(id))
	if got := moved(w.store.Edit(w.ctx, by, id, w.get(id).Version, p)); got != "edit while open" {
		t.Errorf("edited open: %q", got)
	}
	other := w.draft("不要了", 100)
	below := w.series(other, "券", 10)
	if got := fields(w.store.Discard(w.ctx, by, other, 1)); !cmp.Equal(got, []string{"series"}) {
		t.Errorf("discard above a series: %v", got)
	}
	w.must(w.store.Discard(w.ctx, by, below, 1))
	w.must(w.store.Discard(w.ctx, by, other, 1))
	if _, err := w.store.Get(w.ctx, other); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("discarded and there: %v", err)
	}
}

// TestSeries takes a series' money out of its budget and back.
func TestSeries(t *testing.T) {
	t.Parallel()
	w := inTx(t)
	parent := w.draft("总预算", 1_000_000)
	id := w.series(parent, "购书券", 400_000)
	if got := fields(w.open(id)); !cmp.Equal(got, []string{"parent"}) {
		t.Errorf("opened out of a draft: %v", got)
	}
	w.must(w.open(parent))
	w.spend(parent, 300_000)
	late := w.plan("太晚", 100)
	late.LastDay = w.today + 31
	var beyond int64
	w.must(w.tx(func(tx pgx.Tx) (err error) {
		beyond, err = w.store.CreateTx(w.ctx, tx, by, 2, parent, late)
		return err
	}))
	if got := fields(w.open(beyond)); !cmp.Equal(got, []string{"last_day"}) {
		t.Errorf("opened beyond its budget's days: %v", got)
	}
	if got := fields(w.open(w.series(parent, "太大", 700_001))); !cmp.Equal(got, []string{"amount"}) {
		t.Errorf("opened for more than there is: %v", got)
	}
	w.must(w.open(id))
	if got := moved(w.topUp(id, 5)); got == "" {
		t.Error("a series was topped up")
	}
	if got := fields(w.close(parent)); !cmp.Equal(got, []string{"series"}) {
		t.Errorf("closed above a series: %v", got)
	}
	if got := w.spend(parent, 999_999); got != 300_000 {
		t.Errorf("beside the series there were %d", got)
	}
	w.spend(id, 150_000)
	w.must(w.close(id))
	if got := w.get(parent).Figures; got.AllocatedFen != 150_000 || got.LeftFen != 250_000 {
		t.Errorf("after the series: %+v", got)
	}
	w.must(w.close(parent))
	w.back(id, 40_000) // a late refund: to the series, its budget, the fund
	if n, err := w.store.Sweep(w.ctx); err != nil || n != 2 {
		t.Errorf("sweep: %d, %v", n, err)
	}
	for a, want := range map[ledger.Account]int64{ledger.Fund(2): -710_000, ledger.Budget(parent): 0, ledger.Budget(id): 0, ledger.Merchant(1): 710_000} {
		if got := w.balance(a); got != want {
			t.Errorf("%v: %d, want %d", a, got, want)
		}
	}
}

// TestAlerts gives each alert once, and again once a top-up has taken it back.
func TestAlerts(t *testing.T) {
	t.Parallel()
	w := inTx(t)
	id := w.opened("预警", 1000)
	w.opened("别的", 1000)
	for i, c := range []struct {
		do    func()
		given int64
		level int
	}{
		{func() { w.spend(id, 799) }, 0, 0},
		{func() { w.spend(id, 1) }, 1, 80},
		{func() {}, 0, 80},
		{func() { w.spend(id, 150) }, 1, 95},
		{func() { w.must(w.topUp(id, 1000)) }, 0, 0},
		{func() { w.spend(id, 1050) }, 1, 100},
		{func() { w.back(id, 1000) }, 0, 100},
	} {
		c.do()
		n, err := w.store.Alert(w.ctx)
		if got := w.get(id).Alerted; err != nil || n != c.given || got != c.level {
			t.Errorf("step %d: %d given, at %d, %v; want %d at %d", i, n, got, err, c.given, c.level)
		}
	}
	if n := w.count(`SELECT count(*) FROM events WHERE action = 'budget.alert' AND actor = 'system'`); n != 3 {
		t.Errorf("%d alerts in the log", n)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	w := inTx(t)
	a, b := w.opened("甲", 100), w.draft("乙", 200)
	c := w.series(a, "丙", 10)
	other, err := w.store.Create(w.ctx, by, 4, w.plan("外市", 5))
	w.must(err)
	ids := func(path string, f budget.Filter, p keyset.Page) (out []int64) {
		p.Limit = 50
		rows, err := w.store.List(w.ctx, path, f, p)
		w.must(err)
		for _, r := range rows {
			out = append(out, r.ID)
		}
		return out
	}
	for name, got := range map[string]struct{ got, want []int64 }{
		"all":      {ids("/1/", budget.Filter{}, keyset.Page{Sort: "id"}), []int64{a, b, c, other}},
		"own":      {ids("/1/2/", budget.Filter{Kind: budget.KindBudget}, keyset.Page{Sort: "amount", Desc: true}), []int64{b, a}},
		"county":   {ids("/1/2/3/", budget.Filter{}, keyset.Page{Sort: "id"}), nil},
		"series":   {ids("/1/2/", budget.Filter{Parent: a}, keyset.Page{Sort: "name"}), []int64{c}},
		"open":     {ids("/1/2/", budget.Filter{Status: budget.Open}, keyset.Page{Sort: "last_day"}), []int64{a}},
		"text":     {ids("/1/", budget.Filter{Text: "外"}, keyset.Page{Sort: "id"}), []int64{other}},
		"wildcard": {ids("/1/", budget.Filter{Text: "%"}, keyset.Page{Sort: "id"}), nil},
		"alerted":  {ids("/1/", budget.Filter{NearlySpent: true}, keyset.Page{Sort: "id"}), nil},
		"after":    {ids("/1/", budget.Filter{}, keyset.Page{Sort: "amount", From: &keyset.Mark{Value: int64(10), ID: c}}), []int64{a, b}},
		"by day":   {ids("/1/2/", budget.Filter{}, keyset.Page{Sort: "last_day", From: &keyset.Mark{Value: int64(w.today + 30), ID: b}}), []int64{c}},
	} {
		if d := cmp.Diff(got.want, got.got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// TestTwoPeople opens, tops up and closes by proposal: nobody does it alone, and what
// was changed after the proposal is not approved.
func TestTwoPeople(t *testing.T) {
	t.Parallel()
	w := inTx(t)
	desk := signing.New(w.db, signing.Options{Clock: time.Now, Kinds: w.store.Kinds()})
	maker, checker := w.account(2, staff.Finance), w.account(2, staff.Approver)
	id := w.draft("两人", 1000)
	object := "budget:" + itoa(id)
	propose := func(kind string, payload any) (int64, error) {
		return desk.Propose(w.ctx, maker, kind, object, 2, payload, "需要")
	}
	if _, err := propose(budget.ProposeClose, nil); moved(err) == "" {
		t.Errorf("closing a draft was proposed: %v", err)
	}
	p, err := propose(budget.ProposeOpen, nil)
	w.must(err)
	if err := desk.Decide(w.ctx, maker, p, true, "好"); !errors.Is(err, signing.ErrOwnProposal) {
		t.Errorf("the maker approved: %v", err)
	}
	w.must(w.store.Edit(w.ctx, by, id, 1, w.plan("两人", 999_999)))
	if err := desk.Decide(w.ctx, checker, p, true, "好"); !errors.Is(err, signing.ErrStale) {
		t.Errorf("another amount was approved: %v", err)
	}
	w.must(desk.Decide(w.ctx, checker, p, false, "金额变了"))
	p, err = propose(budget.ProposeOpen, nil)
	w.must(err)
	w.must(desk.Decide(w.ctx, checker, p, true, "好"))
	w.spend(id, 5)
	p, err = propose(budget.ProposeTopUp, budget.TopUp{Fen: 1})
	w.must(err)
	w.spend(id, 5) // purchases go on meanwhile: that is no change
	w.must(desk.Decide(w.ctx, checker, p, true, "好"))
	if _, err := propose(budget.ProposeTopUp, budget.TopUp{Fen: -1}); len(fields(err)) == 0 {
		t.Errorf("a negative top-up was proposed: %v", err)
	}
	p, err = propose(budget.ProposeClose, nil)
	w.must(err)
	w.must(desk.Decide(w.ctx, checker, p, true, "好"))
	if r := w.get(id); r.Status != budget.Closed || r.AmountFen != 1_000_000 || r.ReturnedFen != 999_990 {
		t.Errorf("%+v", r)
	}
}

// TestTwoAtOnce closes and tops up from many sides at once: one closes it, and every
// fen is accounted for.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.New(t))
	id := w.opened("抢着办", 1_000_000)
	var wg sync.WaitGroup
	var mu sync.Mutex
	closed, toppedUp := 0, int64(0)
	for i := range 8 {
		wg.Go(func() {
			var err error
			if i%2 == 0 {
				err = merchant.InTx(context.Background(), w.db, "test", func(tx pgx.Tx) error { return w.store.CloseTx(context.Background(), tx, by, id) })
			} else {
				err = merchant.InTx(context.Background(), w.db, "test", func(tx pgx.Tx) error { return w.store.TopUpTx(context.Background(), tx, by, id, 10) })
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && i%2 == 0:
				closed++
			case err == nil:
				toppedUp += 10
			case moved(err) == "":
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if r := w.get(id); closed != 1 || r.AmountFen != 1_000_000+toppedUp || r.ReturnedFen != r.AmountFen || w.balance(ledger.Fund(2)) != 0 {
		t.Errorf("closed %d times, %+v, fund %d", closed, r.Figures, w.balance(ledger.Fund(2)))
	}
}

// TestMoneyAfterTheTail: what comes into a budget that had nearly nothing left is
// spread again, or all lanes would wait for one slice ever after.
func TestMoneyAfterTheTail(t *testing.T) {
	t.Parallel()
	w := inTx(t)
	slices := func(id int64) int64 { return w.count(`SELECT slices FROM budgets WHERE id = $1`, id) }
	id := w.opened("预算", 20_000_000)
	series := w.series(id, "券", 18_000_000)
	w.must(w.open(series))
	for range 20 {
		w.spend(id, 100_000)
	}
	if n := slices(id); n != 1 || w.get(id).LeftFen != 0 {
		t.Fatalf("%d slices, %d fen left", n, w.get(id).LeftFen)
	}
	w.must(w.topUp(id, 2_000_000))
	if n := slices(id); n != 16 {
		t.Errorf("%d slices after a top-up", n)
	}
	for range 20 {
		w.spend(id, 100_000)
	}
	w.must(w.close(series))
	if n := slices(id); n != 16 || w.get(id).LeftFen != 18_000_000 {
		t.Errorf("%d slices after a series gave %d back", n, w.get(id).LeftFen)
	}
}

// TestClosedDayStays: nothing is posted to a day that is sealed.
func TestClosedDayStays(t *testing.T) {
	t.Parallel()
	w := inTx(t)
	w.exec(`INSERT INTO business_days (day, closed_at) SELECT (clock_timestamp() AT TIME ZONE 'Asia/Shanghai')::date + n, now() FROM generate_series(-1, 0) n`)
	id := w.opened("预算", 100)
	if n := w.count(`SELECT count(*) FROM transfers t JOIN business_days d ON d.day = t.business_day WHERE t.credit = $1`, int64(ledger.Budget(id))); n != 0 {
		t.Error("the money was posted to a sealed day")
	}
}
