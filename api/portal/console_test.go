package portal_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"unioncard/card/union/staff"
	"unioncard/merchant"
)

// TestTerritory: outside 404, inside without the right 403, on pages, forms and
// files.
func TestTerritory(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.send(r.apply())
	own, city := r.signIn(410105, staff.Negotiator), r.signIn(410100, staff.Negotiator)
	sibling, auditor := r.signIn(410103, staff.Negotiator), r.signIn(410105, staff.Auditor)
	operator := r.signIn(410105, staff.Operator)
	reads := []string{"/console/applications/1", "/console/files/1", "/console/files/1/image"}
	writes := []string{"/console/applications/1/edit", "/console/applications/1/move", "/console/applications/1/accept",
		"/console/applications/1/checks", "/console/applications/1/link", "/console/applications/1/files/1/remove"}
	for _, path := range reads {
		for session, want := range map[string]int{own: 200, city: 200, auditor: 200, sibling: 404, operator: 403} {
			if a := r.get(session, path); a.status != want {
				t.Errorf("%s for %s: %d, want %d", path, session, a.status, want)
			}
		}
		if a := r.get("", path); a.status != http.StatusSeeOther {
			t.Errorf("%s without a session: %d", path, a.status)
		}
	}
	for _, path := range writes {
		for session, want := range map[string]int{auditor: 403, sibling: 404, operator: 403} {
			if a := r.post(session, path, url.Values{"version": {"2"}, "action": {"reject"}, "reason": {"x"}, "fix": {"x"}}); a.status != want {
				t.Errorf("%s for %s: %d, want %d", path, session, a.status, want)
			}
		}
	}
	if a := r.get(auditor, "/console/applications/1"); strings.Contains(a.body, "13803710001") || !strings.Contains(a.body, "138******01") {
		t.Error("who only reads sees the phone whole")
	}
	if a := r.get(sibling, "/console/applications?q=宇通"); strings.Contains(a.body, "郑州宇通餐饮有限公司") {
		t.Error("a sibling's list shows it")
	}
	for _, list := range []string{"/console/applications", "/console/merchants"} {
		for _, query := range []string{"?q=%25", "?q=%00", "?q=" + strings.Repeat("x", 10<<10), "?size=1000000", "?state=x&trade=y&office=-1&at=zz&sort=;drop", "?format=csv", "?office=410105"} {
			if a := r.get(own, list+query); a.status != http.StatusOK {
				t.Errorf("%s%.40s: %d", list, query, a.status)
			}
		}
	}
}

// TestFileAnswer: always an attachment, in a sandbox; an image only under its own
// address.
func TestFileAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	link := r.apply()
	if a := r.upload("", link+"/files", "file_licence", "执照\r\nX: y.jpg", photo(t), "kind", "licence"); a.status != http.StatusSeeOther {
		t.Fatalf("upload: %d", a.status)
	}
	r.send(link)
	clerk := r.signIn(410105, staff.Negotiator)
	a := r.get(clerk, "/console/files/1")
	if d := a.header.Get("Content-Disposition"); !strings.HasPrefix(d, "attachment;") || strings.ContainsAny(d, "\r\n") {
		t.Errorf("disposition %q", d)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Content-Type": "image/jpeg",
		"Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if d := r.get(clerk, "/console/files/1/image").header.Get("Content-Disposition"); !strings.HasPrefix(d, "inline;") {
		t.Errorf("image: %q", d)
	}
	if _, err := r.pool.Exec(t.Context(), `UPDATE files SET media = 'application/pdf' WHERE id = 1`); err != nil {
		t.Fatal(err)
	}
	if a := r.get(clerk, "/console/files/1/image"); a.status != http.StatusNotFound {
		t.Errorf("a PDF in a page: %d", a.status)
	}
}

// TestClerksWay: review, ticks, a visit, acceptance, in the pages.
func TestClerksWay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.send(r.apply())
	clerk := r.signIn(410105, staff.Negotiator)
	page := "/console/applications/1"
	step := func(what string, a answer, want int) {
		t.Helper()
		if a.status != want {
			t.Fatalf("%s: %d, want %d\n%s", what, a.status, want, a.body)
		}
	}
	step("take", r.post(clerk, page+"/move", url.Values{"action": {"take"}, "version": {"2"}}), 303)
	year := url.Values{"version": {"3"}, "valid_from": {"2030-01-01"}, "valid_until": {"2030-12-31"}, "refund_days": {"30"}}
	step("accept too soon", r.post(clerk, page+"/accept", year), 422)
	step("a visit without a note", r.upload(clerk, page+"/visits", "photos", "a.jpg", photo(t), "visited_on", "2020-01-01", "note", ""), 422)
	step("tick what is not there", r.post(clerk, page+"/checks", url.Values{"item": {"visit"}, "on": {"1"}, "version": {"3"}}), 422)
	step("tick nothing", r.post(clerk, page+"/checks", url.Values{"item": {"nonsense"}, "on": {"1"}, "version": {"3"}}), 422)
	step("an old view", r.post(clerk, page+"/checks", url.Values{"item": {"licence"}, "on": {"1"}, "version": {"2"}}), 409)
	today := r.get(clerk, page).body
	at := strings.Index(today, `name="visited_on" value="`) + len(`name="visited_on" value="`)
	step("visit", r.upload(clerk, page+"/visits", "photos", "a.jpg", photo(t), "visited_on", today[at:at+10], "note", "招牌清楚"), 303)
	for _, item := range []string{"licence", "registry", "permit", "storefront", "outlets", "contact", "visit"} {
		step("tick "+item, r.post(clerk, page+"/checks", url.Values{"item": {item}, "on": {"1"}, "version": {"3"}}), 303)
	}
	forged := url.Values{"version": {"3"}, "valid_from": {"2030-01-01"}, "valid_until": {"2030-12-31"}, "refund_days": {"30"}, "merchant_id": {"999"}}
	step("a forged merchant", r.post(clerk, page+"/accept", forged), 404)
	for _, days := range []string{"-1", "1000000", "x", ""} {
		year.Set("refund_days", days)
		step("refund days "+days, r.post(clerk, page+"/accept", year), 422)
	}
	year.Set("refund_days", "30")
	year.Set("valid_until", "2029-02-30")
	step("an impossible date", r.post(clerk, page+"/accept", year), 422)
	year.Set("valid_until", "2030-12-31")
	a := r.post(clerk, page+"/accept", year)
	step("accept", a, 303)
	if a.location != "/console/contracts/1" {
		t.Errorf("leads to %s", a.location)
	}
	step("once more", r.post(clerk, page+"/accept", year), 409)
	step("merchants", r.get(clerk, "/console/merchants"), 200)
	if a := r.get(clerk, "/console/merchants/1"); a.status != 200 || !strings.Contains(a.body, "花园路店") || !strings.Contains(a.body, "1 号协议") {
		t.Errorf("the merchant's page: %d", a.status)
	}
	step("an unknown merchant", r.get(clerk, "/console/merchants/99"), 404)
}

// TestTwoClerksInTheConsole: the second reads what the first changed, keeps what
// was typed, and may send it again knowing that.
func TestTwoClerksInTheConsole(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.send(r.apply())
	clerk := r.signIn(410105, staff.Negotiator)
	first, second := filled("410105"), filled("410105")
	first.Set("version", "2")
	first.Set("brand", "宇通")
	second.Set("version", "2")
	second.Set("note", "连锁店")
	if a := r.post(clerk, "/console/applications/1/edit", first); a.status != http.StatusSeeOther {
		t.Fatalf("first: %d", a.status)
	}
	a := r.post(clerk, "/console/applications/1/edit", second)
	for _, want := range []string{"修改资料（品牌）", "宇通", "连锁店", `name="version" value="3"`} {
		if a.status != http.StatusConflict || !strings.Contains(a.body, want) {
			t.Errorf("second: %d lacks %q", a.status, want)
		}
	}
	details := url.Values{"version": {"0"}, "contact_name": {"王五"}, "phone": {"13803710003"}}
	id, err := merchant.NewStore(r.pool, time.Now).CreateMerchant(t.Context(), merchant.By{Actor: "test", Reason: "test"},
		merchant.NewMerchant{OfficeID: r.unions[410105], Name: "老字号", Trade: merchant.TradeShopping})
	r.must(err)
	if id != 1 {
		t.Fatal(id)
	}
	if a := r.post(clerk, "/console/merchants/1/details", details); a.status != http.StatusSeeOther {
		t.Errorf("details: %d %s", a.status, a.body)
	}
	if a := r.post(clerk, "/console/merchants/1/details", details); a.status != http.StatusConflict || !strings.Contains(a.body, "联系电话") {
		t.Errorf("details of an old version: %d", a.status)
	}
	details.Set("version", "1")
	details.Set("phone", "123")
	if a := r.post(clerk, "/console/merchants/1/details", details); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a wrong phone: %d", a.status)
	}
}

// TestEnterForeignTerritory: a clerk's form that names another county's division.
func TestEnterForeignTerritory(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	clerk := r.signIn(410105, staff.Negotiator)
	if a := r.get(clerk, "/console/applications/new"); a.status != 200 || strings.Contains(a.body, "涧西区") || !strings.Contains(a.body, "金水区") {
		t.Errorf("the new form: %d", a.status)
	}
	if a := r.post(clerk, "/console/applications", filled("410305")); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "不在受理工会的辖区") {
		t.Errorf("another city's shop: %d", a.status)
	}
	a := r.post(clerk, "/console/applications", url.Values{"trade": {"catering"}})
	if a.status != http.StatusSeeOther {
		t.Fatalf("an empty draft: %d %s", a.status, a.body)
	}
	if a := r.post(clerk, a.location+"/move", url.Values{"action": {"submit"}, "version": {"1"}}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("an empty draft was sent: %d", a.status)
	}
	if a := r.get(clerk, a.location+"/edit"); a.status != 200 {
		t.Errorf("edit: %d", a.status)
	}
}
