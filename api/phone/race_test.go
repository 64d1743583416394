package phone_test

import (
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// meanwhile runs do while a change of the member's row is not committed yet, and
// commits it once do waits for it or has ended without.
func (r *rig) meanwhile(change func(pgx.Tx), do func()) {
	r.t.Helper()
	tx, err := r.pool.Begin(r.t.Context())
	r.must(err)
	defer func() { _ = tx.Rollback(r.t.Context()) }()
	change(tx)
	done := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		defer close(done)
		do()
	})
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for waits := false; !waits; {
		select {
		case <-done:
			waits = true
		case <-tick.C:
			r.must(r.pool.QueryRow(r.t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity
				WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&waits))
		}
	}
	r.must(tx.Commit(r.t.Context()))
	all.Wait()
}

// numberTaken is the change by which a member's number becomes somebody else's.
func (r *rig) numberTaken(id int64) func(pgx.Tx) {
	return func(tx pgx.Tx) { r.must(r.changeNumberIn(tx, id, numberOf(99))) }
}

// TestEndedMeanwhile: what a phone has begun when its session is ended comes to
// nothing, whoever ends it.
func TestEndedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, ends := range map[string]func(r *rig, id int64) func(pgx.Tx){
		"number changed": func(r *rig, id int64) func(pgx.Tx) { return r.numberTaken(id) },
		"signed out elsewhere": func(r *rig, id int64) func(pgx.Tx) {
			return func(tx pgx.Tx) {
				for _, sql := range []string{`SELECT FROM members WHERE id = $1 FOR NO KEY UPDATE`, `DELETE FROM phone_sessions WHERE member_id = $1`} {
					_, err := tx.Exec(r.t.Context(), sql, id)
					r.must(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, changes{})
			id, _ := r.enroll(1)
			m := r.mobile(1).signIn()
			var a *answer
			r.meanwhile(ends(r, id), func() { a = m.tryEnrol(false) })
			if a.want(t, 401, "sign_in_needed"); len(m.keys) > 0 {
				t.Error("it got keys")
			}
			var live int
			r.must(r.pool.QueryRow(t.Context(), `SELECT count(*) FROM phone_enrolments WHERE ended_at IS NULL`).Scan(&live))
			if live != 0 {
				t.Error("its enrolment is live")
			}
		})
	}
}

// TestSignInMeanwhile: who signs in by a number in the moment in which it becomes
// another one is not signed in.
func TestSignInMeanwhile(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	id, _ := r.enroll(1)
	m := r.mobile(1)
	m.askCode().want(t, 202, "")
	code := m.received()
	var a *answer
	r.meanwhile(r.numberTaken(id), func() { a = m.trySignIn(code) })
	a.want(t, 422, "code_wrong")
	m.call("GET", "/m/api/me", nil).want(t, 401, "sign_in_needed")
}

// TestSignOutMeanwhile: a phone that signs out while it enrols leaves no keys behind.
func TestSignOutMeanwhile(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	r.enroll(1)
	m := r.mobile(1).signIn()
	var all sync.WaitGroup
	all.Go(func() { m.tryEnrol(false) })
	all.Go(func() { m.call("DELETE", "/m/api/session", nil) })
	all.Wait()
	if len(m.keys) > 0 && m.good() {
		t.Error("a phone that has signed out shows a code that is taken")
	}
}
