package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"unioncard/card/union/staff"
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
