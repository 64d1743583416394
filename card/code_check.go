package card

import (
	"context"
	"time"
)

// Checker puts codes, guess budgets and bindings together in the one order that
// is safe: form, budget, proof, then binding, so that nothing about a code is
// told to anybody who has not proved it.
type Checker struct {
	codes    *Codes
	guard    Guard
	bindings Bindings
	used     error
}

// NewChecker returns a checker. errUsed is what Verdict.Err shall be for a phone
// code that was used up by a purchase.
func NewChecker(codes *Codes, guard Guard, bindings Bindings, errUsed error) *Checker {
	return &Checker{codes: codes, guard: guard, bindings: bindings, used: errUsed}
}

// Verdict is the outcome of a check. Code is set only if the code was proved,
// that is also when it is bound elsewhere or used.
type Verdict struct {
	Code       Code
	Err        error
	RetryAfter time.Duration // with ErrGuessBlocked, ErrTypedBlocked, ErrCodeBound and used
}

// Check proves a code that a client shows, and binds it to the client. Err is
// nil, ErrCodeFormat, ErrCodeInvalid, ErrGuessBlocked, ErrTypedBlocked,
// ErrCodeBound or the checker's error for a used code. s.Claim is filled in
// here. A typed code is proved only when the caller has found its number; if
// there is none, the caller answers ErrCodeInvalid and calls Miss.
func (k *Checker) Check(ctx context.Context, code string, s Subjects, now time.Time) Verdict {
	kind, err := k.codes.Kind(code)
	if err != nil {
		return Verdict{Err: err}
	}
	s.Claim = k.codes.Claim(kind, code)
	if kind == KindTyped {
		// The check digit is form too, to be told before any budget.
		if _, err := k.codes.CheckNumber(code); err != nil {
			return Verdict{Err: err}
		}
	}
	if r := k.guard.Allow(s, kind, now); r.Refused() {
		return Verdict{Err: r.Err(), RetryAfter: r.RetryAfter}
	}
	holder := Holder{Terminal: s.Terminal, Outlet: s.Outlet}
	got, stale, err := k.codes.ResolveRepeat(code, now)
	if kind == KindPhone && (err != nil || stale) {
		// Asked for what matched nothing too: with bindings in Redis the answer
		// takes a moment, which must not tell an expired code from a forged one.
		if held := k.bindings.Holds(ctx, got, holder, now); !held || err != nil {
			err = ErrCodeInvalid
		}
	}
	if err != nil {
		k.guard.Miss(s, kind, now)
		return Verdict{Err: err}
	}
	switch b := k.bindings.Bind(ctx, got, holder, now); b.State {
	case BindElsewhere:
		return Verdict{Code: got, Err: ErrCodeBound, RetryAfter: b.RetryAfter}
	case BindUsed:
		return Verdict{Code: got, Err: k.used, RetryAfter: b.RetryAfter}
	}
	return Verdict{Code: got}
}

// Miss counts a typed number that does not exist against the client.
func (k *Checker) Miss(code string, s Subjects, now time.Time) {
	kind, err := k.codes.Kind(code)
	if err != nil {
		return
	}
	s.Claim = k.codes.Claim(kind, code)
	k.guard.Miss(s, kind, now)
}
