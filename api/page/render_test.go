package page_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/web"
)

var noon = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)

func renderer(t *testing.T, files fstest.MapFS) *page.Renderer {
	t.Helper()
	r, err := page.NewRenderer(files, &page.Assets{}, func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// layoutWith is the real layouts and parts with one page.
func layoutWith(t *testing.T, name, text string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{"templates/" + name: {Data: []byte(text)}}
	for _, dir := range []string{"layout", "part"} {
		entries, err := web.Templates.ReadDir("templates/" + dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			file := "templates/" + dir + "/" + e.Name()
			body, err := web.Templates.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			files[file] = &fstest.MapFile{Data: body}
		}
	}
	return files
}

type testPage struct {
	page.Frame
	Form *page.Form
	Data any
}

func show(t *testing.T, r *page.Renderer, name string, data *testPage, cookies ...*http.Cookie) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	c, _ := gin.CreateTestContext(w)
	c.Request = httptest.NewRequest(http.MethodGet, "/console", nil)
	for _, cookie := range cookies {
		c.Request.AddCookie(cookie)
	}
	x := exchange.NewPool(nil).Get(c, noon)
	x.Account = data.Account
	if err := r.Page(x, name, data); err != nil {
		t.Fatal(err)
	}
	x.Send()
	return w
}

// TestRealTemplates: everything under web/templates parses, and holds nothing
// that the policy would refuse.
func TestRealTemplates(t *testing.T) {
	t.Parallel()
	if _, err := page.NewRenderer(web.Templates, &page.Assets{}, time.Now); err != nil {
		t.Fatal(err)
	}
	forbidden := regexp.MustCompile(`(?i)<style|\sstyle\s*=|\son[a-z]+\s*=|<script[^>]*>[^<]|javascript:|https?://`)
	dirs, err := web.Templates.ReadDir("templates")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		files, err := web.Templates.ReadDir("templates/" + dir.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			name := "templates/" + dir.Name() + "/" + f.Name()
			body, err := web.Templates.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			// Data for search engines is no script to a browser, nor to the policy.
			body = bytes.ReplaceAll(body, []byte(`<script type="application/ld+json">`), nil)
			if bad := forbidden.Find(body); bad != nil {
				t.Errorf("%s holds %q", name, bad)
			}
		}
	}
}

// TestPartsOfOneName: two parts of one name would show one on the other's pages.
func TestPartsOfOneName(t *testing.T) {
	t.Parallel()
	files := layoutWith(t, "console/x.html", `{{define "content"}}{{end}}`)
	files["templates/part/zz.html"] = &fstest.MapFile{Data: []byte(`{{define "badge"}}other{{end}}`)}
	if _, err := page.NewRenderer(files, &page.Assets{}, time.Now); err == nil || !strings.Contains(err.Error(), `"badge"`) {
		t.Errorf("two parts called badge: %v", err)
	}
}

// TestParts: what may be left out may be left out.
func TestParts(t *testing.T) {
	t.Parallel()
	for template, want := range map[string]string{
		`{{template "facts" (list (dict "Term" "地址" "Text" "A") (dict "Term" "电话" "Text" "") (dict "Term" "商家" "Text" "B" "URL" "/b"))}}`: `<dl class="facts"><dt>地址</dt><dd>A</dd><dt>电话</dt><dd>—</dd><dt>商家</dt><dd><a href="/b">B</a></dd></dl>`,
		`{{template "empty" "还没有。"}}`:                                                                             `<div class="empty-plain"><p>还没有。</p></div>`,
		`{{template "empty" (dict "Text" "还没有。")}}`:                                                               `<div class="empty-plain"><p>还没有。</p></div>`,
		`{{template "empty" (dict "Text" "还没有。" "URL" "/n" "Action" "新建")}}`:                                      `<p>还没有。</p><a class="btn btn-primary" href="/n">新建</a></div>`,
		`{{template "tabs" (list (dict "Title" "概况" "URL" "/a" "Current" true) (dict "Title" "日志" "URL" "/b"))}}`: `<a href="/a" aria-current="page">概况</a><a href="/b">日志</a>`,
		`{{template "steps" (dict "Steps" (list "一" "二" "三") "At" 1)}}`:                                           `<li class="done">一</li><li aria-current="step">二</li><li>三</li>`,
		`{{template "badge" (badge "active")}}`:                                                                   `<span class="badge is-good">有效</span>`,
		`{{template "chart" (dict "Chart" (dict "kind" "days") "Label" "图")}}`:                                    `data-chart="{&#34;kind&#34;:&#34;days&#34;}"`,
	} {
		r := renderer(t, layoutWith(t, "console/x.html", `{{define "content"}}`+template+`{{end}}`))
		if html := show(t, r, "console/x", &testPage{Frame: page.Frame{Title: "x"}}).Body.String(); !strings.Contains(html, want) {
			t.Errorf("%s gives not %s but\n%s", template, want, html)
		}
	}
}

func TestFrame(t *testing.T) {
	t.Parallel()
	r := renderer(t, layoutWith(t, "console/x.html", `{{define "content"}}<p>{{.Data}}</p>{{end}}`))
	clerk := &staff.Account{Name: "王<芳>", Union: "金水区总工会", Roles: []staff.Role{staff.Negotiator}}
	w := show(t, r, "console/x", &testPage{Frame: page.Frame{Title: "商家", Active: "merchants", Account: clerk}, Data: "<b>"})
	html := w.Body.String()
	for _, want := range []string{
		`<a class="skip" href="#main">`, `<main id="main"`, "王&lt;芳&gt;", "金水区总工会", "<p>&lt;b&gt;</p>",
		`href="/console/merchants" aria-current="page"`, `action="/console/logout"`, `href="/console/import"`,
	} {
		if !strings.Contains(html, want) {
			t.Errorf("not on the page: %s", want)
		}
	}
	for _, hidden := range []string{`href="/console/staff"`, `href="/console/events"`} {
		if strings.Contains(html, hidden) {
			t.Errorf("a negotiator's menu has %s", hidden)
		}
	}
	csp := w.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("policy without %s: %s", want, csp)
		}
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q on a console page", got)
	}
}

// TestNotice: said once, however odd, and never as markup.
func TestNotice(t *testing.T) {
	t.Parallel()
	r := renderer(t, layoutWith(t, "console/x.html", `{{define "content"}}{{end}}`))
	w := httptest.NewRecorder()
	c, _ := gin.CreateTestContext(w)
	c.Request = httptest.NewRequest(http.MethodPost, "/console", nil)
	page.Notify(exchange.NewPool(nil).Get(c, noon), "已保存<i>; 100%，\"好\"")
	set := w.Result().Cookies()
	if len(set) != 1 || !set[0].HttpOnly {
		t.Fatalf("cookies %v", set)
	}
	if set[0].Secure {
		t.Error("Secure without https: the browser would drop it")
	}
	secure := httptest.NewRecorder()
	c, _ = gin.CreateTestContext(secure)
	c.Request = httptest.NewRequest(http.MethodPost, "/console", nil)
	x := exchange.NewPool(nil).Get(c, noon)
	x.HTTPS = true
	page.Notify(x, "已保存")
	if all := secure.Result().Cookies(); len(all) != 1 || !all[0].Secure {
		t.Errorf("under https: %v", all)
	}
	w = show(t, r, "console/x", &testPage{Frame: page.Frame{Title: "x"}}, set...)
	if want := `role="status">已保存&lt;i&gt;; 100%，&#34;好&#34;</div>`; !strings.Contains(w.Body.String(), want) {
		t.Errorf("not said: %s", want)
	}
	if cleared := w.Result().Cookies(); len(cleared) != 1 || cleared[0].MaxAge >= 0 {
		t.Errorf("the notice stays: %v", cleared)
	}
	for _, bad := range []string{"%zz", strings.Repeat("x", 4000)} {
		w = show(t, r, "console/x", &testPage{Frame: page.Frame{Title: "x"}}, &http.Cookie{Name: set[0].Name, Value: bad})
		if strings.Contains(w.Body.String(), `role="status"`) {
			t.Errorf("a notice of %q", bad)
		}
	}
}

func TestFields(t *testing.T) {
	t.Parallel()
	trades := []page.Choice{{Value: "catering", Label: "餐饮"}, {Value: "health", Label: "健康", Group: "其他"}}
	form := page.NewForm("name", `"><script>`, "trade", "health", "days", "mon", "days", "sun", "ok", "1", "secret", "hunter2", "none", "")
	form.Errors.Add("name", "请填写名称。")
	for _, test := range []struct {
		name, template string
		want           []string
		not            []string
	}{
		{"text", `(field .Form "name" "名称" "required" "hint:全称" "maxlength:9")`, []string{
			`<label class="form-label required" for="f-name">名称</label>`, `value="&#34;&gt;&lt;script&gt;"`, `is-invalid`, `aria-invalid="true"`,
			`aria-describedby="f-name-hint f-name-error"`, `id="f-name-error">请填写名称。`, `maxlength="9"`, `aria-required="true"`}, nil},
		{"select", `(field .Form "trade" "行业" .Data)`, []string{`<option value="health" selected>健康</option>`, `<optgroup label="其他">`}, []string{"请选择"}},
		{"select of none", `(field .Form "other" "行业" .Data)`, []string{`<option value="">请选择</option>`}, []string{" selected"}},
		{"select refused empty", `(field .Form "none" "行业" .Data)`, []string{`<option value="">请选择</option>`}, []string{" selected"}},
		{"select of a choice that is none", `(field .Form "secret" "行业" .Data)`, []string{`<option value="">请选择</option>`}, []string{" selected"}},
		{"textarea", `(field .Form "name" "名称" "type:textarea" "rows:2")`, []string{`rows="2"`, `&#34;&gt;&lt;script&gt;</textarea>`}, nil},
		{"money", `(field .Form "cap" "上限" "type:money" "value:12.50")`, []string{`inputmode="decimal"`, `value="12.50"`, `>元<`}, nil},
		{"checks", `(field .Form "trade" "行业" "type:checks" .Data)`, []string{`type="checkbox" name="trade" value="health" checked`, `<legend`}, nil},
		{"radios", `(field .Form "trade" "行业" "type:radios" .Data)`, []string{`type="radio" name="trade" value="health" checked`}, nil},
		{"checkbox", `(field .Form "ok" "同意" "type:checkbox")`, []string{`value="1" checked`}, nil},
		{"password", `(field .Form "secret" "密码" "type:password")`, []string{`type="password"`}, []string{"hunter2"}},
		{"name with dots", `(field .Form "outlet.0.name" "名称")`, []string{`id="f-outlet-0-name" name="outlet.0.name"`}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := renderer(t, layoutWith(t, "console/x.html", `{{define "content"}}{{template "field" `+test.template+`}}{{end}}`))
			html := show(t, r, "console/x", &testPage{Frame: page.Frame{Title: "x"}, Form: form, Data: trades}).Body.String()
			for _, want := range test.want {
				if !strings.Contains(html, want) {
					t.Errorf("not there: %s\n%s", want, html)
				}
			}
			for _, not := range test.not {
				if strings.Contains(html, not) {
					t.Errorf("there: %s", not)
				}
			}
		})
	}
	if _, err := page.NewField(form, "name", "名称", "requried"); err == nil {
		t.Error("a slip in an option goes unseen")
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	var faults merchant.FieldErrors
	faults.Add("name", "请填写名称。")
	form, ok := page.Refuse(map[string][]string{"name": {"x"}}, faults)
	if !ok || form.Errors.On("name") == "" || form.Values.Get("name") != "x" {
		t.Errorf("%v %v", form, ok)
	}
	if _, ok := page.Refuse(nil, exchange.ErrForm); ok {
		t.Error("an unreadable form was taken for one with faults")
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	count := func(n any) string { s, err := page.Count(n); return s + map[bool]string{true: "!"}[err != nil] }
	got := []string{
		page.Yuan(-5), page.Yuan(123456), page.Percent(1250), page.Percent(1000), count(0), count(999), count(-1000), count(int64(1234567)), count("x"),
		page.Ago(noon, noon), page.Ago(noon, noon.Add(-90*time.Second)), page.Ago(noon, noon.Add(-26*time.Hour)), page.Ago(noon, time.Time{}),
		page.Day(noon.Add(13 * time.Hour)), page.Moment(noon), page.TradeName("health"), page.TradeName("?"), page.StateName("ending"), page.StateName("?"),
	}
	want := []string{"-0.05", "1234.56", "12.5%", "10%", "0", "999", "-1,000", "1,234,567", "!", "刚刚", "1 分钟前", "1 天前", "",
		"2026-11-24", "2026-11-23 12:00", "健康", "?", "终止中", "?"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, r := range staff.Roles() {
		if page.RoleName(r) == string(r) {
			t.Errorf("role %s has no Chinese name", r)
		}
	}
	var trades []string
	for _, c := range page.Trades() {
		trades = append(trades, c.Value)
	}
	for _, trade := range merchant.Trades() {
		if !slices.Contains(trades, string(trade)) {
			t.Errorf("trade %s has no Chinese name", trade)
		}
	}
}
