package phone_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unioncard/api"
	"unioncard/card"
)

// shown is the code that a phone shows at a moment: the page's own arithmetic
// (RFC 6238), written again.
func (m *mobile) shown(slot int, at time.Time) string {
	week := card.WeekOf(at)
	for _, k := range m.keys {
		if k.Week != week || k.Slot != slot {
			continue
		}
		mac := hmac.New(sha256.New, k.Key)
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(at.Unix()/30)))
		sum := mac.Sum(nil)
		off := sum[31] & 15
		return fmt.Sprintf("41%s%08d", k.Alias, binary.BigEndian.Uint32(sum[off:off+4])&0x7fffffff%100_000_000)
	}
	m.r.t.Fatalf("no key of week %d slot %d", week, slot)
	return ""
}

// good says whether a till takes the phone's code now.
func (m *mobile) good() bool {
	m.r.t.Helper()
	m.r.reload()
	_, err := m.r.codes.Resolve(m.shown(0, m.r.now()), m.r.now())
	return err == nil
}

// TestWay is a worker's: sign in, show a code, renew, lose the card, find it again,
// change the phone, sign out.
func TestWay(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	id, c := r.enroll(1)
	m := r.mobile(1)
	m.call("GET", "/m/api/me", nil).want(t, 401, "sign_in_needed")
	m.signIn()

	got := m.me()
	if got.Member.ID != id || got.Member.Name != "欧阳建国" || got.Member.Union != "金水区总工会" || got.Member.Own != "某某厂工会" || got.Enrolled != "none" ||
		got.Card == nil || got.Card.Status != "active" || got.Card.Number != fmt.Sprint(c.Number) || !got.Card.PrintedActive {
		t.Errorf("me: %+v %+v", got, got.Card)
	}
	m.tryEnrol(false).want(t, 200, "")
	if got := m.me(); got.Enrolled != "this" || got.Card.Epoch != m.epoch || len(m.keys) != 4 {
		t.Errorf("enrolled: %+v, %d keys", got, len(m.keys))
	}
	for slot := range 2 {
		for _, at := range []time.Time{r.now(), r.now().Add(7 * 24 * time.Hour)} {
			if code, err := r.codes.Resolve(m.shown(slot, at), at); err != nil || code.Serial != c.Serial || int(code.Slot) != slot {
				t.Errorf("slot %d at %v: %+v, %v", slot, at, code, err)
			}
		}
	}
	m.renew().want(t, 200, "")
	m.renew().want(t, 200, "")

	m.call("POST", "/m/api/lost", map[string]string{"reason": "钱包丢了 13812345678"}).want(t, 200, "")
	m.call("POST", "/m/api/lost", map[string]string{}).want(t, 200, "") // twice is no fault
	if got := m.me(); got.Card.Status != "lost" || got.Card.PrintedActive {
		t.Errorf("lost: %+v", got.Card)
	}
	m.renew().want(t, 409, "card_unusable")
	m.call("POST", "/m/api/found", map[string]string{"code": "000000"}).want(t, 422, "code_wrong")
	r.pass(2 * time.Minute)
	m.call("POST", "/m/api/code", map[string]string{}).want(t, 202, "")
	m.call("POST", "/m/api/found", map[string]string{"code": m.received()}).want(t, 200, "")
	m.renew().want(t, 200, "") // the refusal before used no token up
	if !m.good() {
		t.Error("found again, the phone's code is not taken")
	}

	other := r.mobile(1).signIn()
	if got := other.me(); got.Enrolled != "other" {
		t.Errorf("another phone: %+v", got)
	}
	other.tryEnrol(false).want(t, 409, "enrolled_elsewhere")
	other.tryEnrol(true).want(t, 200, "")
	if m.good() || !other.good() {
		t.Errorf("after the takeover: old phone %v, new phone %v", m.good(), other.good())
	}
	m.renew().want(t, 401, "enrolment_ended")
	other.call("DELETE", "/m/api/session", nil).want(t, 204, "")
	if other.good() {
		t.Error("signed out, the phone's code is still taken")
	}
	other.call("GET", "/m/api/me", nil).want(t, 401, "sign_in_needed")
	m.me() // the first phone's session is another one

	var reasons []string
	rows, err := r.pool.Query(t.Context(), `SELECT reason FROM events WHERE actor = $1`, fmt.Sprintf("member:%d", id))
	r.must(err)
	for rows.Next() {
		var s string
		r.must(rows.Scan(&s))
		reasons = append(reasons, s)
	}
	if len(reasons) < 5 || slices.ContainsFunc(reasons, func(s string) bool { return strings.Contains(s, "12345678") }) {
		t.Errorf("events of the member: %q", reasons)
	}
	for _, secret := range []string{numberOf(1), "欧阳建国", m.renewal} {
		if secret != "" && r.logged(secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// TestOthersEnd: the phone that was left in a taxi is signed out from the new one.
func TestOthersEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	r.enroll(1)
	lost := r.enrolled(1)
	m := r.mobile(1).signIn()
	m.call("POST", "/m/api/session/others/end", nil).want(t, 204, "")
	lost.call("GET", "/m/api/me", nil).want(t, 401, "sign_in_needed")
	if lost.good() {
		t.Error("the lost phone's code is still taken")
	}
	if got := m.me(); got.Enrolled != "none" {
		t.Errorf("after: %+v", got)
	}
	m.tryEnrol(false).want(t, 200, "")
	m.call("POST", "/m/api/session/others/end", nil).want(t, 204, "")
	if !m.good() {
		t.Error("ending the others ended this phone")
	}
}

// TestActivation: a card of a batch waits for its holder's first sign-in, and one
// that was issued later for the phone that is signed in already.
func TestActivation(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	_, c := r.enroll(1)
	r.exec(`UPDATE cards SET status = 6 WHERE serial = $1`, c.Serial)
	m := r.mobile(1).signIn()
	if got := m.me(); got.Card.Status != "active" {
		t.Errorf("signed in: %+v", got.Card)
	}
	r.exec(`UPDATE cards SET status = 6 WHERE serial = $1`, c.Serial)
	m.tryEnrol(false).want(t, 200, "")
	if got := m.me(); got.Card.Status != "active" {
		t.Errorf("enrolled: %+v", got.Card)
	}
	r.must(r.cards.Cancel(t.Context(), by, c.Serial))
	if got := m.me(); got.Card != nil || got.Why != "cancelled" {
		t.Errorf("cancelled: %+v", got)
	}
	m.renew().want(t, 409, "no_card")
	m.call("POST", "/m/api/lost", map[string]string{}).want(t, 409, "no_card")
	m.call("GET", "/m/api/events", nil).want(t, 409, "no_card")
	// A new card goes on the phone that is enrolled.
	_, err := r.cards.Issue(t.Context(), by, m.me().Member.ID, card.MonthOf(time.Now().AddDate(2, 0, 0)))
	r.must(err)
	r.reload()
	m.renew().want(t, 200, "")
	if !m.good() {
		t.Error("the new card's code is not taken")
	}
}

func (r *rig) exec(sql string, args ...any) {
	r.t.Helper()
	_, err := r.pool.Exec(r.t.Context(), sql, args...)
	r.must(err)
}

// TestOpenAPINamesEveryRoute: the description and the router have the same calls.
func TestOpenAPINamesEveryRoute(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("openapi-phone.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var described []string
	path := ""
	for line := range strings.SplitSeq(string(text), "\n") {
		if m := regexp.MustCompile(`^  (/m/\S+):$`).FindStringSubmatch(line); m != nil {
			path = m[1]
		}
		if m := regexp.MustCompile(`^    (get|post|delete|put):$`).FindStringSubmatch(line); m != nil && path != "" {
			described = append(described, strings.ToUpper(m[1])+" "+path)
		}
	}
	routes := api.PhoneRoutes()
	slices.Sort(described)
	slices.Sort(routes)
	if d := cmp.Diff(routes, described); d != "" {
		t.Errorf("(-router +openapi-phone.yaml)\n%s", d)
	}
	for _, code := range []string{"code_wrong", "enrolled_elsewhere", "enrolment_ended", "proof_wrong", "sign_in_again", "too_many_streams"} {
		if !strings.Contains(string(text), code) {
			t.Errorf("%s is not described", code)
		}
	}
}
