package voucher_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"unioncard/card/sheet"
	"unioncard/merchant"
	"unioncard/settlement/budget"
	"unioncard/settlement/budget/voucher"
	"unioncard/settlement/ledger"
)

// TestPlanRefusals has one plan for every field that can be wrong.
func TestPlanRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	narrow, err := w.budgets.Create(w.ctx, by, 2, budget.Plan{Name: "餐饮", FirstDay: w.today, LastDay: w.today + 9, AmountFen: 100_000,
		Trades: []merchant.Trade{"catering"}, Merchants: []int64{1}})
	w.must(err)
	for name, c := range map[string]struct {
		change func(*voucher.Plan)
		want   []string
	}{
		"good":            {func(*voucher.Plan) {}, nil},
		"only granted":    {func(p *voucher.Plan) { p.ClaimFrom, p.ClaimUntil = time.Time{}, time.Time{} }, nil},
		"face 0":          {func(p *voucher.Plan) { p.FaceFen = 0 }, []string{"face"}},
		"negative face":   {func(p *voucher.Plan) { p.FaceFen = -4000 }, []string{"face"}},
		"need below face": {func(p *voucher.Plan) { p.NeedFen = 3999 }, []string{"need"}},
		"need too much":   {func(p *voucher.Plan) { p.NeedFen = 100_000_001 }, []string{"need"}},
		"face too much":   {func(p *voucher.Plan) { p.FaceFen = 100_000_001 }, []string{"face"}},
		"no packs":        {func(p *voucher.Plan) { p.Packs = 0 }, []string{"packs"}},
		"too many packs":  {func(p *voucher.Plan) { p.Packs = voucher.MaxPacks + 1 }, []string{"packs"}},
		"too many a pack": {func(p *voucher.Plan) { p.PerPack = 21 }, []string{"per_pack"}},
		"overflowing":     {func(p *voucher.Plan) { p.Packs, p.PerPack, p.FaceFen, p.NeedFen = voucher.MaxPacks, 20, 1e8, 1e8 }, []string{"packs"}},
		"no end":          {func(p *voucher.Plan) { p.ClaimUntil = time.Time{} }, []string{"claim_until"}},
		"backwards":       {func(p *voucher.Plan) { p.ClaimUntil = p.ClaimFrom }, []string{"claim_until"}},
		"after its days": {func(p *voucher.Plan) {
			p.ClaimFrom, p.ClaimUntil = p.ClaimFrom.AddDate(0, 3, 0), p.ClaimUntil.AddDate(0, 3, 0)
		}, []string{"claim_until"}},
		"beyond budget":    {func(p *voucher.Plan) { p.LastDay = w.today + 61 }, []string{"last_day"}},
		"no name":          {func(p *voucher.Plan) { p.Name = "" }, []string{"name"}},
		"another city's":   {func(p *voucher.Plan) { p.Territory = 410200 }, []string{"territory"}},
		"no territory":     {func(p *voucher.Plan) { p.Territory = 1 }, []string{"territory"}},
		"own county's":     {func(p *voucher.Plan) { p.Territory = 410105 }, nil},
		"several at once":  {func(p *voucher.Plan) { p.Name, p.FaceFen, p.Packs = "", 0, 0 }, []string{"face", "packs", "name"}},
		"no such merchant": {func(p *voucher.Plan) { p.Merchants = []int64{9} }, []string{"merchants"}},
	} {
		p := w.plan("券"+name, 10)
		c.change(&p)
		_, err := w.store.Create(w.ctx, by, w.parent, p)
		if d := cmp.Diff(c.want, fields(err)); d != "" || c.want == nil && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := w.plan("范围", 1)
	p.LastDay, p.Trades, p.Merchants = w.today+9, []merchant.Trade{"shopping"}, []int64{1, 2}
	if _, err := w.store.Create(w.ctx, by, narrow, p); !cmp.Equal(fields(err)[:2], []string{"trades", "merchants"}) {
		t.Errorf("beyond what the budget names: %v", err)
	}
	p.Trades, p.Merchants = nil, nil
	id, err := w.store.Create(w.ctx, by, narrow, p)
	w.must(err)
	if r, err := w.store.Get(w.ctx, id); err != nil || !cmp.Equal(r.Trades, []merchant.Trade{"catering"}) || !cmp.Equal(r.Merchants, []int64{1}) || r.AmountFen != 16_000 {
		t.Errorf("%+v, %v", r, err)
	}
	p.Packs = 5
	w.must(w.store.Edit(w.ctx, by, id, 1, p))
	if err := w.store.Edit(w.ctx, by, id, 1, p); !errors.Is(err, budget.ErrChanged) {
		t.Errorf("the second of two: %v", err)
	}
	if r, err := w.store.Get(w.ctx, id); err != nil || r.Packs != 5 || r.AmountFen != 80_000 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, no := range []int64{id, 999} { // a series pays for no series
		if _, err := w.store.Create(w.ctx, by, no, p); !errors.Is(err, merchant.ErrNotFound) {
			t.Errorf("a series of %d: %v", no, err)
		}
	}
}

// list is a file of card numbers.
func list(lines ...string) *bytes.Reader { return bytes.NewReader([]byte(strings.Join(lines, "\r\n"))) }

// TestGrantList grants by a list in which everything is wrong that can be.
func TestGrantList(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 12)
	p := w.plan("慰问", 4)
	p.ClaimFrom, p.ClaimUntil = time.Time{}, time.Time{}
	id := w.series(p)
	w.exec(`UPDATE cards SET status = 3 WHERE serial = 5`)
	w.exec(`UPDATE card_numbers SET retired_at = now() WHERE card_serial = 7`)
	file := list("姓名,卡号", "甲,"+number(1), "乙,"+number(2), "丙,"+number(3), "丁,"+number(3), "戊,"+number(5), "己,"+number(7), "庚,410", "辛,=1+1", "壬,4100 0000-0000 0009", "癸,9999999999999999")
	want := &voucher.Granted{Rows: 10, Granted: 3, Faults: 7, First: []voucher.GrantFault{
		{3, "查无此卡，或不是本单位辖区的会员"}, {5, "与前面的行重复"}, {6, "会员卡现在不能用（已挂失、停用、注销、未激活或到期）"},
		{7, "查无此卡，或不是本单位辖区的会员"}, {8, "不是 16 位卡号"}, {9, "卡号是公式，请改成文字"}, {11, "查无此卡，或不是本单位辖区的会员"}}}
	for _, dry := range []bool{true, false} {
		g, err := w.store.GrantList(w.ctx, by, id, file, file.Size(), dry)
		w.must(err)
		if d := cmp.Diff(want, g); d != "" {
			t.Errorf("dry %v: %s", dry, d)
		}
		if n, want := w.count(`SELECT count(*) FROM vouchers`), map[bool]int64{false: 12}[dry]; n != want {
			t.Errorf("dry %v: %d vouchers", dry, n)
		}
	}
	g, err := w.store.GrantList(w.ctx, by, id, file, file.Size(), false) // uploaded twice
	w.must(err)
	if g.Granted != 0 || g.Already != 3 {
		t.Errorf("a second time: %+v", g)
	}
	more := list(number(11), number(1), number(5))
	w.exec(`UPDATE cards SET status = 1 WHERE serial = 5`)
	if _, err := w.store.GrantList(w.ctx, by, id, more, more.Size(), false); !cmp.Equal(fields(err), []string{"list"}) {
		t.Errorf("two for the one that is left: %v", err)
	}
	w.sums()
	empty := list()
	if _, err := w.store.GrantList(w.ctx, by, id, empty, 0, false); err == nil {
		t.Error("an empty file was taken")
	} else if _, ok := errors.AsType[*sheet.Error](err); !ok {
		t.Errorf("an empty file: %v", err)
	}
	w.must(w.budgets.Freeze(w.ctx, by, id))
	if _, err := w.store.GrantList(w.ctx, by, id, more, more.Size(), false); !cmp.Equal(fields(err), []string{"series"}) {
		t.Errorf("granted out of a frozen series: %v", err)
	}
	if n := w.count(`SELECT count(*) FROM changes WHERE kind = 10`); n != 3 {
		t.Errorf("the nodes were told of %d wallets", n)
	}
}

// TestGrantUnion grants to the members of a union of the office's own territory.
func TestGrantUnion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	id := w.series(w.plan("全员", 5))
	w.exec(`UPDATE cards SET status = 2 WHERE serial = 9`)
	for _, no := range []int64{4, 1, 99} {
		if _, err := w.store.GrantUnion(w.ctx, by, id, no, false); !errors.Is(err, merchant.ErrNotFound) {
			t.Errorf("granted to union %d: %v", no, err)
		}
	}
	g, err := w.store.GrantUnion(w.ctx, by, id, 2, false)
	w.must(err)
	if d := cmp.Diff(&voucher.Granted{Rows: 4, Granted: 4}, g); d != "" {
		t.Error(d)
	}
	w.exec(`UPDATE members SET union_id = 3 WHERE id IN (2, 4)`)
	if _, err := w.store.GrantUnion(w.ctx, by, id, 2, false); !cmp.Equal(fields(err), []string{"union"}) {
		t.Errorf("two for the one that is left: %v", err)
	}
	if n, err := w.store.Revoke(w.ctx, by, id, 4100000000000001); err != nil || n != 4 {
		t.Errorf("revoked %d, %v", n, err)
	}
	for _, no := range []int64{4100000000000001, 4100000000000006, 1} {
		if _, err := w.store.Revoke(w.ctx, by, id, no); !cmp.Equal(fields(err), []string{"number"}) {
			t.Errorf("revoked of %d: %v", no, err)
		}
	}
	b, err := w.store.Burn(w.ctx, id)
	w.must(err)
	if b.Held != 12 || b.Revoked != 4 || b.Claimed != 4 || b.Packs != 5 || b.LeftFen != 80_000 {
		t.Errorf("%+v", b)
	}
	w.sums()
}

// TestExpire ends series in time: vouchers that nobody used expire, and the money goes
// back to the budget, also what undoing gives back later.
func TestExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 8)
	over, early, open := w.series(w.plan("过期", 2)), w.series(w.plan("提前", 2)), w.series(w.plan("还在", 2))
	for _, id := range []int64{over, early, open} {
		file := list(number(1), number(3))
		_, err := w.store.GrantList(w.ctx, by, id, file, file.Size(), false)
		w.must(err)
	}
	w.exec(`UPDATE vouchers SET state = 2, merchant_id = 1, purchase_id = gen_random_uuid() WHERE series_id = $1 AND card_serial = 1 AND no = 1`, over)
	w.exec(`UPDATE budget_slices SET spent_fen = 4000, uses = 1 WHERE budget_id = $1 AND slice = 0`, over)
	w.exec(`UPDATE budgets SET first_day = first_day - 10, last_day = $2 WHERE id = $1`, over, (w.today - 2).Date())
	w.must(w.tx(func(tx pgx.Tx) error { return w.budgets.CloseTx(w.ctx, tx, by, early) }))
	for i, want := range []int64{1, 0} {
		if n, err := w.store.Expire(w.ctx); err != nil || n != want {
			t.Errorf("turn %d: %d, %v", i, n, err)
		}
	}
	states := func(id int64) string {
		b, err := w.store.Burn(w.ctx, id)
		w.must(err)
		return fmt.Sprintf("held %d, used %d, expired %d, left %d", b.Held, b.Used, b.Expired, b.LeftFen)
	}
	for id, want := range map[int64]string{over: "held 0, used 1, expired 7, left 0", early: "held 0, used 0, expired 8, left 0", open: "held 8, used 0, expired 0, left 32000"} {
		if got := states(id); got != want {
			t.Errorf("series %d: %s; want %s", id, got, want)
		}
	}
	if n := w.count(`SELECT count(*) FROM voucher_series WHERE settled`); n != 2 {
		t.Errorf("%d series are settled", n)
	}
	r, err := w.budgets.Get(w.ctx, w.parent)
	w.must(err)
	if r.AllocatedFen != 4000+32_000 {
		t.Errorf("%d is still with the series", r.AllocatedFen)
	}
	w.exec(`UPDATE budget_slices SET back_fen = 4000 WHERE budget_id = $1 AND slice = 0`, over)
	if n, err := w.budgets.Sweep(w.ctx); err != nil || n != 1 {
		t.Errorf("sweep: %d, %v", n, err)
	}
	if r, err := w.budgets.Get(w.ctx, w.parent); err != nil || r.AllocatedFen != 32_000 {
		t.Errorf("%+v, %v", r, err)
	}
	if got := w.count(`SELECT sum(CASE WHEN credit = $1 THEN fen ELSE -fen END) FROM transfers WHERE $1 IN (debit, credit)`, int64(ledger.Budget(w.parent))); got != 1_000_000_000-32_000 {
		t.Errorf("the ledger has %d", got)
	}
}
