package card_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/feed"
	"unioncard/migrations/pgtest"
)

// A new phone's enrolment ends the old phone's codes on every node, and nothing
// else of the card.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := pgtest.New(t)
	s, unionID := seeded(t, pool)
	c := issued(t, s, unionID)
	table := card.NewTable()
	r := feed.NewReader(pool, []feed.Source{card.NewSource(table)}, feed.Options{})
	if err := r.Load(ctx); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	ring, err := card.NewKeyring(now, nil)
	if err != nil {
		t.Fatal(err)
	}
	codes := card.NewCodes(ring, card.Prefix, table.Lookup)
	old := codes.PhoneCode(c.Serial, c.Generation, c.PhoneEpoch, 0, now)
	printed := codes.PrintedCode(c.Serial, c.Generation, now)
	if _, err := codes.Resolve(old, now); err != nil {
		t.Fatal(err)
	}

	taken := takeOver(t, pool, s, c.Serial)
	want := c
	want.PhoneEpoch, want.Version = 1, 2
	if diff := cmp.Diff(want, taken); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, err := s.Get(ctx, c.Serial); err != nil || cmp.Diff(taken, got) != "" {
		t.Errorf("read back %+v, %v", got, err)
	}
	var feedRows int
	if err := pool.QueryRow(ctx, `SELECT count(*) FROM changes WHERE kind = $1 AND object_id = $2 AND version = 2`,
		feed.KindCard, c.Serial).Scan(&feedRows); err != nil || feedRows != 1 {
		t.Errorf("%d feed rows, %v", feedRows, err)
	}
	apply(t, pool, table, c.Serial)
	if _, err := codes.Resolve(old, now); err != card.ErrCodeInvalid {
		t.Errorf("the old phone's code: %v", err)
	}
	for name, code := range map[string]string{
		"the new phone's": codes.PhoneCode(c.Serial, c.Generation, taken.PhoneEpoch, 0, now), "the printed": printed,
	} {
		if _, err := codes.Resolve(code, now); err != nil {
			t.Errorf("%s code: %v", name, err)
		}
	}
}

// The epoch goes round, and a final card is taken over by nobody.
func TestTakeOverEdges(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := pgtest.New(t)
	s, unionID := seeded(t, pool)
	c := issued(t, s, unionID)
	if _, err := pool.Exec(ctx, `UPDATE cards SET phone_epoch = 255 WHERE serial = $1`, c.Serial); err != nil {
		t.Fatal(err)
	}
	if got := takeOver(t, pool, s, c.Serial); got.PhoneEpoch != 0 {
		t.Errorf("after 255 comes %d", got.PhoneEpoch)
	}
	if live, err := s.Live(ctx, c.MemberID); err != nil || live.Serial != c.Serial {
		t.Errorf("live card %+v, %v", live, err)
	}
	if err := s.Cancel(ctx, by, c.Serial); err != nil {
		t.Fatal(err)
	}
	tx, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	wantMove(t, errOf(s.TakeOver(ctx, tx, c.Serial)), "take_over", card.StatusCancelled)
	wantMove(t, errOf(s.TakeOver(ctx, tx, 987654)), "take_over", card.StatusNone)
	if _, err := s.LiveTx(ctx, tx, c.MemberID); err != card.ErrCodeInvalid {
		t.Errorf("a live card after its end: %v", err)
	}
	if _, err := s.Live(ctx, c.MemberID); err != card.ErrCodeInvalid {
		t.Errorf("a live card after its end: %v", err)
	}
}

func takeOver(t *testing.T, db card.DB, s *card.Store, serial int64) (c card.Card) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) (err error) {
		c, err = s.TakeOver(t.Context(), tx, serial)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// apply brings a card's present entry into the table, as the feed's reader does.
func apply(t *testing.T, db card.DB, table *card.Table, serial int64) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
		return card.NewSource(table).Apply(t.Context(), tx, []feed.Change{{Kind: feed.KindCard, ObjectID: serial}})
	})
	if err != nil {
		t.Fatal(err)
	}
}
