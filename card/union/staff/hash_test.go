package staff

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func TestHash(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	h := newHasher(HashParams{Memory: 64, Passes: 1, Threads: 1}, 2)
	a, err := h.hash(ctx, "one")
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.hash(ctx, "one")
	if err != nil || a == b {
		t.Errorf("the same hash twice: %v", err)
	}
	for password, want := range map[string]bool{"one": true, "One": false, "": false} {
		if got, err := h.matches(ctx, password, a); err != nil || got != want {
			t.Errorf("%q: %v %v", password, got, err)
		}
	}
	if ok, err := h.matches(ctx, "one", ""); ok || err != nil {
		t.Errorf("no account: %v %v", ok, err)
	}
	if h.outdated(a) || !newHasher(HashParams{Memory: 128, Passes: 1, Threads: 1}, 1).outdated(a) {
		t.Error("outdated does not see the parameters")
	}
	for _, bad := range []string{"plain", strings.Replace(a, "argon2id", "argon2i", 1), strings.Replace(a, "m=64", "m=4294967295", 1), a + "="} {
		if _, err := h.matches(ctx, "one", bad); !errors.Is(err, errHash) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// A flood beyond those who wait is turned away at once; nobody waits for longer
// than the client does.
func TestHashingIsBounded(t *testing.T) {
	t.Parallel()
	h := newHasher(HashParams{Memory: 64, Passes: 1, Threads: 1}, 1)
	h.working <- struct{}{} // one is at it, and stays
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	waiting := make(chan error, maxWaiting)
	for range maxWaiting {
		wg.Go(func() {
			_, err := h.hash(ctx, "x")
			waiting <- err
		})
	}
	for len(h.waiting) < maxWaiting { // until all have come
		runtime.Gosched()
	}
	if _, err := h.hash(t.Context(), "x"); !errors.Is(err, ErrBusy) {
		t.Errorf("one more: %v", err)
	}
	cancel()
	wg.Wait()
	for range maxWaiting {
		if err := <-waiting; !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up: %v", err)
		}
	}
	<-h.working
	if _, err := h.hash(t.Context(), "x"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func FuzzParsePHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=064,t=+1,p=1$$")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePHC(s)
		if err == nil && (p.String() != s || p.params.Memory > maxHashMemory) {
			t.Errorf("%q read as %q", s, p)
		}
	})
}

func TestCheckPassword(t *testing.T) {
	t.Parallel()
	p := DefaultPolicy()
	for password, want := range map[string]string{
		"Huanghe-7-Songshan": "", "嵩山少林寺塔林Abc1": "", "correct-Horse-9": "",
		"Short-1": "至少 10 个字符", "alllowercaseletters": "至少 3 种", "zhang.gong-A1-x": "登录名", "ZHANG.GONG-a1-x": "登录名",
		"Password123!": "太容易", "P@ssw0rd2026": "太容易", "Henan@2026!!": "太容易", "Gonghui-2026": "太容易",
		"Abcdefgh123!": "太容易", "Aaaaaaaaaa1!": "太容易", "1qaz2wsx3edC!": "太容易", "Qwertyuiop1!": "太容易", "Woaini1314!": "太容易",
		"Aa1-\x00abcdefg": "不可见", "Aa1-\xffabcdefg": "不可见", strings.Repeat("Ab1-x", 50): "太长",
	} {
		got := p.CheckPassword("zhang.gong", password)
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", password, got, want)
		}
	}
	for range 50 {
		if once := newOneTime(); len(once) != 17 || strings.Trim(once, plainAlphabet+"-") != "" {
			t.Errorf("one-time password %q", once)
		}
	}
}

func FuzzCheckPassword(f *testing.F) {
	f.Add("login", "Password-1")
	f.Add("", "\x00")
	p := DefaultPolicy()
	f.Fuzz(func(t *testing.T, login, password string) {
		if p.CheckPassword(login, password) == "" && (len(password) > maxPassword || strings.Contains(password, "\x00")) {
			t.Errorf("%q accepted", password)
		}
	})
}

func FuzzTokenHash(f *testing.F) {
	token, _ := newToken()
	f.Add(token)
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		if hash, ok := tokenHash(s); ok && (len(hash) != 32 || len(s) != 43) {
			t.Errorf("%q", s)
		}
	})
}

func TestBox(t *testing.T) {
	t.Parallel()
	keys := map[uint16][]byte{1: []byte("0123456789abcdef0123456789abcdef"), 2: []byte("fedcba9876543210fedcba9876543210")}
	active := uint16(1)
	b := &Box{Active: func() (uint16, []byte) { return active, keys[active] }, ByID: func(id uint16) ([]byte, bool) { k, ok := keys[id]; return k, ok }}
	sealed, err := b.seal(7, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := b.open(7, sealed); err != nil || string(plain) != "secret" || b.old(sealed) {
		t.Errorf("%q %v", plain, err)
	}
	active = 2
	if plain, err := b.open(7, sealed); err != nil || string(plain) != "secret" || !b.old(sealed) {
		t.Errorf("after a rotation: %q %v", plain, err)
	}
	if _, err := b.open(8, sealed); !errors.Is(err, errSealed) {
		t.Errorf("another account's: %v", err)
	}
	for i := range sealed {
		bad := append([]byte{}, sealed...)
		bad[i] ^= 1
		if _, err := b.open(7, bad); !errors.Is(err, errSealed) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := b.open(7, sealed[:i]); !errors.Is(err, errSealed) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
}
