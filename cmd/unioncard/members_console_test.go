package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"unioncard/card/personal"
	"unioncard/card/union/staff"
	"unioncard/merchant/territory"
)

// workerID is a valid resident ID, the n-th of its day.
func workerID(t *testing.T, n int) string {
	t.Helper()
	id, err := personal.CompleteResidentID(fmt.Sprintf("41010519900307%03d", n))
	if err != nil {
		t.Fatal(err)
	}
	return string(id)
}

// TestMembersBetweenTwoUnions: one union registers a worker, another in another city
// asks for her, both see it, neither sees more of the other than the county; the
// first answers, and she is the other's. The search finds her where she is and is
// logged without her number.
func TestMembersBetweenTwoUnions(t *testing.T) {
	t.Parallel()
	b := newProvince(t).serve(t, "")
	add := func(division int32, name string) int64 {
		id, err := b.node.territory.Add(t.Context(), testBy, b.unions[division], name)
		b.must(err)
		return id
	}
	here, there := add(410105, "甲厂工会"), add(410302, "乙矿工会")
	a, z := b.hire("registrar-a", here, staff.Registrar), b.hire("registrar-z", there, staff.Registrar)
	cards, auditor := b.hire("cards-a", here, staff.CardManager), b.hire("auditor", b.unions[410000], staff.Auditor)
	id, at := workerID(t, 1), fmt.Sprintf("/console/unions/%d", here)

	bad := id[:17] + string('0'+(id[17]-'0'+1)%10)
	a.want("a wrong check character", a.post(at+"/register", "name", "王小明", "resident_id", bad, "class", "0", "reason", "入会"), 422, "身份证号", bad)
	a.want("no reason", a.post(at+"/register", "name", "王小明", "resident_id", id, "class", "0"), 422, "请写明理由")
	show := a.want("register", a.post(at+"/register", "name", "王小明", "resident_id", id, "phone", "13800138000", "class", "0", "reason", "入会"), 303).to()
	a.want("twice", a.post(at+"/register", "name", "王小明", "resident_id", id, "class", "0", "reason", "入会"), 422, show)
	page := a.want("masked", a.get(show), 200, "王**", "4101").body
	for _, plain := range []string{id, "13800138000", "王小明"} {
		if strings.Contains(page, plain) {
			t.Errorf("the member's page shows %s", plain)
		}
	}
	a.want("reveal without a reason", a.post(show+"/reveal"), 422, "请写明理由")
	a.want("reveal", a.post(show+"/reveal", "reveal_reason", "本人到场核对"), 200, id, "王小明", "13800138000")
	auditor.want("reveal by an auditor", auditor.post(show+"/reveal", "reveal_reason", "看看"), 403)
	if strings.Contains(auditor.want("the log", auditor.get("/console/events?kind=member"), 200).body, id) {
		t.Error("the event log shows the resident ID")
	}

	search := func(c *clerk, text string) *reply { return c.post("/console/members/search", "q", text) }
	if to := search(cards, "138 0013 8000").to(); to != show {
		t.Errorf("found by phone at %q", to)
	}
	found := z.want("elsewhere", search(z, id), 200, "金水区").body
	if strings.Contains(found, "甲厂") {
		t.Error("the search tells the employer")
	}
	unknown := z.want("by phone elsewhere", search(z, "13800138000"), 200, "没有这位会员").body
	if never := z.want("an unknown phone", search(z, "13900139000"), 200).body; strings.ReplaceAll(never, "13900139000", "13800138000") != unknown {
		t.Error("a phone number known elsewhere reads otherwise than one unknown")
	}
	z.want("neither", search(z, "12"), 422)
	z.want("her page", z.get(show), 404)

	ask := fmt.Sprintf("/console/unions/%d/transfer", there)
	z.want("ask for nobody", z.post(ask, "resident_id", workerID(t, 2), "reason", "入职"), 422, "全省都没有")
	z.want("ask", z.post(ask, "resident_id", id, "reason", "六月入职"), 303)
	z.want("ask twice", z.post(ask, "resident_id", id, "reason", "六月入职"), 422, "还没有办完")
	transfer := b.number(`SELECT max(id) FROM member_transfers`)
	if z.want("seen by who asks", z.get("/console/transfers"), 200, "王**", "金水区"); strings.Contains(z.get("/console/transfers").body, "甲厂") {
		t.Error("who asks sees the employer")
	}
	a.want("seen by who answers", a.get("/console/transfers"), 200, "洛阳市", "六月入职")
	decide, withdraw := fmt.Sprintf("/console/transfers/%d/decide", transfer), fmt.Sprintf("/console/transfers/%d/withdraw", transfer)
	z.want("answered by who asks", z.post(decide, "answer", "agree", "reason", "x"), 404)
	a.want("withdrawn by who answers", a.post(withdraw, "reason", "x"), 404)
	a.want("no answer", a.post(decide, "reason", "x"), 422)
	a.want("agree", a.post(decide, "answer", "agree", "reason", "同意调动"), 303)
	a.want("twice", a.post(decide, "answer", "agree", "reason", "同意调动"), 422, "已经办过")
	a.want("gone", a.get(show), 404)
	z.want("arrived", z.get(show), 200, "王**", "乙矿工会")

	z.want("leave", z.post(show+"/move", "action", "leave", "leave_reason", "离职"), 303)
	z.want("erase", z.post(show+"/move", "action", "erase", "erase_reason", "本人要求"), 303)
	if a := z.get(show); strings.Contains(a.body, "王**") || a.status != 200 {
		t.Errorf("after the erasure: %d", a.status)
	}
	for what, n := range map[string]int64{
		`action = 'member.search' AND (before::text || after::text || reason) LIKE '%138%'`: 0,
		`action = 'member.search' AND object_kind = 'member'`:                               1,
		`action = 'member.search' AND object_kind = 'union'`:                                6,
	} {
		if got := b.number(`SELECT count(*) FROM events WHERE ` + what); got != n {
			t.Errorf("events where %s: %d, want %d", what, got, n)
		}
	}
}

// TestUnionsInTheConsole: a grassroots union is added, renamed and merged; a county's
// merger is proposed, withdrawn, proposed again and approved by another person.
func TestUnionsInTheConsole(t *testing.T) {
	t.Parallel()
	b := newProvince(t).serve(t, "")
	c, checker := b.hire("registrar", b.unions[410100], staff.Registrar), b.hire("checker", b.unions[410100], staff.Approver)
	county := fmt.Sprintf("/console/unions/%d", b.unions[410105])
	c.want("no name", c.post(county+"/add", "name", " ", "reason", "建会"), 422, "全称")
	at := c.want("add", c.post(county+"/add", "name", "甲厂(总厂)工会", "reason", "建会"), 303).to()
	c.want("its page", c.get(at), 200, "甲厂（总厂）工会", "登记会员")
	c.want("the same name", c.post(county+"/add", "name", "甲厂（总厂）工会", "reason", "建会"), 422, "同名")
	c.want("rename", c.post(at+"/rename", "name", "甲集团工会", "version", "1", "reason", "改制"), 303)
	c.want("an old form", c.post(at+"/rename", "name", "乙集团工会", "version", "1", "reason", "改制"), 422, "甲集团工会", "乙集团工会")
	c.want("found by its former name", c.get("/console/unions?q=总厂"), 200, "甲集团工会", "曾用名")
	c.want("the own union", c.post(fmt.Sprintf("/console/unions/%d/rename", b.unions[410100]), "name", "郑州工会", "version", "1", "reason", "x"), 422, "上级工会")

	other := c.want("another", c.post(county+"/add", "name", "乙厂工会", "reason", "建会"), 303).to()
	into := strings.TrimPrefix(at, "/console/unions/")
	c.want("what it would do", c.get(other+"/merge?into="+into), 200, "全部转过去")
	c.want("elsewhere", c.get(fmt.Sprintf("%s/merge?into=%d", other, b.unions[410300])), 404)
	if to := c.want("merge", c.post(other+"/merge", "into", into, "reason", "合并"), 303).to(); to != at {
		t.Errorf("after the merger at %q", to)
	}
	c.want("what is left", c.get(other), 200, "已经并入", "甲集团工会")
	c.want("add below it", c.post(other+"/add", "name", "丙厂工会", "reason", "x"), 409, "已经")

	c.want("propose", c.post(county+"/merge", "into", idText(b.unions[410103]), "reason", "区划调整"), 303)
	c.want("propose twice", c.post(county+"/merge", "into", idText(b.unions[410103]), "reason", "区划调整"), 422, "提请过")
	c.want("seen", c.get(county), 200, "等另一位同事批准")
	c.want("withdraw", c.post(county+"/merge/withdraw", "reason", "再看看"), 303)
	c.want("withdraw twice", c.post(county+"/merge/withdraw", "reason", "再看看"), 422)
	c.want("propose again", c.post(county+"/merge", "into", idText(b.unions[410103]), "reason", "区划调整"), 303)
	proposal := fmt.Sprintf("/console/proposals/%d", b.number(`SELECT max(id) FROM proposals WHERE kind = $1`, territory.KindMerge))
	checker.want("read", checker.get(proposal), http.StatusOK, "并入二七区总工会", "下级工会")
	checker.want("approve", checker.post(proposal+"/decide", "decision", "approve", "reason", "同意"), 303)
	checker.want("read afterwards", checker.get(proposal), 200, "批准")
	c.want("the county", c.get(county), 200, "已经并入", "二七区总工会")
	c.want("the successor", c.get(fmt.Sprintf("/console/unions/%d", b.unions[410103])), 200, "并入本工会", "甲集团工会")
}
