package budget_test

import (
	"testing"

	"pgregory.net/rapid"

	"unioncard/migrations/pgtest"
	"unioncard/settlement/budget"
	"unioncard/settlement/ledger"
)

// model is what a budget and one series of it ought to hold.
type model struct {
	id     int64
	parent *model
	state  budget.Status
	amount int64
	left   int64
	spent  int64
}

// TestMoneyModel does anything to a budget and its series in any order and holds the
// figures, the slices and the ledger against a model that only adds and subtracts.
func TestMoneyModel(outer *testing.T) {
	outer.Parallel()
	db := pgtest.Tx(outer)
	rapid.Check(outer, func(t *rapid.T) {
		run, err := db.Begin(outer.Context())
		if err != nil {
			outer.Fatal(err)
		}
		defer func() { _ = run.Rollback(outer.Context()) }()
		w, fund := newWorld(outer, run), int64(0)
		fen := rapid.Int64Range(1, 3_000_000)
		all := []*model{{state: budget.Draft, amount: fen.Draw(t, "amount")}}
		all[0].id = w.draft("模型"+itoa(w.count(`SELECT count(*) FROM budgets`)), all[0].amount)
		pick := func(t *rapid.T) *model { return rapid.SampledFrom(all).Draw(t, "which") }
		t.Repeat(map[string]func(*rapid.T){
			"series": func(t *rapid.T) {
				if len(all) > 3 || all[0].state == budget.Closed {
					t.Skip()
				}
				m := &model{parent: all[0], state: budget.Draft, amount: fen.Draw(t, "money")}
				m.id = w.series(all[0].id, "券"+itoa(w.count(`SELECT count(*) FROM budgets`)), m.amount)
				all = append(all, m)
			},
			"open": func(t *rapid.T) {
				m := pick(t)
				err := w.open(m.id)
				may := m.state == budget.Draft && (m.parent == nil || m.parent.state == budget.Open && m.parent.left >= m.amount)
				if may != (err == nil) {
					t.Fatalf("open %+v: %v", m, err)
				}
				if !may {
					return
				}
				m.state, m.left = budget.Open, m.amount
				if m.parent == nil {
					fund -= m.amount
				} else {
					m.parent.left -= m.amount
				}
			},
			"topup": func(t *rapid.T) {
				m, f := pick(t), fen.Draw(t, "fen")
				err := w.topUp(m.id, f)
				if may := m.parent == nil && (m.state == budget.Open || m.state == budget.Frozen); may != (err == nil) {
					t.Fatalf("top up %+v: %v", m, err)
				} else if may {
					m.amount, m.left, fund = m.amount+f, m.left+f, fund-f
				}
			},
			"freeze": func(t *rapid.T) {
				m := pick(t)
				if err := w.store.Freeze(w.ctx, by, m.id); (m.state == budget.Open) != (err == nil) {
					t.Fatalf("freeze %+v: %v", m, err)
				} else if err == nil {
					m.state = budget.Frozen
				}
			},
			"unfreeze": func(t *rapid.T) {
				m := pick(t)
				if err := w.store.Unfreeze(w.ctx, by, m.id); (m.state == budget.Frozen) != (err == nil) {
					t.Fatalf("unfreeze %+v: %v", m, err)
				} else if err == nil {
					m.state = budget.Open
				}
			},
			"close": func(t *rapid.T) {
				m := pick(t)
				may := m.state == budget.Open || m.state == budget.Frozen
				for _, o := range all {
					may = may && (o.parent != m || o.state == budget.Draft || o.state == budget.Closed)
				}
				if err := w.close(m.id); may != (err == nil) {
					t.Fatalf("close %+v: %v", m, err)
				} else if may {
					m.state = budget.Closed
					m.giveBack(&fund)
				}
			},
			"spend": func(t *rapid.T) {
				m := pick(t)
				if m.state == budget.Open {
					got := w.spend(m.id, fen.Draw(t, "fen"))
					m.left, m.spent = m.left-got, m.spent+got
				}
			},
			"back": func(t *rapid.T) {
				m := pick(t)
				if m.spent > 0 {
					f := rapid.Int64Range(1, m.spent).Draw(t, "fen")
					w.back(m.id, f)
					m.left, m.spent = m.left+f, m.spent-f
				}
			},
			"sweep": func(t *rapid.T) {
				if _, err := w.store.Sweep(w.ctx); err != nil {
					t.Fatal(err)
				}
				for i := len(all) - 1; i >= 0; i-- {
					if all[i].state == budget.Closed {
						all[i].giveBack(&fund)
					}
				}
			},
			"": func(t *rapid.T) { w.holds(t, all, fund) },
		})
	})
}

// giveBack is what closing and sweeping do.
func (m *model) giveBack(fund *int64) {
	if m.parent != nil {
		m.parent.left += m.left
	} else {
		*fund += m.left
	}
	m.left = 0
}

// holds checks figures, slices and ledger.
func (w *world) holds(t *rapid.T, all []*model, fund int64) {
	for _, m := range all {
		r := w.get(m.id)
		if r.Status != m.state || m.state != budget.Draft && (r.LeftFen != m.left || r.AmountFen != m.amount) || r.SpentFen != m.spent {
			t.Fatalf("%+v, want %+v", *r, m)
		}
		if got := w.balance(ledger.Budget(m.id)); got != m.left {
			t.Fatalf("the ledger has %d for %+v", got, m)
		}
	}
	if got := w.balance(ledger.Fund(2)); got != fund {
		t.Fatalf("the fund is at %d, want %d", got, fund)
	}
	if n := w.count(`SELECT count(*) FROM budgets b WHERE b.granted_fen <> coalesce((SELECT sum(granted_fen) FROM budget_slices s WHERE s.budget_id = b.id), 0)`); n > 0 {
		t.Fatalf("%d budgets whose grants do not add up", n)
	}
}
