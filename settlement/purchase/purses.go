package purchase

import (
	"cmp"
	"slices"
)

// purseUse is a budget at work in a batch: the one slice of it that the lane draws
// on, locked, and what else there is of it.
type purseUse struct {
	id     int64
	demand int64 // of all rows of the batch, fen
	slice  int16 // -1: there is none
	left   int64 // in the slice when it was locked
	// total is what the whole budget had left under the lock, at one moment; slices of
	// others may hold less since, and more only by an undoing.
	total   int64
	pays    bool  // it is open, and today is one of its days
	cardCap int64 // what one card may have; 0 for no bound

	taken, uses int64 // in this batch
	short       bool  // the slice has too little for a row, the budget has not
}

// cardUse is what a card has of a budget.
type cardUse struct {
	serial, budget int64
	was, add       int64
}

// voucherKey names a voucher.
type voucherKey struct {
	serial, series int64
	no             int16
}

func (k voucherKey) compare(o voucherKey) int {
	return cmp.Or(cmp.Compare(k.serial, o.serial), cmp.Compare(k.series, o.series), cmp.Compare(k.no, o.no))
}

// voucherHeld is a voucher's state while it may be used.
const voucherHeld = 1

// voucherUse is a voucher at work in a batch.
type voucherUse struct {
	voucherKey
	held bool // and not used in this batch
	by   *row // that uses it
}

// purses are the budgets, what cards had of them, and the vouchers that a batch
// touches, each in the order of their locks, which come after the caps.
type purses struct {
	budgets  []purseUse
	cards    []cardUse
	vouchers []voucherUse

	budgetAt  map[int64]int
	cardAt    map[[2]int64]int
	voucherAt map[voucherKey]int
}

// gather finds what the rows draw on.
func (p *purses) gather(rows []*row) {
	p.budgets, p.cards, p.vouchers = p.budgets[:0], p.cards[:0], p.vouchers[:0]
	if p.budgetAt == nil {
		p.budgetAt, p.cardAt, p.voucherAt = make(map[int64]int), make(map[[2]int64]int), make(map[voucherKey]int)
	}
	clear(p.budgetAt)
	clear(p.cardAt)
	clear(p.voucherAt)
	for _, r := range rows {
		for i := range r.draws {
			p.add(r, &r.draws[i])
		}
	}
	if len(p.budgets) == 0 {
		return
	}
	slices.SortFunc(p.budgets, func(a, b purseUse) int { return cmp.Compare(a.id, b.id) })
	slices.SortFunc(p.cards, func(a, b cardUse) int {
		return cmp.Or(cmp.Compare(a.serial, b.serial), cmp.Compare(a.budget, b.budget))
	})
	slices.SortFunc(p.vouchers, func(a, b voucherUse) int { return a.compare(b.voucherKey) })
	for i := range p.budgets {
		p.budgetAt[p.budgets[i].id] = i
	}
	for i := range p.cards {
		p.cardAt[[2]int64{p.cards[i].serial, p.cards[i].budget}] = i
	}
	for i := range p.vouchers {
		p.voucherAt[p.vouchers[i].voucherKey] = i
	}
}

func (p *purses) add(r *row, d *draw) {
	at, known := p.budgetAt[d.budget]
	if !known {
		at = len(p.budgets)
		p.budgetAt[d.budget] = at
		p.budgets = append(p.budgets, purseUse{id: d.budget, slice: -1})
	}
	p.budgets[at].demand += d.fen
	if k := [2]int64{r.q.serial, d.budget}; !has(p.cardAt, k) {
		p.cardAt[k] = 0
		p.cards = append(p.cards, cardUse{serial: r.q.serial, budget: d.budget})
	}
	if k := d.voucherOf(r); d.voucher != 0 && !has(p.voucherAt, k) {
		p.voucherAt[k] = 0
		p.vouchers = append(p.vouchers, voucherUse{voucherKey: k})
	}
}

func has[K comparable](m map[K]int, k K) bool {
	_, ok := m[k]
	return ok
}

func (d *draw) voucherOf(r *row) voucherKey { return voucherKey{r.q.serial, d.budget, d.voucher} }

// locks is how many rows the batch locks of budgets, cards and vouchers.
func (p *purses) locks() int { return len(p.budgets) + len(p.cards) + len(p.vouchers) }

func (p *purses) budget(d *draw) *purseUse { return &p.budgets[p.budgetAt[d.budget]] }

func (p *purses) card(r *row, d *draw) *cardUse {
	return &p.cards[p.cardAt[[2]int64{r.q.serial, d.budget}]]
}

func (p *purses) voucher(r *row, d *draw) *voucherUse {
	return &p.vouchers[p.voucherAt[d.voucherOf(r)]]
}

// check refuses a row whose budgets or voucher don't give what its quote says. A
// row that only its lane's slice is too small for marks the budget as short: the
// batch is then written again with more in the slice.
func (p *purses) check(r *row) error {
	for i := range r.draws {
		d := &r.draws[i]
		u, c := p.budget(d), p.card(r, d)
		switch {
		case d.voucher != 0 && !p.voucher(r, d).held:
			return &Refusal{Err: ErrVoucherUsed, Offer: d.offer}
		case !u.pays:
			return &Refusal{Err: ErrBudgetClosed, Offer: d.offer}
		case u.cardCap > 0 && c.was+c.add+d.fen > u.cardCap:
			return &Refusal{Err: ErrBudgetCardCap, Offer: d.offer}
		case u.taken+d.fen > u.total:
			return &Refusal{Err: ErrBudgetExhausted, Offer: d.offer}
		case u.taken+d.fen > u.left:
			u.short = true
		}
	}
	return nil
}

// take counts an accepted row.
func (p *purses) take(r *row) {
	for i := range r.draws {
		d := &r.draws[i]
		u := p.budget(d)
		u.taken += d.fen
		u.uses++
		p.card(r, d).add += d.fen
		if d.voucher != 0 {
			v := p.voucher(r, d)
			v.held, v.by = false, r
		}
	}
}

// short says whether a slice needs more before the batch can be written.
func (p *purses) short() bool {
	return slices.ContainsFunc(p.budgets, func(u purseUse) bool { return u.short })
}
