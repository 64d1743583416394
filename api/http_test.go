package api

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"unioncard/api/exchange"
	"unioncard/card"
	"unioncard/merchant"
)

// lines is a log that tests read.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newTestServer is a server without a database behind it: enough for what
// happens before a handler.
func newTestServer(t *testing.T, log io.Writer) (*server, *prometheus.Registry) {
	t.Helper()
	keys, err := card.NewKeyring(time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewJSONHandler(log, nil))
	reg := prometheus.NewRegistry()
	return newServer(Deps{
		Merchants: merchant.NewState(time.Now, logger), Keyring: keys, Clock: time.Now,
		Logger: logger, Registerer: reg, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	}), reg
}

// serve answers one request by the routes given instead of the real ones.
func serve(s *server, req *http.Request, routes ...route) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.engine(routes).ServeHTTP(w, req)
	return w
}

func code(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var p struct {
		Code   string
		Status int
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code {
		t.Fatalf("no problem document: %d %s", w.Code, w.Body)
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("Content-Type %q", got)
	}
	return p.Code
}

func TestPanicIsAnsweredAndLogged(t *testing.T) {
	t.Parallel()
	var log lines
	s, _ := newTestServer(t, &log)
	boom := route{method: "GET", path: "/boom", open: true, handle: func(x *exchange.Exchange) error {
		x.Out = append(x.Out, "half an answer"...)
		panic("secret")
	}}
	w := serve(s, httptest.NewRequest("GET", "/boom", nil), boom)
	if got := code(t, w); got != "internal" || strings.Contains(w.Body.String(), "secret") || strings.Contains(w.Body.String(), "half") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "secret") || !strings.Contains(log.String(), "http_test.go") {
		t.Errorf("the panic is not in the log with its stack: %s", log.String())
	}
	// The next request gets a clean exchange.
	w = serve(s, httptest.NewRequest("GET", "/none", nil), boom)
	if got := code(t, w); got != "route_not_found" {
		t.Errorf("after a panic: %s", got)
	}
}

func TestOverloadIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, io.Discard)
	inside, leave := make(chan bool), make(chan bool)
	slow := route{method: "GET", path: "/slow", open: true, gate: &gate{max: 1}, handle: func(*exchange.Exchange) error {
		inside <- true
		<-leave
		return nil
	}}
	done := make(chan int)
	engine := s.engine([]route{slow})
	go func() {
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, httptest.NewRequest("GET", "/slow", nil))
		done <- w.Code
	}()
	<-inside
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, httptest.NewRequest("GET", "/slow", nil))
	if got := code(t, w); got != "overloaded" || w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s %v", w.Code, got, w.Header())
	}
	leave <- true
	if got := <-done; got != 200 {
		t.Errorf("the one inside got %d", got)
	}
	if slow.gate.inside.Load() != 0 {
		t.Error("a place was not given back")
	}
}

func TestTimeoutMeansUnknownForWritesOnly(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, io.Discard)
	wait := func(x *exchange.Exchange) error { <-x.Ctx.Done(); return x.Ctx.Err() }
	for _, c := range []struct {
		writes bool
		want   string
	}{{false, "overloaded"}, {true, "outcome_unknown"}} {
		r := route{method: "GET", path: "/", open: true, handle: wait, timeout: time.Millisecond, writes: c.writes}
		if got := code(t, serve(s, httptest.NewRequest("GET", "/", nil), r)); got != c.want {
			t.Errorf("writes %v: %s, want %s", c.writes, got, c.want)
		}
	}
}

func TestNotFoundAndMethod(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, io.Discard)
	for _, c := range []struct {
		method, path, code string
		status             int
	}{
		{"GET", "/", "route_not_found", 404},
		{"GET", "/v1/verifications/", "route_not_found", 404},
		{"POST", "/V1/verifications", "route_not_found", 404},
		{"GET", "/v1/verifications", "method_not_allowed", 405},
		{"DELETE", "/v1/purchases", "method_not_allowed", 405},
		{"OPTIONS", "/v1/purchases", "method_not_allowed", 405},
	} {
		w := serve(s, httptest.NewRequest(c.method, c.path, nil), s.routes()...)
		if got := code(t, w); got != c.code || w.Code != c.status {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, got)
		}
		if (w.Code == 405) != (w.Header().Get("Allow") != "") {
			t.Errorf("%s %s: Allow %q", c.method, c.path, w.Header().Get("Allow"))
		}
	}
}

// TestEveryRouteNeedsAToken walks all routes.
func TestEveryRouteNeedsAToken(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, io.Discard)
	open := map[string]bool{
		"POST /v1/terminals/activate": true, "POST /oauth/token": true,
		"GET /openapi.yaml": true, "GET /docs": true, "GET /docs/style.css": true,
	}
	for _, r := range s.routes() {
		if r.open != open[r.name()] {
			t.Errorf("%s: open %v", r.name(), r.open)
		}
		if r.open {
			continue
		}
		for _, header := range []string{"", "Bearer", "Bearer ", "Bearer x", "Basic eDp5", "bearer a.b.c"} {
			req := httptest.NewRequest(r.method, strings.ReplaceAll(r.path, ":id", "0"), strings.NewReader("{}"))
			req.Header.Set("Content-Type", string(r.media))
			if header != "" {
				req.Header.Set("Authorization", header)
			}
			w := serve(s, req, s.routes()...)
			if got := code(t, w); got != "unauthorized" || w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s with %q: %d %s", r.name(), header, w.Code, got)
			}
		}
	}
}

// untouched is a body that must not be read.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.t.Error("a body that is too large by its own word was read")
	return 0, io.EOF
}

// TestEveryBodyIsBounded walks all routes that take one.
func TestEveryBodyIsBounded(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, io.Discard)
	for _, r := range s.routes() {
		if r.media == exchange.NoBody {
			if r.method == "POST" {
				t.Errorf("%s takes no body", r.name())
			}
			continue
		}
		if r.body <= 0 || r.body > 4<<20 || r.timeout <= 0 || r.gate == nil {
			t.Errorf("%s: body %d, timeout %v, gate %v", r.name(), r.body, r.timeout, r.gate)
		}
		reached := false
		r.handle = func(*exchange.Exchange) error { reached = true; return nil }
		r.open = true
		for _, c := range []struct {
			size     int
			declared bool
			media    string
			want     string
		}{
			{r.body, true, string(r.media), ""},
			{r.body, false, string(r.media), ""},
			{r.body + 1, true, string(r.media), "body_too_large"},
			{r.body + 1, false, string(r.media), "body_too_large"},
			{10 << 20, false, string(r.media), "body_too_large"},
			{2, true, string(r.media) + "; charset=UTF-8", ""},
			{2, true, string(r.media) + "; charset=gbk", "unsupported_media_type"},
			{2, true, "text/plain", "unsupported_media_type"},
			{2, true, "", "unsupported_media_type"},
		} {
			reached = false
			req := httptest.NewRequest(r.method, strings.ReplaceAll(r.path, ":id", "0"), strings.NewReader(strings.Repeat(" ", c.size)))
			req.Header.Set("Content-Type", c.media)
			if !c.declared {
				req.ContentLength = -1
			}
			w := serve(s, req, r)
			if c.want == "" && !reached || c.want != "" && (reached || code(t, w) != c.want) {
				t.Errorf("%s with %d bytes of %q: %d %s", r.name(), c.size, c.media, w.Code, w.Body)
			}
		}
		req := httptest.NewRequest(r.method, strings.ReplaceAll(r.path, ":id", "0"), untouched{t})
		req.Header.Set("Content-Type", string(r.media))
		req.ContentLength = int64(r.body) + 1
		if got := code(t, serve(s, req, r)); got != "body_too_large" {
			t.Errorf("%s with a large body declared: %s", r.name(), got)
		}
		req = httptest.NewRequest(r.method, strings.ReplaceAll(r.path, ":id", "0"), strings.NewReader("{}"))
		req.Header.Set("Content-Type", string(r.media))
		req.Header.Set("Content-Encoding", "gzip")
		if got := code(t, serve(s, req, r)); got != "unsupported_media_type" {
			t.Errorf("%s compressed: %s", r.name(), got)
		}
	}
}
