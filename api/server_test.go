package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"unioncard/api/exchange"
)

func TestLogRecordsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	var log lines
	s, reg := newTestServer(t, &log)
	req := httptest.NewRequest("POST", "/v1/verifications?key=topsecret", strings.NewReader(`{"code":"41000000000000000000"}`))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer topsecret")
	req.Header.Set("X-Request-Id", "till-1.7")
	w := serve(s, req, s.routes()...)
	if got := w.Header().Get("X-Request-Id"); got != "till-1.7" {
		t.Errorf("X-Request-Id %q", got)
	}
	records := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(records) != 1 {
		t.Fatalf("%d records: %v", len(records), records)
	}
	var rec map[string]any
	if err := json.Unmarshal([]byte(records[0]), &rec); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"msg": "request", "route": "POST /v1/verifications", "request_id": "till-1.7", "status": 401.0, "outcome": "unauthorized",
	} {
		if rec[key] != want {
			t.Errorf("%s: %v, want %v", key, rec[key], want)
		}
	}
	if strings.Contains(log.String(), "topsecret") || strings.Contains(log.String(), "4100000") || strings.Contains(log.String(), "192.0.2.1") {
		t.Errorf("the record holds what it must not: %s", log.String())
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var counted uint64
	for _, f := range families {
		if f.GetName() != "unioncard_http_request_seconds" {
			continue
		}
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == "unauthorized" && m.GetLabel()[1].GetValue() == "POST /v1/verifications" {
				counted = m.GetHistogram().GetSampleCount()
			}
		}
	}
	if counted != 1 {
		t.Errorf("counted %d", counted)
	}
}

func TestClientAddr(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"203.0.113.7:1", nil, "203.0.113.7"},
		{"203.0.113.7:1", []string{"1.1.1.1"}, "203.0.113.7"},
		{"10.0.0.1:1", []string{"1.1.1.1"}, "1.1.1.1"},
		{"10.0.0.1:1", []string{"6.6.6.6, 1.1.1.1, 10.2.3.4"}, "1.1.1.1"},
		{"10.0.0.1:1", []string{"6.6.6.6", "1.1.1.1"}, "1.1.1.1"},
		{"10.0.0.1:1", []string{"6.6.6.6, nonsense"}, "10.0.0.1"},
		{"10.0.0.1:1", nil, "10.0.0.1"},
		{"[fd00::1]:1", []string{"2001:db8::1"}, "2001:db8::1"},
		{"[::ffff:10.0.0.1]:1", []string{"::ffff:1.1.1.1"}, "1.1.1.1"},
	} {
		req := httptest.NewRequest("GET", "/", nil)
		req.RemoteAddr = c.peer
		for _, f := range c.forwarded {
			req.Header.Add("X-Forwarded-For", f)
		}
		if got := clientAddr(req, trusted).String(); got != c.want {
			t.Errorf("%s %v: %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
}

// TestPeerOfConnection: over a real server the address is the connection's, read
// once, and the Date header is this second's though it is made once for all.
func TestPeerOfConnection(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, io.Discard)
	seen := make(chan netip.Addr, 1)
	server := NewServer("", s.engine([]route{{method: "GET", path: "/peer", open: true, handle: func(x *exchange.Exchange) error {
		if x.Gin.Request.Context().Value(peerKey{}) == nil {
			t.Error("the connection's address is not at hand")
		}
		seen <- x.Addr
		return nil
	}}}))
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		ln, err := net.Listen("tcp", at)
		if err != nil {
			t.Logf("%s: %v", at, err)
			continue
		}
		go func() { _ = server.Serve(ln) }()
		for range 2 {
			res, err := http.Get("http://" + ln.Addr().String() + "/peer")
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if got, want := <-seen, netip.MustParseAddrPort(ln.Addr().String()).Addr(); got != want {
				t.Errorf("%v, want %v", got, want)
			}
			date, err := http.ParseTime(res.Header.Get("Date"))
			if err != nil || time.Since(date) > 2*time.Second || len(res.Header["Date"]) != 1 {
				t.Errorf("Date %q: %v", res.Header["Date"], err)
			}
		}
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	var d dateHeader
	at := time.Date(2026, 6, 1, 1, 59, 59, 999, time.FixedZone("", 7200))
	if got := d.at(at)[0] + "|" + d.at(at.Add(time.Second))[0]; got != "Sun, 31 May 2026 23:59:59 GMT|Mon, 01 Jun 2026 00:00:00 GMT" {
		t.Error(got)
	}
}

// TestServerLimits speaks to a real server over a socket.
func TestServerLimits(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, io.Discard)
	server := NewServer("", s.engine(s.routes()))
	for what, d := range map[string]time.Duration{
		"header": server.ReadHeaderTimeout, "read": server.ReadTimeout, "write": server.WriteTimeout, "idle": server.IdleTimeout,
	} {
		if d <= 0 {
			t.Errorf("no %s timeout", what)
		}
	}
	server.ReadTimeout = 50 * time.Millisecond
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()
	exchange := func(request string) string {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(line)
	}
	long := "GET /docs HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n"
	if got := exchange(long); got != "HTTP/1.1 431 Request Header Fields Too Large" {
		t.Errorf("64 KiB of headers: %s", got)
	}
	// A body that never arrives ends with the read timeout, not with the process.
	lost := "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\na="
	if got := exchange(lost); got != "HTTP/1.1 408 Request Timeout" {
		t.Errorf("half a body: %s", got)
	}
	if err := server.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	var down error
	h := NewAdmin(AdminDeps{Gatherer: reg, Probes: []Probe{
		{"view", func(context.Context) error { return nil }},
		{"database", func(context.Context) error { return down }},
	}})
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w
	}
	for _, path := range []string{"/metrics", "/healthz", "/debug/pprof/", "/readyz"} {
		if w := get(path); w.Code != 200 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	down = errors.New("connection refused")
	w := get("/readyz")
	if want := `{"status":"not ready","checks":{"view":"ok","database":"connection refused"}}`; w.Code != 503 || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get("/healthz"); w.Code != 200 {
		t.Errorf("/healthz with the database away: %d", w.Code)
	}
}

// lasting notes how long a connection is given.
type lasting struct {
	*httptest.ResponseRecorder
	read, write time.Time
}

func (l *lasting) SetReadDeadline(t time.Time) error  { l.read = t; return nil }
func (l *lasting) SetWriteDeadline(t time.Time) error { l.write = t; return nil }

// TestLongRoutesLast: an upload over a slow line, and what takes longer than most,
// is not cut off by the server's limits before the route's own.
func TestLongRoutesLast(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, io.Discard)
	ok := func(*exchange.Exchange) error { return nil }
	for path, r := range map[string]route{
		"/long":  {timeout: longTime},
		"/short": {timeout: pageTime},
	} {
		r.method, r.path, r.handle, r.media, r.body, r.open = http.MethodPost, path, ok, exchange.MediaForm, smallBody, true
		req := httptest.NewRequest(r.method, path, strings.NewReader("a=b"))
		req.Header.Set("Content-Type", string(exchange.MediaForm))
		w := &lasting{ResponseRecorder: httptest.NewRecorder()}
		before := time.Now()
		s.engine([]route{r}).ServeHTTP(w, req)
		long := path == "/long"
		if w.Code != http.StatusOK || !w.read.IsZero() != long || !w.write.IsZero() != long ||
			long && (w.read.Before(before.Add(longTime)) || !w.write.After(w.read)) {
			t.Errorf("%s: %d, reads until %v, writes until %v", path, w.Code, w.read, w.write)
		}
	}
}
