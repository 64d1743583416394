package page_test

import (
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"unioncard/api/exchange"
	"unioncard/api/page"
)

func docs(t *testing.T) *page.Docs {
	t.Helper()
	text, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d, err := page.NewDocs(text, []page.Problem{{Code: "code_used", Title: "会员码已用过", Detail: "请<b>出示</b>新的码。", Fix: "等待。", Status: 409}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func get(t *testing.T, handle exchange.Handler) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	c, _ := gin.CreateTestContext(w)
	c.Request = httptest.NewRequest("GET", "/docs", nil)
	x := exchange.NewPool(nil).Get(c, time.Now())
	if err := handle(x); err != nil {
		t.Fatal(err)
	}
	x.Send()
	return w
}

func TestDocsPage(t *testing.T) {
	t.Parallel()
	d := docs(t)
	w := get(t, d.Docs)
	html := w.Body.String()
	text, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range regexp.MustCompile(`(?m)^  (/\S*):$`).FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(html, "<code>"+path[1]+"</code>") {
			t.Errorf("%s is not on the page", path[1])
		}
	}
	if !strings.Contains(html, "请&lt;b&gt;出示&lt;/b&gt;新的码。") {
		t.Error("a problem's text is missing or not escaped")
	}
	// Every link within the page leads somewhere, except to problems that this
	// test leaves out.
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(`id="([^"]+)"`).FindAllStringSubmatch(html, -1) {
		if ids[m[1]] {
			t.Errorf("id %s is there twice", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(html, -1) {
		if !ids[m[1]] && (!strings.HasPrefix(m[1], "problem-") || m[1] == "problem-code_used") {
			t.Errorf("link to #%s leads nowhere", m[1])
		}
	}
	// The policy forbids scripts, styles in the page and anything from elsewhere.
	for _, bad := range []string{"<script", "style=", "<style", "http://cdn", "https://"} {
		if strings.Contains(html, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	if got := w.Header().Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'") {
		t.Errorf("Content-Security-Policy %q", got)
	}
}

// TestCodeInTexts: what stands between backquotes is shown as code, wherever a
// description may hold it, and stays escaped; a lone backquote stays what it is.
func TestCodeInTexts(t *testing.T) {
	t.Parallel()
	const document = "info: {title: T, version: v, summary: 'S `sum`', description: 'D `a<b>` and `c`'}\n" +
		"tags: [{name: g, description: G}]\n" +
		"paths:\n  /p:\n    get:\n      tags: [g]\n      operationId: op\n      summary: Op\n      description: 'O `op`'\n" +
		"      parameters: [{name: q, description: 'P `par`', schema: {type: string}}]\n" +
		"      responses: {'200': {description: 'R `res`'}}\n" +
		"components:\n  schemas:\n    X: {type: object, description: 'X `sch`', properties: {y: {type: string, description: 'Y `prop` ` lone'}}}\n"
	d, err := page.NewDocs([]byte(document), []page.Problem{{Code: "c", Title: "t", Detail: "见 `det`", Fix: "用 `<fix>`"}})
	if err != nil {
		t.Fatal(err)
	}
	html := get(t, d.Docs).Body.String()
	for _, want := range []string{
		"S <code>sum</code>", "D <code>a&lt;b&gt;</code> and <code>c</code>", "O <code>op</code>", "P <code>par</code>",
		"R <code>res</code>", "X <code>sch</code>", "Y <code>prop</code> ` lone", "见 <code>det</code>", "用 <code>&lt;fix&gt;</code>",
	} {
		// html/template may write a backquote as a character reference.
		if !strings.Contains(strings.ReplaceAll(html, "&#96;", "`"), want) {
			t.Errorf("not on the page: %s", want)
		}
	}
	if page := get(t, docs(t).Docs).Body.String(); strings.ContainsAny(page, "`") || strings.Contains(page, "&#96;") {
		t.Error("the real page shows a backquote")
	}
}

func TestBrokenDocument(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "x", "{", "info: {title: x}"} {
		if _, err := page.NewDocs([]byte(text), nil); err == nil {
			t.Errorf("%q was taken for a document", text)
		}
	}
}
