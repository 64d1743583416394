package fault

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"unioncard/loadtest/wire"
)

// server counts the requests that arrived whole.
func server(t *testing.T) (addr string, arrived *atomic.Int64) {
	t.Helper()
	arrived = new(atomic.Int64)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived.Add(1)
		fmt.Fprint(w, "a definite answer")
	}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String(), arrived
}

func proxy(t *testing.T, target string, f Faults) *Proxy {
	t.Helper()
	p, err := Listen(target, 7, f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// ask sends one request on a new connection.
func ask(t *testing.T, addr string) (string, error) {
	t.Helper()
	c, err := wire.Dial(addr, time.Second)
	if err != nil {
		return "", err // refused so fast that the dial sees it
	}
	defer c.Close()
	a, err := c.Do(wire.AppendRequest(nil, "GET", "/", addr, nil, nil), 5*time.Second)
	return string(a.Body), err
}

func TestHealthyProxyForwards(t *testing.T) {
	t.Parallel()
	addr, _ := server(t)
	p := proxy(t, addr, Faults{})
	for range 20 {
		if body, err := ask(t, p.Addr()); err != nil || body != "a definite answer" {
			t.Fatalf("%q, %v", body, err)
		}
	}
}

// TestDropAnswer: the request arrives, the answer does not.
func TestDropAnswer(t *testing.T) {
	t.Parallel()
	addr, arrived := server(t)
	p := proxy(t, addr, Faults{DropAnswer: 1})
	for range 10 {
		if body, err := ask(t, p.Addr()); err == nil {
			t.Fatalf("got the answer %q", body)
		}
	}
	if arrived.Load() != 10 || p.Counts().DroppedAnswers != 10 {
		t.Errorf("%d requests arrived, %d answers dropped; want 10 and 10", arrived.Load(), p.Counts().DroppedAnswers)
	}
	p.Set(Faults{})
	if _, err := ask(t, p.Addr()); err != nil {
		t.Errorf("healed proxy: %v", err)
	}
}

// TestCutRequest: half of a request must not count as one.
func TestCutRequest(t *testing.T) {
	t.Parallel()
	addr, arrived := server(t)
	p := proxy(t, addr, Faults{CutRequest: 1})
	if _, err := ask(t, p.Addr()); err == nil {
		t.Error("got an answer to half a request")
	}
	if arrived.Load() != 0 || p.Counts().CutRequests != 1 {
		t.Errorf("%d requests arrived, %d cut", arrived.Load(), p.Counts().CutRequests)
	}
}

// TestCutAnswer: half an answer is no answer for the client.
func TestCutAnswer(t *testing.T) {
	t.Parallel()
	addr, arrived := server(t)
	p := proxy(t, addr, Faults{CutAnswer: 1})
	if body, err := ask(t, p.Addr()); err == nil {
		t.Errorf("took half an answer for %q", body)
	}
	if arrived.Load() != 1 {
		t.Errorf("%d requests arrived", arrived.Load())
	}
}

func TestDelayAndRefusal(t *testing.T) {
	t.Parallel()
	addr, _ := server(t)
	p := proxy(t, addr, Faults{Delay: 1, MaxDelay: 5 * time.Millisecond})
	if body, err := ask(t, p.Addr()); err != nil || body != "a definite answer" {
		t.Errorf("%q, %v", body, err)
	}
	if p.Counts().Delays == 0 {
		t.Error("no delay counted")
	}
	dead := proxy(t, "127.0.0.1:1", Faults{})
	if _, err := ask(t, dead.Addr()); err == nil {
		t.Error("an answer from nobody")
	}
}

func TestCutAll(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	reached := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(reached)
		<-hold
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { close(hold) })
	p := proxy(t, srv.Listener.Addr().String(), Faults{})
	failed := make(chan error, 1)
	go func() {
		_, err := ask(t, p.Addr())
		failed <- err
	}()
	<-reached
	p.CutAll()
	if err := <-failed; err == nil {
		t.Error("an answer over a cut connection")
	}
}

// TestSameSeedSameFaults: the faults of connection n depend on seed and n alone.
func TestSameSeedSameFaults(t *testing.T) {
	t.Parallel()
	addr, _ := server(t)
	outcome := func() (s string) {
		p := proxy(t, addr, Faults{DropAnswer: 0.5})
		for range 24 {
			if _, err := ask(t, p.Addr()); err != nil {
				s += "x"
			} else {
				s += "."
			}
		}
		return s
	}
	if a, b := outcome(), outcome(); a != b {
		t.Errorf("two runs of one seed differ:\n%s\n%s", a, b)
	}
}
