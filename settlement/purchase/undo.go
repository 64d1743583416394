package purchase

import (
	"cmp"
	"slices"

	"unioncard/card"
)

// The kinds of undoing, as stored.
const (
	kindVoid         = 1
	kindReversal     = 2
	kindRefundAmount = 3
	kindRefundLines  = 4
)

// The modes of refunding a purchase. After a refund by amount nobody can say
// whose discount is left, so there is none by line any more.
const (
	modeByLine   = 1
	modeByAmount = 2
)

// undoing is one undoing of a purchase: pure arithmetic over what is stored. All
// amounts in fen.
type undoing struct {
	kind      int16
	state     State // afterwards
	mode      int16 // afterwards
	returned  int64 // money to the member
	givenBack int64 // discount taken back with it
	lines     []undoneLine
}

// undoneLine is what a refund by line took of a line.
type undoneLine struct {
	Line        int   `json:"line"` // from 1
	QtyMilli    int64 `json:"qty_milli"`
	AmountFen   int64 `json:"amount_fen"` // price before discount
	DiscountFen int64 `json:"discount_fen"`
}

// undoAll undoes all that is left: a void or a reversal.
func (p *stored) undoAll(kind int16) (undoing, error) {
	act := actVoid
	if kind == kindReversal {
		act = actReverse
	}
	to, err := p.state.move(act)
	return undoing{kind: kind, state: to, mode: p.refundMode,
		returned: p.payable() - p.returned, givenBack: p.discount - p.givenBack}, err
}

// refundAmount gives fen back to the member. The discount goes back in
// proportion to all that has been returned, rounded down; the last refund takes
// the rest.
func (p *stored) refundAmount(fen int64) (undoing, error) {
	if _, err := p.state.move(actRefund); err != nil {
		return undoing{}, err
	}
	switch {
	case p.payable() == 0:
		return undoing{}, ErrRefundByAmountRefused
	case fen < 1:
		return undoing{}, ErrRefundInvalid
	case fen > p.payable()-p.returned:
		return undoing{}, ErrRefundExceeds
	}
	// Refunds by line before may have given back more than in proportion.
	given := max(share(p.discount, p.returned+fen, p.payable())-p.givenBack, 0)
	u := undoing{kind: kindRefundAmount, mode: modeByAmount, returned: fen, givenBack: given}
	return u, u.rest(p)
}

// share is the part of whole that belongs to part of total, rounded down: at
// most 10^8 times 10^9, which an int64 holds. All of total is all of whole.
func share(whole, part, total int64) int64 {
	if total == 0 {
		return 0
	}
	return whole * part / total
}

// refundLines takes back quantities of lines at each line's stored price and
// discount; done is what earlier refunds took of each line, in thousandths.
func (p *stored) refundLines(want []RefundLine, done map[int]int64) (undoing, error) {
	if _, err := p.state.move(actRefund); err != nil {
		return undoing{}, err
	}
	lines := p.lines
	if len(lines) == 0 && p.payable() == 0 {
		// Nothing was paid and no lines are known: the purchase is its one line.
		lines = []storedLine{{QtyMilli: 1000, AmountFen: p.amount, DiscountFen: p.discount}}
	}
	if p.refundMode == modeByAmount || len(lines) == 0 {
		return undoing{}, ErrRefundByLineRefused
	}
	u := undoing{kind: kindRefundLines, mode: modeByLine}
	seen := map[int]bool{}
	for _, w := range want {
		if w.QtyMilli < 0 || seen[w.Line] {
			return undoing{}, ErrRefundInvalid
		}
		seen[w.Line] = true
		if w.Line < 1 || w.Line > len(lines) {
			return undoing{}, ErrRefundLineUnknown
		}
		l, from := lines[w.Line-1], done[w.Line]
		qty := cmp.Or(w.QtyMilli, l.QtyMilli-from)
		if qty == 0 || qty > l.QtyMilli-from {
			return undoing{}, ErrRefundExceeds
		}
		paid := l.AmountFen - l.DiscountFen
		money := share(paid, from+qty, l.QtyMilli) - share(paid, from, l.QtyMilli)
		discount := share(l.DiscountFen, from+qty, l.QtyMilli) - share(l.DiscountFen, from, l.QtyMilli)
		u.returned += money
		u.givenBack += discount
		u.lines = append(u.lines, undoneLine{w.Line, qty, money + discount, discount})
	}
	return u, u.rest(p)
}

// rest sets the state after a refund: refunded when nothing is left to undo.
func (u *undoing) rest(p *stored) (err error) {
	act := actRefund
	if p.returned+u.returned == p.payable() && p.givenBack+u.givenBack == p.discount {
		act = actRefundRest
	}
	u.state, err = p.state.move(act)
	return err
}

// undone says whether nothing is left to give back.
func (p *stored) undone() bool { return p.returned == p.payable() && p.givenBack == p.discount }

// full says whether nothing is left of the purchase.
func (u *undoing) full(p *stored) bool {
	return p.returned+u.returned == p.payable() && p.givenBack+u.givenBack == p.discount
}

// usageBack is what an undoing gives back of a usage row.
type usageBack struct {
	usageKey
	uses, fen int64
}

// usageBack lists the usage rows, in their locking order: amounts come back in
// proportion and in the purchase's own period, uses only with the last fen.
func (u *undoing) usageBack(p *stored) (back []usageBack) {
	if p.undone() { // all of it is back
		return nil
	}
	for _, o := range p.applied {
		b := usageBack{fen: share(o.Fen, p.givenBack+u.givenBack, p.discount) - share(o.Fen, p.givenBack, p.discount)}
		if u.full(p) {
			b.uses = 1
		}
		for _, per := range o.Periods {
			b.usageKey = usageKey{p.merchant, p.contract, p.floor, o.Offer, p.serial, per.period(), p.day.start(per.period())}
			back = append(back, b)
		}
	}
	slices.SortFunc(back, func(x, y usageBack) int { return x.compare(y.usageKey) })
	return back
}

// capBack is what an undoing gives back of the card's daily cap, in fen.
func (u *undoing) capBack(p *stored) int64 {
	if p.kind == card.KindPhone {
		return 0
	}
	return u.givenBack
}
