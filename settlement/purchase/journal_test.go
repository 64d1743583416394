package purchase

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"unioncard/migrations/pgtest"
)

func newTestJournal(t *testing.T, db DB, buffer int, clock func() time.Time) *Journal {
	t.Helper()
	return NewJournal(db, JournalOptions{Buffer: buffer, Every: time.Hour, Clock: clock,
		Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
}

func TestJournalKeepsOutcomes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{idle: true})
	j := newTestJournal(t, w.pool, 100, w.now)
	w.verifier.Journal = j
	_, _ = w.verify(w.till(1), &VerifyRequest{Code: w.phone(7, 1), HasAmount: true, AmountFen: 1_000})
	_, _ = w.verify(w.till(1), &VerifyRequest{Code: "41000000000012345678"})
	_, _ = w.verify(w.till(2), &VerifyRequest{Code: w.phone(7, 1)})
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	w.must(j.Run(ctx)) // the last round at shutdown writes what is left
	for _, c := range []struct {
		where string
		want  int64
	}{
		{`card_serial = 7 AND outlet_id = 1 AND terminal_id = 1 AND reason = 'good' AND amount_fen = 1000 AND discount_fen = 100 AND contract_id = 1 AND terms_version = 1 AND code_kind = 1`, 1},
		{`card_serial = 0 AND reason = 'code_invalid'`, 1},
		{`card_serial = 7 AND outlet_id = 2 AND reason = 'code_bound'`, 1},
		{`true`, 3},
	} {
		if n := w.count(`SELECT count(*) FROM verifications WHERE ` + c.where); n != c.want {
			t.Errorf("%s: %d rows", c.where, n)
		}
	}
	if n := value(t, j.written); n != 3 {
		t.Errorf("counted %v", n)
	}
}

// TestJournalCopy: every column arrives as it was taken down, over many of the
// pieces in which COPY reads, and the longest outcome fits a piece's slack.
func TestJournalCopy(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	at := time.Date(2026, 6, 1, 12, 0, 0, 123_456_789, time.UTC)
	j := newTestJournal(t, pool, 1<<15, func() time.Time { return at })
	const rows = 3_000
	for i := range int64(rows) {
		j.put(verification{at: at.Add(time.Duration(i) * time.Microsecond), serial: i, outlet: 1e15 + i, terminal: 2e15 + i, kind: uint8(1 + i%3),
			outcome: uint8(i % int64(outcomeCount)), contract: -i, terms: int32(-1 - i), amount: 1<<62 + i, discount: -1<<62 - i})
	}
	j.flush(context.Background())
	got, err := pool.Query(t.Context(), `SELECT at, card_serial, outlet_id, terminal_id, code_kind, reason, contract_id, terms_version,
		amount_fen, discount_fen FROM verifications ORDER BY card_serial`)
	if err != nil {
		t.Fatal(err)
	}
	i := int64(0)
	for ; got.Next(); i++ {
		var v verification
		var kind int16
		var reason string
		if err := got.Scan(&v.at, &v.serial, &v.outlet, &v.terminal, &kind, &reason, &v.contract, &v.terms, &v.amount, &v.discount); err != nil {
			t.Fatal(err)
		}
		if want := at.Truncate(time.Microsecond).Add(time.Duration(i) * time.Microsecond); !v.at.Equal(want) || v.serial != i || v.outlet != 1e15+i ||
			v.terminal != 2e15+i || int64(kind) != 1+i%3 || reason != outcomeName(int(i)%outcomeCount) || v.contract != -i ||
			v.terms != int32(-1-i) || v.amount != 1<<62+i || v.discount != -1<<62-i {
			t.Fatalf("row %d: %+v, kind %d, %s", i, v, kind, reason)
		}
	}
	if got.Err() != nil || i != rows {
		t.Errorf("%d rows, %v", i, got.Err())
	}
	longest := 0
	for o := range outcomeCount {
		v := verification{outcome: uint8(o)}
		longest = max(longest, len(v.appendCopy(nil)))
	}
	if longest > copySlack-len(copyHead)-len(copyTail) {
		t.Errorf("a row takes %d bytes", longest)
	}
}

func TestJournalPartitions(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	now := time.Date(2026, 6, 1, 15, 59, 0, 0, time.UTC) // 23:59 in Beijing
	clock := func() time.Time { return now }
	j := newTestJournal(t, pool, 100, clock)
	at := func(t time.Time) { j.put(verification{at: t}); j.flush(context.Background()) }
	at(now)
	now = now.Add(2 * time.Minute) // the next day
	at(now)
	names := func() (all []string) {
		rows, err := pool.Query(t.Context(), `SELECT tableoid::regclass::text FROM verifications ORDER BY at`)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var n string
			if err := rows.Scan(&n); err != nil {
				t.Fatal(err)
			}
			all = append(all, n)
		}
		return all
	}
	if got := names(); len(got) != 2 || got[0] != "verifications_20260601" || got[1] != "verifications_20260602" {
		t.Errorf("rows in %v", got)
	}
	now = now.Add(90 * 24 * time.Hour)
	at(now)
	if got := names(); len(got) != 2 || got[0] != "verifications_20260602" || got[1] != "verifications_20260831" {
		t.Errorf("after 90 days rows in %v", got)
	}
	other := newTestJournal(t, pool, 100, clock) // another node finds them made
	other.put(verification{at: now})
	other.flush(context.Background())
	if got := names(); len(got) != 3 {
		t.Errorf("another node: rows in %v", got)
	}
}

func TestJournalDrops(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	j := newTestJournal(t, pool, 8, time.Now)
	for range 10 {
		j.put(verification{at: time.Now()})
	}
	if n := value(t, j.dropped); n != 6 {
		t.Errorf("%v dropped by a full buffer, want 6", n)
	}
	if _, err := pool.Exec(t.Context(), `ALTER TABLE verifications RENAME TO gone`); err != nil {
		t.Fatal(err)
	}
	j.flush(context.Background())
	if n := value(t, j.dropped); n != 10 {
		t.Errorf("%v dropped with the table away, want 10", n)
	}
	if _, err := pool.Exec(t.Context(), `ALTER TABLE gone RENAME TO verifications`); err != nil {
		t.Fatal(err)
	}
	j.put(verification{at: time.Now()})
	j.flush(context.Background())
	if n := value(t, j.written); n != 1 {
		t.Errorf("%v written when it is back", n)
	}
}

// value reads a counter.
func value(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families[0].GetMetric()[0].GetCounter().GetValue()
}
