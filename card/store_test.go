package card_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"unioncard/card"
	"unioncard/card/union"
	"unioncard/migrations/pgtest"
)

var (
	by    = card.By{Actor: "cli:test", Reason: "试验"}
	until = card.MonthOf(time.Date(2027, 12, 5, 0, 0, 0, 0, time.UTC))
)

// seeded makes a store with Henan's unions and one grassroots union in 金水区,
// whose id it returns.
func seeded(t *testing.T, db card.DB) (*card.Store, int64) {
	t.Helper()
	s := card.NewStore(db, card.StoreOptions{})
	ids, err := s.SeedUnions(t.Context(), by)
	if err != nil {
		t.Fatal(err)
	}
	u, err := s.CreateUnion(t.Context(), by, union.Union{Kind: union.Grassroots, Name: "某厂工会", ParentID: ids[410105]})
	if err != nil {
		t.Fatal(err)
	}
	return s, u.ID
}

func issued(t *testing.T, s *card.Store, unionID int64) card.Card {
	t.Helper()
	member, err := s.Enroll(t.Context(), by, card.NewMember{UnionID: unionID, Name: "欧阳修", Class: 2})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Issue(t.Context(), by, member, until)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestIssue(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	tx := pgtest.Tx(t)
	s, unionID := seeded(t, tx)
	c := issued(t, s, unionID)
	want := card.Entry{Status: card.StatusActive, Generation: 1, Class: 2, Last4: uint16(c.Number % 10_000),
		Territory: 410105, Holder: "欧阳*", ValidUntil: until}
	if diff := cmp.Diff(want, c.Entry); diff != "" {
		t.Errorf("issued (-want +got):\n%s", diff)
	}
	got, err := s.Get(ctx, c.Serial)
	if diff := cmp.Diff(c, got); diff != "" || err != nil {
		t.Errorf("read back: %v (-want +got):\n%s", err, diff)
	}
	if serial, generation, err := s.ByNumber(ctx, c.Number); serial != c.Serial || generation != 1 || err != nil {
		t.Errorf("ByNumber: %d of generation %d, %v", serial, generation, err)
	}
	wantMove(t, errOf(s.Issue(ctx, by, c.MemberID, until)), card.ActionIssue, card.StatusActive)
	if _, err := s.Issue(ctx, by, 1<<40, until); err == nil {
		t.Error("a card for nobody")
	}
	if _, err := s.Enroll(ctx, by, card.NewMember{UnionID: 1 << 40, Name: "张三"}); err == nil {
		t.Error("a member of no union")
	}
}

func errOf[T any](_ T, err error) error { return err }

func wantMove(t *testing.T, err error, action card.Action, from card.Status) {
	t.Helper()
	if move, ok := errors.AsType[*card.MoveError](err); !ok || move.Action != action || move.From != from {
		t.Errorf("error %v, want %s refused from %s", err, action, from)
	}
}

func TestUnknownCard(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := card.NewStore(pgtest.Tx(t), card.StoreOptions{})
	if _, err := s.Get(ctx, 5); err != card.ErrCodeInvalid {
		t.Errorf("Get: %v", err)
	}
	if _, _, err := s.ByNumber(ctx, 4100000000000000); err != card.ErrCodeInvalid {
		t.Errorf("ByNumber: %v", err)
	}
	wantMove(t, s.ReportLost(ctx, by, 5), card.ActionReportLost, card.StatusNone)
	wantMove(t, errOf(s.Replace(ctx, by, 5)), card.ActionReplace, card.StatusNone)
	if err := s.Leave(ctx, by, 5); err == nil {
		t.Error("nobody left")
	}
}

func TestReplace(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, unionID := seeded(t, pgtest.Tx(t))
	c := issued(t, s, unionID)
	if err := s.ReportLost(ctx, by, c.Serial); err != nil {
		t.Fatal(err)
	}
	r, err := s.Replace(ctx, by, c.Serial)
	if err != nil {
		t.Fatal(err)
	}
	if r.Serial != c.Serial || r.Number == c.Number || r.Generation != 2 || r.Status != card.StatusActive || r.Version != 3 {
		t.Errorf("replaced: %+v", r)
	}
	if _, _, err := s.ByNumber(ctx, c.Number); err != card.ErrCodeInvalid {
		t.Errorf("the old number: %v", err)
	}
	if serial, generation, err := s.ByNumber(ctx, r.Number); serial != c.Serial || generation != 2 || err != nil {
		t.Errorf("the new number: %d of generation %d, %v", serial, generation, err)
	}
}

// A number once given, live or retired, is never given again: the draw is made
// to repeat itself here.
func TestNumbersAreNeverReused(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	tx := pgtest.Tx(t)
	_, unionID := seeded(t, tx)
	numbers := []int64{4100000000000010, 4100000000000010, 4100000000000010, 4100000000000028, 4100000000000010, 4100000000000028, 4100000000000036}
	s := card.NewStore(tx, card.StoreOptions{NewNumber: func() (int64, error) {
		n := numbers[0]
		if len(numbers) > 1 {
			numbers = numbers[1:]
		}
		return n, nil
	}})
	c := issued(t, s, unionID)
	second, err := s.Replace(ctx, by, c.Serial)
	if err != nil || second.Number != 4100000000000028 {
		t.Errorf("second number %d, %v", second.Number, err)
	}
	third, err := s.Replace(ctx, by, c.Serial)
	if err != nil || third.Number != 4100000000000036 {
		t.Errorf("third number %d, %v", third.Number, err)
	}
	if _, err := s.Replace(ctx, by, c.Serial); err == nil {
		t.Error("a number was given twice")
	}
	if got, err := s.Get(ctx, c.Serial); err != nil || got.Number != third.Number || got.Generation != 3 {
		t.Errorf("after the refused replacement: %+v, %v", got, err)
	}
}

func TestGenerationsRunOut(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	tx := pgtest.Tx(t)
	s, unionID := seeded(t, tx)
	c := issued(t, s, unionID)
	if _, err := tx.Exec(ctx, `UPDATE cards SET generation = $1 WHERE serial = $2`, card.MaxGeneration, c.Serial); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Replace(ctx, by, c.Serial); err == nil {
		t.Error("replaced beyond the last generation")
	}
}

// Reporting a loss works for a suspended card and never lifts the suspension.
func TestLostWhileSuspended(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, unionID := seeded(t, pgtest.Tx(t))
	for name, back := range map[string]func(serial int64) error{
		"found":    func(serial int64) error { return s.Found(ctx, by, serial) },
		"replaced": func(serial int64) error { return errOf(s.Replace(ctx, by, serial)) },
	} {
		c := issued(t, s, unionID)
		for _, step := range []error{s.Suspend(ctx, by, c.Serial), s.ReportLost(ctx, by, c.Serial), back(c.Serial)} {
			if step != nil {
				t.Fatal(step)
			}
		}
		if got, err := s.Get(ctx, c.Serial); err != nil || got.Status != card.StatusSuspended {
			t.Errorf("%s: %s, %v, want suspended", name, got.Status, err)
		}
		if err := s.Resume(ctx, by, c.Serial); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLeave(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, unionID := seeded(t, pgtest.Tx(t))
	c := issued(t, s, unionID)
	if err := s.Leave(ctx, by, c.MemberID); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get(ctx, c.Serial); err != nil || got.Status != card.StatusLeft {
		t.Errorf("%s, %v", got.Status, err)
	}
	wantMove(t, s.Leave(ctx, by, c.MemberID), card.ActionLeave, card.StatusLeft)
	wantMove(t, errOf(s.Issue(ctx, by, c.MemberID, until)), card.ActionIssue, card.StatusLeft)
	wantMove(t, s.Resume(ctx, by, c.Serial), card.ActionResume, card.StatusLeft)

	cancelled := issued(t, s, unionID)
	if err := s.Cancel(ctx, by, cancelled.Serial); err != nil {
		t.Fatal(err)
	}
	if err := s.Leave(ctx, by, cancelled.MemberID); err != nil {
		t.Errorf("leaving without a live card: %v", err)
	}
	if got, err := s.Get(ctx, cancelled.Serial); err != nil || got.Status != card.StatusCancelled {
		t.Errorf("the cancelled card became %s, %v", got.Status, err)
	}
}

// prepared is a card that is still to be activated.
func prepared(t *testing.T, tx pgx.Tx, s *card.Store, unionID int64) card.Card {
	t.Helper()
	member, err := s.Enroll(t.Context(), by, card.NewMember{UnionID: unionID, Name: "李四"})
	if err != nil {
		t.Fatal(err)
	}
	if n, skipped, err := s.IssueMany(t.Context(), tx, by, []int64{member}, until, card.StatusInactive); n != 1 || skipped != 0 || err != nil {
		t.Fatal(n, skipped, err)
	}
	c, err := s.Live(t.Context(), member)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Whatever is done in whatever order: the store moves as the table says, a member
// has at most one live card, every success is one feed row with the card's
// version and one event, and a refusal leaves nothing.
func TestStoreFollowsTheTable(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	outer := pgtest.Tx(t)
	_, unionID := seeded(t, outer)
	rapid.Check(t, func(rt *rapid.T) {
		tx, err := outer.Begin(ctx)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = tx.Rollback(ctx) }()
		s := card.NewStore(tx, card.StoreOptions{})
		c := issued(t, s, unionID)
		status, version, lostFrom := card.StatusActive, int64(1), card.StatusNone
		if rapid.Bool().Draw(rt, "prepared") {
			c, status = prepared(t, tx, s, unionID), card.StatusInactive
		}
		actions := map[card.Action]func() error{
			card.ActionSuspend:    func() error { return s.Suspend(ctx, by, c.Serial) },
			card.ActionResume:     func() error { return s.Resume(ctx, by, c.Serial) },
			card.ActionReportLost: func() error { return s.ReportLost(ctx, by, c.Serial) },
			card.ActionFound:      func() error { return s.Found(ctx, by, c.Serial) },
			card.ActionReplace:    func() error { return errOf(s.Replace(ctx, by, c.Serial)) },
			card.ActionCancel:     func() error { return s.Cancel(ctx, by, c.Serial) },
			card.ActionActivate:   func() error { return s.Activate(ctx, by, c.Serial) },
		}
		names := []card.Action{card.ActionSuspend, card.ActionResume, card.ActionReportLost, card.ActionFound, card.ActionReplace, card.ActionCancel, card.ActionActivate}
		for range rapid.IntRange(1, 8).Draw(rt, "n") {
			action := rapid.SampledFrom(names).Draw(rt, "action")
			rows, events := counted(t, tx, c.Serial)
			next, wantErr := status.Next(action)
			err := actions[action]()
			if action == card.ActionActivate && status == card.StatusActive {
				if err != nil {
					rt.Fatalf("activating twice: %v", err)
				}
				continue
			}
			if (err == nil) != (wantErr == nil) {
				rt.Fatalf("%s of %s: %v, want %v", action, status, err, wantErr)
			}
			grown := int64(0)
			if err == nil {
				switch {
				case action == card.ActionReportLost && status != card.StatusActive:
					lostFrom = status
				case status == card.StatusLost && lostFrom != card.StatusNone && next.Live():
					next, lostFrom = lostFrom, card.StatusNone
				}
				status, grown = next, 1
				version++
			}
			got, err := s.Get(ctx, c.Serial)
			if err != nil || got.Status != status || got.Version != version {
				rt.Fatalf("after %s: %s at version %d, %v, want %s at %d", action, got.Status, got.Version, err, status, version)
			}
			rows2, events2 := counted(t, tx, c.Serial)
			if rows2 != rows+grown || events2 != events+grown {
				rt.Fatalf("after %s: %d feed rows and %d events more, want %d", action, rows2-rows, events2-events, grown)
			}
			var live int64
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM live_cards WHERE card_serial = $1`, c.Serial).Scan(&live); err != nil || (live == 1) != status.Live() {
				rt.Fatalf("%d live cards while %s, %v", live, status, err)
			}
		}
		var newest int64
		if err := tx.QueryRow(ctx, `SELECT max(version) FROM changes WHERE kind = 2 AND object_id = $1`, c.Serial).Scan(&newest); err != nil || newest != version {
			rt.Fatalf("the feed's newest version is %d, %v, want %d", newest, err, version)
		}
	})
}

func counted(t *testing.T, tx pgx.Tx, serial int64) (rows, events int64) {
	t.Helper()
	err := tx.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM changes WHERE kind = 2 AND object_id = $1),
		(SELECT count(*) FROM events WHERE object_kind = 'card' AND object_id = $1::text)`, serial).Scan(&rows, &events)
	if err != nil {
		t.Fatal(err)
	}
	return rows, events
}

// Without an actor or a reason nothing happens, and no event holds a name or a
// card number.
func TestEvents(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	tx := pgtest.Tx(t)
	s, unionID := seeded(t, tx)
	c := issued(t, s, unionID)
	for _, by := range []card.By{{Actor: "cli:test"}, {Reason: "x"}} {
		if err := s.Suspend(ctx, by, c.Serial); err == nil {
			t.Errorf("suspended by %+v", by)
		}
	}
	if got, err := s.Get(ctx, c.Serial); err != nil || got.Version != 1 {
		t.Errorf("version %d, %v", got.Version, err)
	}
	r, err := s.Replace(ctx, by, c.Serial)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Leave(ctx, by, c.MemberID); err != nil {
		t.Fatal(err)
	}
	rows, _ := tx.Query(ctx, `SELECT concat(events.*) FROM events`)
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	personal := []string{"欧阳", card.MaskNumber(c.Number), digits(c.Number), digits(r.Number)}
	for _, text := range texts {
		for _, p := range personal {
			if strings.Contains(text, p) {
				t.Errorf("event %s holds %s", text, p)
			}
		}
	}
	if len(texts) < 6 {
		t.Errorf("%d events", len(texts))
	}
}

func digits(n int64) string {
	var b []byte
	for ; n > 0; n /= 10 {
		b = append([]byte{byte('0' + n%10)}, b...)
	}
	return string(b)
}
