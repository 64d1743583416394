package console_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"unioncard/api"
	"unioncard/api/console"
	"unioncard/api/page"
	"unioncard/card"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/migrations/pgtest"
	"unioncard/web"
)

// hall is the console with nothing in it but accounts.
type hall struct {
	t      *testing.T
	url    string
	store  *staff.Store
	unions map[int32]int64
}

const hallPassword = "Huanghe-7-Songshan"

func newHall(t *testing.T, factor, secure bool) *hall {
	t.Helper()
	pool := pgtest.New(t)
	h := &hall{t: t}
	var err error
	if h.unions, err = card.NewStore(pool, card.StoreOptions{}).SeedUnions(t.Context(), card.By{Actor: "cli:test", Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	policy := staff.DefaultPolicy()
	policy.SecondFactor, policy.Hash.Memory, policy.Hash.Passes = factor, 64, 1
	key := []byte("0123456789abcdef0123456789abcdef")
	h.store = staff.NewStore(pool, staff.Options{Clock: time.Now, Policy: policy, Box: &staff.Box{
		Active: func() (uint16, []byte) { return 1, key }, ByID: func(uint16) ([]byte, bool) { return key, true }}})
	assets, err := page.NewAssets(web.Dist)
	if err != nil {
		t.Fatal(err)
	}
	pages, err := page.NewRenderer(web.Templates, assets, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelError}))
	merchants := merchant.NewStore(pool, time.Now)
	router := api.NewRouter(api.Deps{MerchantStore: merchants, Clock: time.Now, Logger: logger, People: &api.People{
		Console: console.New(console.Options{Pages: pages, DB: pool, Merchants: merchants, Staff: h.store, SecureCookies: secure, Clock: time.Now, Logger: logger}),
		Pages:   pages, Assets: assets, Session: h.store.BySession,
		Locate: func(ctx context.Context, kind string, id int64) (string, error) {
			return merchant.Locate(ctx, pool, kind, id)
		},
	}})
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

func (h *hall) make(login string, division int32, roles ...staff.Role) int64 {
	h.t.Helper()
	id, err := h.store.Create(h.t.Context(), staff.By{Actor: "cli:test", Reason: "test"},
		staff.NewAccount{Login: login, Name: "职员" + login, UnionID: h.unions[division], Roles: roles, Password: hallPassword})
	if err != nil {
		h.t.Fatal(err)
	}
	return id
}

// visitor is a browser.
type visitor struct {
	*hall
	client *http.Client
}

func (h *hall) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &visitor{h, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// do sends one request; form nil is a GET. It returns the answer and its body.
func (v *visitor) do(path string, form url.Values, header ...string) (*http.Response, string) {
	v.t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(v.t.Context(), method, v.url+path, body)
	if err != nil {
		v.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := v.client.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp, string(text)
}

// want checks an answer's status and where it leads.
func (v *visitor) want(status int, to, path string, form url.Values) string {
	v.t.Helper()
	resp, body := v.do(path, form)
	if resp.StatusCode != status || resp.Header.Get("Location") != to {
		v.t.Fatalf("%s: %d to %q, want %d to %q\n%s", path, resp.StatusCode, resp.Header.Get("Location"), status, to, body)
	}
	return body
}

func (h *hall) signedIn(login string) *visitor {
	h.t.Helper()
	v := h.visitor()
	v.want(303, "/console", "/console/login", url.Values{"login": {login}, "password": {hallPassword}})
	return v
}

// From a one-time password through all stages to the console, as a browser does.
func TestFirstSignIn(t *testing.T) {
	t.Parallel()
	h := newHall(t, true, false)
	_, err := h.store.Create(t.Context(), staff.By{Actor: "cli:test", Reason: "test"}, staff.NewAccount{
		Login: "zhang", Name: "张工", UnionID: h.unions[jinshui], Roles: []staff.Role{staff.Registrar}, Password: "one-time", OneTime: true})
	if err != nil {
		t.Fatal(err)
	}
	v := h.visitor()
	v.want(303, "/console/login?next=%2Fconsole%2Faccount", "/console/account", nil)
	body := v.want(422, "", "/console/login", url.Values{"login": {"zhang"}, "password": {"wrong"}})
	if !strings.Contains(body, `value="zhang"`) || strings.Contains(body, "wrong") {
		t.Error("the refused form lost the login, or shows the password")
	}
	next := "?next=%2Fconsole%2Faccount"
	v.want(303, "/console/login/password"+next, "/console/login", url.Values{"login": {"zhang"}, "password": {"one-time"}, "next": {"/console/account"}})
	v.want(303, "/console/login?next=%2Fconsole%2Faccount", "/console/account", nil)
	v.want(303, "/console/login/password", "/console/login/enrol", nil) // no stage is left out
	v.want(200, "", "/console/login/password"+next, nil)
	v.want(422, "", "/console/login/password", url.Values{"password": {"short"}, "again": {"short"}})
	v.want(422, "", "/console/login/password", url.Values{"password": {hallPassword}, "again": {"other"}})
	v.want(303, "/console/login/enrol"+next, "/console/login/password", url.Values{"password": {hallPassword}, "again": {hallPassword}, "next": {"/console/account"}})
	body = v.want(200, "", "/console/login/enrol"+next, nil)
	secret := regexp.MustCompile(`<code>([A-Z2-7 ]+)</code>`).FindStringSubmatch(body)
	if secret == nil {
		t.Fatal(body)
	}
	resp, png := v.do("/console/login/qr.png", nil)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "image/png" || !strings.HasPrefix(png, "\x89PNG") || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("QR code: %d %v", resp.StatusCode, resp.Header)
	}
	v.want(422, "", "/console/login/enrol", url.Values{"code": {"12"}})
	body = v.want(200, "", "/console/login/enrol", url.Values{"code": {staff.TOTP(secret[1], time.Now())}, "next": {"/console/account"}})
	if n := len(regexp.MustCompile(`<code>[a-z2-9]{5}-[a-z2-9]{5}</code>`).FindAllString(body, -1)); n != 10 {
		t.Errorf("%d recovery codes shown", n)
	}
	v.want(404, "", "/console/login/qr.png", nil)
	if body = v.want(200, "", "/console/account", nil); !strings.Contains(body, "还剩 10 个恢复码") {
		t.Error(body)
	}
	v.want(303, "/console/login", "/console/logout", url.Values{})
	v.want(303, "/console/login?next=%2Fconsole%2Faccount", "/console/account", nil)
}

func TestCookies(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		h := newHall(t, false, secure)
		h.make("zhang", jinshui, staff.Registrar)
		resp, _ := h.visitor().do("/console/login", url.Values{"login": {"zhang"}, "password": {hallPassword}})
		seen := map[string]bool{}
		for _, c := range resp.Cookies() {
			seen[c.Name] = true
			if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure != secure || c.Domain != "" {
				t.Errorf("https %v: %v", secure, c)
			}
		}
		if name := map[bool]string{false: "uc_session", true: "__Host-uc_session"}[secure]; !seen[name] || !seen["uc_device"] {
			t.Errorf("https %v: cookies %v", secure, seen)
		}
	}
}

// Wherever a form says to go after signing in, it is a page of the console.
func TestSignInLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	h := newHall(t, false, false)
	h.make("zhang", jinshui, staff.Registrar)
	for next, want := range map[string]string{
		"/console/contracts?q=%E5%8D%8E": "/console/contracts?q=%E5%8D%8E", "": "/console", "/": "/console", "//evil.example/console": "/console",
		"https://evil.example/console/x": "/console", "/console/../open": "/console", "/console/%2e%2e/x": "/console", `/console\evil`: "/console",
		"/consolex": "/console", "javascript:alert(1)": "/console", "/console/login": "/console", "/console/logout": "/console",
		"/console/x\r\nSet-Cookie: a=b": "/console", "/console/" + strings.Repeat("x", 3000): "/console",
	} {
		h.visitor().want(303, want, "/console/login", url.Values{"login": {"zhang"}, "password": {hallPassword}, "next": {next}})
	}
}

// A form that another site's page sends in a person's name is refused.
func TestCrossSiteFormsAreRefused(t *testing.T) {
	t.Parallel()
	h := newHall(t, false, false)
	h.make("root", 410000, staff.Operator)
	v := h.signedIn("root")
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
		for _, path := range []string{"/console/login", "/console/logout", "/console/staff", "/console/account/password"} {
			if resp, _ := v.do(path, url.Values{}, header...); resp.StatusCode != 403 {
				t.Errorf("%s with %v: %d", path, header, resp.StatusCode)
			}
		}
	}
	v.want(200, "", "/console/account", nil)
}

// Operators manage accounts within their territory through the pages; forged ids
// and stale forms change nothing.
func TestStaffPages(t *testing.T) {
	t.Parallel()
	h := newHall(t, false, false)
	own := h.make("city", zhengzhou, staff.Operator)
	h.make("root", 410000, staff.Operator)
	clerk := h.make("clerk", jinshui, staff.Negotiator)
	beside := h.make("beside", luoyang, staff.Negotiator)
	v := h.signedIn("city")
	union := func(division int32) string { return itoa(h.unions[division]) }
	list := v.want(200, "", "/console/staff", nil)
	if !strings.Contains(list, "clerk") || strings.Contains(list, "beside") || strings.Contains(list, "root") {
		t.Error("the list is not the territory's")
	}
	form := url.Values{"login": {"new.one"}, "name": {"新人"}, "union_id": {union(jinshui)}, "roles": {"negotiator", "approver"}, "reason": {"到岗"}}
	with := func(name string, values ...string) url.Values {
		f := url.Values{}
		for k, v := range form {
			f[k] = v
		}
		f[name] = values
		return f
	}
	v.want(200, "", "/console/staff/new", nil)
	for name, bad := range map[string]url.Values{
		"sibling's union": with("union_id", union(luoyang)), "ancestor's union": with("union_id", union(410000)), "no union": with("union_id", "x"),
		"login taken": with("login", "clerk"), "10 KB name": with("name", strings.Repeat("名", 4000)), "forged role": with("roles", "root"),
		"operator and more": with("roles", "operator", "approver"), "no reason": with("reason", ""),
	} {
		resp, body := v.do("/console/staff", bad)
		if resp.StatusCode != 422 || !strings.Contains(body, "到岗") && name != "no reason" {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
	v.want(400, "", "/console/staff", with("name", "新\x00人"))
	body := v.want(200, "", "/console/staff", form)
	if !regexp.MustCompile(`[a-z2-9]{5}-[a-z2-9]{5}-[a-z2-9]{5}`).MatchString(body) {
		t.Error("no one-time password shown")
	}
	show := "/console/staff/" + itoa(clerk)
	v.want(200, "", show, nil)
	v.want(200, "", show+"/edit", nil)
	edit := url.Values{"name": {"职员"}, "union_id": {union(jinshui)}, "roles": {"approver"}, "version": {"1"}, "reason": {"调岗"}}
	v.want(303, show, show+"/edit", edit)
	body = v.want(422, "", show+"/edit", edit) // as if opened before
	if !strings.Contains(body, "这个账号有了改动") || !strings.Contains(body, `name="version" value="2"`) {
		t.Error("a stale form is not told what changed")
	}
	v.want(422, "", show+"/disable", url.Values{"version": {"1"}, "reason": {"离岗"}})
	v.want(422, "", show+"/disable", url.Values{"version": {"2"}})
	v.want(200, "", show+"/reset", url.Values{"version": {"2"}, "reason": {"忘记"}, "factor": {"1"}})
	v.want(403, "", "/console/staff/"+itoa(own)+"/edit", edit)
	for _, path := range []string{"", "/edit"} {
		v.want(404, "", "/console/staff/"+itoa(beside)+path, nil)
	}
	for _, path := range []string{"/edit", "/disable", "/enable", "/reset"} {
		v.want(404, "", "/console/staff/"+itoa(beside)+path, edit)
		v.want(404, "", "/console/staff/99999999"+path, edit)
	}
	v.want(403, "", "/console/events", nil)
	v.want(403, "", "/console/merchants", nil)
}

func TestAccountPages(t *testing.T) {
	t.Parallel()
	h := newHall(t, false, false)
	h.make("zhang", jinshui, staff.Auditor)
	other, v := h.signedIn("zhang"), h.signedIn("zhang")
	v.want(422, "", "/console/account/password", url.Values{"present": {"wrong"}, "password": {"Dengfeng-9-Huaxia"}, "again": {"Dengfeng-9-Huaxia"}})
	v.want(422, "", "/console/account/password", url.Values{"present": {hallPassword}, "password": {hallPassword}, "again": {hallPassword}})
	v.want(303, "/console/account", "/console/account/password", url.Values{"present": {hallPassword}, "password": {"Dengfeng-9-Huaxia"}, "again": {"Dengfeng-9-Huaxia"}})
	other.want(303, "/console/login?next=%2Fconsole%2Faccount", "/console/account", nil)
	v.want(303, "/console/account", "/console/account/factor", nil)
	v.want(303, "/console/account/factor", "/console/account/factor", url.Values{"present": {"Dengfeng-9-Huaxia"}})
	body := v.want(200, "", "/console/account/factor", nil)
	v.want(200, "", "/console/account/qr.png", nil)
	secret := regexp.MustCompile(`<code>([A-Z2-7 ]+)</code>`).FindStringSubmatch(body)
	v.want(422, "", "/console/account/factor/confirm", url.Values{"code": {""}})
	v.want(200, "", "/console/account/factor/confirm", url.Values{"code": {staff.TOTP(secret[1], time.Now())}})
	v.want(422, "", "/console/account/recovery", url.Values{"present": {""}})
	v.want(200, "", "/console/account/recovery", url.Values{"present": {"Dengfeng-9-Huaxia"}})
	v.want(404, "", "/console/account/sessions/1/end", url.Values{})
	v.want(200, "", "/console/events?who=%25&object=%00&from=2026-13-01&size=1000000&at=x", nil)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
