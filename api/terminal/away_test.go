package terminal_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// line is the network to the database, which a test can cut.
type line struct {
	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

// through makes a pool to the same database that goes over the line.
func (l *line) through(t testing.TB, pool *pgxpool.Pool) *pgxpool.Pool {
	t.Helper()
	cfg := pool.Config()
	cfg.ConnConfig.DialFunc = l.dial
	over, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(over.Close)
	return over
}

func (l *line) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && l.cut {
		_ = conn.Close() // only the refusal matters
		err = &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	if err != nil {
		return nil, err
	}
	l.conns = append(l.conns, conn)
	return conn, nil
}

// set cuts the line, and every connection over it, or mends it.
func (l *line) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	for _, c := range l.conns {
		_ = c.Close() // some were closed long ago
	}
	l.conns = nil
}

// TestDatabaseAway: whatever needs the database says to come again later, with a
// time; nothing becomes an internal error, and afterwards everything works.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	bought := till.buy(5000)
	c := r.newCard()
	quote := till.quote(r.phone(c, 0), 5000)
	fresh, err := r.shops.IssueActivationCode(r.ctx, byCLI, r.outlet)
	r.must(err)
	path := "/v1/purchases/" + bought.text("id")
	who := object{"operator": "09", "reason": "退货"}
	later := func(what string, a *answer) {
		t.Helper()
		if a.status != http.StatusServiceUnavailable || a.json["code"] != "overloaded" || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s, Retry-After %q", what, a.status, a.raw, a.header.Get("Retry-After"))
		}
	}

	r.line.set(true)
	// A phone code needs no database, and never did.
	till.post("/v1/verifications", object{"code": r.phone(c, 0)}).is(200)
	later("token", r.tokenFor(till.assertion(nil)))
	later("activate", r.send(request{method: "POST", path: "/v1/terminals/activate",
		body: object{"code": fresh.Code, "public_key": encodeKey(make([]byte, 32))}}))
	later("typed number", till.post("/v1/verifications", object{"code": fmt.Sprint(c.Number)}))
	later("by id", till.get(path))
	later("by key", till.get("/v1/purchases?key="+bought.text("key")))
	later("void", till.postKey(path+"/void", r.key(), who))
	later("refund", till.postKey(path+"/refunds", r.key(), object{"amount_fen": 1, "operator": "09", "reason": "退货"}))
	later("reversal", till.post("/v1/reversals", object{"key": bought.text("key")}))
	entry := till.post("/v1/verifications/batch", object{"verifications": []object{{"code": fmt.Sprint(c.Number)}}}).is(200)
	if p := entry.at("results").([]any)[0].(object); p["status"] != 503.0 {
		t.Errorf("typed number in a batch: %v", p)
	}
	r.line.set(false)

	till.renew()
	r.activate(fresh.Code)
	till.postKey("/v1/purchases", r.key(), object{"quote": quote}).is(201)
	till.postKey(path+"/void", r.key(), who).is(200)
}
