package page

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"unioncard/api/exchange"
	"unioncard/card/union/staff"
	"unioncard/merchant/account"
)

// Renderer renders the pages for people. Every template is parsed at start: one
// that is missing or broken fails there.
type Renderer struct {
	pages  map[string]*template.Template // "console/home" → layout and page
	assets *Assets
	clock  func() time.Time
}

// Frame is what every page's layout needs. A page's data is a struct that embeds
// it first; handlers fill in Title and Active, Page fills in the rest.
type Frame struct {
	Title   string
	Active  string         // the navigation's entry that is lit, e.g. "contracts"
	Account *staff.Account // nil in public
	User    *account.User  // who is signed in to the merchants' portal
	Notice  string         // said once after a form was taken
	Crumbs  []Crumb        // the way here, without the page itself
	Path    string         // of the request
	Now     time.Time
}

func (f *Frame) frame() *Frame { return f }

// Framed is a page's data: a struct with a Frame embedded, by pointer.
type Framed interface{ frame() *Frame }

// NewRenderer parses the templates of a file system (package web) that holds
// templates/layout/AUDIENCE.html, templates/part/*.html and
// templates/AUDIENCE/NAME.html. A page defines "content".
func NewRenderer(templates fs.FS, assets *Assets, clock func() time.Time) (*Renderer, error) {
	r := &Renderer{pages: map[string]*template.Template{}, assets: assets, clock: clock}
	files, err := fs.Glob(templates, "templates/*/*.html")
	if err != nil {
		return nil, err
	}
	if err := r.oneNameAPart(templates); err != nil {
		return nil, err
	}
	for _, file := range files {
		audience := path.Base(path.Dir(file))
		if audience == "layout" || audience == "part" {
			continue
		}
		t, err := template.New(audience+".html").Funcs(r.funcs()).Option("missingkey=error").
			ParseFS(templates, "templates/layout/"+audience+".html", "templates/part/*.html", file)
		if err != nil {
			return nil, fmt.Errorf("page.NewRenderer: %w", err)
		}
		r.pages[audience+"/"+strings.TrimSuffix(path.Base(file), ".html")] = t
	}
	return r, nil
}

// oneNameAPart refuses two parts of one name: the later file would silently take
// the other's place on every page.
func (r *Renderer) oneNameAPart(templates fs.FS) error {
	files, err := fs.Glob(templates, "templates/part/*.html")
	if err != nil {
		return err
	}
	from := map[string]string{}
	for _, file := range files {
		t, err := template.New("").Funcs(r.funcs()).ParseFS(templates, file)
		if err != nil {
			return fmt.Errorf("page.NewRenderer: %w", err)
		}
		for _, part := range t.Templates() {
			name := part.Name()
			if other, taken := from[name]; taken && name != "" {
				return fmt.Errorf("page.NewRenderer: the part %q is defined in %s and in %s", name, other, file)
			}
			from[name] = file
		}
	}
	return nil
}

// Page answers with a page, "console/home", in its audience's layout.
func (r *Renderer) Page(x *exchange.Exchange, name string, data Framed) error {
	audience, _, _ := strings.Cut(name, "/")
	f := data.frame()
	f.Account, f.User, f.Path, f.Now = x.Account, x.Merchant, x.Gin.Request.URL.Path, r.clock()
	f.Notice = takeNotice(x)
	return r.execute(x, name, audience+".html", data)
}

// Part answers with one named template of a page, for a script that replaces
// that part.
func (r *Renderer) Part(x *exchange.Exchange, name, part string, data any) error {
	return r.execute(x, name, part, data)
}

func (r *Renderer) execute(x *exchange.Exchange, name, entry string, data any) error {
	t, ok := r.pages[name]
	if !ok {
		return fmt.Errorf("page.Renderer: no page %q", name)
	}
	var out bytes.Buffer
	if err := t.ExecuteTemplate(&out, entry, data); err != nil {
		return fmt.Errorf("page.Renderer: %s: %w", name, err)
	}
	secure(x)
	x.ContentType = htmlType
	x.Out = append(x.Out[:0], out.Bytes()...)
	return nil
}

var htmlType = []string{"text/html; charset=utf-8"}

// pagePolicy lets a page load what is ours and nothing else; no inline script or
// style. ECharts draws on a canvas, maps and pictures come from us.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func secure(x *exchange.Exchange) {
	x.SetHeader("Content-Security-Policy", pagePolicy)
	x.SetHeader("X-Content-Type-Options", "nosniff")
	x.SetHeader("Referrer-Policy", "same-origin")
	x.SetHeader("Cross-Origin-Opener-Policy", "same-origin")
	// The till's page alone reads codes with a camera, and says so itself.
	x.SetHeader("Permissions-Policy", "camera=(), microphone=()")
	if x.Account != nil || strings.HasPrefix(x.Gin.Request.URL.Path, "/console") || strings.HasPrefix(x.Gin.Request.URL.Path, "/portal") {
		x.SetHeader("Cache-Control", "no-store")
	}
}

type problemPage struct {
	Frame
	Problem   Problem
	RequestID string
}

// Problem answers with an error page of the status, in the layout of who asks.
func (r *Renderer) Problem(x *exchange.Exchange, p Problem) error {
	name := "open/problem"
	if x.Account != nil {
		name = "console/problem"
	} else if x.Merchant != nil {
		name = "portal/problem"
	}
	if own, ok := forPeople[p.Status]; ok && (p.Code == "route_not_found" || p.Code == "not_found" || p.Code == "internal" || p.Code == "method_not_allowed") {
		p.Title, p.Detail, p.Fix = own.Title, own.Detail, own.Fix
		if x.Account == nil && p.Status == http.StatusNotFound {
			p.Detail = "您要找的内容不存在，或已经撤下。" // the public has no territory
		}
	}
	x.Status = p.Status
	err := r.Page(x, name, &problemPage{Frame: Frame{Title: p.Title}, Problem: p, RequestID: x.ID})
	x.Status = p.Status
	return err
}

// forPeople is what people read where a till's cashier reads something else.
var forPeople = map[int]Problem{
	http.StatusNotFound: {Title: "没有这个页面", Detail: "您要找的内容不存在，或不在您的管辖范围内。",
		Fix: "请核对网址，或从首页重新进入。"},
	http.StatusMethodNotAllowed: {Title: "这个地址不能直接打开", Detail: "它只接收页面上按钮的提交，刚才没有办理任何事。",
		Fix: "请返回上一页，或从首页重新进入。"},
	http.StatusInternalServerError: {Title: "系统内部错误", Detail: "系统出了故障，刚才的操作可能没有完成。",
		Fix: "请先查看是否已生效，再决定是否重做；仍不行时把下面的编号告诉系统管理员。"},
}

// WantsJSON reports whether the asker takes JSON rather than pages.
func WantsJSON(x *exchange.Exchange) bool {
	r := x.Gin.Request
	return strings.HasPrefix(r.URL.Path, "/open/") || strings.HasPrefix(r.URL.Path, "/m/api/") ||
		strings.HasPrefix(r.Header.Get("Accept"), "application/json")
}

// noticeCookie carries one sentence from a form to the page after it.
const noticeCookie = "uc_notice"

// Notify says a sentence on the next page.
func Notify(x *exchange.Exchange, sentence string) {
	setNotice(x, template.URLQueryEscaper(sentence), 60)
}

// setNotice is Secure where sessions are.
func setNotice(x *exchange.Exchange, value string, maxAge int) {
	http.SetCookie(x.Gin.Writer, &http.Cookie{Name: noticeCookie, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: x.HTTPS || x.Gin.Request.TLS != nil})
}

func takeNotice(x *exchange.Exchange) string {
	c, err := x.Gin.Request.Cookie(noticeCookie)
	if err != nil {
		return ""
	}
	setNotice(x, "", -1)
	s, err := unescape(c.Value)
	if err != nil || len(s) > 1000 {
		return ""
	}
	return s
}
