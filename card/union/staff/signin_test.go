package staff_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"unioncard/card/union/staff"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t, cheap())
	id := r.make("zhang.gong", jinshui, staff.Approver, staff.Negotiator)
	token, a := r.account(" Zhang.Gong ")
	want := &staff.Account{ID: id, Login: "zhang.gong", Name: "张工", UnionID: r.tree[jinshui], Union: "金水区总工会",
		Roles: []staff.Role{staff.Negotiator, staff.Approver}}
	if diff := cmp.Diff(want, a, cmpopts.IgnoreFields(staff.Account{}, "Path")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if again, err := r.BySession(ctx, token); err != nil || again.ID != id {
		t.Fatalf("by session: %v %v", again, err)
	}
	for name, try := range map[string][2]string{
		"wrong password": {"zhang.gong", "Huanghe-7-Songshan "}, "no password": {"zhang.gong", ""},
		"unknown login": {"li.gong", goodPassword}, "no login": {"", goodPassword},
	} {
		if _, _, err := r.SignIn(ctx, try[0], try[1], "", home); !errors.Is(err, staff.ErrWrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.SignOut(ctx, token); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{token, "", "x", token + "=", token[1:]} {
		if _, err := r.BySession(ctx, token); !errors.Is(err, staff.ErrNoSession) {
			t.Errorf("%q after sign-out: %v", token, err)
		}
	}
}

// A session ends when it is not used, and in any case after a working day.
func TestSessionTimes(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t, cheap())
	r.make("zhang.gong", jinshui, staff.Approver)
	idle, _ := r.account("zhang.gong")
	used, _ := r.account("zhang.gong")
	step := 29 * time.Minute
	for at := time.Duration(0); at < 12*time.Hour-step; at += step {
		r.pass(step)
		if _, err := r.BySession(ctx, used); err != nil {
			t.Fatalf("used session after %v: %v", at+step, err)
		}
	}
	r.ended(idle, "idle session")
	r.pass(step)
	r.ended(used, "after 12 hours")
	if n, err := r.Prune(ctx); err != nil || n == 0 {
		t.Errorf("pruned %d, %v", n, err)
	}
}
