package console

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"unioncard/api/exchange"
	"unioncard/card/member"
	"unioncard/card/personal"
	"unioncard/card/union/staff"
)

// TestTakenPhoneTellsNoPlace: of whoever has a phone number elsewhere a clerk learns
// nothing but that it is taken. The handlers have no database to look the place up.
func TestTakenPhoneTellsNoPlace(t *testing.T) {
	t.Parallel()
	x := &exchange.Exchange{Ctx: t.Context(), Account: &staff.Account{Path: "/1/2/"}}
	for path, want := range map[string]takenMember{"/1/3/9/": {Phone: true}, "/1/2/9/": {Phone: true, URL: memberURL(7)}} {
		got, err := (&Handlers{}).memberTaken(x, &member.TakenError{Field: personal.FieldPhone, MemberID: 7, UnionID: 9, Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(&want, got); d != "" {
			t.Errorf("%s: %s", path, d)
		}
	}
}
