package phone_test

import (
	"encoding/base64"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unioncard/card/personal"
	"unioncard/card/union/event"
)

// TestCopiedDatabase: whoever takes a copy of the phone's data, key, token and all,
// is found out by the first token that comes after it was used up, and then no copy
// shows a code any more.
func TestCopiedDatabase(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	id, _ := r.enroll(1)
	m := r.enrolled(1)
	thief := m.copied()
	thief.renew().want(t, 200, "")
	m.renew().want(t, 200, "") // looks like an answer that was lost
	if !m.good() {
		t.Fatal("a phone that lost an answer shows nothing")
	}
	thief.renew().want(t, 401, "enrolment_ended")
	if m.good() || thief.good() {
		t.Errorf("found out, and the codes are still taken: phone %v, copy %v", m.good(), thief.good())
	}
	m.renew().want(t, 401, "enrolment_ended")
	var n int
	r.must(r.pool.QueryRow(t.Context(), `SELECT count(*) FROM events WHERE action = 'phone.end' AND object_id = $1 AND after->>'ended' = 'copied'`,
		itoa(id)).Scan(&n))
	if n != 1 {
		t.Errorf("%d events tell of the copy", n)
	}
	// Whose session it was can't be known: all are over, and the owner needs a new code.
	m.call("GET", "/m/api/me", nil).want(t, 401, "sign_in_needed")
	thief.tryEnrol(false).want(t, 401, "sign_in_needed")
	m.client = r.mobile(1).client
	m.signIn()
	m.tryEnrol(false).want(t, 200, "")
	if !m.good() || thief.good() {
		t.Errorf("enrolled again: phone %v, copy %v", m.good(), thief.good())
	}
}

// TestCopyEnrolsAgain: a copy can not hide by enrolling anew with the copied key.
func TestCopyEnrolsAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	r.enroll(1)
	m := r.enrolled(1)
	thief := m.copied()
	thief.tryEnrol(false).want(t, 200, "")
	m.renew().want(t, 200, "") // once, as an answer that was lost
	thief.renew().want(t, 401, "enrolment_ended")
	if m.good() || thief.good() {
		t.Error("found out, and a code is still taken")
	}
}

// TestLostAnswer: the answer to a renewal may be lost once, and again after the next.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	r.enroll(1)
	m := r.enrolled(1)
	for range 3 {
		before := m.renewal
		m.renew().want(t, 200, "")
		m.renewal = before
		m.renew().want(t, 200, "")
		m.renew().want(t, 200, "")
	}
	before := m.renewal
	m.renew().want(t, 200, "")
	m.renewal = before
	m.renew().want(t, 200, "")
	m.renewal = before
	m.renew().want(t, 401, "enrolment_ended") // a third time is a copy's
}

// TestAnothersEnrolment: what belongs to one member's phone is nothing in another
// member's session, whatever ids and tokens it names, and does the first no harm.
func TestAnothersEnrolment(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	r.enroll(1)
	r.enroll(2)
	m, thief := r.enrolled(1), r.enrolled(2)
	replay := map[string]any{"enrolment": m.enrolment, "renewal": m.renewal, "proof": m.proof(m.renewal)}
	thief.call("POST", "/m/api/keys", replay).want(t, 401, "enrolment_ended")
	mixed := map[string]any{"enrolment": thief.enrolment, "renewal": m.renewal, "proof": m.proof(m.renewal)}
	thief.call("POST", "/m/api/keys", mixed).want(t, 422, "proof_wrong")
	// Its own key over another's token: that token was never this enrolment's.
	mixed["proof"] = thief.proof(m.renewal)
	thief.call("POST", "/m/api/keys", mixed).want(t, 401, "enrolment_ended")
	if !m.good() {
		t.Error("the victim's code is not taken any more")
	}
	m.renew().want(t, 200, "")

	// Without the device's key a right token is worth nothing and ends nothing.
	other := r.mobile(1)
	other.client = m.client
	other.enrolment, other.renewal = m.enrolment, m.renewal
	other.renew().want(t, 422, "proof_wrong")
	m.renew().want(t, 200, "")

	for name, proof := range map[string]string{
		"none": "", "no base64": "***", "short": base64.StdEncoding.EncodeToString(make([]byte, 63)),
		"zeros": base64.StdEncoding.EncodeToString(make([]byte, 64)), "long": base64.StdEncoding.EncodeToString(make([]byte, 6400)),
	} {
		a := m.call("POST", "/m/api/keys", map[string]any{"enrolment": m.enrolment, "renewal": m.renewal, "proof": proof})
		if a.status != 422 || a.code() != "proof_wrong" {
			t.Errorf("proof %s: %d %s", name, a.status, a.body)
		}
	}
	m.renew().want(t, 200, "")
}

// TestOneEnrolment: two phones that enrol at the same moment: one of them shows codes.
func TestOneEnrolment(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	r.enroll(1)
	phones := []*mobile{r.mobile(1).signIn(), r.mobile(1).signIn(), r.mobile(1).signIn()}
	var all sync.WaitGroup
	for _, m := range phones {
		all.Go(func() { m.tryEnrol(true) })
	}
	all.Wait()
	var good []bool
	for _, m := range phones {
		good = append(good, len(m.keys) > 0 && m.good())
	}
	slices.SortFunc(good, func(a, b bool) int {
		if a == b {
			return 0
		} else if b {
			return -1
		}
		return 1
	})
	if d := cmp.Diff([]bool{false, false, true}, good); d != "" {
		t.Errorf("phones whose code is taken: %s", d)
	}
}

// TestStolenCookie: a cookie alone takes the card from no other phone, neither at once
// nor by signing that one out first. A code by SMS that was entered just now does.
func TestStolenCookie(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	r.enroll(1)
	thief := r.mobile(1).signIn() // whose cookie is stolen, from a phone that has no codes
	m := r.enrolled(1)
	bound := r.mobile(1) // and one whose cookie is the enrolled phone's own
	bound.client = m.client
	r.pass(14 * time.Minute)
	m.renew().want(t, 200, "")
	r.pass(time.Minute)
	for _, stolen := range []*mobile{thief, bound} {
		stolen.tryEnrol(false).want(t, 409, "enrolled_elsewhere")
		stolen.tryEnrol(true).want(t, 403, "sign_in_again")
	}
	thief.call("POST", "/m/api/session/others/end", nil).want(t, 403, "sign_in_again")
	if !m.good() {
		t.Fatal("the phone's code is not taken any more")
	}
	m.call("POST", "/m/api/session/others/end", nil).want(t, 204, "") // ends no enrolment
	thief.call("GET", "/m/api/me", nil).want(t, 401, "sign_in_needed")
	thief.signIn()
	r.pass(14 * time.Minute)
	thief.tryEnrol(true).want(t, 200, "")
	if m.good() || !thief.good() {
		t.Errorf("after the takeover: old phone %v, new phone %v", m.good(), thief.good())
	}
}

// TestSignedOutPhone: a phone that is signed out learns whether its codes are dead,
// by its own key, and nobody else learns anything.
func TestSignedOutPhone(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	id, _ := r.enroll(1)
	r.enroll(2)
	changed, m := r.enrolled(1), r.enrolled(2)
	r.exec(`DELETE FROM phone_sessions`) // they run out
	m.renew().want(t, 401, "sign_in_needed")
	r.must(r.changeNumber(id, numberOf(99)))
	var said struct{ Ended string }
	changed.renew().want(t, 401, "enrolment_ended").into(t, &said)
	if said.Ended != "number_changed" {
		t.Errorf("it ended for %q", said.Ended)
	}
	stranger := r.mobile(3)
	stranger.enrolment, stranger.renewal = changed.enrolment, changed.renewal
	stranger.renew().want(t, 401, "sign_in_needed")
	stranger.enrolment = 1 << 40
	stranger.renew().want(t, 401, "sign_in_needed")
	stranger.client = r.mobile(3).client
	stranger.enrolment, stranger.renewal = changed.enrolment, "no token"
	stranger.key = changed.key
	stranger.renew().want(t, 401, "sign_in_needed")
	// Live or ended, a wrong proof gets the same.
	for _, e := range []int64{m.enrolment, changed.enrolment} {
		stranger.call("POST", "/m/api/keys", map[string]any{"enrolment": e, "renewal": m.renewal, "proof": ""}).want(t, 401, "sign_in_needed")
	}
	m.signIn().renew().want(t, 200, "")
}

// TestTooManyPhones: in a day a member enrols five phones and no more.
func TestTooManyPhones(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	r.enroll(1)
	m := r.mobile(1).signIn()
	for range 5 {
		m.key = r.mobile(1).key
		m.tryEnrol(true).want(t, 200, "")
	}
	m.key = r.mobile(1).key
	a := m.tryEnrol(true).want(t, 429, "too_many_codes")
	if a.header.Get("Retry-After") == "" {
		t.Error("it does not say when to come again")
	}
	r.pass(25 * time.Hour)
	m.signIn()
	m.tryEnrol(true).want(t, 200, "")
}

// TestNumberChanged: whoever signed in by a number that is not the member's any more
// is out, at once in the session and with the next turn of the chore at the till.
func TestNumberChanged(t *testing.T) {
	t.Parallel()
	for name, early := range map[string]bool{"enrols before the chore": true, "enrols after it": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			numberChanged(t, early)
		})
	}
}

func numberChanged(t *testing.T, early bool) {
	r := newRig(t, changes{})
	id, _ := r.enroll(1)
	m, own := r.enrolled(1), r.mobile(1)
	r.must(r.changeNumber(id, numberOf(99)))
	m.call("GET", "/m/api/me", nil).want(t, 401, "sign_in_needed")
	if early {
		own.number = numberOf(99)
		own.signIn()
		own.tryEnrol(false).want(t, 200, "")
	}
	if n, err := r.phones.EndDue(t.Context()); n != 1 || err != nil {
		t.Errorf("chore: %d, %v", n, err)
	}
	if n, err := r.phones.EndDue(t.Context()); n != 0 || err != nil {
		t.Errorf("chore again: %d, %v", n, err)
	}
	if m.good() {
		t.Error("the old number's phone still shows a code that is taken")
	}
	if !early {
		r.pass(2 * time.Minute)
		m.askCode().want(t, 202, "") // reaches nobody
		own.number = numberOf(99)
		own.signIn()
		own.tryEnrol(false).want(t, 200, "")
	}
	if !own.good() {
		t.Error("the new number's phone is not taken")
	}
}

// changeNumber writes a member's number anew, as a roster does: by its columns.
func (r *rig) changeNumber(id int64, number string) error {
	return r.changeNumberIn(r.pool, id, number)
}

func (r *rig) changeNumberIn(db personal.DB, id int64, number string) error {
	p, err := r.vault.Seal(personal.Person{ResidentID: residentID(1), Phone: number, Name: "欧阳建国"})
	if err != nil {
		return err
	}
	_, err = db.Exec(r.t.Context(), `UPDATE members SET id_hash = $2, phone_hash = $3, id_sealed = $4, phone_sealed = $5, name_sealed = $6,
		data_key = $7, index_key = $8, version = version + 1 WHERE id = $1`, id, p.IDHash, p.PhoneHash, p.ID, p.Phone, p.Name, p.Key, p.IndexKey)
	return err
}

// TestLeaving: who left the union is signed out, and gets no code.
func TestLeaving(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	id, _ := r.enroll(1)
	m := r.enrolled(1)
	r.exec(`UPDATE members SET status = 2 WHERE id = $1`, id)
	m.call("GET", "/m/api/me", nil).want(t, 401, "sign_in_needed")
	m.call("POST", "/m/api/keys", map[string]any{"enrolment": m.enrolment, "renewal": m.renewal, "proof": m.proof(m.renewal)}).want(t, 401, "enrolment_ended")
	r.pass(2 * time.Minute)
	m.askCode().want(t, 202, "")
	m.trySignIn("123456").want(t, 422, "code_wrong")
	select {
	case <-r.sent:
		t.Error("a code was sent to somebody who left")
	default:
	}
}

// TestExportAndErase: what is kept of a phone is in the export, and gone after the
// erasure.
func TestExportAndErase(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	id, _ := r.enroll(1)
	r.enrolled(1)
	src := r.phones.Source()
	tx, err := r.pool.Begin(t.Context())
	r.must(err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	doc, err := src.Read(t.Context(), tx, id)
	if err != nil || doc == nil {
		t.Fatalf("export: %v, %v", doc, err)
	}
	r.must(src.Erase(t.Context(), tx, id))
	if doc, err = src.Read(t.Context(), tx, id); err != nil || doc != nil {
		t.Errorf("after the erasure: %v, %v", doc, err)
	}
	r.must(event.Record(t.Context(), tx, by.Actor, "member.erase", "member:1", "test", nil, nil))
}
