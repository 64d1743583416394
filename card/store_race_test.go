package card_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"unioncard/card"
	"unioncard/migrations/pgtest"
)

// Many ask for the same member's card at once: one gets it.
func TestOneLiveCardAMember(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := pgtest.New(t)
	s, unionID := seeded(t, pool)
	member, err := s.Enroll(ctx, by, card.NewMember{UnionID: unionID, Name: "张三"})
	if err != nil {
		t.Fatal(err)
	}
	race := func(n int, fn func() error) (won int) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				err := fn()
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if _, ok := errors.AsType[*card.MoveError](err); !ok {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		return won
	}
	if won := race(8, func() error { return errOf(s.Issue(ctx, by, member, until)) }); won != 1 {
		t.Errorf("%d cards issued", won)
	}
	var serial int64
	if err := pool.QueryRow(ctx, `SELECT card_serial FROM live_cards WHERE member_id = $1`, member).Scan(&serial); err != nil {
		t.Fatal(err)
	}
	if won := race(8, func() error { return s.ReportLost(ctx, by, serial) }); won != 1 {
		t.Errorf("%d losses reported", won)
	}
	if won := race(4, func() error { return errOf(s.Replace(ctx, by, serial)) }); won != 4 {
		t.Errorf("%d of 4 replacements", won)
	}
	// Leaving, cancelling and issuing at once end in one of two ways, never in a deadlock.
	done := make(chan error, 3)
	for _, fn := range []func() error{
		func() error { return s.Leave(ctx, by, member) },
		func() error { return s.Cancel(ctx, by, serial) },
		func() error { return errOf(s.Issue(ctx, by, member, until)) },
	} {
		go func() { done <- fn() }()
	}
	for range 3 {
		if err := <-done; err != nil {
			if _, ok := errors.AsType[*card.MoveError](err); !ok {
				t.Error(err)
			}
		}
	}
	var live int
	if err := pool.QueryRow(ctx, `SELECT count(*) FROM live_cards WHERE member_id = $1`, member).Scan(&live); err != nil || live != 0 {
		t.Errorf("%d live cards of one who left, %v", live, err)
	}
}

// Issuing while the present card is being cancelled either meets it or succeeds it.
func TestIssueWhileCancelling(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := pgtest.New(t)
	s, unionID := seeded(t, pool)
	for range 150 {
		c := issued(t, s, unionID)
		done := make(chan error, 9)
		go func() { done <- s.Cancel(ctx, by, c.Serial) }()
		for range cap(done) - 1 {
			go func() { done <- errOf(s.Issue(ctx, by, c.MemberID, until)) }()
		}
		won := 0
		for range cap(done) {
			err := <-done
			if _, refused := errors.AsType[*card.MoveError](err); err == nil {
				won++
			} else if !refused {
				t.Fatal(err)
			}
		}
		if won < 1 || won > 2 {
			t.Fatalf("%d of one cancelling and eight issuing succeeded", won)
		}
	}
}

// A failed change leaves nothing, also when the context ends in its middle.
func TestCancelledContext(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	s, unionID := seeded(t, pool)
	c := issued(t, s, unionID)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Suspend(ctx, by, c.Serial); err == nil {
		t.Error("suspended under a context that is over")
	}
	if got, err := s.Get(t.Context(), c.Serial); err != nil || got.Version != 1 {
		t.Errorf("version %d, %v", got.Version, err)
	}
}

// Of many who saw a card and move it at once, one does: no card is replaced twice.
func TestMoveOnce(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, unionID := seeded(t, pgtest.New(t))
	c := issued(t, s, unionID)
	errs := make([]error, 6)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = s.Move(ctx, by, c.Serial, c.Version, card.ActionReplace) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, card.ErrStale) {
			t.Error(err)
		}
	}
	got, err := s.Get(ctx, c.Serial)
	if won != 1 || err != nil || got.Generation != 2 || got.Version != c.Version+1 {
		t.Errorf("%d replacements, then %+v, %v", won, got, err)
	}
	if _, err := s.Move(ctx, by, c.Serial, 0, card.ActionReplace); !errors.Is(err, card.ErrStale) {
		t.Errorf("of no version: %v", err)
	}
	wantMove(t, errOf(s.Move(ctx, by, c.Serial, got.Version, card.ActionFound)), card.ActionFound, card.StatusActive)
}
