package staff_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"unioncard/card/union/staff"
)

// RFC 6238, appendix B, cut to six digits.
func TestTOTPVectors(t *testing.T) {
	t.Parallel()
	const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" // "12345678901234567890"
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := staff.TOTP(secret, time.Unix(at, 0)); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
	if got := staff.TOTP("not base32!", time.Unix(59, 0)); got != "" {
		t.Errorf("a bad secret gave %q", got)
	}
}

// enrol signs somebody in for the first time where a second factor is required.
func (r *rig) enrol(login string) (secret string, recovery []string) {
	r.t.Helper()
	ctx := r.t.Context()
	e, err := r.try(login, goodPassword, home, "")
	if err != nil || e.Stage != staff.StageEnrol {
		r.t.Fatal(e, err)
	}
	if _, err := r.BySession(ctx, e.Token); !errors.Is(err, staff.ErrNoSession) {
		r.t.Fatalf("half a sign-in opens the console: %v", err)
	}
	offer, err := r.OfferAtSignIn(ctx, e.Token)
	if err != nil {
		r.t.Fatal(err)
	}
	if !strings.HasPrefix(offer.URL, "otpauth://totp/") || !strings.Contains(offer.URL, "secret="+offer.Secret) {
		r.t.Errorf("offer %q", offer.URL)
	}
	if _, _, err := r.EnrolAtSignIn(ctx, e.Token, "000000"); !errors.Is(err, staff.ErrWrong) {
		r.t.Fatal(err)
	}
	full, recovery, err := r.EnrolAtSignIn(ctx, e.Token, staff.TOTP(offer.Secret, r.now()))
	if err != nil || full.Stage != staff.StageFull {
		r.t.Fatal(full, err)
	}
	if _, err := r.BySession(ctx, full.Token); err != nil {
		r.t.Fatal(err)
	}
	return offer.Secret, recovery
}

// enrolled is a rig in which zhang.gong's second factor is set up, a minute later:
// the code that set it up is past.
func enrolled(t *testing.T) (r *rig, secret string) {
	t.Helper()
	r = newRig(t, required())
	r.make("zhang.gong", jinshui, staff.Approver)
	secret, _ = r.enrol("zhang.gong")
	r.pass(time.Minute)
	return r, secret
}

// wantSignIn signs zhang.gong in with a code and holds what comes of it to want (nil: done).
func (r *rig) wantSignIn(code string, want error, what string) {
	r.t.Helper()
	if _, _, err := r.SignIn(r.t.Context(), "zhang.gong", goodPassword, code, home); !errors.Is(err, want) {
		r.t.Errorf("%s: %v", what, err)
	}
}

// halfway is a sign-in of zhang.gong that is past the password.
func (r *rig) halfway(device string) *staff.Entry {
	r.t.Helper()
	e, err := r.try("zhang.gong", goodPassword, home, device)
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

func required() staff.Policy {
	p := cheap()
	p.SecondFactor = true
	return p
}

func TestSecondFactor(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t, required())
	r.make("zhang.gong", jinshui, staff.Approver)
	secret, recovery := r.enrol("zhang.gong")
	code := staff.TOTP(secret, r.now())
	r.wantSignIn(code, staff.ErrWrong, "the code that enrolled, again")
	r.pass(30 * time.Second)
	code = staff.TOTP(secret, r.now())
	r.wantSignIn(code, nil, "next code")
	r.wantSignIn(code, staff.ErrWrong, "same code again")
	r.wantSignIn("", staff.ErrUnfinished, "no code")
	ahead := staff.TOTP(secret, r.now().Add(30*time.Second))
	r.wantSignIn(ahead[:3]+" "+ahead[3:], nil, "a phone half a minute ahead")
	r.wantSignIn(staff.TOTP(secret, r.now().Add(time.Minute)), staff.ErrWrong, "a phone a minute ahead")
	if len(recovery) != 10 {
		t.Fatalf("%d recovery codes", len(recovery))
	}
	r.wantSignIn(strings.ToUpper(strings.ReplaceAll(recovery[3], "-", " ")), nil, "recovery code")
	r.wantSignIn(recovery[3], staff.ErrWrong, "recovery code again")
	var stored int
	err := r.db.QueryRow(ctx, `SELECT count(*) FROM staff st, staff_recovery rc WHERE st.totp::text LIKE '%' || $1 || '%' OR rc.hash = convert_to($2, 'UTF8')`,
		secret, recovery[0]).Scan(&stored)
	if err != nil || stored != 0 {
		t.Errorf("secrets in the clear: %d %v", stored, err)
	}
}

// Codes can't be guessed by who has the password, and such guesses do not shut the
// owner's own browser out.
func TestCodeGuesses(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r, secret := enrolled(t)
	e := r.halfway("")
	own, err := r.Code(ctx, e.Token, staff.TOTP(secret, r.now()))
	if err != nil {
		t.Fatal(err)
	}
	r.pass(time.Minute)
	taken := 0
	for {
		e := r.halfway("")
		if _, err = r.Code(ctx, e.Token, "123456"); throttled(err) {
			break
		}
		taken++
	}
	if taken != 10 {
		t.Errorf("%d codes taken, want 10", taken)
	}
	e = r.halfway(own.Device)
	if _, err := r.Code(ctx, e.Token, staff.TOTP(secret, r.now())); err != nil {
		t.Errorf("the owner's browser: %v", err)
	}
}

func TestStagesRunOut(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r, secret := enrolled(t)
	e := r.halfway("")
	r.pass(10 * time.Minute)
	if _, err := r.Code(ctx, e.Token, staff.TOTP(secret, r.now())); !errors.Is(err, staff.ErrNoSession) {
		t.Errorf("ten minutes later: %v", err)
	}
	e = r.halfway("")
	if _, err := r.db.Exec(ctx, `UPDATE staff SET disabled = true`); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Code(ctx, e.Token, staff.TOTP(secret, r.now())); !errors.Is(err, staff.ErrNoSession) {
		t.Errorf("disabled half way: %v", err)
	}
}

func TestChangeOfSecondFactor(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r, secret := enrolled(t)
	token, a, err := r.SignIn(ctx, "zhang.gong", goodPassword, staff.TOTP(secret, r.now()), home)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.StartFactor(ctx, a, "guess"); !errors.Is(err, staff.ErrWrong) {
		t.Errorf("without the password: %v", err)
	}
	if err := r.StartFactor(ctx, a, goodPassword); err != nil {
		t.Fatal(err)
	}
	offer, err := r.Offered(ctx, a.ID)
	if err != nil || offer.Secret == secret {
		t.Fatal(offer, err)
	}
	codes, err := r.ConfirmFactor(ctx, a, token, staff.TOTP(offer.Secret, r.now()))
	if err != nil || len(codes) != 10 {
		t.Fatal(codes, err)
	}
	if _, err := r.BySession(ctx, token); err != nil {
		t.Errorf("the own session: %v", err)
	}
	r.pass(time.Minute)
	r.wantSignIn(staff.TOTP(secret, r.now()), staff.ErrWrong, "the old phone")
	r.wantSignIn(staff.TOTP(offer.Secret, r.now()), nil, "the new phone")
}

// An offer that was given up is worth nothing to who comes to the screen later: it
// proved the password then, not now.
func TestOfferOfSecondFactorRunsOut(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for name, giveUp := range map[string]func(r *rig, a *staff.Account, token string) error{
		"left alone": func(r *rig, _ *staff.Account, _ string) error { r.pass(10*time.Minute + time.Second); return nil },
		"cancelled":  func(r *rig, a *staff.Account, _ string) error { return r.CancelFactor(ctx, a) },
		"signed out": func(r *rig, _ *staff.Account, token string) error { return r.SignOut(ctx, token) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, cheap())
			r.make("zhang.gong", jinshui, staff.Negotiator)
			token, a := r.account("zhang.gong")
			if err := r.StartFactor(ctx, a, goodPassword); err != nil {
				t.Fatal(err)
			}
			offer, err := r.Offered(ctx, a.ID)
			if err != nil {
				t.Fatal(err)
			}
			if err := giveUp(r, a, token); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Offered(ctx, a.ID); !errors.Is(err, staff.ErrNotFound) {
				t.Errorf("still shown: %v", err)
			}
			if _, err := r.ConfirmFactor(ctx, a, token, staff.TOTP(offer.Secret, r.now())); !errors.Is(err, staff.ErrNotFound) {
				t.Errorf("confirmed: %v", err)
			}
		})
	}
}

// Who knows the password before the second factor is set up does not learn the
// secret that the owner then sets up.
func TestEnrolmentIsTheLastSignIns(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t, required())
	r.make("zhang.gong", jinshui, staff.Approver)
	thief := r.halfway("")
	seen, err := r.OfferAtSignIn(ctx, thief.Token)
	if err != nil {
		t.Fatal(err)
	}
	owner := r.halfway("")
	offer, err := r.OfferAtSignIn(ctx, owner.Token)
	if err != nil || offer.Secret == seen.Secret {
		t.Errorf("the secret that somebody has seen is offered again: %v", err)
	}
	if _, err := r.OfferAtSignIn(ctx, thief.Token); !errors.Is(err, staff.ErrNoSession) {
		t.Errorf("the secret is shown in two places: %v", err)
	}
}
