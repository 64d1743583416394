package page_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gin-gonic/gin"

	"unioncard/api/exchange"
	"unioncard/api/page"
)

func dist() fstest.MapFS {
	return fstest.MapFS{
		"dist/.gitkeep":        {},
		"dist/manifest.json":   {Data: []byte(`{"console.js": "console-AB12.js", "open.css": "open-CD34.css"}`)},
		"dist/console-AB12.js": {Data: []byte("plain")}, "dist/console-AB12.js.br": {Data: []byte("brotli")}, "dist/console-AB12.js.gz": {Data: []byte("gzip")},
		"dist/open-CD34.css": {Data: []byte("body{}")},
		"dist/chunk-EF56.js": {Data: []byte("chunk")},
		"dist/odd.exe":       {Data: []byte("MZ")},
	}
}

func fetchAsset(t *testing.T, a *page.Assets, name string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	c, _ := gin.CreateTestContext(w)
	c.Request = httptest.NewRequest(http.MethodGet, "/assets/x", nil)
	c.Request.Header = header
	c.Params = gin.Params{{Key: "name", Value: "/" + name}}
	x := exchange.NewPool(nil).Get(c, noon)
	if err := a.Serve(x); err != nil {
		w.Code = http.StatusNotFound
		return w
	}
	x.Send()
	w.Code = c.Writer.Status() // gin's recorder notes none without a body
	return w
}

func TestAssets(t *testing.T) {
	t.Parallel()
	a, err := page.NewAssets(dist())
	if err != nil {
		t.Fatal(err)
	}
	if !a.Built() || a.URL("console.js") != "/assets/console-AB12.js" || a.URL("other.js") != "" {
		t.Errorf("built %v, console.js at %q, other.js at %q", a.Built(), a.URL("console.js"), a.URL("other.js"))
	}
	for _, test := range []struct{ name, accept, body, kind, coding string }{
		{"console-AB12.js", "", "plain", "text/javascript; charset=utf-8", ""},
		{"console-AB12.js", "gzip, deflate, br", "brotli", "text/javascript; charset=utf-8", "br"},
		{"console-AB12.js", "gzip", "gzip", "text/javascript; charset=utf-8", "gzip"},
		{"console-AB12.js", "br;q=0, gzip;q=0.5", "gzip", "text/javascript; charset=utf-8", "gzip"},
		{"console-AB12.js", "br;q=0", "plain", "text/javascript; charset=utf-8", ""},
		{"open-CD34.css", "br", "body{}", "text/css; charset=utf-8", ""},
		{"chunk-EF56.js", "br", "chunk", "text/javascript; charset=utf-8", ""},
	} {
		w := fetchAsset(t, a, test.name, http.Header{"Accept-Encoding": {test.accept}})
		h := w.Header()
		if w.Body.String() != test.body || h.Get("Content-Type") != test.kind || h.Get("Content-Encoding") != test.coding {
			t.Errorf("%s for %q: %q of %s in %q", test.name, test.accept, w.Body, h.Get("Content-Type"), h.Get("Content-Encoding"))
		}
		if h.Get("Cache-Control") != "public, max-age=31536000, immutable" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: headers %v", test.name, h)
		}
		again := fetchAsset(t, a, test.name, http.Header{"If-None-Match": {h.Get("ETag")}})
		if again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s again: %d, %d bytes", test.name, again.Code, again.Body.Len())
		}
	}
	// Nothing but what the build made, by exactly its name.
	for _, name := range []string{
		"", ".gitkeep", "manifest.json", "odd.exe", "console-AB12.js.br", "console-AB12.js.gz", "../web.go", "../../etc/passwd",
		"..%2fmanifest.json", "/console-AB12.js", "./console-AB12.js", "x/../console-AB12.js", "CONSOLE-AB12.js", "console-AB12.js\x00",
	} {
		if w := fetchAsset(t, a, name, http.Header{}); w.Code != http.StatusNotFound {
			t.Errorf("%q was served: %q", name, w.Body)
		}
	}
}

func TestAssetsNotBuilt(t *testing.T) {
	t.Parallel()
	a, err := page.NewAssets(fstest.MapFS{"dist/.gitkeep": {}})
	if err != nil || a.Built() || a.URL("console.js") != "" {
		t.Errorf("%+v, %v", a, err)
	}
	broken := dist()
	delete(broken, "dist/console-AB12.js")
	if _, err := page.NewAssets(broken); err == nil {
		t.Error("a manifest that names what is not there was taken")
	}
	broken["dist/manifest.json"] = &fstest.MapFile{Data: []byte("{")}
	if _, err := page.NewAssets(broken); err == nil {
		t.Error("a broken manifest was taken")
	}
}

// TestNoForeignCode: libraries are named with their versions, and none is in the
// repository; nor does the lock file say where one of us got them.
func TestNoForeignCode(t *testing.T) {
	t.Parallel()
	const root = "../.."
	out, err := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files", "-z").Output()
	if err != nil {
		t.Fatal(err)
	}
	foreign := regexp.MustCompile(`(^|/)(node_modules|vendor|third_party)/|\.min\.(js|css)$|\.(woff2?|ttf|otf|eot)$|^web/dist/[^.]`)
	for name := range strings.SplitSeq(string(out), "\x00") {
		if foreign.MatchString(filepath.ToSlash(name)) {
			t.Errorf("%s is in the repository", name)
		}
	}
	manifest, lock := readFile(t, root+"/web/package.json"), readFile(t, root+"/web/package-lock.json")
	if bad := regexp.MustCompile(`"resolved"|registry`).FindString(lock); bad != "" {
		t.Errorf("the lock file holds %s", bad)
	}
	if !strings.Contains(lock, `"integrity": "sha512-`) {
		t.Error("the lock file holds no sums")
	}
	_, needs, _ := strings.Cut(manifest, `"dependencies"`)
	for _, m := range regexp.MustCompile(`"([@\w./-]+)": "([^"]+)"`).FindAllStringSubmatch(needs, -1) {
		if !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(m[2]) {
			t.Errorf("%s is wanted as %s, not as one version", m[1], m[2])
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
