package drive

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"unioncard/loadtest/wire"
)

// fixed sends the same request for ever, or a number of times.
type fixed struct {
	request []byte
	want    int
	left    int // < 0: for ever
	answers int
}

func (f *fixed) Request(dst []byte, _ int) ([]byte, bool) {
	if f.left == 0 {
		return dst, false
	}
	f.left--
	return append(dst, f.request...), true
}

func (f *fixed) Answer(_ int, a wire.Answer, _ time.Duration) bool {
	f.answers++
	return a.Status == f.want
}

func serve(t *testing.T, h http.HandlerFunc) (addr string) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

func get(addr string) []byte { return wire.AppendRequest(nil, "GET", "/", addr, nil, nil) }

func TestClosedLoop(t *testing.T) {
	t.Parallel()
	addr := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	src := &fixed{request: get(addr), want: 200, left: -1}
	res, err := Run(Options{Addr: addr, Conns: 8, Duration: 200 * time.Millisecond}, src)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Valid(); err != nil {
		t.Error(err)
	}
	if res.Done < 50 || res.Elapsed != 200*time.Millisecond || src.answers > res.Done+8 {
		t.Errorf("done %d of %d answers in %v", res.Done, src.answers, res.Elapsed)
	}
}

// TestExhausted: a closed loop ends with its source, and its rate counts the time
// until then.
func TestExhausted(t *testing.T) {
	t.Parallel()
	addr := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) })
	src := &fixed{request: get(addr), want: 201, left: 100}
	res, err := Run(Options{Addr: addr, Conns: 4, Duration: time.Minute}, src)
	if err != nil {
		t.Fatal(err)
	}
	if src.answers != 100 || res.Done < 96 || res.Elapsed > 30*time.Second {
		t.Errorf("answers %d, done %d, elapsed %v", src.answers, res.Done, res.Elapsed)
	}
}

// TestStallShows is the proof against coordinated omission: a server that stands
// still once, for 300 ms, delays every arrival of that time, not one a connection.
func TestStallShows(t *testing.T) {
	t.Parallel()
	const (
		rate  = 1000.0
		stall = 300 * time.Millisecond
	)
	var n atomic.Int64
	gate := make(chan struct{})
	addr := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 300 {
			time.AfterFunc(stall, func() { close(gate) })
		}
		if n.Load() >= 300 {
			<-gate
		}
	})
	src := &fixed{request: get(addr), want: 200, left: -1}
	res, err := Run(Options{Addr: addr, Conns: 4, Duration: time.Second, Schedule: Uniform(rate)}, src)
	if err != nil {
		t.Fatal(err)
	}
	if res.Done != 1000 {
		t.Errorf("done %d, want every arrival of the schedule", res.Done)
	}
	// About 300 arrivals fell into the stall; a client that waits for its answers
	// before it looks at the clock would have seen 4 slow ones.
	slow := 0
	for _, b := range res.Latency.Distribution() {
		if time.Duration(b.From)*time.Microsecond >= stall/3 {
			slow += int(b.Count)
		}
	}
	if slow < 150 || slow > 400 {
		t.Errorf("%d arrivals waited over %v, want about 200", slow, stall/3)
	}
	if p99 := res.Quantile(99); p99 < stall*8/10 {
		t.Errorf("p99 = %v, want about %v", p99, stall)
	}
}

// TestDeadServerIsCharged: what is never answered counts as an error with the time
// it waited, also what could not even be sent.
func TestDeadServerIsCharged(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	addr := serve(t, func(http.ResponseWriter, *http.Request) { <-done })
	t.Cleanup(func() { close(done) })
	src := &fixed{request: get(addr), want: 200, left: -1}
	res, err := Run(Options{
		Addr: addr, Conns: 2, Duration: 100 * time.Millisecond, Schedule: Uniform(1000), Drain: 200 * time.Millisecond,
	}, src)
	if err != nil {
		t.Fatal(err)
	}
	if res.Done != 0 || res.Errors != 100 || res.Latency.TotalCount() != 100 {
		t.Errorf("done %d, errors %d, in histogram %d; want 0, 100, 100", res.Done, res.Errors, res.Latency.TotalCount())
	}
	if low := res.Quantile(0); low < 190*time.Millisecond {
		t.Errorf("least latency %v, want the whole wait", low)
	}
	if res.Valid() == nil {
		t.Error("a run without answers is valid")
	}
}

// TestUnexpectedStatusVoids: a server does not look fast by refusing.
func TestUnexpectedStatusVoids(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	addr := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%100 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	src := &fixed{request: get(addr), want: 200, left: 1000}
	res, err := Run(Options{Addr: addr, Conns: 4, Duration: time.Minute}, src)
	if err != nil {
		t.Fatal(err)
	}
	if res.Errors != 10 || res.Status[503] != 10 || res.Valid() == nil {
		t.Errorf("errors %d, statuses %v, valid: %v", res.Errors, res.Status, res.Valid())
	}
}

// TestClosingServer: an answer with Connection: close opens a new connection; one
// that is cut off counts as an error.
func TestClosingServer(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	addr := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		switch n.Add(1) % 10 {
		case 3:
			w.Header().Set("Connection", "close")
		case 7:
			panic(http.ErrAbortHandler)
		}
	})
	src := &fixed{request: get(addr), want: 200, left: 100}
	res, err := Run(Options{Addr: addr, Conns: 3, Duration: time.Minute}, src)
	if err != nil {
		t.Fatal(err)
	}
	if src.answers != 100 || res.Status[0] != 10 || res.Status[200] != 90 {
		t.Errorf("answers %d, statuses %v", src.answers, res.Status)
	}
}

// TestLargeBodies: requests and answers that do not fit the socket at once.
func TestLargeBodies(t *testing.T) {
	t.Parallel()
	addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(w, r.Body); err != nil {
			panic(err)
		}
	})
	body := []byte(strings.Repeat("0123456789abcdef", 1<<18)) // 4 MB
	src := &fixed{request: wire.AppendRequest(nil, "POST", "/", addr, nil, body), want: 200, left: 20}
	check := &sized{fixed: src, want: len(body)}
	if _, err := Run(Options{Addr: addr, Conns: 3, Duration: time.Minute}, check); err != nil {
		t.Fatal(err)
	}
	if src.answers != 20 || check.wrong != 0 {
		t.Errorf("answers %d, %d of the wrong size", src.answers, check.wrong)
	}
}

type sized struct {
	*fixed
	want, wrong int
}

func (s *sized) Answer(conn int, a wire.Answer, d time.Duration) bool {
	if len(a.Body) != s.want {
		s.wrong++
	}
	return s.fixed.Answer(conn, a, d)
}

// TestSchedules: never decreasing, at the asked rate, and the same for one seed.
func TestSchedules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(10, 100000).Draw(t, "rate")
		seed := rapid.Uint64().Draw(t, "seed")
		const n = 4000
		for name, pair := range map[string][2]Schedule{
			"uniform": {Uniform(rate), Uniform(rate)},
			"poisson": {Poisson(rate, seed), Poisson(rate, seed)},
		} {
			var last time.Duration
			for range n {
				a, b := pair[0].Next(), pair[1].Next()
				if a != b || a < last {
					t.Fatalf("%s: %v after %v, twin %v", name, a, last, b)
				}
				last = a
			}
			if got := n / last.Seconds(); got < rate*0.9 || got > rate*1.1 {
				t.Fatalf("%s: %.0f a second, want %.0f", name, got, rate)
			}
		}
	})
}

// BenchmarkRequest shows that a request allocates nothing in the client.
func BenchmarkRequest(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	addr := srv.Listener.Addr().String()
	src := &fixed{request: get(addr), want: 200, left: b.N}
	if _, err := Run(Options{Addr: addr, Conns: 64, Duration: time.Hour}, src); err != nil {
		b.Fatal(err)
	}
}

// perConn gives connection i its own number of requests.
type perConn struct {
	*fixed
	left []int
}

func (p *perConn) Request(dst []byte, conn int) ([]byte, bool) {
	if p.left[conn] == 0 {
		return dst, false
	}
	p.left[conn]--
	return append(dst, p.request...), true
}

// TestUnequalWork: the first connection without work ends the measured time, but
// the others still send all of theirs.
func TestUnequalWork(t *testing.T) {
	t.Parallel()
	addr := serve(t, func(http.ResponseWriter, *http.Request) {})
	src := &perConn{fixed: &fixed{request: get(addr), want: 200}, left: []int{5, 50, 500}}
	res, err := Run(Options{Addr: addr, Conns: 3, Duration: time.Minute}, src)
	if err != nil {
		t.Fatal(err)
	}
	if src.answers != 555 || res.Done >= 400 {
		t.Errorf("%d answers, %d measured", src.answers, res.Done)
	}
}
