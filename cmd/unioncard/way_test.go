package main

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"unioncard/card/union/event"
	"unioncard/card/union/staff"
	"unioncard/merchant"
)

// dealing is one merchant's way through the offices, from the application on.
type dealing struct {
	*bureau
	clerk, colleague   *clerk
	application        int64
	merchant, contract int64
	outlet             int64
	till               *simTill
	sold               int64 // cards used so far
}

// beijingNow is the present by the clock that people live by.
func beijingNow() time.Time { return time.Now().In(time.FixedZone("", 8*3600)) }

// accepted takes a merchant of Jinshui in, as far as a contract that is a draft, and
// installs a till in its shop.
func (b *bureau) accepted() *dealing {
	b.Helper()
	county := b.unions[jinshui]
	// The clerk may approve, too, only not the own work.
	d := &dealing{bureau: b, clerk: b.hire("clerk", county, staff.Negotiator, staff.Approver, staff.TerminalManager),
		colleague: b.hire("colleague", county, staff.Approver)}
	c := d.clerk
	d.application = b.enter(c, "郑州宇通餐饮有限公司", companyCode, idText(jinshui))
	at := fmt.Sprintf("/console/applications/%d", d.application)
	c.want("what is missing", c.get(at), http.StatusOK, "营业执照", "食品经营许可证")
	b.review(c, d.application)
	today := beijingNow()
	a := c.want("accept", c.post(at+"/accept", "version", idText(b.number(`SELECT version FROM applications WHERE id = $1`, d.application)),
		"valid_from", today.Format(time.DateOnly), "valid_until", today.AddDate(1, 0, 0).Format(time.DateOnly), "refund_days", "7",
		"floor_clause", "1"), http.StatusSeeOther)
	d.contract = last(b, a.to())
	d.merchant = b.number(`SELECT merchant_id FROM contracts WHERE id = $1`, d.contract)
	d.outlet = b.number(`SELECT id FROM outlets WHERE merchant_id = $1`, d.merchant)
	shown := c.want("activation code", c.post(fmt.Sprintf("/console/outlets/%d/code", d.outlet)), http.StatusOK)
	d.till = &simTill{sim: &simulation{base: b.base, http: http.DefaultClient}, outlet: d.outlet}
	b.must(d.till.activate(b.Context(), found(b, shown, `data-copy="([^"]+)"`)))
	return d
}

// last is the number at the end of an address.
func last(tb testing.TB, to string) int64 {
	tb.Helper()
	id, err := strconv.ParseInt(to[strings.LastIndexByte(to, '/')+1:], 10, 64)
	if err != nil {
		tb.Fatalf("no number at the end of %q", to)
	}
	return id
}

// found is what a pattern's group finds in a page.
func found(tb testing.TB, r *reply, pattern string) string {
	tb.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(r.body)
	if m == nil {
		tb.Fatalf("no %s in %.3000s", pattern, readable(r.body))
	}
	return m[1]
}

func (d *dealing) at(page string) string {
	return fmt.Sprintf("/console/contracts/%d%s", d.contract, page)
}

// draft puts one offer into the draft of Terms: so many 折 on everything.
func (d *dealing) draft(zhe string) {
	d.Helper()
	shown := d.clerk.want("the editor", d.clerk.get(d.at("/terms/offer?kind=percent")), http.StatusOK)
	id := ""
	if d.number(`SELECT count(*) FROM drafts WHERE object = $1 AND terms IS NOT NULL`, fmt.Sprintf("contract:%d", d.contract)) > 0 ||
		d.number(`SELECT count(*) FROM contract_terms WHERE contract_id = $1`, d.contract) > 0 {
		id = "o1"
	}
	d.clerk.want("draft "+zhe+"折", d.clerk.post(d.at("/terms/offer"), "id", id, "kind", "percent", "rate", zhe, "title", "全单"+zhe+"折",
		"funding", "100", "version", found(d, shown, `name="version"[^>]*value="(\d+)"`)), http.StatusSeeOther)
}

// proposed proposes the draft and returns the proposal's address.
func (d *dealing) proposed() string {
	d.Helper()
	return d.clerk.want("propose", d.clerk.post(d.at("/propose"), "reason", "谈妥了，请核对"), http.StatusSeeOther).to()
}

// approve has the colleague approve what a proposal's address shows.
func (d *dealing) approve(proposal string) {
	d.Helper()
	d.colleague.want("approve", d.colleague.post(proposal+"/decide", "decision", "approve", "reason", "同意"), http.StatusSeeOther)
}

// signed prints what was approved and brings the stamped scan.
func (d *dealing) signed() {
	d.Helper()
	printed := d.clerk.want("print", d.clerk.get(d.at("/print")), http.StatusOK, "工会会员优惠服务协议", "金水区总工会", "郑州宇通餐饮有限公司")
	sum := found(d, printed, `核验码 <span class="sum">([0-9a-f]{64})<`)
	d.clerk.want("sign", d.clerk.upload(d.at("/sign"), "scan", "盖章.jpg", snapshot(d, 7), "code", sum[len(sum)-8:]), http.StatusSeeOther)
}

// publish puts what was signed in force and tells when the answer came.
func (d *dealing) publish() time.Time {
	d.Helper()
	d.clerk.want("publish", d.clerk.post(d.at("/publish")), http.StatusSeeOther)
	at := time.Now()
	if again := d.clerk.want("the second click", d.clerk.post(d.at("/publish")), http.StatusSeeOther).to(); again != d.at("") {
		d.Errorf("the second click leads to %s", again)
	}
	return at
}

// show asks a till of some node about the next card, for 100 yuan.
func (d *dealing) show(t *simTill) (code string, answer map[string]any) {
	d.Helper()
	_, code, answer = t.ask(d, "/v1/verifications", "", d.province.show(d.first+d.sold, 0))
	return code, answer
}

// discount is what an answer gives, in fen; -1 for none.
func discount(answer map[string]any) int {
	quote, _ := answer["quote"].(map[string]any)
	fen, ok := quote["discount_fen"].(float64)
	if !ok {
		return -1
	}
	return int(fen)
}

// listed reports whether a node's directory finds the outlet, by its words and by
// its number; it must not say one thing in one place and another elsewhere for long.
func (d *dealing) listed(at *bureau) bool {
	d.Helper()
	public := &clerk{bureau: at}
	search := public.get("/open/v1/outlets?county=410105&q=" + url.QueryEscape("花园路"))
	one := public.get(fmt.Sprintf("/open/v1/outlets/%d", d.outlet))
	return search.status == http.StatusOK && strings.Contains(search.body, fmt.Sprintf(`"id":%d,`, d.outlet)) && one.status == http.StatusOK
}

// delisted is the opposite of listed in both places.
func (d *dealing) delisted(at *bureau) bool {
	d.Helper()
	public := &clerk{bureau: at}
	search := public.get("/open/v1/outlets?county=410105&q=" + url.QueryEscape("花园路"))
	one := public.get(fmt.Sprintf("/open/v1/outlets/%d", d.outlet))
	return search.status == http.StatusOK && !strings.Contains(search.body, fmt.Sprintf(`"id":%d,`, d.outlet)) && one.status == http.StatusNotFound
}

// cateringFloor is the province's floor in the trade: 9折.
func (b *bureau) cateringFloor() {
	b.Helper()
	_, err := b.node.merchants.PublishFloor(b.Context(), testBy, merchant.NewFloor{Trade: merchant.TradeCatering, DeadlineDays: 30,
		Terms: []byte(`{"v":1,"offers":[{"id":"base","title":"九折底线","benefit":{"kind":"percent","rate_bp":9000},"funding_bp":10000}]}`)})
	b.must(err)
}

// TestWholeWay is a merchant's whole way over HTTP: application, review, Terms below
// the floor and mended, approval by a colleague, print, scan, publishing, the
// directory and the till a second later; then notice, the last day, the refund tail,
// and nothing left open. The audit's chain holds over all of it.
func TestWholeWay(t *testing.T) {
	t.Parallel()
	b := newProvince(t).serve(t, "")
	b.cateringFloor()
	d := b.accepted()
	d.negotiate()
	d.conclude()
	d.end()
	since := time.Now()
	var report *event.Report
	soon(t, since, 5*time.Second, "every event linked", func() bool {
		var err error
		report, err = event.Verify(t.Context(), b.pool, event.Head{})
		b.must(err)
		return report.UnlinkedCount == 0
	})
	if report.FaultCount > 0 || report.Links != b.number(`SELECT count(*) FROM events`) {
		t.Errorf("the chain: %+v", report)
	}
	for action, want := range map[string]int64{"application.accept": 1, "proposal.make": 2, "proposal.approve": 2, "contract.sign": 1,
		"contract.activate": 1, "exit.plan": 1, "exit.done": 1, "terminal.retire": 1, "merchant.exit": 1} {
		if n := b.number(`SELECT count(*) FROM events WHERE action = $1 AND actor <> 'test'`, action); n != want {
			t.Errorf("%d events %s, want %d", n, action, want)
		}
	}
}

// negotiate drafts Terms below the floor, sees it, is refused, and mends them.
func (d *dealing) negotiate() {
	c := d.clerk
	d.draft("9.5")
	c.want("below the floor", c.get(d.at("/terms")), http.StatusOK, "低于省级底线，发布时会被退回", "底线优惠", "九折底线")
	c.want("propose below the floor", c.post(d.at("/propose"), "reason", "先报上去"), http.StatusUnprocessableEntity, "低于餐饮行业的省级底线")
	if n := d.number(`SELECT count(*) FROM proposals`); n != 0 {
		d.Errorf("%d proposals below the floor", n)
	}
	d.draft("8.8")
	c.want("mended", c.get(d.at("/terms")), http.StatusOK, "不低于省级底线，可以提请审批")
}

// conclude proposes, has it approved by somebody else, signs and publishes.
func (d *dealing) conclude() {
	c := d.clerk
	proposal := d.proposed()
	c.want("one's own approval", c.post(proposal+"/decide", "decision", "approve", "reason", "同意"), http.StatusUnprocessableEntity, "自己提请的不能自己审批")
	c.want("publish unapproved", c.post(d.at("/publish")), http.StatusUnprocessableEntity)
	d.colleague.want("what is proposed", d.colleague.get(proposal), http.StatusOK, "8.8折", "全单8.8折")
	d.approve(proposal)
	c.want("publish unsigned", c.post(d.at("/publish")), http.StatusUnprocessableEntity, "还没有上传")
	c.want("a scan of something else", c.upload(d.at("/sign"), "scan", "x.jpg", snapshot(d, 8), "code", "00000000"), http.StatusUnprocessableEntity, "与批准的协议不符")
	d.signed()
	if code, _ := d.show(d.till); code != "no_contract" {
		d.Errorf("before publishing the till hears %q", code)
	}
	if !d.delisted(d.bureau) {
		d.Error("listed before publishing")
	}
	since := d.publish()
	soon(d, since, time.Second, "accepted by the till", func() bool { _, a := d.show(d.till); return discount(a) == 1200 })
	soon(d, since, time.Second, "listed", func() bool { return d.listed(d.bureau) })
	one := (&clerk{bureau: d.bureau}).get(fmt.Sprintf("/open/v1/outlets/%d", d.outlet))
	for _, personal := range []string{"张三", "李四", "13803710001", companyCode} {
		if strings.Contains(one.body, personal) {
			d.Errorf("the directory tells %q", personal)
		}
	}
	if !strings.Contains(one.body, "8.8折") {
		d.Errorf("the listing does not tell the offer: %s", one.body)
	}
	c.want("the contract", c.get(d.at("")), http.StatusOK, "协议有效，会员可享优惠")
	_, answer := d.show(d.till)
	if status, code, _ := d.till.ask(d, "/v1/purchases", "way-1", map[string]any{"quote": quoteOf(d, answer)}); status != http.StatusCreated {
		d.Errorf("purchase: %d %s", status, code)
	}
	d.sold++
}

// end gives notice, lets the last day and the refund tail pass, and finds nothing
// left open.
func (d *dealing) end() {
	c, now := d.clerk, beijingNow()
	c.want("what ending will do", c.get(d.at("/exit")), http.StatusOK, "1 家门店")
	day := now.AddDate(0, 0, 30)
	c.want("notice", c.post(d.at("/exit"), "kind", "notice", "cause", "merchant_wish", "merchant_leaves", "1", "reason", "商家提出",
		"noticed_on", now.Format(time.DateOnly), "last_day", day.Format(time.DateOnly)), http.StatusSeeOther)
	proposal := fmt.Sprintf("/console/proposals/%d", d.number(`SELECT max(id) FROM proposals`))
	c.want("one's own approval", c.post(proposal+"/decide", "decision", "approve", "reason", "同意"), http.StatusUnprocessableEntity)
	d.approve(proposal)
	if _, answer := d.show(d.till); discount(answer) != 1200 {
		d.Errorf("until the last day the till gives %d", discount(answer))
	}
	c.want("the plan", c.get("/console/exits"), http.StatusOK, "郑州宇通餐饮有限公司")

	ctx := d.Context()
	for _, step := range []struct {
		days  int // after notice
		state string
	}{{30, "running"}, {31, "settling"}, {37, "settling"}, {39, "done"}} {
		at := now.AddDate(0, 0, step.days)
		_, err := d.node.merchants.EndExpired(ctx, at)
		d.must(err)
		_, err = d.node.exits.Advance(ctx, at)
		d.must(err)
		var state string
		d.must(d.pool.QueryRow(ctx, `SELECT state FROM exit_plans WHERE contract_id = $1`, d.contract).Scan(&state))
		if state != step.state {
			d.Errorf("%d days after notice the plan is %s, want %s", step.days, state, step.state)
		}
	}
	since := time.Now()
	soon(d, since, time.Second, "delisted", func() bool { return d.delisted(d.bureau) })
	header, err := d.till.bearer(ctx)
	d.must(err)
	var answer map[string]any
	status, err := d.till.call(ctx, http.MethodPost, "/v1/verifications", header, d.province.show(d.first+d.sold, 0), &answer)
	d.must(err)
	if status/100 == 2 {
		d.Errorf("a retired till is answered %d %v", status, answer)
	}
	for what, sql := range map[string]string{
		"tills":     `SELECT count(*) FROM terminals WHERE merchant_id = $1 AND status <> 'retired'`,
		"merchants": `SELECT count(*) FROM merchants WHERE id = $1 AND status <> 'exited'`,
		"contracts": `SELECT count(*) FROM contracts WHERE merchant_id = $1 AND status <> 'ended'`,
	} {
		if n := d.number(sql, d.merchant); n != 0 {
			d.Errorf("%d %s are left", n, what)
		}
	}
	c.want("no till any more", c.post(fmt.Sprintf("/console/outlets/%d/code", d.outlet)), http.StatusUnprocessableEntity, "商家已退出网络")
}
