package merchant_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"unioncard/merchant"
)

// Terms name budgets that are there for their contract, and floors name none.
func TestTermsNameBudgetsThatAreThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ownTx(t))
	m := w.merchant("")
	other := w.merchant("")
	budget := func(office int64, state string, merchants ...int64) (id int64) {
		t.Helper()
		if merchants == nil {
			merchants = []int64{}
		}
		w.must(w.db.QueryRow(w.ctx, `INSERT INTO budgets (office_id, kind, name, state, first_day, last_day, merchants, amount_fen)
			SELECT $1, 'budget', '预算' || count(*), $2, '2026-01-01', '2026-12-31', $3, 100 FROM budgets RETURNING id`,
			office, state, merchants).Scan(&id))
		return id
	}
	c := w.draft(m, 0, w.city, false)
	for name, tt := range map[string]struct {
		id   int64
		good bool
	}{
		"none":                         {0, false},
		"of the contract's office":     {budget(w.city, "open"), true},
		"frozen":                       {budget(w.city, "frozen"), true},
		"of the province":              {budget(w.province, "open"), true},
		"of a county, naming the shop": {budget(w.county, "open", other, m), true},
		"of a county, naming another":  {budget(w.county, "open", other), false},
		"of a county, for all its own": {budget(w.county, "open"), false},
		"a draft":                      {budget(w.city, "draft"), false},
		"closed":                       {budget(w.city, "closed"), false},
		"that was never there":         {987654, false},
	} {
		doc := fmt.Sprintf(`{"v":1,"offers":[{"id":"a","title":"八折","benefit":{"kind":"percent","rate_bp":8000},"funding_bp":4000,"budget":%d}]}`, tt.id)
		_, err := w.store.CheckTerms(w.ctx, c, []byte(doc), noon)
		var invalid *merchant.InvalidError
		if tt.good && err != nil || !tt.good && !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	floor := fmt.Sprintf(`{"v":1,"offers":[{"id":"a","title":"八折","benefit":{"kind":"percent","rate_bp":8000},"funding_bp":4000,"budget":%d}]}`, budget(w.province, "open"))
	_, err := w.store.PublishFloor(w.ctx, by, merchant.NewFloor{Trade: merchant.TradeHealth, Terms: []byte(floor), Effective: time.Time{}})
	var invalid *merchant.InvalidError
	if !errors.As(err, &invalid) {
		t.Errorf("floor: %v", err)
	}
}
