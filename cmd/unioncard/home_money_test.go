package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/card/union/staff"
	"unioncard/merchant"
)

// TestMoneyWork: the start page says what waits for who moves the money of a territory,
// and the link leads to it; another city, the office below and who has no right to
// money are told of none of it.
func TestMoneyWork(t *testing.T) {
	t.Parallel()
	b := newProvince(t).serve(t, "")
	h := b.furnish("own", zhengzhou, 410102, true)
	set := func(sql string, args ...any) {
		t.Helper()
		_, err := b.pool.Exec(t.Context(), sql, args...)
		b.must(err)
	}
	set(`UPDATE statements SET state = 'disputed' WHERE id = $1`, h.ids["statement"][0])
	set(`UPDATE budgets SET alerted = 80 WHERE id = $1`, h.ids["budget"][0])
	sent := b.number(`INSERT INTO payments (office_id, from_day, until_day, state, lines, fen, file_sha256, made_by, made_at)
		VALUES ($1, '2025-03-05', '2025-03-06', 'sent', 1, 100, sha256(''), 'test', now()) RETURNING id`, h.union)
	waits := map[string]struct{ at, finds string }{
		"商家申诉的结算单":     {"/console/statements?state=disputed", "own商行"},
		"制了单、还没有批准的付款": {"/console/payments?state=draft", fmt.Sprintf("/console/payments/%d\"", h.ids["payment"][0])},
		"等银行结果的付款":     {"/console/payments?state=sent", fmt.Sprintf("/console/payments/%d\"", sent)},
		"待处理的对账差异":     {"/console/differences?state=open", "own商行"},
		"快用完的补贴预算":     {"/console/budgets?low=1", "own补贴"},
	}
	for i, office := range []int64{b.unions[zhengzhou], b.unions[henan]} {
		finance := b.hire(fmt.Sprintf("finance-%d", i), office, staff.Finance)
		for says, w := range waits {
			finance.want("the start of finance", finance.get("/console"), http.StatusOK, says, `href="`+w.at+`"`)
			finance.want(w.at, finance.get(w.at), http.StatusOK, w.finds)
		}
	}
	for name, c := range map[string]*clerk{
		"finance of another city": b.hire("beside", b.unions[luoyang], staff.Finance),
		"finance of a county":     b.hire("below", b.unions[jinshui], staff.Finance),
		"who has no money":        h.clerk,
	} {
		shown := c.want("the start of "+name, c.get("/console"), http.StatusOK)
		for says := range waits {
			if strings.Contains(shown.body, says) {
				t.Errorf("%s is told of %q", name, says)
			}
		}
	}
}

// TestMoneyPages: what pages of the money say beside their figures and forms.
func TestMoneyPages(t *testing.T) {
	t.Parallel()
	b := newProvince(t).serve(t, "")
	h := b.furnish("own", zhengzhou, 410102, true)
	set := func(sql string, args ...any) {
		t.Helper()
		_, err := b.pool.Exec(t.Context(), sql, args...)
		b.must(err)
	}
	finance := b.hire("finance", h.union, staff.Finance)

	payment := fmt.Sprintf("/console/payments/%d", h.ids["payment"][0])
	finance.want("a draft", finance.get(payment), http.StatusOK, ">提请付款</button>")
	set(`INSERT INTO proposals (kind, object, office_id, payload, fingerprint, maker_id, reason, made_at) SELECT 'payment.send', $1, $2, '{}', '', id, '付款', now() FROM staff WHERE login = 'finance'`,
		fmt.Sprintf("payment:%d", h.ids["payment"][0]), h.union)
	if r := finance.want("it waits", finance.get(payment), http.StatusOK, "正等审批", ">作废</button>"); strings.Contains(r.body, ">提请付款</button>") {
		t.Error("a payment that waits is proposed again")
	}
	set(`UPDATE payments SET state = 'sent', file_sha256 = sha256('') WHERE id = $1`, h.ids["payment"][0])
	finance.want("the bank's file", finance.get(payment), http.StatusOK, "19 位账号", "文本格式导入")

	set(`UPDATE spending_state SET as_of = now()`)
	set(`UPDATE budget_slices SET spent_fen = 4000, uses = 1 WHERE budget_id = ANY ($1)`, []int64{h.ids["budget"][0], h.ids["series"][0]})
	for _, at := range []string{fmt.Sprintf("/console/budgets/%d", h.ids["budget"][0]), fmt.Sprintf("/console/series/%d", h.ids["series"][0])} {
		finance.want(at, finance.get(at), http.StatusOK, "近 30 天", "数据截至")
	}

	b.must(merchant.InTx(t.Context(), b.pool, "test", func(tx pgx.Tx) error {
		if err := event.Record(t.Context(), tx, "test", "webhook.pause", h.object("merchant"), "试验暂停", nil, nil); err != nil {
			return err
		}
		return event.Record(t.Context(), tx, "test", "merchant.details", h.object("merchant"), "改了资料", nil, nil)
	}))
	b.scoped()
	auditor := b.hire("auditor", h.union, staff.Auditor)
	for _, path := range []string{"/console/events?kind=webhook", fmt.Sprintf("/console/events?kind=webhook&object=%d&format=csv", h.ids["merchant"][0])} {
		if r := auditor.want("the log", auditor.get(path), http.StatusOK, "暂停推送", "试验暂停"); strings.Contains(r.body, "改了资料") {
			t.Errorf("%s finds what is about no webhook", path)
		}
	}
}
