package main

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unioncard/loadtest/drive"
	"unioncard/loadtest/proc"
	"unioncard/loadtest/till"
	"unioncard/loadtest/wire"
)

var basket = []till.Item{
	{SKU: "6901234567892", Category: "food", QtyMilli: 2000, UnitPriceFen: 350, AmountFen: 700},
	{SKU: "6901234567893", Category: "food", QtyMilli: 1000, UnitPriceFen: 1280, AmountFen: 1280},
}

func stands() []till.Stand {
	s := make([]till.Stand, 4)
	for i := range s {
		s[i] = till.Stand{Token: "t", Basket: till.FiveLines(basket), Codes: []string{"41000000000000000001", "41000000000000000002"}}
	}
	return s
}

// start serves a baseline in this process.
func start(t *testing.T, name string, c config) (addr string) {
	t.Helper()
	h, closer, err := handler(t.Context(), name, c)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(func() {
		srv.Close()
		closer()
	})
	return srv.Listener.Addr().String()
}

// TestBaselinesAnswer drives every baseline as the bench does.
func TestBaselinesAnswer(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "baseline-test-") // short: a socket's path has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	pg, err := proc.StartPostgres(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pg.Stop)
	redis, redisAddr, err := proc.StartRedis(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { redis.Stop(syscall.SIGTERM) })
	c := config{redis: redisAddr, postgres: pg.DSN()}
	for _, name := range []string{"bare", "redis", "select", "insert"} {
		addr := start(t, name, c)
		var src drive.Source
		if name == "insert" {
			src = till.NewPurchases(addr, name, stands(), [][]string{{"q1", "q2"}, {"q3", "q4"}, {"q5", "q6"}, {"q7", "q8"}})
		} else if src, err = till.NewVerifications(addr, stands()); err != nil {
			t.Fatal(err)
		}
		res, err := drive.Run(drive.Options{Addr: addr, Conns: 4, Duration: 100 * time.Millisecond}, src)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Valid(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestInsertOnce: the unique index refuses a key's second purchase.
func TestInsertOnce(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "baseline-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	pg, err := proc.StartPostgres(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pg.Stop)
	addr := start(t, "insert", config{postgres: pg.DSN(), pool: 2})
	c, err := wire.Dial(addr, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	req := wire.AppendRequest(nil, "POST", "/v1/purchases", addr, []wire.Header{till.Key("k")}, till.AppendPurchase(nil, "q", basket))
	for _, want := range []int{201, 409} {
		a, err := c.Do(req, 5*time.Second)
		if err != nil || a.Status != want {
			t.Fatalf("status %d, %v; want %d: %s", a.Status, err, want, a.Body)
		}
	}
}

// TestSampleIsEncodedWhole: the answer that the bench hands in comes out again, and
// one with a member that the baseline doesn't know is refused, so that it can't
// answer with less than we do.
func TestSampleIsEncodedWhole(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/answer.json"
	write := func(s string) {
		if err := os.WriteFile(path, []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in := strings.Replace(builtinAnswer, `"as_of":{`, `"as_of":{"stale":false,`, 1)
	write(in)
	addr := start(t, "bare", config{answer: path})
	c, err := wire.Dial(addr, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	a, err := c.Do(wire.AppendRequest(nil, "POST", "/v1/verifications", addr, nil, till.AppendVerification(nil, "41", basket)), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := json.Unmarshal([]byte(in), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(a.Body, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	write(strings.Replace(in, `"stale"`, `"new_member"`, 1))
	if _, err := loadSample(path); err == nil {
		t.Error("an unknown member was dropped silently")
	}
}
