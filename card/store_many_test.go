package card_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/migrations/pgtest"
)

func enrolled(t *testing.T, s *card.Store, unionID int64, n int) (ids []int64) {
	t.Helper()
	for range n {
		id, err := s.Enroll(t.Context(), by, card.NewMember{UnionID: unionID, Name: "王小明", Class: 3})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// Many cards are issued as one is: serial, number, feed row, live card; and who has
// one, left or does not exist is passed over.
func TestIssueMany(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	tx := pgtest.Tx(t)
	_, unionID := seeded(t, tx)
	// Numbers repeat at first: what is taken is drawn again.
	drawn := []int64{4100000000000011, 4100000000000011, 4100000000000011, 4100000000000029}
	s := card.NewStore(tx, card.StoreOptions{NewNumber: func() (int64, error) {
		if len(drawn) > 0 {
			n := drawn[0]
			drawn = drawn[1:]
			return n, nil
		}
		return card.NewNumber(nil)
	}})
	ids := enrolled(t, s, unionID, 6)
	if err := s.Leave(ctx, by, ids[1]); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Issue(ctx, by, ids[2], until); err != nil { // takes the number ...11
		t.Fatal(err)
	}
	ask := append(slices.Clone(ids), 1<<40)
	n, skipped, err := s.IssueMany(ctx, tx, by, ask, until, card.StatusInactive)
	if n != 4 || skipped != 3 || err != nil {
		t.Fatalf("%d issued, %d passed over, %v", n, skipped, err)
	}
	numbers := map[int64]bool{}
	for _, i := range []int{0, 3, 4, 5} {
		c, err := s.Live(ctx, ids[i])
		if err != nil {
			t.Fatal(err)
		}
		want := card.Entry{Status: card.StatusInactive, Generation: 1, Class: 3, Last4: uint16(c.Number % 10_000),
			Territory: 410105, Holder: "王**", ValidUntil: until}
		if diff := cmp.Diff(want, c.Entry); diff != "" || c.Version != 1 || numbers[c.Number] {
			t.Errorf("member %d at version %d: %s", i, c.Version, diff)
		}
		numbers[c.Number] = true
		if serial, _, err := s.ByNumber(ctx, c.Number); err != nil || serial != c.Serial {
			t.Errorf("its number leads to %d, %v", serial, err)
		}
		if rows, _ := counted(t, tx, c.Serial); rows != 1 {
			t.Errorf("%d feed rows", rows)
		}
	}
	var events int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM events WHERE action = 'card.prepare_many'`).Scan(&events); err != nil || events != 1 {
		t.Errorf("%d events, %v", events, err)
	}
	if n, skipped, err := s.IssueMany(ctx, tx, by, ask, until, card.StatusActive); n != 0 || skipped != 7 || err != nil {
		t.Errorf("again: %d, %d, %v", n, skipped, err)
	}
	for _, status := range []card.Status{card.StatusNone, card.StatusLost, card.StatusLeft} {
		if _, _, err := s.IssueMany(ctx, tx, by, ids, until, status); err == nil {
			t.Errorf("issued %s", status)
		}
	}
}

// Many issue to the same members at once: each gets one card.
func TestIssueManyAtOnce(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := pgtest.New(t)
	s, unionID := seeded(t, pool)
	ids := enrolled(t, s, unionID, 40)
	var mu sync.Mutex
	var wg sync.WaitGroup
	total := 0
	for i := range 6 {
		wg.Go(func() {
			mine := slices.Clone(ids)
			if i%2 == 1 {
				slices.Reverse(mine)
			}
			err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				n, _, err := s.IssueMany(ctx, tx, by, mine, until, card.StatusActive)
				mu.Lock()
				defer mu.Unlock()
				total += n
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var live, cards int
	if err := pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM live_cards), (SELECT count(*) FROM cards)`).Scan(&live, &cards); err != nil {
		t.Fatal(err)
	}
	if total != 40 || live != 40 || cards != 40 {
		t.Errorf("%d issued, %d live of %d cards, want 40", total, live, cards)
	}
}

// Who waits for another's issue to the same members passes them over when it has
// committed, though they had no card when the waiting began.
func TestIssueManyWaits(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := pgtest.New(t)
	s, unionID := seeded(t, pool)
	ids := enrolled(t, s, unionID, 3)
	first, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Rollback(ctx) }()
	if n, _, err := s.IssueMany(ctx, first, by, ids, until, card.StatusActive); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	done := make(chan error, 1)
	go func() {
		done <- pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			n, skipped, err := s.IssueMany(ctx, tx, by, ids, until, card.StatusActive)
			if err == nil && (n != 0 || skipped != 3) {
				t.Errorf("%d issued, %d passed over", n, skipped)
			}
			return err
		})
	}()
	for waits := false; !waits; {
		if err := pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
			AND cardinality(pg_blocking_pids(pid)) > 0)`).Scan(&waits); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Renewing takes the active cards that run out by a month and leaves the rest:
// lost ones, those not yet activated, and final cards.
func TestRenewMany(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	tx := pgtest.Tx(t)
	s, unionID := seeded(t, tx)
	ids := enrolled(t, s, unionID, 6)
	for i, month := range []card.Month{until - 1, until, until + 1, until, until} {
		if _, err := s.Issue(ctx, by, ids[i], month); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.IssueAs(ctx, by, ids[5], until, card.StatusInactive); err != nil {
		t.Fatal(err)
	}
	lost, err := s.Live(ctx, ids[3])
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ReportLost(ctx, by, lost.Serial); err != nil {
		t.Fatal(err)
	}
	if err := s.Leave(ctx, by, ids[4]); err != nil {
		t.Fatal(err)
	}
	if n, err := s.RenewMany(ctx, tx, by, ids, until, until+24); n != 2 || err != nil {
		t.Fatalf("%d renewed, %v", n, err)
	}
	for i, want := range []card.Month{until + 24, until + 24, until + 1, until, 0, until} {
		if want == 0 {
			continue // left
		}
		c, err := s.Live(ctx, ids[i])
		if err != nil || c.ValidUntil != want {
			t.Errorf("member %d: %s, %v, want %s", i, c.ValidUntil, err, want)
		}
		if rows, _ := counted(t, tx, c.Serial); rows != c.Version {
			t.Errorf("member %d: %d feed rows at version %d", i, rows, c.Version)
		}
	}
	if n, err := s.RenewMany(ctx, tx, by, ids, until, until+24); n != 0 || err != nil {
		t.Errorf("again %d, %v", n, err)
	}
	if _, err := s.RenewMany(ctx, tx, by, ids, until, until); err == nil {
		t.Error("renewed to the month it ends in")
	}
}

// Leaving ends each live card with its own event, as one by one.
func TestLeaveMany(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	tx := pgtest.Tx(t)
	s, unionID := seeded(t, tx)
	ids := enrolled(t, s, unionID, 4)
	var cards []card.Card
	for _, id := range ids[:3] {
		c, err := s.Issue(ctx, by, id, until)
		if err != nil {
			t.Fatal(err)
		}
		cards = append(cards, c)
	}
	if err := s.Suspend(ctx, by, cards[1].Serial); err != nil {
		t.Fatal(err)
	}
	if err := s.ReportLost(ctx, by, cards[1].Serial); err != nil {
		t.Fatal(err)
	}
	if n, err := s.LeaveMany(ctx, tx, by, []int64{ids[0], ids[1], ids[3]}); n != 2 || err != nil {
		t.Fatalf("%d ended, %v", n, err)
	}
	for i, want := range []card.Status{card.StatusLeft, card.StatusLeft, card.StatusActive} {
		c, err := s.Get(ctx, cards[i].Serial)
		if err != nil || c.Status != want || c.LostFrom != card.StatusNone {
			t.Errorf("card %d: %+v, %v, want %s", i, c, err, want)
		}
		if rows, events := counted(t, tx, c.Serial); rows != c.Version || events != c.Version {
			t.Errorf("card %d at version %d: %d feed rows, %d events", i, c.Version, rows, events)
		}
		if _, err := s.Live(ctx, c.MemberID); (err == nil) != c.Status.Live() {
			t.Errorf("card %d: live card %v", i, err)
		}
	}
	var before, after string
	err := tx.QueryRow(ctx, `SELECT before->>'status', after->>'status' FROM events WHERE action = 'card.leave' AND object_id = $1::bigint::text`,
		cards[1].Serial).Scan(&before, &after)
	if err != nil || before != "lost" || after != "left" {
		t.Errorf("told as %s to %s, %v", before, after, err)
	}
	if _, err := s.LeaveMany(ctx, tx, card.By{Actor: "cli:test"}, ids); err == nil {
		t.Error("without a reason")
	}
}
