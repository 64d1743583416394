package draft_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unioncard/merchant"
	"unioncard/merchant/draft"
	"unioncard/merchant/terms"
	"unioncard/migrations/pgtest"
)

var (
	wang = merchant.By{Actor: "staff:1", Reason: "修改草稿"}
	li   = merchant.By{Actor: "staff:2", Reason: "修改草稿"}
	noon = time.Date(2026, 6, 1, 4, 0, 0, 0, time.UTC)
)

func clock() time.Time { return noon }

func percents(rates ...int64) *terms.Terms {
	t := &terms.Terms{V: terms.Version}
	for i, bp := range rates {
		t.Offers = append(t.Offers, terms.Offer{ID: fmt.Sprintf("o%d", i+1), Title: "会员折扣", FundingBP: 10000,
			Benefit: terms.Benefit{Kind: terms.KindPercent, RateBP: bp}})
	}
	return t
}

func TestSaveAndRead(t *testing.T) {
	t.Parallel()
	tx := pgtest.Tx(t)
	s, ctx := draft.NewStore(tx, clock), t.Context()
	object := draft.ContractObject(12)
	if _, err := s.Get(ctx, object); !errors.Is(err, draft.ErrNotFound) {
		t.Fatalf("before the first save: %v", err)
	}
	first, err := s.Save(ctx, wang, object, percents(9000), 0)
	if err != nil {
		t.Fatal(err)
	}
	same, err := s.Save(ctx, wang, object, percents(9000), 1)
	if err != nil || same.Version != 1 {
		t.Errorf("saving the same: %+v, %v", same, err)
	}
	second, err := s.Save(ctx, wang, object, percents(8800, 8000), 1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(ctx, object)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(second, got); diff != "" {
		t.Error(diff)
	}
	canonical, err := got.Terms.Canonical()
	if err != nil || got.Version != 2 || got.Actor != "staff:1" || len(canonical) == 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if old, err := s.At(ctx, object, 1); err != nil || old.SHA256 != first.SHA256 {
		t.Errorf("the first state: %+v, %v", old, err)
	}
	if err := s.Discard(ctx, li, object, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(ctx, object); !errors.Is(err, draft.ErrNotFound) {
		t.Errorf("discarded: %v", err)
	}
	if v, err := s.Version(ctx, object); err != nil || v != 3 {
		t.Errorf("version %d, %v", v, err)
	}
	if again, err := s.Save(ctx, li, object, percents(9000), 3); err != nil || again.Version != 4 {
		t.Errorf("begun again: %+v, %v", again, err)
	}
	var actions []string
	rows, err := tx.Query(ctx, `SELECT action || ' ' || actor FROM events WHERE object_kind = 'contract' AND object_id = '12' ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var a string
		if err := rows.Scan(&a); err != nil {
			t.Fatal(err)
		}
		actions = append(actions, a)
	}
	want := []string{"draft.save staff:1", "draft.save staff:1", "draft.discard staff:2", "draft.save staff:2"}
	if diff := cmp.Diff(want, actions); diff != "" {
		t.Error(diff)
	}
}

// The second of two clerks is told who saved and what changed.
func TestConflictTellsWhatChanged(t *testing.T) {
	t.Parallel()
	s, ctx := draft.NewStore(pgtest.Tx(t), clock), t.Context()
	object := draft.FloorObject(merchant.TradeShopping, "")
	base, err := s.Save(ctx, wang, object, percents(9000, 8000), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(ctx, li, object, percents(8800, 8000, 7000), base.Version); err != nil {
		t.Fatal(err)
	}
	_, err = s.Save(ctx, wang, object, percents(9500, 8000), base.Version)
	var conflict *draft.ConflictError
	if !errors.Is(err, draft.ErrConflict) || !errors.As(err, &conflict) {
		t.Fatalf("the second save: %v", err)
	}
	got := terms.Names{}.Changes(conflict.Changes)
	want := []string{"新增“会员折扣”：7折", "“会员折扣”由“9折”改为“8.8折”"}
	if diff := cmp.Diff(want, got); diff != "" || conflict.Now.Actor != "staff:2" || !conflict.Known {
		t.Errorf("%s, %+v", diff, conflict)
	}
	if d, err := s.Get(ctx, object); err != nil || d.Terms.Offers[0].Benefit.RateBP != 8800 {
		t.Errorf("the first clerk's work is gone: %+v, %v", d, err)
	}
	if _, err := s.Save(ctx, wang, object, percents(9000), 99); !errors.As(err, &conflict) || conflict.Known {
		t.Errorf("a version nobody has seen: %v", err)
	}
	if err := s.Discard(ctx, wang, object, base.Version); !errors.Is(err, draft.ErrConflict) {
		t.Errorf("discarding what was not seen: %v", err)
	}
}

// Many save the same version at once: one wins, every other is told.
func TestOneOfManyWins(t *testing.T) {
	t.Parallel()
	s, ctx := draft.NewStore(pgtest.New(t), clock), t.Context()
	object := draft.ContractObject(7)
	const clerks = 8
	errs := make([]error, clerks)
	var all sync.WaitGroup
	for i := range clerks {
		all.Go(func() { _, errs[i] = s.Save(ctx, wang, object, percents(int64(9000-i)), 0) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, draft.ErrConflict):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d saves of version 0 went through", won)
	}
	if h, err := s.History(ctx, object, 10); err != nil || len(h) != 1 {
		t.Errorf("%d states, %v", len(h), err)
	}
}

// A draft keeps its latest states and no more; what it refuses it does not write.
func TestBounds(t *testing.T) {
	t.Parallel()
	s, ctx := draft.NewStore(pgtest.Tx(t), clock), t.Context()
	object := draft.FloorObject("", "永辉 超市/东区")
	for i := range int32(70) {
		if _, err := s.Save(ctx, wang, object, percents(int64(9000-i)), i); err != nil {
			t.Fatal(err)
		}
	}
	h, err := s.History(ctx, object, 1000)
	if err != nil || len(h) != 60 || h[0].Version != 70 {
		t.Errorf("%d states, %v", len(h), err)
	}
	if _, err := s.At(ctx, object, 1); !errors.Is(err, draft.ErrNotFound) {
		t.Errorf("a pruned state: %v", err)
	}
	many := make([]int64, 10_000)
	for i := range many {
		many[i] = 9000
	}
	if _, err := s.Save(ctx, wang, object, percents(many...), 70); !errors.Is(err, terms.ErrInvalid) {
		t.Errorf("10,000 offers: %v", err)
	}
	var invalid *merchant.InvalidError
	for _, bad := range []string{"", "contract:0", "contract:-1", "contract:1;drop", "floor:brand:", "outlet:1", "floor:trade:X\x00"} {
		if _, err := s.Save(ctx, wang, bad, percents(9000), 0); !errors.As(err, &invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if v, err := s.Version(ctx, object); err != nil || v != 70 {
		t.Errorf("version %d, %v", v, err)
	}
}
