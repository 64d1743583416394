package open_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"

	"unioncard/merchant/directory"
)

// described holds answers to the document.
func described(t testing.TB) validator.Validator {
	t.Helper()
	text, err := os.ReadFile("openapi-open.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	model, err := doc.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	return validator.NewValidatorFromV3Model(&model.Model, config.WithFormatAssertions())
}

func code(w *httptest.ResponseRecorder) string {
	var p struct{ Code string }
	_ = json.Unmarshal(w.Body.Bytes(), &p)
	return p.Code
}

// TestAnswersAreAsDescribed: every feed's answers, refusals too, fit the document
// and may be read by any site; who has an answer already gets 304.
func TestAnswersAreAsDescribed(t *testing.T) {
	t.Parallel()
	r, doc := newRig(t), described(t)
	scribe := directory.NewScribe(r.pool, r.dir, directory.ScribeOptions{Document: r.pages.Document, Signs: r.signs, Every: time.Millisecond})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- scribe.Run(ctx) }()
	for strings.Count(r.get("/open/v1/outlets/changes").Body.String(), `"outlet":`) < 3 {
	}
	stop()
	r.must(<-done)
	r.signs.Sold(r.outlets[0], time.Now())
	r.must(r.signs.Flush(t.Context()))
	r.must(r.signs.Refresh(t.Context()))
	for _, c := range []struct {
		path   string
		status int
		code   string
	}{
		{"/open/v1/outlets", 200, ""},
		{"/open/v1/outlets?q=" + url.QueryEscape("火锅 ８.８折") + "&limit=1", 200, ""},
		{"/open/v1/outlets?lat=34.78&lon=113.68&radius=50000&datum=wgs84&trade=catering", 200, ""},
		{outletPath(r.outlets[0]), 200, ""},
		{outletPath(r.outlets[1]), 200, ""},
		{outletPath(r.outlets[2]), 200, ""},
		{"/open/v1/outlets/changes?limit=2", 200, ""},
		{"/open/v1/trades", 200, ""},
		{"/open/v1/divisions", 200, ""},
		{outletPath(1 << 40), 404, "route_not_found"},
		{"/open/v1/outlets?limit=1000000", 400, "parameter_invalid"},
		{"/open/v1/outlets?cursor=AQ", 400, "cursor_invalid"},
		{"/open/v1/outlets/changes?since=1%2d2%2d3", 400, "cursor_invalid"},
		{"/open/v1/outlets/changes?since=999-0", 410, "cursor_expired"},
	} {
		w := r.get(c.path)
		if w.Code != c.status || c.code != "" && code(w) != c.code {
			t.Errorf("%s: %d %s, want %d %s", c.path, w.Code, w.Body, c.status, c.code)
		}
		req := httptest.NewRequest(http.MethodGet, c.path, nil)
		if ok, faults := doc.ValidateHttpResponse(req, w.Result()); !ok {
			for _, f := range faults {
				t.Errorf("%s: %s: %s %v\n%s", c.path, f.Message, f.Reason, f.SchemaValidationErrors, w.Body)
			}
		}
		if ok, faults := doc.ValidateHttpRequest(req); !ok && c.status == 200 {
			t.Errorf("%s was answered but the document forbids it: %v", c.path, faults[0].Reason)
		}
		if w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: other sites may not read it", c.path)
		}
		if c.status != 200 {
			continue
		}
		again := r.get(c.path, "If-None-Match", `"x", W/`+w.Header().Get("ETag"))
		if again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s again: %d with %d bytes", c.path, again.Code, again.Body.Len())
		}
	}
}

// TestBadInput: whatever is wrong is refused by a stable code that names the
// parameter, on the pages by a sentence with what was typed kept; nothing else
// happens.
func TestBadInput(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for query, want := range map[string]string{
		"q=%":                                  "parameter_invalid query",
		"q=%00":                                "parameter_invalid q",
		"q=a%00b":                              "parameter_invalid q",
		"q=%ff":                                "parameter_invalid q",
		"q=" + strings.Repeat("x", 10<<10):     "parameter_invalid q",
		"q=" + strings.Repeat("x+", 9):         "parameter_invalid q",
		"q=a&q=b":                              "parameter_invalid q",
		"limit=1000000":                        "parameter_invalid limit",
		"limit=-1":                             "parameter_invalid limit",
		"limit=9999999999999999999":            "parameter_invalid limit",
		"city=41x":                             "parameter_invalid city",
		"county=7":                             "parameter_invalid county",
		"trade=%27%20OR%201=1":                 "parameter_invalid trade",
		"lat=91&lon=113":                       "parameter_invalid lat",
		"lat=NaN&lon=113":                      "parameter_invalid lat",
		"lat=34":                               "parameter_invalid lon",
		"lat=34&lon=113&radius=50001":          "parameter_invalid radius",
		"radius=5":                             "parameter_invalid radius",
		"lat=34&lon=113&datum=bd09":            "parameter_invalid datum",
		"cursor=../../etc/passwd":              "cursor_invalid cursor",
		"cursor=" + strings.Repeat("A", 35):    "cursor_invalid cursor",
		"cursor=" + strings.Repeat("A", 1<<13): "cursor_invalid cursor",
	} {
		w := r.get("/open/v1/outlets?" + query)
		var p struct{ Code, Parameter string }
		r.must(json.Unmarshal(w.Body.Bytes(), &p))
		if got := p.Code + " " + p.Parameter; w.Code != 400 || got != want {
			t.Errorf("%.40s: %d %s, want %s", query, w.Code, got, want)
		}
		if strings.HasPrefix(query, "limit=") {
			continue // a page for reading has its own size
		}
		page := r.get("/outlets?" + query)
		if page.Code != 400 || !strings.Contains(page.Body.String(), `role="alert"`) || !strings.Contains(page.Body.String(), `name="q"`) {
			t.Errorf("page %.40s: %d", query, page.Code)
		}
	}
	if w := r.get("/open/v1/outlets?q=%25_%27%22"); w.Code != 200 || w.Body.String() != `{"items":[]}` {
		t.Errorf("signs: %d %s", w.Code, w.Body)
	}
}

// TestSearchAndDelist: names come first, then addresses; a cursor of another query is
// refused; what is suspended is gone with the next load of the feed.
func TestSearchAndDelist(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ids := func(query string) (ids []int64, next string) {
		var p struct {
			Items []struct {
				ID       int64
				Distance *int64 `json:"distance_m"`
			}
			Next string
		}
		w := r.get("/open/v1/outlets?" + query)
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 200 {
			t.Fatal(query, w.Code, err, w.Body)
		}
		for _, i := range p.Items {
			ids = append(ids, i.ID)
		}
		return ids, p.Next
	}
	o := r.outlets
	for query, want := range map[string][]int64{
		"q=" + url.QueryEscape("火锅"):              {o[0], o[1], o[2]},
		"q=" + url.QueryEscape("双人餐"):             {o[0], o[1]},
		"city=410500":                             {o[1]}, // the county answers to the province and lies in the city
		"county=410105&trade=leisure":             {o[2]},
		"brand=" + url.QueryEscape("蜀香火锅"):        {o[0], o[1]},
		"lat=34.79&lon=113.69":                    {o[2], o[0]},
		"lat=34.79&lon=113.69&radius=100":         {o[2]},
		"q=" + url.QueryEscape("没有") + "&limit=1": nil,
	} {
		if got, _ := ids(query); !cmp.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	first, next := ids("limit=2&q=" + url.QueryEscape("火锅"))
	rest, last := ids("limit=1&cursor=" + next + "&q=" + url.QueryEscape("火锅"))
	if !cmp.Equal(append(first, rest...), o) || last != "" {
		t.Errorf("pages: %v %v %q", first, rest, last)
	}
	if w := r.get("/open/v1/outlets?cursor=" + next); code(w) != "cursor_invalid" {
		t.Errorf("a cursor of another query: %d %s", w.Code, w.Body)
	}
	r.must(r.store.SuspendContract(t.Context(), by, r.chain))
	r.reload()
	if got, _ := ids(""); !cmp.Equal(got, o[2:]) {
		t.Errorf("after the suspension: %v", got)
	}
	for _, path := range []string{outletPath(o[0]), fmt.Sprintf("/outlets/%d", o[0])} {
		if w := r.get(path); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestPages: they are whole without scripts, small, escaped, and say where they are
// to be found.
func TestPages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	show := fmt.Sprintf("/outlets/%d", r.outlets[0])
	for path, wants := range map[string][]string{
		"/": {"<title>", "3</strong> 家门店", `href="/outlets?trade=catering"`, `rel="canonical" href="https://card.example.org/"`},
		"/outlets?q=" + url.QueryEscape("火锅"): {"蜀香火锅花园路店", "金水书店", `content="noindex, follow"`, "找到 3 家"},
		"/outlets?city=410100":                {"蜀香火锅花园路店", `rel="canonical"`},
		"/outlets?q=%3Cscript%3Ealert(1)":     {"没有找到", "&lt;script&gt;alert(1)"},
		"/outlets?lat=34.7800&lon=113.68&q=":  {"由近到远", "米"},
		show:                                  {"8.8折", "双人&lt;套餐&gt;", "99.00", "花园路&lt;1&gt;号", "河南省总工会", `application/ld+json`, `"addressLocality":"郑州市金水区"`, "尚无记录"},
	} {
		w := r.get(path)
		html := w.Body.String()
		if w.Code != 200 || len(html) > 100<<10 {
			t.Errorf("%s: %d, %d bytes", path, w.Code, len(html))
		}
		for _, want := range wants {
			if !strings.Contains(html, want) {
				t.Errorf("%s: no %q in\n%s", path, want, html)
			}
		}
		for _, tag := range regexp.MustCompile(`<script[^>]*>|\bstyle="|\bon[a-z]+="`).FindAllString(html, -1) {
			if !strings.Contains(tag, "ld+json") && !strings.Contains(tag, `src="/assets/`) {
				t.Errorf("%s: %s", path, tag)
			}
		}
		if again := r.get(path, "If-None-Match", w.Header().Get("ETag")); again.Code != http.StatusNotModified {
			t.Errorf("%s again: %d", path, again.Code)
		}
	}
	var data struct {
		Geo struct{ Latitude, Longitude float64 }
	}
	m := regexp.MustCompile(`ld\+json">(.*?)</script>`).FindStringSubmatch(r.get(show).Body.String())
	if len(m) != 2 {
		t.Fatal("no linked data")
	}
	r.must(json.Unmarshal([]byte(m[1]), &data))
	back := directory.FromWGS84(directory.Point{Lon: data.Geo.Longitude, Lat: data.Geo.Latitude})
	if diff := max(back.Lon-113.68, 113.68-back.Lon, back.Lat-34.78, 34.78-back.Lat); diff > 2e-6 {
		t.Errorf("linked data is %v off", diff)
	}
}

func TestForSearchEngines(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for path, want := range map[string]string{
		"/robots.txt":  "Sitemap: https://card.example.org/sitemap.xml",
		"/sitemap.xml": "<loc>https://card.example.org/sitemaps/1</loc>",
		"/sitemaps/1":  fmt.Sprintf("<loc>https://card.example.org/outlets/%d</loc>", r.outlets[2]),
	} {
		if w := r.get(path); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/sitemaps/2", "/sitemaps/0", "/sitemaps/9223372036854775807", "/sitemaps/x"} {
		if w := r.get(path); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// FuzzQuery: no address breaks the feed or the page.
func FuzzQuery(f *testing.F) {
	r := newRig(f)
	f.Add("q=%25&lat=34&lon=113&cursor=AQ")
	f.Add("q=a;b&&&=&limit=0x10")
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/open/v1/outlets", "/outlets"} {
			req := httptest.NewRequest(http.MethodGet, path, nil)
			req.URL.RawQuery = query
			w := httptest.NewRecorder()
			r.handler.ServeHTTP(w, req)
			if w.Code != 200 && w.Code != 400 {
				t.Fatalf("%s?%q: %d %s", path, query, w.Code, w.Body)
			}
		}
	})
}

func BenchmarkOutlets(b *testing.B) {
	r := newRig(b)
	b.ReportAllocs()
	for b.Loop() {
		if w := r.get("/open/v1/outlets?limit=20&q=%E7%81%AB%E9%94%85"); w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}

// TestLongestPageStaysSmall: terms with as many group prices as there may be.
func TestLongestPageStaysSmall(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var doc strings.Builder
	doc.WriteString(`{"v":1,"offers":[`)
	for offer := range 3 {
		fmt.Fprintf(&doc, `{"id":"g%d","title":"团购%d","benefit":{"kind":"unit_price","prices":[`, offer, offer)
		for i := range 800 {
			fmt.Fprintf(&doc, `{"sku":"商品名称长长长长长长长长%d-%d","price_fen":%d},`, offer, i, 100+i)
		}
		fmt.Fprintf(&doc, `{"sku":"last%d","price_fen":1}]},"funding_bp":10000},`, offer)
	}
	text := strings.TrimSuffix(doc.String(), ",") + "]}"
	_, err := r.store.PublishTerms(t.Context(), by, r.chain, []byte(text), time.Time{})
	r.must(err)
	r.reload()
	for _, path := range []string{fmt.Sprintf("/outlets/%d", r.outlets[0]), "/outlets?brand=" + url.QueryEscape("蜀香火锅")} {
		if w := r.get(path); w.Code != 200 || w.Body.Len() > 100<<10 {
			t.Errorf("%s: %d, %d bytes", path, w.Code, w.Body.Len())
		}
	}
}

// TestNoSuchAddress: a browser that asks for what is none gets a page, everything
// else the problem document that tills rely on; so too for a form's address that is
// opened in a browser.
func TestNoSuchAddress(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const browser = "text/html,application/xhtml+xml,*/*;q=0.8"
	for _, c := range []struct {
		path, accept string
		status       int
		media, says  string
	}{
		{"/nowhere", browser, 404, "text/html", "没有这个页面"},
		{"/v1/nowhere", "*/*", 404, "application/problem+json", "route_not_found"},
		{"/nowhere", "", 404, "application/problem+json", "route_not_found"},
		{"/open/v1/nowhere", browser, 404, "application/problem+json", "route_not_found"},
		{"/console/logout", browser, 405, "text/html", "这个地址不能直接打开"},
		{"/console/logout", "*/*", 405, "application/problem+json", "method_not_allowed"},
	} {
		w := r.get(c.path, "Accept", c.accept)
		if w.Code != c.status || !strings.HasPrefix(w.Header().Get("Content-Type"), c.media) || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s for %q: %d %s %s", c.path, c.accept, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
	}
}
