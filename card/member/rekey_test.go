package member_test

import (
	"context"
	"testing"
	"time"

	"unioncard/card/member"
	"unioncard/card/personal"
	"unioncard/migrations/pgtest"
)

// TestEditWhileReindexed: whose number changes while the members are being indexed
// anew is signed out as at any other time, and whose other data change is not.
func TestEditWhileReindexed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change   func(other personal.Person) member.Change
		sessions int
	}{
		"number":        {func(p personal.Person) member.Change { return member.Change{Phone: &p.Phone} }, 0},
		"none any more": {func(personal.Person) member.Change { return member.Change{Phone: new(string)} }, 0},
		"name":          {func(personal.Person) member.Change { name := "欧阳询"; return member.Change{Name: &name} }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, pool := t.Context(), pgtest.New(t)
			w := newWorld(t, pool)
			id := w.register(t, w.here, 1)
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			_, err := pool.Exec(ctx, `INSERT INTO phone_sessions (hash, member_id, created_at, seen_at) VALUES (sha256('x'), $1, now(), now())`, id)
			must(err)
			// Somebody holds the member, so that the rotation passes it over; and then it
			// is broken off.
			tx, err := pool.Begin(ctx)
			must(err)
			_, err = tx.Exec(ctx, `SELECT FROM members WHERE id = $1 FOR UPDATE`, id)
			must(err)
			rotating, stop := context.WithCancel(ctx)
			over := make(chan struct{})
			go func() {
				defer close(over)
				_, _ = w.vault.Rotate(rotating, personal.RotateOptions{Actor: "test", Reason: "test", Settle: time.Millisecond})
			}()
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for switched := false; !switched; <-tick.C {
				must(pool.QueryRow(ctx, `SELECT index_key > 2 FROM personal_state`).Scan(&switched))
			}
			stop()
			<-over
			must(tx.Rollback(ctx))
			must(w.vault.Reload(ctx))

			m, err := w.members.Get(ctx, id)
			must(err)
			other := person(t, 2)
			must(w.members.Edit(ctx, by, id, m.Version, tc.change(other)))
			var sessions int
			must(pool.QueryRow(ctx, `SELECT count(*) FROM phone_sessions`).Scan(&sessions))
			if sessions != tc.sessions {
				t.Errorf("%d sessions, want %d", sessions, tc.sessions)
			}
			got, err := w.members.ByResidentID(ctx, person(t, 1).ResidentID)
			must(err)
			if got.ID != id {
				t.Errorf("found %d", got.ID)
			}
		})
	}
}
