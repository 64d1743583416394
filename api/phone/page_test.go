package phone

import (
	"compress/gzip"
	"encoding/json"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gin-gonic/gin"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/web"
)

// built is a build of the assets whose script has the given hash in its name.
func built(hash string) fstest.MapFS {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return fstest.MapFS{
		"dist/manifest.json":            file(`{"phone.js":"phone-` + hash + `.js","phone.css":"phone-C.css","phone-sw.js":"phone-sw-S.js"}`),
		"dist/phone-" + hash + ".js":    file("script " + hash),
		"dist/phone-C.css":              file("style"),
		"dist/phone-sw-S.js":            file("const { version, files, page } = self.shell;"),
		"dist/phone-" + hash + ".js.br": file("small"),
	}
}

func newTestPage(t *testing.T, hash string) *Page {
	t.Helper()
	assets, err := page.NewAssets(built(hash))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := page.NewRenderer(web.Templates, assets, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return NewPage(pages, assets)
}

// ask sends a request to a handler. Its headers come in pairs.
func ask(t *testing.T, h exchange.Handler, path string, headers ...string) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	c, _ := gin.CreateTestContext(w)
	c.Request = httptest.NewRequest(http.MethodGet, path, nil)
	for pair := range slices.Chunk(headers, 2) {
		c.Request.Header.Set(pair[0], pair[1])
	}
	x := exchange.NewPool(nil).Get(c, time.Now())
	if err := h(x); err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	x.Send()
	c.Writer.WriteHeaderNow() // as the engine does
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestHomeIsTheSameForAllAndSmall(t *testing.T) {
	t.Parallel()
	p := newTestPage(t, "A")
	plain := ask(t, p.Home, PagePath)
	html := body(t, plain)
	if !strings.Contains(html, `src="/assets/phone-A.js"`) || strings.Contains(html, "<script>") {
		t.Errorf("not the page, or a script in it:\n%s", html)
	}
	for _, need := range []string{"default-src 'none'", "manifest-src 'self'", "worker-src 'self'", "form-action 'none'"} {
		if csp := plain.Header.Get("Content-Security-Policy"); !strings.Contains(csp, need) {
			t.Errorf("policy %q lacks %q", csp, need)
		}
	}
	packed := ask(t, p.Home, PagePath, "Accept-Encoding", "gzip, br")
	unpacked, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	same, err := io.ReadAll(unpacked)
	if err != nil || string(same) != html {
		t.Errorf("compressed it is another page (%v)", err)
	}
	etag := plain.Header.Get("ETag")
	if again := ask(t, p.Home, PagePath, "If-None-Match", etag); again.StatusCode != http.StatusNotModified || body(t, again) != "" {
		t.Errorf("who has it gets %d", again.StatusCode)
	}
	if next := ask(t, newTestPage(t, "B").Home, PagePath, "If-None-Match", etag); next.StatusCode != http.StatusOK {
		t.Errorf("another build answers %d", next.StatusCode)
	}
}

// shellOf reads what a worker is to keep.
func shellOf(t *testing.T, r *http.Response) (s struct {
	Version, Page string
	Files         []string
}) {
	t.Helper()
	line, script, _ := strings.Cut(body(t, r), ";\n")
	if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "self.shell = ")), &s); err != nil || !strings.Contains(script, "self.shell") {
		t.Fatalf("%v in %s", err, line)
	}
	return s
}

func TestWorkerKeepsAVersion(t *testing.T) {
	t.Parallel()
	p := newTestPage(t, "A")
	r := ask(t, p.Worker, "/m/sw.js")
	if got := r.Header.Get("Service-Worker-Allowed"); got != "/m" {
		t.Errorf("may answer for %q", got)
	}
	a := shellOf(t, r)
	for _, want := range []string{"/m", "/assets/phone-A.js", "/assets/phone-C.css", "/m/icon-192.png", "/m/manifest.webmanifest"} {
		if !slices.Contains(a.Files, want) {
			t.Errorf("does not keep %s", want)
		}
	}
	for _, f := range a.Files {
		if strings.Contains(f, "/api/") {
			t.Errorf("keeps %s", f)
		}
	}
	// The same build, the same bytes; another build, another cache.
	if again := shellOf(t, ask(t, p.Worker, "/m/sw.js", "If-None-Match", r.Header.Get("ETag"))); again.Version != a.Version {
		t.Errorf("version %s, then %s", a.Version, again.Version)
	}
	if b := shellOf(t, ask(t, newTestPage(t, "B").Worker, "/m/sw.js")); b.Version == a.Version {
		t.Error("another build has the same version")
	}
}

func TestManifestNamesIconsThatAreThere(t *testing.T) {
	t.Parallel()
	p := newTestPage(t, "A")
	var m struct {
		StartURL string `json:"start_url"`
		Scope    string
		Icons    []struct{ Src, Sizes, Purpose string }
	}
	if err := json.Unmarshal([]byte(body(t, ask(t, p.Manifest, manifestPath))), &m); err != nil {
		t.Fatal(err)
	}
	if m.StartURL != PagePath || m.Scope != PagePath || len(m.Icons) != len(iconSizes) {
		t.Errorf("manifest %+v", m)
	}
	for _, icon := range m.Icons {
		r := ask(t, p.Icon, icon.Src)
		c, err := png.DecodeConfig(r.Body)
		if err != nil || strings.Split(icon.Sizes, "x")[0] != strings.Split(icon.Sizes, "x")[1] || c.Width != c.Height {
			t.Errorf("%s: %v, %dx%d", icon.Src, err, c.Width, c.Height)
		}
	}
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	c.Request = httptest.NewRequest(http.MethodGet, "/m/icon-0.png", nil)
	if err := p.Icon(exchange.NewPool(nil).Get(c, time.Now())); err != exchange.ErrNoRoute {
		t.Errorf("an icon that is none: %v", err)
	}
}
