package card

import (
	"context"
	"errors"
	"testing"
	"time"
)

var errUsedUp = errors.New("used up")

func newTestChecker(t *testing.T) (*Checker, *Codes, *MemoryGuard, *MemoryBindings) {
	t.Helper()
	c, _ := newTestCodes(t, noon)
	g, m := NewMemoryGuard(GuardOptions{}), NewMemoryBindings()
	return NewChecker(c, g, m, errUsedUp), c, g, m
}

// The life of one phone code at two tills.
func TestCheckPhoneCode(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	k, c, g, m := newTestChecker(t)
	first, second := till(1), till(2)
	begin := time.Unix(StepOf(noon)*stepSeconds, 0)
	code := c.PhoneCode(9, testGeneration(9), testEpoch(9), 1, begin)
	late := begin.Add(2*step - time.Second) // the last moment at which it is new
	for _, tc := range []struct {
		name string
		s    Subjects
		at   time.Time
		want error
	}{
		{"another till before anyone, too late", second, begin.Add(2 * step), ErrCodeInvalid},
		{"first scan in the last moment", first, late, nil},
		{"another till", second, late, ErrCodeBound},
		{"again, no longer new", first, late.Add(2 * time.Second), nil},
		{"another till, no longer new", second, late.Add(2 * time.Second), ErrCodeInvalid},
		{"again after two minutes less a second", first, late.Add(BindTime - time.Second), nil},
		{"again after two minutes", first, late.Add(BindTime), ErrCodeInvalid},
	} {
		v := k.Check(ctx, code, tc.s, tc.at)
		if !errors.Is(v.Err, tc.want) || (v.RetryAfter > 0) != (tc.want == ErrCodeBound) {
			t.Errorf("%s: %+v, want %v", tc.name, v, tc.want)
		}
		if proved := tc.want != ErrCodeInvalid; proved != (v.Code.Serial == 9) {
			t.Errorf("%s: says serial %d", tc.name, v.Code.Serial)
		}
	}
	if got := g.Stats().Misses; got != 3 {
		t.Errorf("%d misses were counted, want 3", got)
	}
	got, _ := c.Resolve(code, begin)
	m.MarkUsed(ctx, got, Holder{first.Terminal, first.Outlet}, late)
	for name, at := range map[string]time.Time{"new": late, "old": late.Add(time.Minute)} {
		if v := k.Check(ctx, code, first, at); !errors.Is(v.Err, errUsedUp) || v.RetryAfter <= 0 {
			t.Errorf("used, %s: %+v", name, v)
		}
	}
	// Whoever can't prove it learns nothing of its use.
	if v := k.Check(ctx, code, second, late.Add(time.Minute)); v != (Verdict{Err: ErrCodeInvalid}) {
		t.Errorf("used, to another till: %+v", v)
	}
}

func TestCheckOthers(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	k, c, g, _ := newTestChecker(t)
	printed := c.PrintedCode(9, testGeneration(9), noon)
	for name, tc := range map[string]struct {
		code string
		want error
	}{
		"printed":           {printed, nil},
		"printed, forged":   {flip(printed, 30), ErrCodeInvalid},
		"typed":             {"4100000000000006", nil},
		"typed, slip":       {"4100000000000007", ErrCodeFormat},
		"another system's":  {"134567890123456789", ErrCodeFormat},
		"no code":           {"", ErrCodeFormat},
		"phone, never made": {"41123456789012345678", ErrCodeInvalid},
	} {
		if v := k.Check(ctx, tc.code, till(1), noon); !errors.Is(v.Err, tc.want) {
			t.Errorf("%s: %+v", name, v)
		}
	}
	if got := g.Stats().Misses; got != 2 {
		t.Errorf("%d misses were counted, want 2", got)
	}
}

// Typed numbers that do not exist are the caller's to report; five, and only
// phone codes pass.
func TestCheckTypedMisses(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	k, c, _, _ := newTestChecker(t)
	const number = "4100000000000006"
	for range 5 {
		if v := k.Check(ctx, number, till(1), noon); v.Err != nil {
			t.Fatal(v.Err)
		}
		k.Miss(number, till(1), noon)
	}
	k.Miss("no code", till(1), noon) // costs nothing
	for _, code := range []string{number, c.PrintedCode(9, testGeneration(9), noon)} {
		if v := k.Check(ctx, code, till(1), noon); !errors.Is(v.Err, ErrTypedBlocked) || v.RetryAfter != time.Hour {
			t.Errorf("%s: %+v", code, v)
		}
	}
	if v := k.Check(ctx, c.PhoneCode(9, testGeneration(9), testEpoch(9), 0, noon), till(1), noon); v.Err != nil {
		t.Errorf("phone code: %v", v.Err)
	}
	if v := k.Check(ctx, "4100000000000007", till(1), noon); !errors.Is(v.Err, ErrCodeFormat) {
		t.Errorf("a slip of the hand while blocked: %+v", v)
	}
}

// A guesser at a photographed alias is stopped by the card's budget; the worker
// at a clean till is not.
func TestCheckGuessedCard(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	k, c, _, _ := newTestChecker(t)
	good := c.PhoneCode(9, testGeneration(9), testEpoch(9), 0, noon)
	tried := 0
	for n := range int64(50) { // fifty tills of one ring
		for range 2 {
			if v := k.Check(ctx, flip(good, 12+tried%8), till(100+n), noon); errors.Is(v.Err, ErrCodeInvalid) {
				tried++
			}
		}
	}
	if tried < 20 || tried > 20+50 { // each till's first guess is always let through
		t.Errorf("%d guesses got through", tried)
	}
	if v := k.Check(ctx, good, till(1), noon); v.Err != nil {
		t.Errorf("the worker is refused: %v", v.Err)
	}
	if v := k.Check(ctx, good, till(100), noon); !errors.Is(v.Err, ErrGuessBlocked) {
		t.Errorf("the guesser is served: %+v", v)
	}
}

// Not parallel: AllocsPerRun wants the process to itself. Under the race
// detector sync.Pool drops entries on purpose, so only its work is checked there.
func TestHotPathDoesNotAllocate(t *testing.T) {
	k, c, g, _ := newTestChecker(t)
	ctx := context.Background()
	phone, printed := c.PhoneCode(7, testGeneration(7), testEpoch(7), 1, noon), c.PrintedCode(7, testGeneration(7), noon)
	buf := make([]byte, 0, 64)
	for name, run := range map[string]func(){
		"resolve phone":       func() { _, _ = c.Resolve(phone, noon) },
		"resolve wrong phone": func() { _, _ = c.Resolve(flipped, noon) },
		"resolve printed":     func() { _, _ = c.Resolve(printed, noon) },
		"resolve typed":       func() { _, _ = c.Resolve("4100000000000006", noon) },
		"check phone":         func() { k.Check(ctx, phone, till(1), noon) },
		"check printed":       func() { k.Check(ctx, printed, till(1), noon) },
		"allow":               func() { g.Allow(till(1), KindPhone, noon) },
		"allow, missed":       func() { g.Allow(till(2), KindTyped, noon) },
		"miss":                func() { g.Miss(till(2), KindPhone, noon) },
		"mask":                func() { buf = AppendMask(buf[:0], Prefix, 123) },
		"key": func() {
			if _, ok := c.keyring.AcceptedKey(RingQuote, 1, noon); !ok {
				t.Error("no key")
			}
		},
	} {
		if n := testing.AllocsPerRun(200, run); n != 0 && !raceDetector {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

const flipped = "41123456789012345678"
