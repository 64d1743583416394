package voucher_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
	"unioncard/merchant"
	"unioncard/merchant/terms"
	"unioncard/settlement/budget"
	"unioncard/settlement/budget/voucher"
)

// holding gives cards vouchers of three series and returns a node's view of them.
func holding(t testing.TB) (*world, *voucher.State, func(), [3]int64) {
	t.Helper()
	w := newWorld(t, 300)
	later, sooner, elsewhere := w.plan("晚", 100), w.plan("早", 100), w.plan("别处", 100)
	sooner.LastDay, sooner.Stackable, elsewhere.Trades = w.today+3, true, []merchant.Trade{"travel"}
	ids := [3]int64{w.series(later), w.series(sooner), w.series(elsewhere)}
	for _, id := range ids {
		file := list(number(1), number(3), number(257)) // 1 and 257 share a shard
		if _, err := w.store.GrantList(w.ctx, by, id, file, file.Size(), false); err != nil {
			t.Fatal(err)
		}
	}
	budgets := budget.NewState(w.merchants, w.unions.Tree)
	state := voucher.NewState(budgets)
	log := slog.New(slog.DiscardHandler)
	sources := []feed.Source{budget.NewSource(budgets), voucher.NewSource(state, log)}
	w.reload(sources...)
	apply := func() {
		t.Helper()
		w.must(pgx.BeginFunc(w.ctx, w.pool, func(tx pgx.Tx) error {
			for _, s := range sources {
				rows, err := tx.Query(w.ctx, `SELECT id, kind, object_id, version, at FROM changes WHERE kind = ANY ($1) ORDER BY id`, s.Kinds())
				if err != nil {
					return err
				}
				changes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[feed.Change])
				if err != nil {
					return err
				}
				if err := s.Apply(w.ctx, tx, changes); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	return w, state, apply, ids
}

func TestHeld(t *testing.T) {
	t.Parallel()
	w, state, apply, ids := holding(t)
	now := time.Now()
	names := map[int64]string{ids[0]: "later", ids[1]: "sooner", ids[2]: "elsewhere"}
	check := func(what string, serial int64, at time.Time, trade string, want ...string) {
		t.Helper()
		var got []string
		for _, h := range state.Held(nil, serial, at, 1, trade) {
			got = append(got, fmt.Sprintf("%s %d", names[h.Series.ID], h.No))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", what, d)
		}
	}
	check("soonest first", 1, now, "catering", "sooner 1", "later 1")
	check("another trade", 257, now, "travel", "sooner 1", "later 1", "elsewhere 1")
	check("nothing held", 2, now, "catering")
	check("no card", -1, now, "catering")
	check("beyond", 1<<40, now, "catering")
	check("sooner is over", 1, (w.today + 4).Start(), "catering", "later 1")
	if n := state.Cards(); n != 3 {
		t.Errorf("%d cards hold something", n)
	}

	w.exec(`UPDATE vouchers SET state = 2, merchant_id = 1, purchase_id = gen_random_uuid() WHERE card_serial = 1 AND series_id = $1 AND no IN (1, 3)`, ids[1])
	if _, err := w.store.Revoke(w.ctx, by, ids[0], 4100000000000003); err != nil {
		t.Fatal(err)
	}
	w.must(w.budgets.Freeze(w.ctx, by, ids[2]))
	apply()
	check("the first is used", 1, now, "catering", "sooner 2", "later 1")
	check("one is revoked, one frozen", 3, now, "travel", "sooner 1")
	w.must(w.budgets.Unfreeze(w.ctx, by, ids[2]))
	w.must(w.tx(func(tx pgx.Tx) error { return w.budgets.CloseTx(w.ctx, tx, by, ids[1]) }))
	apply()
	check("thawed, and one ended", 3, now, "travel", "elsewhere 1")
	check("its card alone", 1, now, "catering", "later 1")
	if s := state.Series(ids[1]); s != nil {
		t.Errorf("an ended series is in view: %+v", s)
	}
	w.exec(`UPDATE vouchers SET state = 3 WHERE state = 1`)
	w.reload(voucher.NewSource(state, slog.New(slog.DiscardHandler)))
	if n := state.Cards(); n != 0 {
		t.Errorf("%d cards hold something after a fresh load", n)
	}
}

// TestHeldAllocates nothing, with vouchers and without. Not in parallel: what others
// allocate counts too.
func TestHeldAllocates(t *testing.T) {
	_, state, _, _ := holding(t)
	dst := make([]voucher.Held, 0, 8)
	now := time.Now()
	for _, serial := range []int64{1, 2} {
		if n := testing.AllocsPerRun(100, func() { dst = state.Held(dst[:0], serial, now, 1, "travel") }); n > 0 {
			t.Errorf("card %d: %v allocations", serial, n)
		}
	}
}

// TestOffer is what a voucher does at a till: 满50减40.
func TestOffer(t *testing.T) {
	t.Parallel()
	c, err := voucher.Offer(12, "惠民券", 4000, 5000, false)
	if err != nil {
		t.Fatal(err)
	}
	base, err := (&terms.Terms{V: terms.Version}).Compile()
	if err != nil {
		t.Fatal(err)
	}
	if o := c.Offers()[0]; o.ID() != "voucher-12" || o.Budget() != 12 || o.FundingBP() != 0 || o.Stackable() {
		t.Errorf("%s of budget %d, funded %d", o.ID(), o.Budget(), o.FundingBP())
	}
	for amount, want := range map[int64]int64{4999: 0, 5000: 4000, 50_000: 4000} {
		var r terms.Result
		base.Evaluate(&terms.Input{AmountFen: amount, At: time.Now(), Extra: c}, &r)
		if r.DiscountFen != want || want > 0 && r.Applied[0].UnionFen != want {
			t.Errorf("%d: %+v", amount, r)
		}
	}
}
