package phone_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unioncard/card/phone"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// alike are the parts of an answer that must not tell one number from another.
func alike(a *answer) map[string]any {
	head := map[string]string{}
	for name := range a.header {
		if name != "Date" && name != "X-Request-Id" {
			head[name] = a.header.Get(name)
		}
	}
	body := string(a.body)
	if id := a.header.Get("X-Request-Id"); id != "" {
		body = string(slices.Concat([]byte{}, a.body))
		for i := 0; i+len(id) <= len(body); i++ {
			if body[i:i+len(id)] == id {
				body = body[:i] + body[i+len(id):]
			}
		}
	}
	return map[string]any{"status": a.status, "head": head, "body": body}
}

// TestKnownAndUnknownNumbers get the same answers, after the same statements in the
// database: the work is compared, as no clock is fine enough to be trusted.
func TestKnownAndUnknownNumbers(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	r.enroll(1)
	known, unknown := r.mobile(1), r.mobile(2)
	m := r.mobile(3) // opens connections, prepares statements
	r.settle(m.askCode())
	m.trySignIn("000000")
	r.traced.take()

	type step struct {
		name string
		do   func(*mobile) *answer
	}
	for _, s := range []step{
		{"code", func(m *mobile) *answer { return m.askCode() }},
		{"code too soon", func(m *mobile) *answer { return m.askCode() }},
		{"wrong code", func(m *mobile) *answer { return m.trySignIn("000000") }},
		{"no code at all", func(m *mobile) *answer { return m.trySignIn("") }},
	} {
		a := s.do(known)
		first := r.settle(a)
		b := s.do(unknown)
		second := r.settle(b)
		if d := cmp.Diff(alike(a), alike(b)); d != "" {
			t.Errorf("%s: (-known +unknown)\n%s", s.name, d)
		}
		// The look-up after the answer is the same, too.
		if d := cmp.Diff(first, second); d != "" {
			t.Errorf("%s: statements (-known +unknown)\n%s", s.name, d)
		}
	}
}

// settle waits for the look-up that an accepted request leaves behind, and takes
// the statements.
func (r *rig) settle(a *answer) []string {
	r.t.Helper()
	if a.status == 202 {
		select {
		case <-r.traced.looked:
		case <-time.After(20 * time.Second):
			r.t.Fatal("nobody looked whether the number is a member's")
		}
	}
	return r.traced.take()
}

// TestFloodOfOneNumber: a number gets a code a minute, five an hour, ten a day.
func TestFloodOfOneNumber(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	r.enroll(1)
	m := r.mobile(1)
	sent := 0
	for minute := range 25 * 60 {
		if minute > 0 {
			r.pass(time.Minute + time.Second)
		}
		switch a := m.askCode(); a.status {
		case 202:
			sent++
			m.received()
			again := m.askCode().want(t, 429, "too_many_codes")
			if s, err := strconv.Atoi(again.header.Get("Retry-After")); err != nil || s < 1 {
				t.Fatalf("too soon: Retry-After %q", again.header.Get("Retry-After"))
			}
		case 429:
			// Come when it says.
			s, err := strconv.Atoi(a.header.Get("Retry-After"))
			r.must(err)
			if minute == 5 && (s < 3000 || s > 3600) {
				t.Errorf("after five in five minutes it says %d s", s)
			}
			r.pass(time.Duration(s) * time.Second)
			if sent == 10 {
				if s < 20*3600 {
					t.Errorf("after ten it says %d s", s)
				}
				m.askCode().want(t, 202, "")
				return
			}
		default:
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	t.Errorf("a day long: %d codes", sent)
}

// TestFloodFromOneAddress: an address has its hour, whatever numbers it names.
func TestFloodFromOneAddress(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{limits: func(l *phone.Limits) { l.AddressHour = 20 }})
	r.enroll(1)
	for n := range 20 {
		r.mobile(100+n).askCode().want(t, 202, "")
	}
	r.mobile(1).askCode().want(t, 429, "too_many_codes")
	r.pass(time.Hour)
	r.mobile(1).askCode().want(t, 202, "")
}

// TestFloodInAll: past the minute's number only addresses go on that use their codes.
func TestFloodInAll(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{limits: func(l *phone.Limits) { l.Minute = 6 }})
	for n := range 12 {
		r.enroll(1 + n)
	}
	// An address that signs in with what it gets.
	for n := range 3 {
		m := r.mobile(1 + n)
		m.askCode().want(t, 202, "")
		m.trySignIn(m.received()).want(t, 200, "")
	}
	refused := 0
	for n := range 9 {
		if r.mobile(4+n).askCode().status == 429 {
			refused++
		}
	}
	// 3 used codes allow 3 and 3 more unused beyond the number.
	if refused != 9-6 {
		t.Errorf("%d of 9 refused", refused)
	}
}

// TestGuessing: five guesses a code, however many at once, and then even the right
// one is wrong; a code is good for one session, however many at once.
func TestGuessing(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	r.enroll(1)
	m := r.mobile(1)
	m.askCode().want(t, 202, "")
	code := m.received()
	wrong := notThis(code)
	for range 4 {
		m.trySignIn(wrong).want(t, 422, "code_wrong")
	}
	var all sync.WaitGroup
	got := make([]int, 10)
	for i := range got {
		all.Go(func() {
			guess := wrong
			if i%2 == 0 {
				guess = code
			}
			got[i] = r.mobile(1).trySignIn(guess).status
		})
	}
	all.Wait()
	if n := count(got, http.StatusOK); n > 1 {
		t.Errorf("one attempt was left, %d of 10 at once are in: %v", n, got)
	}
	m.trySignIn(code).want(t, 422, "code_wrong")

	r.pass(2 * time.Minute)
	m.askCode().want(t, 202, "")
	code = m.received()
	for i := range got[:5] {
		all.Go(func() { got[i] = r.mobile(1).trySignIn(code).status })
	}
	all.Wait()
	if n := count(got[:5], http.StatusOK); n != 1 {
		t.Errorf("a code opened %d sessions: %v", n, got[:5])
	}

	r.pass(2 * time.Minute)
	m.askCode().want(t, 202, "")
	code = m.received()
	for range 5 {
		m.trySignIn(notThis(code)).want(t, 422, "code_wrong")
	}
	m.trySignIn(code).want(t, 422, "code_wrong") // tried too often

	r.pass(2 * time.Hour)
	m.askCode().want(t, 202, "")
	code = m.received()
	r.pass(6 * time.Minute)
	m.trySignIn(code).want(t, 422, "code_wrong") // too late
}

func notThis(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

func count(all []int, what int) (n int) {
	for _, s := range all {
		if s == what {
			n++
		}
	}
	return n
}

// TestGuessingFromOneAddress: who tries codes of many numbers runs out, too.
func TestGuessingFromOneAddress(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{limits: func(l *phone.Limits) { l.AddressMisses = 10 }})
	r.enroll(1)
	m := r.mobile(1)
	m.askCode().want(t, 202, "")
	code := m.received()
	for n := range 10 {
		r.mobile(50+n).trySignIn("123456").want(t, 422, "code_wrong")
	}
	m.trySignIn(code).want(t, 429, "too_many_codes")
}

// TestGuessingFromManyAddresses: past everybody's misses of an hour an address that
// has missed is out, one without a miss never, nor one where right codes come from.
func TestGuessingFromManyAddresses(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{limits: func(l *phone.Limits) { l.AllMisses = 10 }})
	ctx := t.Context()
	for n := range 4 {
		r.enroll(1 + n)
	}
	at := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, byte(n)}) }
	number := func(n int) string { return r.mobile(n).number }
	ask := func(n int) string {
		t.Helper()
		r.mobile(n).askCode().want(t, 202, "")
		return r.mobile(n).received()
	}
	try := func(want error, addr, n int, code string) {
		t.Helper()
		if _, err := r.phones.SignIn(ctx, at(addr), number(n), code); !errors.Is(err, want) {
			t.Errorf("address %d, number %d: %v, want %v", addr, n, err, want)
		}
	}
	code := ask(1)
	try(phone.ErrCodeWrong, 1, 1, notThis(code)) // a slip of the finger
	try(nil, 1, 1, code)
	try(nil, 2, 2, ask(2))
	try(phone.ErrCodeWrong, 2, 2, "000000")
	for n := range 8 {
		try(phone.ErrCodeWrong, 100+n, 50+n, "123456")
	}
	for n := range 8 {
		try(phone.ErrTooMany, 100+n, 60+n, "123456")
	}
	code = ask(3)
	try(phone.ErrTooMany, 100, 3, code) // a right one, from where only wrong ones came
	try(nil, 3, 3, code)                // and from a clean address
	try(nil, 1, 4, ask(4))              // and from one with a miss and a sign-in
	for range 2 {
		try(phone.ErrCodeWrong, 1, 70, "123456") // as often wrong as right, once more
	}
	try(phone.ErrTooMany, 1, 70, "123456")
	r.pass(time.Hour)
	try(phone.ErrCodeWrong, 100, 60, "123456")
}

// TestForms: what is typed for a number and a code.
func TestForms(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	r.enroll(1)
	m := r.mobile(1)
	for _, typed := range []string{"138 0000 0001", "+86 138-0000-0001", "１３８０００００００１"} {
		r.pass(2 * time.Minute)
		m.call("POST", "/m/api/code", map[string]string{"phone": typed}).want(t, 202, "")
		m.received()
	}
	for _, typed := range []string{"1", "0371-65902000", "138000000011", "23800000001", "1.38E+10", "abc", "'; DROP TABLE members"} {
		m.call("POST", "/m/api/code", map[string]string{"phone": typed}).want(t, 422, "phone_invalid")
		m.call("POST", "/m/api/session", map[string]string{"phone": typed, "code": "123456"}).want(t, 422, "phone_invalid")
	}
	m.call("POST", "/m/api/code", map[string]string{}).want(t, 401, "sign_in_needed")
	for _, code := range []string{"", "12345", "1234567", "12345a", "１２３４５６", fmt.Sprintf("%0600d", 1)} {
		m.trySignIn(code).want(t, 422, "code_wrong")
	}
}
