package api

import (
	"io"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"unioncard/api/exchange"
)

// TestGatesStandApart fills each gate and sees who is turned away: nobody but
// the routes that share it. Strangers, who need no token to ask for one, thus
// never keep a till from selling.
func TestGatesStandApart(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, io.Discard)
	for _, c := range []struct {
		name string
		gate *gate
		max  int
		want []string
	}{
		{"opening", s.opening, 64, []string{"POST /v1/terminals/activate", "POST /oauth/token"}},
		{"verifying", s.verifying, 512, []string{"POST /v1/verifications"}},
		{"batches", s.batches, 4 * runtime.GOMAXPROCS(0), []string{"POST /v1/verifications/batch"}},
		{"writing", s.writing, 4096, []string{"POST /v1/purchases"}},
		{"desk", s.desk, 256, []string{
			"GET /v1/purchases", "GET /v1/purchases/today", "GET /v1/purchases/:id", "POST /v1/purchases/:id/void",
			"POST /v1/purchases/:id/refunds", "POST /v1/reversals",
		}},
	} {
		inside := 0
		for c.gate.enter() {
			inside++
		}
		if inside != c.max {
			t.Errorf("%s: %d inside at once, want %d", c.name, inside, c.max)
		}
		var turned []string
		for _, r := range s.routes() {
			r.open = true
			r.handle = func(*exchange.Exchange) error { return nil }
			req := httptest.NewRequest(r.method, strings.ReplaceAll(r.path, ":id", "0"), strings.NewReader("{}"))
			req.Header.Set("Content-Type", string(r.media))
			if w := serve(s, req, r); w.Code == 503 && code(t, w) == "overloaded" {
				turned = append(turned, r.name())
			} else if w.Code != 200 {
				t.Errorf("%s full: %s answers %d %s", c.name, r.name(), w.Code, w.Body)
			}
		}
		if diff := cmp.Diff(c.want, turned); diff != "" {
			t.Errorf("%s full (-want turned away +got)\n%s", c.name, diff)
		}
		for range inside {
			c.gate.leave()
		}
	}
}
