package staff_test

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"unioncard/card/union/staff"
)

// try guesses a password and reports whether the guess was taken at all.
func (r *rig) try(login, password string, from netip.Addr, device string) (*staff.Entry, error) {
	return r.Begin(r.t.Context(), staff.Attempt{Login: login, Password: password, From: from, Device: device})
}

func throttled(err error) bool {
	var e *staff.ThrottledError
	return errors.As(err, &e)
}

// Guessing from one place at one account ends; the clerk gets in meanwhile from
// her own place, and from her own browser even behind the same address.
func TestGuessesDoNotShutTheOwnerOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, cheap())
	r.make("zhang.gong", jinshui, staff.Approver)
	outsider := netip.MustParseAddr("203.0.113.9")
	known, err := r.try("zhang.gong", goodPassword, outsider, "")
	if err != nil || known.Device == "" {
		t.Fatal(known, err)
	}
	for i := range 5 {
		if _, err := r.try("zhang.gong", "guess", outsider, ""); !errors.Is(err, staff.ErrWrong) {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	// Now even the right password is not taken from there, so guessing on tells nothing.
	if _, err := r.try("zhang.gong", goodPassword, outsider, ""); !throttled(err) {
		t.Errorf("sixth: %v", err)
	}
	if _, err := r.try("zhang.gong", goodPassword, home, ""); err != nil {
		t.Errorf("owner elsewhere: %v", err)
	}
	if _, err := r.try("zhang.gong", goodPassword, outsider, known.Device); err != nil {
		t.Errorf("owner's browser behind the same address: %v", err)
	}
	r.pass(16 * time.Minute)
	if _, err := r.try("zhang.gong", goodPassword, outsider, ""); err != nil {
		t.Errorf("after the window: %v", err)
	}
}

// A login that nobody has is treated as one that somebody has.
func TestUnknownLoginsAreThrottledAlike(t *testing.T) {
	t.Parallel()
	r := newRig(t, cheap())
	r.make("zhang.gong", jinshui, staff.Approver)
	for _, login := range []string{"zhang.gong", "nobody"} {
		var said []string
		for range 7 {
			_, err := r.try(login, "guess", home, "")
			var e *staff.ThrottledError
			switch {
			case errors.As(err, &e):
				said = append(said, e.Until.String())
			case errors.Is(err, staff.ErrWrong):
				said = append(said, "wrong")
			default:
				t.Fatal(err)
			}
		}
		until := r.now().Add(15 * time.Minute).String()
		for i, want := range []string{"wrong", "wrong", "wrong", "wrong", "wrong", until, until} {
			if said[i] != want {
				t.Errorf("%s, guess %d: %s, want %s", login, i, said[i], want)
			}
		}
	}
}

// One address may not try one password at every account; IPv6 counts by its /64.
func TestSprayingFromOneAddressEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t, cheap())
	r.make("zhang.gong", jinshui, staff.Approver)
	logins := 0
	for i := range 120 {
		from := netip.AddrFrom16([16]byte{0x20, 0x01, 0xd, 0xb8, 15: byte(i)})
		_, err := r.try("user"+string(rune('a'+i%26))+string(rune('a'+i/26)), "Spray-2026", from, "")
		if throttled(err) {
			break
		}
		logins++
	}
	if logins != 100 {
		t.Errorf("%d guesses taken from one /64, want 100", logins)
	}
	if _, err := r.try("zhang.gong", goodPassword, home, ""); err != nil {
		t.Errorf("elsewhere: %v", err)
	}
}

// Guesses at once are counted before they are checked.
func TestGuessesAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, cheap())
	r.make("zhang.gong", jinshui, staff.Approver)
	var taken atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := r.try("zhang.gong", "guess", home, "")
			switch {
			case errors.Is(err, staff.ErrWrong):
				taken.Add(1)
			case !throttled(err):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if taken.Load() != 5 {
		t.Errorf("%d guesses taken, want 5", taken.Load())
	}
}

// A device cookie speaks for the accounts that signed in with it, no others.
func TestDeviceCookieIsItsAccounts(t *testing.T) {
	t.Parallel()
	r := newRig(t, cheap())
	r.make("zhang.gong", jinshui, staff.Approver)
	r.make("li.gong", jinshui, staff.Approver)
	e, err := r.try("zhang.gong", goodPassword, home, "")
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := r.try("li.gong", "guess", home, ""); !errors.Is(err, staff.ErrWrong) {
			t.Fatal(err)
		}
	}
	if _, err := r.try("li.gong", goodPassword, home, e.Device); !throttled(err) {
		t.Errorf("another account's cookie: %v", err)
	}
}
