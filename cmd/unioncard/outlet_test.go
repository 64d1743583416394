package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"unioncard/card/union/staff"
	"unioncard/merchant"
)

// joined is a shop that a clerk took into the contract of a merchant that is in
// force.
func (b *bureau) joined(c *clerk) (application, outlet int64) {
	b.Helper()
	at := fmt.Sprintf("/console/applications/%d", b.enter(c, "郑州宇通餐饮有限公司", companyCode, idText(jinshui)))
	first := last(b, at)
	b.review(c, first)
	today := beijingNow()
	days := []string{"valid_from", today.Format(time.DateOnly), "valid_until", today.AddDate(1, 0, 0).Format(time.DateOnly), "refund_days", "7"}
	version := func(id int64) string { return idText(b.number(`SELECT version FROM applications WHERE id = $1`, id)) }
	a := c.want("accept", c.post(at+"/accept", append(days, "version", version(first))...), http.StatusSeeOther)
	contract := last(b, a.to())
	shops, by := merchant.NewStore(b.pool, time.Now), merchant.By{Actor: "test", Reason: "test"}
	_, err := shops.PublishTerms(b.Context(), by, contract,
		[]byte(`{"v":1,"offers":[{"id":"a","title":"九折","benefit":{"kind":"percent","rate_bp":9000},"funding_bp":10000}]}`), time.Time{})
	b.must(err)
	b.must(shops.ActivateContract(b.Context(), by, contract))

	a = c.want("enter the new shop", c.post("/console/applications", "legal_name", "郑州宇通餐饮有限公司", "trade", "catering", "code", companyCode,
		"legal_rep", "张三", "contact_name", "李四", "phone", "13803710001", "outlet.0.name", "农业路店", "outlet.0.address", "农业路88号",
		"outlet.0.territory", idText(jinshui)), http.StatusSeeOther)
	application = last(b, a.to())
	b.review(c, application)
	at = fmt.Sprintf("/console/applications/%d", application)
	a = c.want("join", c.post(at+"/accept", append(days, "version", version(application),
		"merchant_id", idText(b.number(`SELECT merchant_id FROM contracts WHERE id = $1`, contract)))...), http.StatusSeeOther)
	if a.to() != at {
		b.Errorf("accepting led to %s", a.to())
	}
	return application, b.number(`SELECT id FROM outlets WHERE name = '农业路店'`)
}

// TestRightsOfOutlets: a shop is put in force, and closed for good, by two people;
// one may shut it for a while and open what was shut that way.
func TestRightsOfOutlets(t *testing.T) {
	t.Parallel()
	b := newProvince(t).serve(t, "")
	county := b.unions[jinshui]
	c := b.hire("clerk", county, staff.Negotiator, staff.Approver)
	colleague := b.hire("colleague", county, staff.Approver)
	application, outlet := b.joined(c)
	page := fmt.Sprintf("/console/outlets/%d", outlet)
	is := func(want string) {
		t.Helper()
		var got string
		b.must(b.pool.QueryRow(t.Context(), `SELECT status FROM outlets WHERE id = $1`, outlet).Scan(&got))
		if got != want {
			t.Errorf("the shop is %s, want %s", got, want)
		}
	}
	move := func(action string, status int, says ...string) {
		t.Helper()
		c.want(action, c.post(page+"/move", "action", action, "reason", "店里有安排"), status, says...)
	}
	decided := func(object string) {
		t.Helper()
		at := fmt.Sprintf("/console/proposals/%d", b.number(`SELECT max(id) FROM proposals`))
		c.want("own "+object, c.post(at+"/decide", "decision", "approve", "reason", "同意"), http.StatusUnprocessableEntity, "两个人")
		colleague.want("read "+object, colleague.get(at), http.StatusOK, "农业路店", "批准后立即")
		colleague.want("list "+object, colleague.get("/console/proposals"), http.StatusOK, "农业路店")
		colleague.want("approve "+object, colleague.post(at+"/decide", "decision", "approve", "reason", "同意"), http.StatusSeeOther)
	}
	c.want("the application", c.get(fmt.Sprintf("/console/applications/%d", application)), http.StatusOK, page, "还没有开业")
	c.want("the shop", c.get(page), http.StatusOK, "还没有开业", "提请开业")
	move("resume", http.StatusUnprocessableEntity, "不能这样办理")
	is("suspended")
	move("open", http.StatusSeeOther)
	is("suspended")
	move("open", http.StatusUnprocessableEntity, "已经提请过")
	decided("opening")
	is("active")
	move("suspend", http.StatusSeeOther)
	is("suspended")
	move("open", http.StatusUnprocessableEntity, "不能这样办理")
	move("resume", http.StatusSeeOther)
	is("active")
	move("close", http.StatusSeeOther)
	is("active")
	decided("closing")
	is("closed")
	move("close", http.StatusUnprocessableEntity, "已停业")

	// What is stored names an account by its number; people read the name.
	b.scoped()
	for _, path := range []string{"/console/events?kind=outlet", "/console/events?kind=outlet&format=csv"} {
		c.want("the log", c.get(path), http.StatusOK, "提请 1，职员clerk）")
	}
}

// scoped waits until the log's search knows of all that was recorded.
func (b *bureau) scoped() {
	b.Helper()
	newest := b.number(`SELECT max(id) FROM events`)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for b.number(`SELECT count(*) FROM event_scopes WHERE event_id = $1`, newest) == 0 {
		select {
		case <-tick.C:
		case <-b.Context().Done():
			b.Fatal("the log never got its scopes")
		}
	}
}
