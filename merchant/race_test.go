package merchant_test

import (
	"errors"
	"testing"
	"time"

	"unioncard/merchant"
	"unioncard/migrations/pgtest"
)

// overlapped runs first in a transaction that stays open until second, begun
// meanwhile, waits for it (or is done, having missed it), and returns what second
// returned.
func overlapped(w *world, first func(*merchant.Store), second func() error) error {
	w.t.Helper()
	tx, err := w.db.Begin(w.ctx)
	w.must(err)
	first(merchant.NewStore(tx, w.clock.Now))
	done := make(chan error, 1)
	go func() { done <- second() }()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for {
		select {
		case err := <-done:
			w.must(tx.Commit(w.ctx))
			return err
		case <-tick.C:
		case <-limit:
			w.t.Fatal("neither waiting nor done")
		}
		waiting := w.count(`SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
			WHERE NOT l.granted AND a.datname = current_database()`)
		if waiting > 0 {
			w.must(tx.Commit(w.ctx))
			return <-done
		}
	}
}

// The floors' locks: a floor published while a contract below it is being
// activated waits for that contract and lists it; a contract activated while a
// floor is being published waits for the floor and is refused.
func TestFloorAgainstActivation(t *testing.T) {
	t.Parallel()
	newFloor := merchant.NewFloor{Trade: merchant.TradeCatering, Terms: percent(8500), DeadlineDays: 30}
	for name, floorFirst := range map[string]bool{"contract first": false, "floor first": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pgtest.New(t))
			c := w.draft(w.merchant(""), 0, w.county, false)
			_, err := w.store.PublishTerms(w.ctx, by, c, percent(9000), time.Time{})
			w.must(err)
			if floorFirst {
				err := overlapped(w, func(s *merchant.Store) {
					_, err := s.PublishFloor(w.ctx, by, newFloor)
					w.must(err)
				}, func() error { return w.store.ActivateContract(w.ctx, by, c) })
				if !errors.Is(err, merchant.ErrBelowFloor) {
					t.Errorf("activated below the floor: %v", err)
				}
				return
			}
			var out merchant.PublishedFloor
			w.must(overlapped(w, func(s *merchant.Store) { w.must(s.ActivateContract(w.ctx, by, c)) }, func() error {
				var err error
				out, err = w.store.PublishFloor(w.ctx, by, newFloor)
				return err
			}))
			if len(out.Below) != 1 || out.Below[0].ContractID != c {
				t.Errorf("below: %+v", out.Below)
			}
		})
	}
}

// The merchant's lock: what changes one merchant's coverage or Terms waits for
// its turn and sees what was done before.
func TestMerchantLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.New(t))
	m := w.merchant("")
	o := w.outlet(m)
	var drafts [2]int64
	for i := range drafts {
		drafts[i] = w.draft(m, o, w.county, false)
		_, err := w.store.PublishTerms(w.ctx, by, drafts[i], percent(9000), time.Time{})
		w.must(err)
	}
	err := overlapped(w, func(s *merchant.Store) { w.must(s.ActivateContract(w.ctx, by, drafts[0])) },
		func() error { return w.store.ActivateContract(w.ctx, by, drafts[1]) })
	var overlap *merchant.OverlapError
	if !errors.As(err, &overlap) || overlap.ContractID != drafts[0] {
		t.Errorf("second contract: %v", err)
	}

	publish := func(s *merchant.Store, at time.Time) (merchant.Published, error) {
		return s.PublishTerms(w.ctx, by, drafts[0], percent(8500), at)
	}
	var third merchant.Published
	w.must(overlapped(w, func(s *merchant.Store) { _, err := publish(s, noon.Add(time.Hour)); w.must(err) }, func() error {
		var err error
		third, err = publish(w.store, noon.Add(2*time.Hour))
		return err
	}))
	if third.Version != 3 {
		t.Errorf("version %d", third.Version)
	}

	var opened int64
	chain := w.draft(m, 0, w.county, false)
	_, err = w.store.PublishTerms(w.ctx, by, chain, percent(9000), time.Time{})
	w.must(err)
	w.must(overlapped(w, func(s *merchant.Store) { w.must(s.ActivateContract(w.ctx, by, chain)) }, func() error {
		var err error
		opened, err = w.store.CreateOutlet(w.ctx, by, merchant.NewOutlet{MerchantID: m, Name: "新店", Territory: 410105})
		return err
	}))
	if n := w.count(`SELECT count(*) FROM contract_outlets WHERE outlet_id = $1 AND contract_id = $2`, opened, chain); n != 1 {
		t.Error("an outlet opened meanwhile did not join the contract")
	}
}
