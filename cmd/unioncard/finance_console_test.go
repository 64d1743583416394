package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"unioncard/card/union/staff"
)

// finance is a city office with a clerk of the money and an approver.
type finance struct {
	*bureau
	maker, checker *clerk
	today, last    string // the period: from today, about a year
}

func newFinance(t *testing.T) *finance {
	t.Helper()
	b := newProvince(t).serve(t, "")
	city := b.unions[410100]
	now := time.Now().In(time.FixedZone("", 8*3600))
	return &finance{bureau: b, maker: b.hire("caiwu", city, staff.Finance), checker: b.hire("shenpi", city, staff.Approver),
		today: now.Format(time.DateOnly), last: now.AddDate(1, 0, 0).Format(time.DateOnly)}
}

var numberAtEnd = regexp.MustCompile(`/(\d+)$`)

// made is the id of what a form made, from where it sends its clerk.
func (f *finance) made(r *reply) int64 {
	f.Helper()
	f.maker.want("make", r, 303)
	m := numberAtEnd.FindStringSubmatch(r.to())
	if m == nil {
		f.Fatalf("sent to %q", r.to())
	}
	id, err := strconv.ParseInt(m[1], 10, 64)
	f.must(err)
	return id
}

// approve has the checker approve what waits for an object.
func (f *finance) approve(object string, says ...string) {
	f.Helper()
	id := f.number(`SELECT id FROM proposals WHERE object = $1 AND state = 'waiting'`, object)
	path := fmt.Sprintf("/console/proposals/%d", id)
	f.checker.want("proposal", f.checker.get(path), 200, says...)
	f.checker.want("approve", f.checker.post(path+"/decide", "decision", "approve", "reason", "同意"), 303)
}

func (f *finance) budget(more ...string) []string {
	return append([]string{"name", "国庆惠职工", "amount", "20000", "first_day", f.today, "last_day", f.last, "member_cap", "", "merchants", "", "reason", "主席办公会"}, more...)
}

// TestFinanceConsole: finance makes a budget and a series, each opened by a second
// person; a wrong form comes back as typed; the second clerk is told what changed.
func TestFinanceConsole(t *testing.T) {
	t.Parallel()
	f := newFinance(t)
	m := f.maker
	for _, path := range []string{"/console/budgets", "/console/series", "/console/statements", "/console/payments", "/console/spending", "/console/budgets/new", "/console/payments/new"} {
		m.want(path, m.get(path), 200)
	}
	for field, wrong := range map[string]string{"amount": "0", "member_cap": "-1", "last_day": "2020-01-01", "merchants": "没有这家店", "name": ""} {
		form := f.budget()
		for i := 0; i < len(form); i += 2 {
			if form[i] == field {
				form[i+1] = wrong
			}
		}
		m.want("refused "+field, m.post("/console/budgets", form...), 422, `id="f-`+field+`-error"`, "主席办公会")
	}
	m.want("overflow", m.post("/console/budgets", append([]string{"amount", "99999999999999"}, f.budget()...)...), 422, `id="f-amount-error"`, "最多 10,000,000,000.00 元")
	m.want("no number holds it", m.post("/console/budgets", append([]string{"amount", strings.Repeat("9", 30), "member_cap", "10000000000.01"}, f.budget()...)...), 422, `id="f-amount-error"`,
		"金额太大，最多 10,000,000,000.00 元", "每卡上限太大，最多 10,000,000,000.00 元")
	if n := f.number(`SELECT count(*) FROM budgets`); n != 0 {
		t.Fatalf("%d budgets of refused forms", n)
	}
	id := f.made(m.post("/console/budgets", f.budget()...))
	page := fmt.Sprintf("/console/budgets/%d", id)
	for _, path := range []string{page, "/console/budgets"} {
		if r := m.want("draft", m.get(path), 200, "草稿", "20,000.00"); strings.Contains(r.body, ">20,000.00</td><td data-label=\"笔数\"") || strings.Contains(r.body, "还剩 <strong>") {
			t.Errorf("%s says what is left of a draft", path)
		}
	}
	if r := m.want("draft's file", m.get("/console/budgets?format=csv"), 200, "20000.00"); strings.Count(r.body, "20000.00") != 1 {
		t.Errorf("the file says what is left of a draft: %s", r.body)
	}
	m.want("edit", m.post(page+"/edit", f.budget("version", "1", "trades", "catering")...), 303)
	m.want("edit too late", m.post(page+"/edit", append([]string{"name", "另一个名字"}, f.budget("version", "1")...)...), 422, "同事先保存了一次", "行业现在是“catering”", "另一个名字")

	m.want("propose", m.post(page+"/move", "action", "open", "reason", "请批准"), 303)
	m.want("propose twice", m.post(page+"/move", "action", "open", "reason", "请批准"), 422, "正等审批")
	if r := m.post(fmt.Sprintf("/console/proposals/%d/decide", f.number(`SELECT max(id) FROM proposals`)), "decision", "approve", "reason", "自己批"); r.status != 403 {
		t.Errorf("the maker decides: %d", r.status)
	}
	f.approve(fmt.Sprintf("budget:%d", id), "国庆惠职工", "20,000.00", "经费划入")
	m.want("open", m.get(page), 200, "使用中", "从中发消费券", "还剩 <strong>20,000.00", "不会一起冻结")
	m.want("top up", m.post(page+"/topup", "amount", "5000", "topup_reason", "追加"), 303)
	retract := fmt.Sprintf("/console/proposals/%d/retract", f.number(`SELECT max(id) FROM proposals`))
	m.want("retract", m.post(retract, "reason", "先不追加"), 303)
	m.want("freeze", m.post(page+"/move", "action", "freeze", "reason", "核查"), 303)
	m.want("freeze twice", m.post(page+"/move", "action", "freeze", "reason", "核查"), 422, "已冻结")
	m.want("unfreeze", m.post(page+"/move", "action", "unfreeze", "reason", "核查完"), 303)

	f.series(id)
	m.want("burn", m.send("GET", page, "", nil, "HX-Request", "true"), 200, "划给消费券 <strong>16,000.00")
	m.want("export", m.get("/console/budgets?format=csv"), 200, "国庆惠职工")
	m.want("close with a series", m.post(page+"/move", "action", "close", "reason", "结束"), 422)
}

// series makes a series of a budget, 100 packs of four, and opens it.
func (f *finance) series(parent int64) {
	f.Helper()
	m := f.maker
	path := fmt.Sprintf("/console/budgets/%d/series", parent)
	form := func(packs string, more ...string) []string {
		return append([]string{"name", "国庆满减券", "need", "50", "face", "40", "packs", packs, "per_pack", "4", "first_day", f.today, "last_day", f.last, "stackable", "0",
			"how", "claim", "claim_from", f.today + "T00:00", "claim_until", f.last + "T20:00", "territory", "410100", "merchants", "", "reason", "方案"}, more...)
	}
	m.want("need", m.send("GET", path+"?face=40&packs=100&per_pack=4", "", nil, "HX-Request", "true"), 200, "16,000.00 元", "够用")
	m.want("need more", m.send("GET", path+"?face=40&packs=1000&per_pack=4", "", nil, "HX-Request", "true"), 200, "还差 140,000.00 元")
	m.want("need silly", m.send("GET", path+"?face=9999999999&packs=9999999&per_pack=20", "", nil, "HX-Request", "true"), 200)
	m.want("need too much", m.send("GET", path+"?face=51&packs=10000000&per_pack=20", "", nil, "HX-Request", "true"), 200, "最多 10,000,000,000.00 元")
	m.want("no face", m.post(path, append([]string{"face", "60"}, form("100")...)...), 422, `id="f-need-error"`)
	m.want("too much", m.post(path, append([]string{"packs", "10000000", "per_pack", "20", "face", "51", "need", "51"}, form("100")...)...), 422, `id="f-packs-error"`, "最多 100 亿元")
	m.want("silly face", m.post(path, append([]string{"face", strings.Repeat("9", 30)}, form("100")...)...), 422, `id="f-face-error"`, "一笔消费最多 1000000 元")
	m.want("elsewhere", m.post(path, append([]string{"territory", "410300"}, form("100")...)...), 422)
	id := f.made(m.post(path, form("100")...))
	page := fmt.Sprintf("/console/series/%d", id)
	m.want("edit form", m.get(page+"/edit"), 200, `value="100"`)
	m.want("propose", m.post(page+"/move", "action", "open", "reason", "请批准"), 303)
	f.approve(fmt.Sprintf("budget:%d", id), "国庆满减券", "16,000.00", "满 50 减 40")
	m.want("open", m.get(page), 200, "领取中", "由工会发放")
	m.want("list", m.upload(page+"/grant", "list", "名单.csv", []byte("卡号\r\n4100000000000000\r\n不是卡号\r\n"), "whom", "numbers", "do", "check"), 200, "2 行有问题", "还没有发", "不是 16 位卡号")
	m.want("no list", m.upload(page+"/grant", "", "", nil, "whom", "numbers", "do", "give", "grant_reason", "慰问"), 422, `id="f-list-error"`)
	m.want("no reason", m.upload(page+"/grant", "list", "名单.csv", []byte("卡号\n1\n"), "whom", "numbers", "do", "give"), 422, `id="f-grant_reason-error"`)
	m.want("revoke", m.post(page+"/revoke", "number", "123", "revoke_reason", "错发"), 422, "16 位数字")
	m.want("a budget is no series", m.get(fmt.Sprintf("/console/series/%d", f.number(`SELECT parent_id FROM budgets WHERE id = $1`, id))), 404)
	if r := m.get(fmt.Sprintf("/console/budgets/%d", id)); r.status != 303 || r.to() != page {
		f.Errorf("a series as a budget: %d to %q", r.status, r.to())
	}
}

// TestFinanceElsewhere: another city's finance finds nothing of it.
func TestFinanceElsewhere(t *testing.T) {
	t.Parallel()
	f := newFinance(t)
	id := f.made(f.maker.post("/console/budgets", f.budget()...))
	other := f.hire("luoyang", f.unions[410200], staff.Finance)
	for _, path := range []string{"", "/edit", "/series"} {
		if r := other.get(fmt.Sprintf("/console/budgets/%d%s", id, path)); r.status != 404 {
			t.Errorf("%s: %d", path, r.status)
		}
	}
	if r := other.post(fmt.Sprintf("/console/budgets/%d/move", id), "action", "discard", "reason", "删", "version", "1"); r.status != 404 {
		t.Errorf("discarded by another city: %d", r.status)
	}
	if r := other.get("/console/budgets"); strings.Contains(r.body, "国庆惠职工") {
		t.Error("listed elsewhere")
	}
}
