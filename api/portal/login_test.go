package portal_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"unioncard/api"
	"unioncard/card/union/staff"
	"unioncard/merchant/account"
)

// browser keeps cookies as a browser does.
type browser struct {
	r   *rig
	jar map[string]string
}

func (r *rig) browser() *browser { return &browser{r, map[string]string{}} }

func (b *browser) do(method, path string, form url.Values) answer {
	b.r.t.Helper()
	req := httptest.NewRequestWithContext(b.r.t.Context(), method, path, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range b.jar {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.r.handler.ServeHTTP(w, req)
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.jar, c.Name)
		} else {
			b.jar[c.Name] = c.Value
		}
	}
	return answer{w.Code, w.Header().Get("Location"), w.Header(), w.Body.String()}
}

// bySMS asks for a code and types it in; it returns where that leads.
func (b *browser) bySMS(number string) string {
	b.r.t.Helper()
	if a := b.do("POST", "/portal/login", url.Values{"phone": {number}}); a.status != http.StatusSeeOther {
		b.r.t.Fatalf("asking for a code: %d %s", a.status, a.body)
	}
	m := <-b.r.sent
	a := b.do("POST", "/portal/login/sms", url.Values{"code": {m.Code}})
	if a.status != http.StatusSeeOther || m.Phone != number {
		b.r.t.Fatalf("the code: %d %s", a.status, a.body)
	}
	return a.location
}

var secretIn = regexp.MustCompile(`密钥：<code>([A-Z2-7 ]+)</code>`)

func (r *rig) add(merchantID int64, number string, role account.Role, outlets ...int64) int64 {
	r.t.Helper()
	id, err := r.users.Add(r.t.Context(), by, merchantID, account.Form{Name: "赵老板", Phone: number, Roles: []account.Role{role}, OutletIDs: outlets})
	r.must(err)
	return id
}

// TestSignIn: the owner's first sign-in sets a second factor up, the next one asks
// for it, each code once; the manager needs none; a number nobody has gets the same
// answer and no SMS.
func TestSignIn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m, shops := r.shop("老王烩面", 2)
	r.add(m, "13900000001", account.Owner)
	r.add(m, "13900000002", account.Manager, shops[1])

	b := r.browser()
	if to := b.bySMS("13900000001"); !strings.HasPrefix(to, "/portal/login/enrol") {
		t.Fatalf("an owner without a second factor is led to %s", to)
	}
	if a := b.do("GET", "/portal", nil); a.status != http.StatusSeeOther {
		t.Errorf("half signed in: %d", a.status)
	}
	page := b.do("GET", "/portal/login/enrol", nil)
	secret := html.UnescapeString(secretIn.FindStringSubmatch(page.body)[1])
	if a := b.do("GET", "/portal/login/qr.png", nil); a.status != 200 || a.header.Get("Content-Type") != "image/png" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("QR: %d %v", a.status, a.header)
	}
	if a := b.do("POST", "/portal/login/enrol", url.Values{"code": {"000000"}}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a wrong first code: %d", a.status)
	}
	code := staff.TOTP(secret, r.now())
	if a := b.do("POST", "/portal/login/enrol", url.Values{"code": {code}}); a.status != http.StatusSeeOther || a.location != "/portal" {
		t.Fatalf("enrolment: %d %s %s", a.status, a.location, a.body)
	}
	if a := b.do("GET", "/portal", nil); a.status != 200 || !strings.Contains(a.body, "老王烩面") || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("home: %d %s", a.status, a.body)
	}
	if a := b.do("POST", "/portal/logout", nil); a.status != http.StatusSeeOther {
		t.Errorf("logout: %d", a.status)
	}
	if a := b.do("GET", "/portal", nil); a.status != http.StatusSeeOther {
		t.Errorf("signed out: %d", a.status)
	}

	r.pass(2 * time.Minute)
	again := r.browser()
	if to := again.bySMS("13900000001"); !strings.HasPrefix(to, "/portal/login/code") {
		t.Fatalf("the second sign-in is led to %s", to)
	}
	if a := again.do("POST", "/portal/login/code", url.Values{"code": {code}}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a used code: %d", a.status)
	}
	if a := again.do("POST", "/portal/login/code", url.Values{"code": {staff.TOTP(secret, r.now())}}); a.status != http.StatusSeeOther {
		t.Errorf("second factor: %d", a.status)
	}

	manager := r.browser()
	if to := manager.bySMS("13900000002"); to != "/portal" {
		t.Errorf("a manager is led to %s", to)
	}

	nobody, known := r.browser(), r.browser()
	r.pass(2 * time.Minute)
	a, c := nobody.do("POST", "/portal/login", url.Values{"phone": {"13900000009"}}), known.do("POST", "/portal/login", url.Values{"phone": {"13900000002"}})
	if a.status != c.status || a.location != c.location || a.body != c.body {
		t.Errorf("a number that is nobody's: %d %s, one that is: %d %s", a.status, a.location, c.status, c.location)
	}
	if m := <-r.sent; m.Phone != "13900000002" {
		t.Errorf("SMS to %s", m.Phone)
	}
	if a := nobody.do("POST", "/portal/login/sms", url.Values{"code": {"123456"}}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a guess for nobody's number: %d", a.status)
	}
}

// TestTwoMerchants: one number at two merchants chooses, and may choose again; the
// other's user id in a forged form is nobody.
func TestTwoMerchants(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m1, s1 := r.shop("甲店", 1)
	m2, s2 := r.shop("乙店", 1)
	m3, s3 := r.shop("丙店", 1)
	r.add(m1, "13900000001", account.Manager, s1[0])
	u2 := r.add(m2, "13900000001", account.Manager, s2[0])
	u3 := r.add(m3, "13900000003", account.Manager, s3[0])
	b := r.browser()
	if to := b.bySMS("13900000001"); !strings.HasPrefix(to, "/portal/login/choose") {
		t.Fatalf("led to %s", to)
	}
	a := b.do("GET", "/portal/login/choose", nil)
	if !strings.Contains(a.body, "甲店") || !strings.Contains(a.body, "乙店") || strings.Contains(a.body, "丙店") {
		t.Errorf("the choice: %s", a.body)
	}
	choose := func(id int64) answer {
		return b.do("POST", "/portal/login/choose", url.Values{"user": {itoa(id)}})
	}
	if a := choose(u3); a.status != http.StatusUnprocessableEntity {
		t.Errorf("somebody else's user: %d", a.status)
	}
	if a := choose(u2); a.status != http.StatusSeeOther || a.location != "/portal" {
		t.Fatalf("choosing: %d %s", a.status, a.location)
	}
	if a := b.do("GET", "/portal", nil); !strings.Contains(a.body, "乙店") || !strings.Contains(a.body, "切换商家") {
		t.Errorf("home: %s", a.body)
	}
	if a := b.do("POST", "/portal/others", nil); !strings.HasPrefix(a.location, "/portal/login/choose") {
		t.Errorf("others: %d %s", a.status, a.location)
	}
	if a := b.do("GET", "/portal", nil); a.status != http.StatusSeeOther {
		t.Errorf("still in the other merchant: %d", a.status)
	}
}

// TestPortalRights walks every route of the portal: without a session to the sign-in
// page, without the right 403, and a merchant that may only read changes nothing.
func TestPortalRights(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m, shops := r.shop("老王烩面", 1)
	session := map[account.Role]string{account.Owner: r.user(m, account.Owner), account.Finance: r.user(m, account.Finance),
		account.Manager: r.user(m, account.Manager, shops[0])}
	allowed := map[account.Right][]account.Role{
		account.Anybody: {account.Owner, account.Finance, account.Manager}, account.Money: {account.Owner, account.Finance},
		account.Shops: {account.Owner, account.Manager}, account.Owners: {account.Owner},
	}
	call := func(route api.PortalRoute, session string) answer {
		path := regexp.MustCompile(`:[a-z]+`).ReplaceAllString(route.Path, "999999")
		if route.Method == http.MethodPost && route.Upload {
			return r.upload(session, path, "file", "a.jpg", nil)
		}
		if route.Method == http.MethodPost {
			return r.post(session, path, url.Values{})
		}
		return r.get(session, path)
	}
	n := 0
	for _, route := range api.PortalRoutes() {
		if route.Right == "" {
			continue
		}
		n++
		if a := call(route, ""); a.status != http.StatusSeeOther || !strings.HasPrefix(a.location, "/portal/login") {
			t.Errorf("%s %s without a session: %d %s", route.Method, route.Path, a.status, a.location)
		}
		for role, s := range session {
			if route.Path == "/portal/logout" || route.Path == "/portal/others" {
				continue // ends the session
			}
			a := call(route, s)
			if forbidden := !slices.Contains(allowed[route.Right], role); (a.status == http.StatusForbidden) != forbidden || a.status >= 500 {
				t.Errorf("%s %s for %s: %d", route.Method, route.Path, role, a.status)
			}
		}
	}
	if n < 3 {
		t.Fatalf("only %d routes", n)
	}
	_, err := r.pool.Exec(t.Context(), `UPDATE merchants SET status = 'suspended' WHERE id = $1`, m)
	r.must(err)
	for _, route := range api.PortalRoutes() {
		if route.Changes {
			if a := call(route, session[account.Owner]); a.status != http.StatusForbidden {
				t.Errorf("%s %s of a suspended merchant: %d", route.Method, route.Path, a.status)
			}
		}
	}
	if a := r.get(session[account.Owner], "/portal"); a.status != 200 || !strings.Contains(a.body, "合作已暂停") {
		t.Errorf("home of a suspended merchant: %d", a.status)
	}
}
