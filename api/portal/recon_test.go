package portal_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"unioncard/card/personal"
	"unioncard/card/union/staff"
	"unioncard/merchant/account"
	"unioncard/merchant/signing"
	"unioncard/settlement/ledger"
	"unioncard/settlement/recon"
)

// till is a store of till files over the rig's database. Its work is done by the test.
func (r *rig) till() *recon.Store {
	r.t.Helper()
	vault, err := personal.Open(r.t.Context(), r.pool, personal.StaticKEK(1, bytes.Repeat([]byte{7}, 32)), personal.Options{})
	r.must(err)
	return recon.New(r.pool, recon.Options{Vault: vault, Clock: time.Now})
}

// moneySigning is a store of proposals about money.
func (r *rig) moneySigning() *signing.Store {
	return signing.New(r.pool, signing.Options{Clock: time.Now, Kinds: []signing.Kind{r.till().Kind()}})
}

// reconciled is the day that the tests reconcile.
var reconciled = ledger.DayOf(time.Now()) - 3

// bought records a purchase of 100 yuan with 10 off at noon of the day.
func (r *rig) bought(merchantID, outletID int64, ref string) uuid.UUID {
	r.t.Helper()
	at := reconciled.Start().Add(12 * time.Hour)
	id, err := uuid.NewV7()
	r.must(err)
	ms := uint64(at.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	_, err = r.pool.Exec(r.t.Context(), `INSERT INTO purchases (merchant_id, id, terminal_id, idem_key, request_hash, state, outlet_id, contract_id, terms_version,
			card_serial, code_kind, code_key, quote_id, quoted_at, amount_fen, discount_fen, union_share_fen, applied, merchant_ref, business_day, committed_at)
		VALUES ($1, $2, 1, $3, '\x00', 1, $4, 1, 1, 1, 1, 1, 1, $5, 10000, 1000, 0, '[]', $6, $7, $5)`,
		merchantID, id, id.String(), outletID, at, ref, reconciled.Date())
	r.must(err)
	return id
}

// sendTill uploads a till's file of the day and does the work; it returns the page that
// it leads to.
func (r *rig) sendTill(session, text string, more ...string) answer {
	r.t.Helper()
	day := reconciled.String()
	a := r.upload(session, "/portal/recon", "file", "收银.csv", []byte(text), append([]string{"first_day", day, "last_day", day}, more...)...)
	if a.status != http.StatusSeeOther {
		return a
	}
	for did := true; did; {
		var err error
		did, err = r.till().Work(r.t.Context())
		r.must(err)
	}
	return r.get(session, a.location)
}

func (r *rig) wantsPage(a answer, status int, words ...string) {
	r.t.Helper()
	if a.status != status {
		r.t.Errorf("status %d, want %d: %s", a.status, status, a.body)
	}
	for _, w := range words {
		if !strings.Contains(a.body, w) {
			r.t.Errorf("the page does not say %q", w)
		}
	}
}

// TestReconcileByBothSides: a merchant uploads its till's file, names its columns,
// explains and agrees; finance proposes, the approver approves, and the page says what
// came of it.
func TestReconcileByBothSides(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	shop, outlets := r.shop("老王面馆", 1)
	owner := r.user(shop, account.Owner)
	r.wantsPage(r.get(owner, "/portal/recon"), http.StatusOK, "还没有对过账", "上传收银文件")
	for _, ref := range []string{"A1", "A2", "A3"} {
		r.bought(shop, outlets[0], ref)
	}
	a := r.sendTill(owner, "甲,乙,丙\nA1,100,10\nA2,120,10\nB1,50,5\n", "rows", "3", "total", "270.00")
	r.wantsPage(a, http.StatusOK, "请指明文件里的各列", "<td>A1</td>")
	page := "/portal/recon/1"
	file := regexp.MustCompile(`name="file" value="(\d+)"`).FindStringSubmatch(a.body)[1]
	r.wantsPage(r.post(owner, page+"/columns", url.Values{"file": {file}, "ref": {"甲"}}), http.StatusUnprocessableEntity, "消费金额或实付金额")
	if a = r.post(owner, page+"/columns", url.Values{"file": {file}, "ref": {"甲"}, "amount": {"乙"}, "discount": {"丙"}}); a.status != http.StatusSeeOther {
		t.Fatalf("%d %s", a.status, a.body)
	}
	r.wantsPage(r.get(owner, page), http.StatusOK, "正在核对")
	if _, err := r.till().Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.wantsPage(r.get(owner, page), http.StatusOK, "3 笔里对上 1 笔，还有 3 条差异待处理", "商家有，系统没有（短款）", "系统有，商家没有（长款）", "两边金额不同", "收银.csv")

	ids := map[string]int64{}
	rows, err := r.pool.Query(t.Context(), `SELECT kind, id FROM recon_differences`)
	r.must(err)
	for rows.Next() {
		var kind string
		var id int64
		r.must(rows.Scan(&kind, &id))
		ids[kind] = id
	}
	r.must(rows.Err())
	theirs, ours, amount := fmt.Sprintf("/portal/differences/%d", ids["theirs"]), fmt.Sprintf("/portal/differences/%d", ids["ours"]), fmt.Sprintf("/portal/differences/%d", ids["amount"])
	r.wantsPage(r.get(owner, ours), http.StatusOK, "系统里有这笔优惠消费，文件里没有", "A3")
	r.wantsPage(r.post(owner, theirs+"/explain", url.Values{"note": {" "}}), http.StatusUnprocessableEntity, "请写明情况")
	if a = r.post(owner, theirs+"/explain", url.Values{"note": {"断网手工打折"}}); a.status != http.StatusSeeOther {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a = r.post(owner, ours+"/agree", url.Values{"version": {"1"}, "reason": {"收银系统漏记"}}); a.status != http.StatusSeeOther {
		t.Errorf("%d %s", a.status, a.body)
	}
	r.wantsPage(r.get(owner, ours), http.StatusOK, "以系统为准", "收银系统漏记", "本商家")
	r.wantsPage(r.post(owner, amount+"/undone", url.Values{"version": {"1"}, "undone_reason": {"退了"}}), http.StatusUnprocessableEntity, "还没有作废")

	// The office: out of reach for others, found, proposed and approved.
	console := strings.Replace(theirs, "/portal", "/console", 1)
	finance, approver := r.staffOf(410105, staff.Finance), r.staffOf(410105, staff.Approver)
	r.wantsPage(r.get(r.signIn(410103, staff.Finance), console), http.StatusNotFound)
	r.wantsPage(r.get(r.signIn(410105, staff.Negotiator), console), http.StatusForbidden)
	r.wantsPage(r.get(finance, "/console/differences?state=open"), http.StatusOK, "老王面馆", "断网手工打折")
	r.wantsPage(r.get(finance, "/console/differences?format=csv"), http.StatusOK, "断网手工打折")
	r.wantsPage(r.get(finance, console), http.StatusOK, "断网手工打折", "认可线下销售", "这笔的优惠是 5.00 元")
	r.wantsPage(r.post(finance, console+"/accept", url.Values{"version": {"2"}, "accept_fen": {"6"}, "accept_reason": {"看过小票"}}), http.StatusUnprocessableEntity, "不能超过这笔的优惠", "看过小票")
	r.wantsPage(r.post(finance, console+"/accept", url.Values{"version": {"1"}, "accept_fen": {"5"}, "accept_reason": {"看过小票"}}), http.StatusUnprocessableEntity, "刚被处理过")
	if a = r.post(finance, console+"/accept", url.Values{"version": {"2"}, "accept_fen": {"5"}, "accept_reason": {"看过小票"}}); a.status != http.StatusSeeOther {
		t.Fatalf("%d %s", a.status, a.body)
	}
	r.wantsPage(r.get(finance, console), http.StatusOK, "已经提请处理办法")
	r.wantsPage(r.get(approver, "/console/proposals/1"), http.StatusOK, "老王面馆的对账差异", "工会补给商家 5.00 元")
	if a = r.post(approver, "/console/proposals/1/decide", url.Values{"decision": {"approve"}, "reason": {"同意"}}); a.status != http.StatusSeeOther {
		t.Fatalf("%d %s", a.status, a.body)
	}
	r.wantsPage(r.get(owner, theirs), http.StatusOK, "已认可（线下销售）", "工会补给商家 5.00 元")
	if a = r.post(finance, strings.Replace(amount, "/portal", "/console", 1)+"/reject", url.Values{"version": {"1"}, "reject_reason": {"小票是 100 元"}}); a.status != http.StatusSeeOther {
		t.Errorf("%d %s", a.status, a.body)
	}
	r.wantsPage(r.get(owner, page), http.StatusOK, "对平了：3 条差异都已处理")
	r.wantsPage(r.post(owner, page+"/drop", nil), http.StatusSeeOther)
	r.wantsPage(r.get(owner, "/portal/recon"), http.StatusOK, "对平了", reconciled.String())
}

// staffOf is signIn with an account that the database has, as proposals need.
func (r *rig) staffOf(division int32, role staff.Role) string {
	r.t.Helper()
	token := r.signIn(division, role)
	a := r.accounts[token]
	a.Login = token
	r.must(r.pool.QueryRow(r.t.Context(), `INSERT INTO staff (login, name, union_id, roles, password, password_at, created_at)
		VALUES ($1, $1, $2, ARRAY[$3::text], 'none', now(), now()) RETURNING id`, token, a.UnionID, string(role)).Scan(&a.ID))
	return token
}

// TestTillFilesOfOthers: nobody sees or settles what is another merchant's, and a shop
// manager nothing of it at all.
func TestTillFilesOfOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	shop, outlets := r.shop("甲店", 1)
	other, _ := r.shop("乙店", 1)
	owner, finance := r.user(shop, account.Owner), r.user(shop, account.Finance)
	stranger, manager := r.user(other, account.Owner), r.user(shop, account.Manager, outlets...)
	r.bought(shop, outlets[0], "A1")
	r.wantsPage(r.sendTill(finance, "单号,金额\nA1,100\nB1,5\n合计,105\n"), http.StatusOK, "还有 1 条差异待处理")
	for _, path := range []string{"/portal/recon/1", "/portal/differences/1"} {
		for session, want := range map[string]int{owner: 200, finance: 200, stranger: 404, manager: 403} {
			if a := r.get(session, path); a.status != want {
				t.Errorf("%s: %d, want %d", path, a.status, want)
			}
		}
	}
	form := url.Values{"version": {"1"}, "reason": {"x"}, "note": {"x"}, "undone_reason": {"x"}, "file": {"1"}, "ref": {"单号"}, "amount": {"金额"}}
	for _, path := range []string{"/portal/recon/1/columns", "/portal/recon/1/drop", "/portal/differences/1/explain", "/portal/differences/1/agree", "/portal/differences/1/undone"} {
		for session, want := range map[string]int{stranger: 404, manager: 403} {
			if a := r.post(session, path, form); a.status != want {
				t.Errorf("%s: %d, want %d", path, a.status, want)
			}
		}
	}
	if a := r.upload(manager, "/portal/recon", "file", "x.csv", []byte("x")); a.status != http.StatusForbidden {
		t.Errorf("a manager uploads: %d", a.status)
	}
}

// TestTillFileRefused: what was typed stays in the form, and what is wrong with the
// file is said on its page.
func TestTillFileRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	shop, _ := r.shop("甲店", 1)
	owner := r.user(shop, account.Owner)
	r.wantsPage(r.sendTill(owner, "单号,金额\nA1,100\n", "rows", "12", "total", "abc"), http.StatusUnprocessableEntity, "请填写金额合计", `value="12"`, `value="abc"`)
	r.wantsPage(r.upload(owner, "/portal/recon", "file", "x.csv", []byte("x"), "first_day", "昨天"), http.StatusUnprocessableEntity, "请填写起始日期", "请填写截止日期")
	tomorrow := (ledger.DayOf(time.Now()) + 1).String()
	r.wantsPage(r.upload(owner, "/portal/recon", "file", "x.csv", []byte("x"), "first_day", tomorrow, "last_day", tomorrow), http.StatusUnprocessableEntity, "还没有过完")
	r.wantsPage(r.upload(owner, "/portal/recon", "file", "", nil, "first_day", "2026-01-01", "last_day", "2026-01-01"), http.StatusUnprocessableEntity, "请选择收银系统导出的交易明细")
	r.wantsPage(r.sendTill(owner, "单号,金额\nA1,100\n", "rows", "2", "total", "100"), http.StatusOK, "没有收下", "您填的是 2 笔")
	r.wantsPage(r.sendTill(owner, "单号,金额\nA1,=1\n", "rows", "1", "total", "1"), http.StatusOK, "是公式", "各版文件")
}
