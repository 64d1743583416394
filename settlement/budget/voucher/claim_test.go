package voucher_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"unioncard/card/phone"
	"unioncard/settlement/budget/voucher"
)

// TestClaimAnswers has one claim for each answer there is.
func TestClaimAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 20)
	with := func(name string, change func(*voucher.Plan)) int64 {
		p := w.plan(name, 2)
		change(&p)
		return w.series(p)
	}
	open := with("开放", func(*voucher.Plan) {})
	later := with("未到", func(p *voucher.Plan) { p.ClaimFrom = time.Now().Add(time.Minute) })
	over := with("截止", func(*voucher.Plan) {})
	w.exec(`UPDATE voucher_series SET claim_until = now() - interval '1 second' WHERE budget_id = $1`, over)
	ended := with("过期", func(*voucher.Plan) {})
	w.exec(`UPDATE budgets SET first_day = first_day - 10, last_day = $2 WHERE id = $1`, ended, (w.today - 2).Date())
	frozen := with("冻结", func(*voucher.Plan) {})
	w.must(w.budgets.Freeze(w.ctx, by, frozen))
	closed := with("结束", func(*voucher.Plan) {})
	w.must(w.tx(func(tx pgx.Tx) error { return w.budgets.CloseTx(w.ctx, tx, by, closed) }))
	granted := with("发放", func(p *voucher.Plan) { p.ClaimFrom, p.ClaimUntil = time.Time{}, time.Time{} })
	draft, err := w.store.Create(w.ctx, by, w.parent, w.plan("草稿", 2))
	w.must(err)
	city := with("本市", func(p *voucher.Plan) { p.Territory = 410100 })
	county := with("本区", func(p *voucher.Plan) { p.Territory = 410105 })
	w.exec(`UPDATE cards SET status = 3 WHERE serial = 7`)
	w.exec(`UPDATE cards SET valid_until = '2020-01-31' WHERE serial = 9`)
	w.exec(`DELETE FROM live_cards WHERE member_id = 11`)
	w.exec(`UPDATE members SET status = 2 WHERE id = 13`)
	w.exec(`UPDATE phone_sessions SET seen_at = now() - interval '91 days' WHERE member_id = 15`)
	w.exec(`UPDATE phone_sessions SET created_at = now() - interval '401 days' WHERE member_id = 17`)

	c := w.claimer()
	type want struct {
		err   error
		again bool
	}
	for i, s := range []struct {
		member, series int64
		want           want
	}{
		{1, open, want{}}, {1, open, want{again: true}}, {2, open, want{}}, {3, open, want{err: voucher.ErrSoldOut}},
		{3, open, want{err: voucher.ErrSoldOut}}, {2, open, want{again: true}},
		{1, later, want{err: voucher.ErrNotYet}}, {1, over, want{err: voucher.ErrOver}}, {1, ended, want{err: voucher.ErrOver}},
		{1, frozen, want{err: voucher.ErrPaused}}, {1, closed, want{err: voucher.ErrOver}}, {1, granted, want{err: voucher.ErrNoSeries}},
		{1, draft, want{err: voucher.ErrNoSeries}}, {1, w.parent, want{err: voucher.ErrNoSeries}}, {1, 999, want{err: voucher.ErrNoSeries}},
		{1, -1, want{err: voucher.ErrNoSeries}},
		{1, city, want{}}, {2, city, want{err: voucher.ErrNotEligible}}, {2, county, want{err: voucher.ErrNotEligible}}, {1, county, want{}},
		{7, county, want{err: phone.ErrCardUnusable}}, {9, county, want{err: phone.ErrCardUnusable}}, {11, county, want{err: phone.ErrNoCard}},
		{13, county, want{err: phone.ErrNoSession}}, {15, county, want{err: phone.ErrNoSession}}, {17, county, want{err: phone.ErrNoSession}},
		{999, county, want{err: phone.ErrNoSession}},
	} {
		got, err := c.Claim(w.ctx, token(s.member), s.series)
		if d := cmp.Diff(s.want, want{err, got.Again}, cmpopts.EquateErrors(), cmp.AllowUnexported(want{})); d != "" {
			t.Errorf("%d: member %d, series %d: %s", i, s.member, s.series, d)
		}
		if err == nil && (got.SeriesID != s.series || got.Vouchers != 4 || time.Since(got.At).Abs() > time.Minute) {
			t.Errorf("%d: %+v", i, got)
		}
	}
	if _, err := c.Claim(w.ctx, "not a token", open); !errors.Is(err, phone.ErrNoSession) {
		t.Errorf("a claim without a session: %v", err)
	}
	// What one has is answered as at first, whatever became of the series.
	first, err := c.Claim(w.ctx, token(1), open)
	w.must(err)
	w.must(w.budgets.Freeze(w.ctx, by, open))
	if again, err := c.Claim(w.ctx, token(1), open); err != nil || again != first {
		t.Errorf("%+v, %v; first %+v", again, err, first)
	}
	// A new card is no second member.
	w.exec(`INSERT INTO cards (serial, member_id, number, status, territory, name_masked, valid_until) SELECT 101, 1, 4100000000000101, 1, territory, name_masked, valid_until FROM cards WHERE serial = 1`)
	w.exec(`UPDATE live_cards SET card_serial = 101 WHERE member_id = 1`)
	if again, err := c.Claim(w.ctx, token(1), county); err != nil || !again.Again {
		t.Errorf("with a new card: %+v, %v", again, err)
	}
	w.sums()
}

// sums holds what is given out against the counts.
func (w *world) sums() {
	w.t.Helper()
	if n := w.count(`SELECT count(*) FROM voucher_series s WHERE claimed <> (SELECT count(DISTINCT card_serial) FROM vouchers v WHERE v.series_id = s.budget_id)
		OR claimed * per_pack <> (SELECT count(*) FROM vouchers v WHERE v.series_id = s.budget_id) OR claimed > packs`); n > 0 {
		w.t.Errorf("%d series were counted wrong", n)
	}
}

// TestFlashClaim lets a crowd at two series on two nodes at once: each pack is given
// once, everybody gets a definite answer, and nobody two packs.
func TestFlashClaim(t *testing.T) {
	t.Parallel()
	const members, packs, nodes = 400, 50, 2
	w := newWorld(t, members)
	series := []int64{w.series(w.plan("一", packs)), w.series(w.plan("二", packs))}
	var claimers []*voucher.Claimer
	for range nodes {
		claimers = append(claimers, w.claimer(func(o *voucher.ClaimerOptions) { o.MaxRows = 32 }))
	}
	var wg sync.WaitGroup
	var got [2]atomic.Int64
	for m := range int64(members) {
		for i, s := range series {
			for n := range 2 * nodes { // from several phones, or by a nervous thumb
				wg.Go(func() {
					c, err := claimers[n%nodes].Claim(context.Background(), token(m+1), s)
					switch {
					case err == nil && !c.Again:
						got[i].Add(1)
					case err == nil, errors.Is(err, voucher.ErrSoldOut):
					default:
						t.Errorf("member %d: %v", m+1, err)
					}
				})
			}
		}
	}
	wg.Wait()
	for i := range series {
		if n := got[i].Load(); n != packs {
			t.Errorf("series %d: %d packs were given", i, n)
		}
	}
	w.sums()
	if n := w.count(`SELECT count(DISTINCT object_id) FROM changes WHERE kind = 10`); n != w.count(`SELECT count(DISTINCT card_serial) FROM vouchers`) {
		t.Errorf("the nodes were told of %d wallets", n)
	}
}

// TestClaimSurvives kills the database's side of batches under way: who has a pack is
// told so, nobody gets two, and none is lost.
func TestClaimSurvives(t *testing.T) {
	t.Parallel()
	const members = 200
	w := newWorld(t, members)
	id := w.series(w.plan("一", 150))
	c := w.claimer(func(o *voucher.ClaimerOptions) { o.MaxRows = 8 })
	killed, stop := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(killed)
		for {
			select {
			case <-stop:
				return
			default:
			}
			_, _ = w.pool.Exec(context.Background(), `SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%voucher%' LIMIT 1`)
		}
	}()
	var wg sync.WaitGroup
	var has atomic.Int64
	for m := range int64(members) {
		wg.Go(func() {
			_, err := c.Claim(context.Background(), token(m+1), id)
			switch {
			case err == nil:
				has.Add(1)
			case !errors.Is(err, voucher.ErrSoldOut):
				t.Errorf("member %d: %v", m+1, err)
			}
		})
	}
	wg.Wait()
	close(stop)
	<-killed
	if n := has.Load(); n != 150 {
		t.Errorf("%d were told of a pack", n)
	}
	w.sums()
}

// TestClaimWhileFull refuses what does not fit in the queue at once, and after the end.
func TestClaimWhileFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	id := w.series(w.plan("一", 2))
	w.reload()
	c := voucher.NewClaimer(w.pool, voucher.ClaimerOptions{Tree: w.unions.Tree, Limits: phone.DefaultLimits(), Lanes: 1, Queue: 1})
	gone, leave := context.WithCancel(w.ctx)
	leave()
	if _, err := c.Claim(gone, token(1), id); !errors.Is(err, voucher.ErrBusy) {
		t.Errorf("a claim whose caller left: %v", err)
	}
	if _, err := c.Claim(w.ctx, token(2), id); !errors.Is(err, voucher.ErrBusy) {
		t.Errorf("a claim beyond the queue: %v", err)
	}
	ctx, stop := context.WithCancel(w.ctx)
	stop()
	w.must(c.Run(ctx))
	if _, err := c.Claim(w.ctx, token(2), id); !errors.Is(err, voucher.ErrBusy) {
		t.Errorf("a claim after the end: %v", err)
	}
	if n := w.count(`SELECT count(*) FROM vouchers`); n != 0 {
		t.Errorf("%d vouchers for who had left", n)
	}
}

// BenchmarkClaims is how many claims a second one node decides, the crowd in memory.
func BenchmarkClaims(b *testing.B) {
	const members = 20_000
	w := newWorld(b, members)
	id := w.series(w.plan("一", members/8))
	w.exec(`ANALYZE`)
	c := w.claimer()
	var next atomic.Int64
	b.ResetTimer()
	b.SetParallelism(2000)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Claim(context.Background(), token(next.Add(1)%members+1), id); err != nil && !errors.Is(err, voucher.ErrSoldOut) {
				b.Error(fmt.Errorf("claim: %w", err))
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "claims/s")
}
