package phone_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"unioncard/card"
)

// TestBackAgain: a phone of who left and came back is signed in no more, and gets no
// keys of the new card by its old token.
func TestBackAgain(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t, changes{})
	id, _ := r.enroll(1)
	m := r.enrolled(1)
	r.must(r.members.Leave(ctx, by, id))
	var ended string
	r.must(r.pool.QueryRow(ctx, `SELECT ended FROM phone_enrolments WHERE id = $1`, m.enrolment).Scan(&ended))
	if ended != "left" {
		t.Errorf("the enrolment ended: %s", ended)
	}
	if n, err := r.phones.EndDue(ctx); n != 1 || err != nil {
		t.Errorf("chore: %d, %v", n, err)
	}
	r.must(r.members.Rejoin(ctx, by, id, 0))
	_, err := r.cards.Issue(ctx, by, id, card.MonthOf(time.Now().AddDate(2, 0, 0)))
	r.must(err)
	r.reload()
	m.call("GET", "/m/api/me", nil).want(t, 401, "sign_in_needed")
	m.renew().want(t, 401, "enrolment_ended") // told by its own key, without a session
	m.signIn().renew().want(t, 401, "enrolment_ended")
	m.tryEnrol(false).want(t, 200, "")
	if !m.good() {
		t.Error("the code of the new card is not taken")
	}
}

// parameter of a statement; those of pruning are times.
var parameter = regexp.MustCompile(`\$[0-9]+`)

// TestPruneReadsIndexes: what runs every minute reads no whole table.
func TestPruneReadsIndexes(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t, changes{})
	r.traced.take()
	_, err := r.phones.Prune(ctx)
	r.must(err)
	_, err = r.phones.EndDue(ctx)
	r.must(err)
	conn, err := r.pool.Acquire(ctx)
	r.must(err)
	defer conn.Release()
	_, err = conn.Exec(ctx, `SET enable_seqscan = off`) // the tables are empty: only what no index serves is read whole
	r.must(err)
	statements := 0
	for _, sql := range r.traced.take() {
		if !strings.Contains(sql, "phone_") {
			continue
		}
		statements++
		results, err := conn.Conn().PgConn().Exec(ctx, "EXPLAIN "+parameter.ReplaceAllString(sql, "'2020-01-01'")).ReadAll()
		r.must(err)
		var plan strings.Builder
		for _, row := range results[0].Rows {
			plan.Write(row[0])
			plan.WriteByte('\n')
		}
		if strings.Contains(plan.String(), "Seq Scan") {
			t.Errorf("%s\n%s", sql, plan.String())
		}
	}
	if statements < 4 {
		t.Errorf("%d statements", statements)
	}
}
