package application_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"unioncard/merchant"
	"unioncard/merchant/application"
)

// inForce is a merchant of Jinshui whose contract of the whole merchant is in force.
func (w *world) inForce() (merchantID, contract int64) {
	w.t.Helper()
	a := w.reviewed(document(jinshui))
	acc := w.year()
	acc.ValidFrom = w.clock.Now().Add(-time.Hour)
	contract, err := w.store.Accept(w.ctx, by, a.ID, a.Version, acc)
	w.must(err)
	shops := merchant.NewStore(w.pool, w.clock.Now)
	_, err = shops.PublishTerms(w.ctx, by, contract, []byte(`{"v":1,"offers":[{"id":"a","title":"九折","benefit":{"kind":"percent","rate_bp":9000},"funding_bp":10000}]}`), time.Time{})
	w.must(err)
	w.must(shops.ActivateContract(w.ctx, by, contract))
	return w.get(a.ID).MerchantID, contract
}

// joining is an application of the same company for one shop more.
func (w *world) joining() *application.Application {
	w.t.Helper()
	d := document(jinshui)
	d.Outlets[0].Name, d.Outlets[0].Address = "新店", "农业路88号"
	return w.reviewed(d)
}

// TestJoiningStaysClosed: accepting a shop into a contract that is in force is one
// person's work, so that the shop must not earn by it, nor ask for a contract that
// could never be in force beside the other.
func TestJoiningStaysClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, live := w.inForce()
	a := w.joining()
	acc := w.year()
	acc.MerchantID = id
	contract, err := w.store.Accept(w.ctx, by, a.ID, a.Version, acc)
	w.must(err)
	if got := w.get(a.ID); contract != live || got.ContractID != live || got.MerchantID != id {
		t.Errorf("joined contract %d, kept %d of merchant %d; want %d of %d", contract, got.ContractID, got.MerchantID, live, id)
	}
	if n := w.count(`SELECT count(*) FROM contracts`); n != 1 {
		t.Errorf("%d contracts, want the one that is in force", n)
	}
	if n := w.count(`SELECT count(*) FROM outlets WHERE name = '新店' AND status = 'suspended'`); n != 1 {
		t.Error("the new shop is open before a second person said so")
	}
	shops := merchant.NewStore(w.pool, w.clock.Now)
	outlet := int64(w.count(`SELECT id FROM outlets WHERE name = '新店'`))
	var move *merchant.MoveError
	if err := shops.ResumeOutlet(w.ctx, by, outlet); !errors.As(err, &move) {
		t.Errorf("one person opened it: %v", err)
	}
	if n := w.count(`SELECT count(*) FROM events WHERE object_kind = 'outlet' AND object_id = $1::bigint::text AND after->>'status' = 'active'`, outlet); n != 0 {
		t.Error("the shop was open for a moment")
	}
}

// TestJoiningWithoutContract: without a contract in force the shop waits for one,
// which two people put in force.
func TestJoiningWithoutContract(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, live := w.inForce()
	w.clock.add(2 * 366 * 24 * time.Hour) // it has run out, whether or not that was noted
	a := w.joining()
	acc := w.year()
	acc.MerchantID = id
	contract, err := w.store.Accept(w.ctx, by, a.ID, a.Version, acc)
	w.must(err)
	if n := w.count(`SELECT count(*) FROM contracts WHERE id = $1 AND status = 'draft'`, contract); n != 1 || contract == live {
		t.Errorf("contract %d, want a draft", contract)
	}
}

// TestOneMerchantOfACode: two applications of one company, accepted at once, don't
// make two merchants of it.
func TestOneMerchantOfACode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 4 {
		d := document(jinshui)
		d.Code = freshCode()
		var apps [4]*application.Application
		for i := range apps {
			apps[i] = w.reviewed(d)
		}
		errs := make([]error, len(apps))
		var wait sync.WaitGroup
		for i, a := range apps {
			wait.Go(func() { _, errs[i] = w.store.Accept(w.ctx, by, a.ID, a.Version, w.year()) })
		}
		wait.Wait()
		for _, err := range errs {
			var fields merchant.FieldErrors
			if err != nil && (!errors.As(err, &fields) || fields.On("merchant_id") == "") {
				t.Errorf("the loser reads: %v", err)
			}
		}
		if n := w.count(`SELECT count(*) FROM merchant_details WHERE code = $1`, d.Code); n != 1 {
			t.Errorf("%d merchants of one code", n)
		}
	}
}
