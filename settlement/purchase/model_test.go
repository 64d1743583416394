package purchase

import (
	"errors"
	"math/big"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"unioncard/merchant/terms"
)

// model is a purchase as a patient clerk would keep it: exact fractions, one
// entry an undoing, no running totals.
type model struct {
	r      Receipt
	prices []int64 // of each line, before discount
	offs   []int64 // discount of each line
	qty    []int64
	state  State
	paid   []int64 // money returned, one entry an undoing
	taken  []int64 // discount given back
	back   []int64 // thousandths of each line refunded
	byFen  bool    // there was a refund by amount
}

func total(entries []int64) (n int64) {
	for _, e := range entries {
		n += e
	}
	return n
}

// floor is whole * part / of, rounded down, in exact arithmetic.
func floor(whole, part, of int64) int64 {
	n := new(big.Int).Mul(big.NewInt(whole), big.NewInt(part))
	return n.Div(n, big.NewInt(of)).Int64()
}

func (m *model) live() bool { return m.state == StateCommitted || m.state == StatePartiallyRefunded }

// note enters an undoing and the state after a refund.
func (m *model) note(paid, taken int64) {
	m.paid, m.taken = append(m.paid, paid), append(m.taken, taken)
	m.state = StatePartiallyRefunded
	if total(m.paid) == m.r.PayableFen && total(m.taken) == m.r.DiscountFen {
		m.state = StateRefunded
	}
}

func (m *model) refund(fen int64) error {
	switch {
	case !m.live():
		return ErrPurchaseUndone
	case m.r.PayableFen == 0:
		return ErrRefundByAmountRefused
	case total(m.paid)+fen > m.r.PayableFen:
		return ErrRefundExceeds
	}
	m.byFen = true
	m.note(fen, max(0, floor(m.r.DiscountFen, total(m.paid)+fen, m.r.PayableFen)-total(m.taken)))
	return nil
}

func (m *model) refundLine(i int, qty int64) error {
	switch {
	case !m.live():
		return ErrPurchaseUndone
	case m.byFen || len(m.prices) == 0:
		return ErrRefundByLineRefused
	case qty == 0:
		qty = m.qty[i] - m.back[i]
	}
	if qty == 0 || m.back[i]+qty > m.qty[i] {
		return ErrRefundExceeds
	}
	from, to := m.back[i], m.back[i]+qty
	m.back[i] = to
	pay := m.prices[i] - m.offs[i]
	m.note(floor(pay, to, m.qty[i])-floor(pay, from, m.qty[i]), floor(m.offs[i], to, m.qty[i])-floor(m.offs[i], from, m.qty[i]))
	return nil
}

func (m *model) undoAll(to State) error {
	if !m.live() && (to != StateReversed || m.state == StateReversed) {
		return ErrPurchaseUndone
	}
	m.note(m.r.PayableFen-total(m.paid), m.r.DiscountFen-total(m.taken))
	m.state = to
	return nil
}

// modelTerms has an offer with an amount limit and one for a kind of item only.
const modelTerms = `{"v":1,"offers":[
	{"id":"every","title":"每满100减15","benefit":{"kind":"every","at_fen":10000,"off_fen":1500},
	 "limits":[{"per":"day","uses":50},{"per":"contract","fen":900000000}],"funding_bp":10000},
	{"id":"drink","title":"饮料七折","scope":{"skus":["drink"]},"stack":1,"benefit":{"kind":"percent","rate_bp":6999},"funding_bp":10000}]}`

// TestMoneyAgainstModel plays purchases and their undoing at random and holds
// every answer, and the usage that remains, to the model.
func TestMoneyAgainstModel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{terms: modelTerms})
	var serial, step int64
	rapid.Check(t, func(rt *rapid.T) {
		serial = serial%20 + 1
		w.exec(`TRUNCATE usage`)
		step++
		bought := []*model{w.buyAny(rt, serial, step)}
		rt.Repeat(map[string]func(*rapid.T){
			"buy": func(rt *rapid.T) {
				step++
				bought = append(bought, w.buyAny(rt, serial, step))
			},
			"refund": func(rt *rapid.T) {
				m := pick(rt, bought)
				fen := rapid.Int64Range(1, max(m.r.PayableFen, 1)).Draw(rt, "fen")
				a, err := w.refund(w.till(1), m.r.ID, uuid.NewString(), fen)
				m.compare(rt, a, err, m.refund(fen))
			},
			"refund the rest": func(rt *rapid.T) {
				m := pick(rt, bought)
				fen := max(m.r.PayableFen-total(m.paid), 1)
				a, err := w.refund(w.till(1), m.r.ID, uuid.NewString(), fen)
				m.compare(rt, a, err, m.refund(fen))
			},
			"refund a line": func(rt *rapid.T) {
				m := pick(rt, bought)
				i, qty := 0, int64(0)
				if len(m.prices) > 0 {
					i = rapid.IntRange(0, len(m.prices)-1).Draw(rt, "line")
					qty = rapid.Int64Range(0, m.qty[i]).Draw(rt, "qty")
				}
				a, err := w.refundLines(w.till(1), m.r.ID, uuid.NewString(), RefundLine{Line: i + 1, QtyMilli: qty})
				m.compare(rt, a, err, m.refundLine(i, qty))
			},
			"void": func(rt *rapid.T) {
				m := pick(rt, bought)
				a, err := w.desk.Void(w.ctx, w.till(1), m.r.ID, uuid.NewString(), "", "x")
				m.compare(rt, a, err, m.undoAll(StateVoided))
			},
			"reverse": func(rt *rapid.T) {
				m := pick(rt, bought)
				a, err := w.desk.Reverse(w.ctx, w.till(1), m.r.Key)
				var want error
				if m.state != StateReversed { // again: the same answer
					want = m.undoAll(StateReversed)
				}
				m.compare(rt, a.UndoAnswer, err, want)
			},
			"": func(rt *rapid.T) { w.compareAll(rt, bought, serial) },
		})
	})
}

func pick(rt *rapid.T, bought []*model) *model {
	return rapid.SampledFrom(bought).Draw(rt, "purchase")
}

// buyAny buys an amount or a basket.
func (w *world) buyAny(rt *rapid.T, serial, step int64) *model {
	var items []terms.Item
	for range rapid.IntRange(0, 4).Draw(rt, "lines") {
		qty := rapid.Int64Range(1, 5).Draw(rt, "qty")
		price := rapid.Int64Range(0, 9_999).Draw(rt, "price")
		items = append(items, terms.Item{SKU: rapid.SampledFrom([]string{"drink", "rice"}).Draw(rt, "sku"),
			QtyMilli: qty * 1_000, UnitPriceFen: price, AmountFen: qty * price})
	}
	if sum(items) == 0 {
		items = nil
	}
	fen := sum(items)
	if items == nil {
		fen = rapid.Int64Range(1, 60_000).Draw(rt, "amount")
	}
	m := &model{state: StateCommitted, back: make([]int64, len(items))}
	m.r = w.buy(w.till(1), uuid.NewString(), serial, step, fen, items...)
	p, err := purchaseByID(w.ctx, w.pool, 1, m.r.ID)
	w.must(err)
	for i, l := range p.lines {
		m.prices, m.offs, m.qty = append(m.prices, items[i].AmountFen), append(m.offs, l.DiscountFen), append(m.qty, items[i].QtyMilli)
	}
	if items != nil && total(m.offs) != m.r.DiscountFen {
		rt.Fatalf("lines carry %d of %d fen of discount", total(m.offs), m.r.DiscountFen)
	}
	return m
}

// compare holds an answer to the model's, which has made its move already.
func (m *model) compare(rt *rapid.T, a UndoAnswer, got, want error) {
	if !errors.Is(got, want) {
		rt.Fatalf("got error %v, want %v", got, want)
	}
	if want != nil {
		return
	}
	last := len(m.paid) - 1
	if a.ReturnedFen != m.paid[last] || a.GivenBackFen != m.taken[last] || a.State != m.state ||
		a.RemainingFen != m.r.PayableFen-total(m.paid) || a.Seq != len(m.paid) {
		rt.Fatalf("got %+v, want returned %d, given back %d, %v", a, m.paid[last], m.taken[last], m.state)
	}
}

// compareAll holds what the database has to the models.
func (w *world) compareAll(rt *rapid.T, bought []*model, serial int64) {
	var uses, fen int64
	for _, m := range bought {
		p, err := purchaseByID(w.ctx, w.pool, 1, m.r.ID)
		w.must(err)
		if p.state != m.state || p.returned != total(m.paid) || p.givenBack != total(m.taken) {
			rt.Fatalf("stored %v, returned %d, given back %d; want %v, %d, %d", p.state, p.returned, p.givenBack,
				m.state, total(m.paid), total(m.taken))
		}
		for _, o := range p.applied {
			if o.Offer != "every" {
				continue
			}
			fen += o.Fen - floor(o.Fen, total(m.taken), m.r.DiscountFen)
			if total(m.paid) != m.r.PayableFen || total(m.taken) != m.r.DiscountFen {
				uses++
			}
		}
	}
	for _, period := range []int{1, 4} {
		n := w.count(`SELECT coalesce(sum(uses), 0) FROM usage WHERE period = $1 AND card_serial = $2`, period, serial)
		f := w.count(`SELECT coalesce(sum(used_fen), 0)::bigint FROM usage WHERE period = $1 AND card_serial = $2`, period, serial)
		if n != uses || f != fen {
			rt.Fatalf("period %d: %d uses of %d fen, want %d of %d", period, n, f, uses, fen)
		}
	}
}
