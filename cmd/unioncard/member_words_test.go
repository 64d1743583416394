package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"unioncard/card"
	"unioncard/card/union/staff"
)

// TestWhatIsSaidOfMembers: the console says of a member what is true of this one, and
// offers only what the account can do.
func TestWhatIsSaidOfMembers(t *testing.T) {
	t.Parallel()
	b := newProvince(t).serve(t, "")
	here, err := b.node.territory.Add(t.Context(), testBy, b.unions[410105], "甲厂工会")
	b.must(err)
	hand, county := b.hire("hand", here, staff.Registrar), b.hire("county", b.unions[410105], staff.Registrar)
	province := b.hire("province", b.unions[410000], staff.Registrar)
	add := func(n int, name, class string) string {
		return hand.want("register "+name, hand.post(fmt.Sprintf("/console/unions/%d/register", here), "name", name,
			"resident_id", workerID(t, n), "class", class, "reason", "入会"), http.StatusSeeOther).to()
	}
	wang, ouyang, named := add(1, "王小明", "0"), add(2, "欧阳小兰", "0"), add(3, "王大", "1")
	without := func(what, body, text string) {
		t.Helper()
		if strings.Contains(body, text) {
			t.Errorf("%s: says %s", what, text)
		}
	}

	// The search, and the surname beside it.
	hand.want("by name", hand.post("/console/members/search", "q", "王小明"), 422, "只能按身份证号或手机号查，不能按姓名查。")
	hand.want("by nothing", hand.post("/console/members/search", "q", " "), 422, "请填写身份证号或手机号。")
	hand.want("by half a phone", hand.post("/console/members/search", "q", "1380013"), 422, "这是固定电话。请填写本人的11位手机号")
	for typed, want := range map[string]string{"王": wang, "王小明": wang, "欧": ouyang, "欧阳": ouyang} {
		body := hand.want("the surname "+typed, hand.get("/console/members?surname="+typed), 200, want+`"`).body
		if other := map[string]string{wang: ouyang, ouyang: wang}[want]; strings.Contains(body, other+`"`) {
			t.Errorf("the surname %s finds another", typed)
		}
		without("the surname "+typed, body, "王小明")
	}
	hand.want("no surname", hand.get("/console/members?surname=7%25"), 200, "未按它筛选", wang+`"`, ouyang+`"`)
	county.want("a county", county.get("/console/members?surname=王"), 200, wang+`"`)
	without("the province's list", province.want("the province", province.get("/console/members"), 200).body, `name="surname"`)

	// Classes that nobody has named are offered to nobody.
	form := hand.want("the form", hand.get(fmt.Sprintf("/console/unions/%d/register", here)), 200, "普通会员", "劳模会员").body
	without("the form", form, "2类会员")
	hand.want("her class", hand.get(named), 200, "劳模会员")
	_, err = b.pool.Exec(t.Context(), `UPDATE members SET class = 5 WHERE id = (SELECT max(id) FROM members)`)
	b.must(err)
	body := hand.want("a class without a name", hand.get(named+"/edit"), 200, `value="5" selected`).body
	without("the other classes", body, `value="4"`)

	// Who answers for one union can't send anybody elsewhere.
	without("the own union", hand.want("his page", hand.get(wang), 200, "由他的新工会申请转入", "没有会员卡要注销").body, "转到别的工会")
	county.want("the county", county.get(wang), 200, "转到别的工会")

	// Without a card nothing is said of one; with one, what comes of it.
	move := func(at, action, want string) string {
		t.Helper()
		r := hand.want(action, hand.post(at+"/move", "action", action, action+"_reason", "按规定"), 303)
		if got := notice(t, r); got != want {
			t.Errorf("%s: says %q, not %q", action, got, want)
		}
		return hand.want("after "+action, hand.get(at), 200).body
	}
	body = move(wang, "retire", "已登记退休。")
	if since := beijingNow().Format(time.DateOnly) + " 退休。"; !strings.Contains(body, since) || !strings.Contains(body, "改回在职") {
		t.Errorf("a retired member's page does not say %s or offers no way back", since)
	}
	without("retired", body, "重新入会</")
	without("back at work", move(wang, "rejoin", "已改回在职。"), " 退休。")
	without("left", move(wang, "leave", "已办理退会。"), "改回在职")
	_, err = b.node.cards.Issue(t.Context(), card.By{Actor: testBy.Actor, Reason: testBy.Reason},
		b.number(`SELECT min(id) FROM members WHERE name_masked LIKE '欧阳%'`), card.MonthOf(time.Now())+12)
	b.must(err)
	hand.want("with a card", hand.get(ouyang), 200, "会员卡立即注销")
	move(ouyang, "retire", "已登记退休，会员卡照旧。")
	move(ouyang, "leave", "已办理退会，会员卡已注销。")
}

// notice is the sentence that a redirect leaves for the next page.
func notice(t *testing.T, r *reply) string {
	t.Helper()
	for _, c := range (&http.Response{Header: r.header}).Cookies() {
		if text, err := url.QueryUnescape(c.Value); err == nil && strings.Contains(text, "已") {
			return text
		}
	}
	return ""
}

// TestAgreeingNeedsNoReason: who lets a member go need not say why; who does not, must.
func TestAgreeingNeedsNoReason(t *testing.T) {
	t.Parallel()
	b := newProvince(t).serve(t, "")
	here, err := b.node.territory.Add(t.Context(), testBy, b.unions[410105], "甲厂工会")
	b.must(err)
	there, err := b.node.territory.Add(t.Context(), testBy, b.unions[410302], "乙矿工会")
	b.must(err)
	a, z := b.hire("registrar-a", here, staff.Registrar), b.hire("registrar-z", there, staff.Registrar)
	id := workerID(t, 1)
	a.want("register", a.post(fmt.Sprintf("/console/unions/%d/register", here), "name", "王小明", "resident_id", id, "class", "0", "reason", "入会"), 303)
	z.want("ask", z.post(fmt.Sprintf("/console/unions/%d/transfer", there), "resident_id", id, "reason", "入职"), 303)
	at := fmt.Sprintf("/console/transfers/%d/decide", b.number(`SELECT max(id) FROM member_transfers`))
	a.want("the form", a.get(at), 200, "同意的可以不写")
	a.want("decline for no reason", a.post(at, "answer", "decline"), 422, "请写明理由")
	a.want("no answer", a.post(at, "reason", "x"), 422, "请选择同意或不同意")
	a.want("agree", a.post(at, "answer", "agree"), 303)
	if n := b.number(`SELECT count(*) FROM members WHERE union_id = $1`, there); n != 1 {
		t.Error("the member has not moved")
	}
}
