package webhook_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"unioncard/settlement/webhook"
)

// TestDelivered: a message arrives once, signed so that a receiver can believe it;
// with the old secret, too, while a change of it is under way.
func TestDelivered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newTarget(t, nil)
	id, secret := w.endpoint(1, r.URL)
	s := w.sender(r)
	w.buy(1, w.clock.Now().Add(time.Second))
	w.clock.add(2 * time.Second)
	w.turn(s)
	newer, err := w.store.Rotate(t.Context(), by, 1, id, 1, false)
	w.must(err)
	w.buy(1, w.clock.Now().Add(time.Second))
	w.clock.add(2 * time.Second)
	w.turn(s)
	w.clock.add(25 * time.Hour)
	_, err = w.store.Test(t.Context(), by, 1, id)
	w.must(err)
	w.turn(s)
	all := r.all()
	if len(all) != 3 {
		t.Fatalf("%d requests", len(all))
	}
	for i, secrets := range [][]string{{secret}, {newer, secret}, {newer}} {
		var want []string
		for _, s := range secrets {
			want = append(want, signed(t, s, all[i]))
		}
		if !slices.Equal(all[i].Signatures, want) {
			t.Errorf("request %d is signed %v, want %v", i, all[i].Signatures, want)
		}
	}
	e := w.get(id)
	if e.Waiting != 0 || e.Failures != 0 {
		t.Errorf("endpoint %+v", e)
	}
	if stored := count[string](w, `SELECT encode(secret, 'escape') FROM webhook_endpoints`); strings.Contains(stored, newer[6:]) {
		t.Error("the secret lies open in the database")
	}
}

// TestFaults: what is not taken, and what the log says about it.
func TestFaults(t *testing.T) {
	t.Parallel()
	for fault, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"status": status(http.StatusInternalServerError),
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://127.0.0.1:1/", http.StatusFound)
		},
		"timeout": func(w http.ResponseWriter, _ *http.Request) { // takes the connection and says nothing
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
		},
		"connect": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"": func(w http.ResponseWriter, _ *http.Request) { // 10 GB, if anybody waited for it
			for range 10 << 10 {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
			t.Error("all of it was read")
		},
	} {
		t.Run("fault "+fault, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := newTarget(t, answer)
			id, _ := w.endpoint(1, r.URL)
			s := w.sender(r)
			if fault == "timeout" {
				s = w.hasty(r)
			}
			message, err := w.store.Test(t.Context(), by, 1, id)
			w.must(err)
			w.turn(s)
			m, attempts, err := w.store.Message(t.Context(), 1, id, message)
			w.must(err)
			if len(attempts) != 1 || attempts[0].Fault != fault || len(r.all()) != 1 || (m.State == webhook.Delivered) != (fault == "") {
				t.Errorf("%+v, attempts %+v, %d requests", m, attempts, len(r.all()))
			}
		})
	}
}

// TestPrivate: what gets past the form is refused at the connection, by number and
// by name, before a byte is sent.
func TestPrivate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newTarget(t, nil)
	id, _ := w.endpoint(1, r.URL)
	w.store = webhook.NewStore(w.pool, webhook.Options{Vault: vault(), Clock: w.clock.Now})
	s := w.sender(r)
	for i, url := range []string{r.URL, strings.Replace(r.URL, "127.0.0.1", "localhost", 1), strings.Replace(r.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1)} {
		w.exec(`UPDATE webhook_endpoints SET url = $1, held_until = NULL, failures = 0`, url)
		message, err := w.store.Test(t.Context(), by, 1, id)
		w.must(err)
		w.turn(s)
		_, attempts, err := w.store.Message(t.Context(), 1, id, message)
		w.must(err)
		if len(attempts) != 1 || attempts[0].Fault != "address" {
			t.Errorf("%d: %s: %+v", i, url, attempts)
		}
	}
	if n := len(r.all()); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
}

// TestRetries: a message that fails waits longer and longer; when the target is
// back, what waits goes at once, with the same id and bytes.
func TestRetries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newTarget(t, status(http.StatusServiceUnavailable))
	id, _ := w.endpoint(1, r.URL)
	s := w.sender(r)
	w.buy(1, w.clock.Now().Add(time.Second))
	w.clock.add(2 * time.Second)
	w.turn(s)
	w.turn(s)
	if n := len(r.all()); n != 1 {
		t.Fatalf("%d attempts without a pause", n)
	}
	for range 4 {
		w.clock.add(40 * time.Minute)
		w.turn(s)
	}
	w.buy(1, w.clock.Now())
	w.buy(1, w.clock.Now())
	w.clock.add(2 * time.Second)
	w.turn(s)
	if e := w.get(id); e.Failures != 5 || e.HeldUntil == nil || e.Waiting != 3 {
		t.Errorf("endpoint %+v", e)
	}
	r.say(nil)
	w.clock.add(66 * time.Minute) // over any hold
	w.turn(s)                     // one probe
	w.turn(s)
	all := r.all()
	if len(all) != 8 {
		t.Fatalf("%d requests", len(all))
	}
	for _, g := range all[1:5] {
		if g.ID != all[0].ID || g.Body != all[0].Body || g.At == all[0].At {
			t.Errorf("attempt %+v of %+v", g, all[0])
		}
	}
	if e := w.get(id); e.Failures != 0 || e.HeldUntil != nil || e.FailingSince != nil || e.Waiting != 0 {
		t.Errorf("endpoint %+v", e)
	}
}

// TestGivenUp: one message that is refused while others are taken is given up after
// a day, and the endpoint stays.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var bad string
	var mu sync.Mutex
	r := newTarget(t, func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Header.Get("webhook-id") == bad {
			rw.WriteHeader(http.StatusBadRequest)
		}
	})
	id, _ := w.endpoint(1, r.URL)
	s := w.sender(r)
	bought := w.buy(1, w.clock.Now().Add(time.Second))
	mu.Lock()
	bad = "purchase-" + bought.String()
	mu.Unlock()
	for range 60 {
		w.clock.add(30 * time.Minute)
		w.buy(1, w.clock.Now())
		w.turn(s)
	}
	e := w.get(id)
	if e.State != webhook.Active {
		t.Errorf("endpoint %+v", e)
	}
	list, _, err := w.store.Log(t.Context(), 1, id, webhook.Filter{State: webhook.GivenUp})
	w.must(err)
	if len(list) != 1 || list[0].EventID != "purchase-"+bought.String() || list[0].Attempts < 8 || list[0].Status != 400 {
		t.Fatalf("given up: %+v", list)
	}
	n := len(r.all())
	w.must(w.store.Resend(t.Context(), by, 1, id, list[0].ID))
	w.turn(s)
	if got := r.all(); len(got) != n+1 || got[n].ID != list[0].EventID {
		t.Errorf("sent again: %d requests", len(got)-n)
	}
}

// TestDisabled: after a day of failing, or at once by 410, an endpoint is disabled
// and what waits is kept until its merchant decides.
func TestDisabled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, why string
		answer    int
		backfill  bool
		want      int
	}{
		{"failing, told what it missed", webhook.WhyFailing, 500, true, 3},
		{"failing, from now on", webhook.WhyFailing, 500, false, 1},
		{"gone", webhook.WhyGone, 410, true, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := newTarget(t, status(c.answer))
			id, _ := w.endpoint(1, r.URL)
			s := w.sender(r)
			w.buy(1, w.clock.Now().Add(time.Second))
			for i := 0; i < 30 && w.get(id).State == webhook.Active; i++ {
				w.clock.add(70 * time.Minute)
				w.turn(s)
			}
			e := w.get(id)
			if e.State != webhook.Disabled || e.Why != c.why || (c.why == webhook.WhyGone) != (len(r.all()) == 1) {
				t.Fatalf("endpoint %+v after %d attempts", e, len(r.all()))
			}
			if n := count[int](w, `SELECT count(*) FROM events WHERE action = 'webhook.disable' AND actor = 'system' AND object_kind = 'merchant' AND object_id = '1'`); n != 1 {
				t.Errorf("%d events", n)
			}
			if n := count[int](w, `SELECT count(*) FROM merchant_notices WHERE merchant_id = 1 AND audience = 'owner' AND url = '/portal/webhooks/' || $1::bigint`, id); n != 1 {
				t.Errorf("%d notices", n)
			}
			w.buy(1, w.clock.Now().Add(time.Second)) // while it is stopped
			w.clock.add(2 * time.Hour)
			n := len(r.all())
			w.turn(s)
			if len(r.all()) != n {
				t.Error("sent to a disabled endpoint")
			}
			r.say(nil)
			w.must(w.store.Resume(t.Context(), by, 1, id, e.Version, c.backfill))
			w.buy(1, w.clock.Now().Add(time.Second))
			w.clock.add(2 * time.Second)
			w.turn(s)
			w.turn(s)
			if got := len(r.all()) - n; got != c.want {
				t.Errorf("%d requests after resuming, want %d", got, c.want)
			}
		})
	}
}

// TestHanging: targets that never answer keep nobody else waiting, however many
// messages wait for them.
func TestHanging(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stop := make(chan struct{})
	var release sync.Once
	free := func() { release.Do(func() { close(stop) }) }
	t.Cleanup(free)
	var under sync.WaitGroup
	hanging := newTarget(t, func(http.ResponseWriter, *http.Request) {
		under.Add(1)
		defer under.Done()
		<-stop
	})
	arrived := make(chan struct{}, 100)
	good := newTarget(t, func(http.ResponseWriter, *http.Request) { arrived <- struct{}{} })
	bad, _ := w.endpoint(1, hanging.URL)
	ok, _ := w.endpoint(2, good.URL)
	s := w.sender(hanging, good)
	for range 50 {
		w.buy(1, w.clock.Now().Add(time.Second))
		w.buy(2, w.clock.Now().Add(time.Second))
	}
	w.clock.add(2 * time.Second)
	for got := 0; got < 50; {
		if _, err := s.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
		for more := true; more && got < 50; {
			select {
			case <-arrived:
				got++
			default:
				more = false
			}
		}
	}
	if n := len(hanging.all()); n > 4 {
		t.Errorf("%d requests at a time to one that hangs", n)
	}
	free()
	s.Wait()
	if e := w.get(bad); e.Waiting == 0 {
		t.Errorf("endpoint %+v", e)
	}
	if n := count[int](w, `SELECT count(*) FROM webhook_messages WHERE endpoint_id = $1 AND state = 2`, ok); n != 50 {
		t.Errorf("%d delivered", n)
	}
}

// TestTwoNodes: two senders share the work, each message is sent by one of them.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newTarget(t, nil)
	w.endpoint(1, r.URL)
	a, b := w.sender(r), w.sender(r)
	for range 60 {
		w.buy(1, w.clock.Now().Add(time.Second))
	}
	w.clock.add(2 * time.Second)
	for count[int](w, `SELECT count(*) FROM webhook_messages WHERE state = 2`) < 60 {
		var both sync.WaitGroup
		for _, s := range []*webhook.Sender{a, b} {
			both.Go(func() {
				if _, err := s.Turn(t.Context()); err != nil {
					t.Error(err)
				}
				s.Wait()
			})
		}
		both.Wait()
		if t.Failed() {
			return
		}
	}
	seen := map[string]int{}
	for _, g := range r.all() {
		if seen[g.ID]++; seen[g.ID] > 1 {
			t.Errorf("%s came twice", g.ID)
		}
	}
	if len(seen) != 60 {
		t.Errorf("%d messages arrived", len(seen))
	}
}

// TestSecretDamaged: an endpoint whose secret does not open fails for itself, unsigned
// nothing is sent, and others are told as ever.
func TestSecretDamaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newTarget(t, nil)
	bad, _ := w.endpoint(1, r.URL)
	good, _ := w.endpoint(2, r.URL)
	w.exec(`UPDATE webhook_endpoints SET secret = '\x00' WHERE id = $1`, bad)
	one, err := w.store.Test(t.Context(), by, 1, bad)
	w.must(err)
	other, err := w.store.Test(t.Context(), by, 2, good)
	w.must(err)
	w.turn(w.sender(r))
	m, _, err := w.store.Message(t.Context(), 1, bad, one)
	w.must(err)
	n, _, err := w.store.Message(t.Context(), 2, good, other)
	w.must(err)
	if m.State != webhook.Waiting || m.Fault != "secret" || n.State != webhook.Delivered || len(r.all()) != 1 {
		t.Errorf("%+v and %+v, %d requests", m, n, len(r.all()))
	}
}

// TestDied: who dies after sending leaves the message to others, once its lease is
// over.
func TestDied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newTarget(t, nil)
	id, _ := w.endpoint(1, r.URL)
	message, err := w.store.Test(t.Context(), by, 1, id)
	w.must(err)
	w.must(w.store.Claim(t.Context())) // and nothing comes of it
	s := w.sender(r)
	w.turn(s)
	if n := len(r.all()); n != 0 {
		t.Errorf("%d requests while another node has it", n)
	}
	w.clock.add(2 * time.Minute)
	w.turn(s)
	m, _, err := w.store.Message(t.Context(), 1, id, message)
	w.must(err)
	if m.State != webhook.Delivered || len(r.all()) != 1 {
		t.Errorf("%+v, %d requests", m, len(r.all()))
	}
}

// TestRun: the loop delivers by itself and ends when told.
func TestRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	arrived := make(chan struct{}, 10)
	r := newTarget(t, func(http.ResponseWriter, *http.Request) { arrived <- struct{}{} })
	id, _ := w.endpoint(1, r.URL)
	_, err := w.store.Test(t.Context(), by, 1, id)
	w.must(err)
	w.run(w.sender(r), arrived)
	if m := fmt.Sprint(w.get(id).Waiting); m != "0" {
		t.Errorf("%s wait", m)
	}
}
