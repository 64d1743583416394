package budget_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card"
	"unioncard/card/feed"
	"unioncard/merchant"
	"unioncard/migrations/pgtest"
	"unioncard/settlement/budget"
)

// TestState follows budgets by the feed and asks where and when they pay.
func TestState(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	w := newWorld(t, pool)
	unions := card.NewUnions()
	merchants := merchant.NewState(time.Now, slog.New(slog.DiscardHandler))
	state := budget.NewState(merchants, unions.Tree)
	plan := func(name string, change func(*budget.Plan)) int64 {
		p := w.plan(name, 1000)
		change(&p)
		id, err := w.store.Create(w.ctx, by, 2, p)
		w.must(err)
		return id
	}
	all := plan("全部", func(*budget.Plan) {})
	trades := plan("行业", func(p *budget.Plan) { p.Trades = []merchant.Trade{"shopping", "catering"} })
	named := plan("指名", func(p *budget.Plan) { p.Merchants = []int64{4, 1} })
	later := plan("以后", func(p *budget.Plan) { p.FirstDay += 5 })
	for _, id := range []int64{all, named, later} {
		w.must(w.open(id))
	}
	load(t, pool, card.NewUnionSource(unions), merchant.NewSource(merchants), budget.NewSource(state))
	now := time.Now()
	check := func(id int64, at time.Time, merchantID int64, trade string, want bool) {
		t.Helper()
		if got := state.Pays(id, at, merchantID, trade); got != want {
			t.Errorf("budget %d at %v pays at merchant %d (%s): %v", id, at, merchantID, trade, got)
		}
	}
	check(all, now, 1, "catering", true)
	check(all, now, 2, "shopping", true) // below
	check(all, now, 3, "catering", false)
	check(all, now, 4, "catering", false) // above and not named
	check(all, now, 99, "catering", false)
	check(all, (w.today + 30).Start().Add(24*time.Hour-1), 1, "catering", true)
	check(all, (w.today + 31).Start(), 1, "catering", false)
	check(all, w.today.Start().Add(-1), 1, "catering", false)
	check(trades, now, 1, "catering", false) // a draft
	check(named, now, 1, "catering", true)
	check(named, now, 2, "shopping", false)
	check(named, now, 4, "catering", true)
	moved := budget.Entry{OfficeID: 2, Merchants: []int64{3}} // another city's office has the merchant by now
	if moved.PaysAt(unions.Tree(), 4, 3, "catering") {
		t.Error("a budget pays at a merchant of another city's")
	}
	check(later, now, 1, "catering", false)
	check(later, (w.today + 5).Start(), 1, "catering", true)
	w.must(w.open(trades))
	w.must(w.store.Freeze(w.ctx, by, all))
	w.must(w.close(named))
	follow(t, pool, budget.NewSource(state))
	check(trades, now, 1, "catering", true)
	check(trades, now, 1, "health", false)
	check(all, now, 1, "catering", false)
	check(named, now, 1, "catering", false)
	if e := state.Get(all); e == nil || e.Status != budget.Frozen || state.Get(named) != nil {
		t.Errorf("frozen %+v, closed %+v", e, state.Get(named))
	}
	w.must(w.store.Unfreeze(w.ctx, by, all))
	follow(t, pool, budget.NewSource(state))
	check(all, now, 1, "catering", true)
}

func load(t *testing.T, pool *pgxpool.Pool, sources ...feed.Source) {
	t.Helper()
	r := feed.NewReader(pool, sources, feed.Options{Clock: time.Now})
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// follow applies every change of the feed so far to a source, as a reader's poll does.
func follow(t *testing.T, pool *pgxpool.Pool, source feed.Source) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(t.Context(), `SELECT id, kind, object_id, version, at FROM changes WHERE kind = ANY ($1) ORDER BY id`, source.Kinds())
		if err != nil {
			return err
		}
		changes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[feed.Change])
		if err != nil {
			return err
		}
		return source.Apply(t.Context(), tx, changes)
	})
	if err != nil {
		t.Fatal(err)
	}
}
