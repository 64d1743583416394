package purchase

import "unioncard/settlement/ledger"

// purseQuestions are the statements that lock and read what a batch draws on, each
// with its columns and the reader of its rows, in the order of the locks.
func (b *batch) purseQuestions(ask func(statement, func([][]byte), ...*column)) {
	if len(b.purses.budgets) == 0 {
		return
	}
	ids, pick := b.col(0, oidInt8), b.col(1, oidInt4)
	for i := range b.purses.budgets {
		ids.int8(b.purses.budgets[i].id)
		pick.int4(b.l.pick)
	}
	ask(stmtLockSlices, b.readSlice, ids, pick)
	ask(stmtReadBudgets, b.readBudget, ids)
	serial, budget := b.col(0, oidInt8), b.col(1, oidInt8)
	for i := range b.purses.cards {
		serial.int8(b.purses.cards[i].serial)
		budget.int8(b.purses.cards[i].budget)
	}
	ask(stmtLockCardBudgets, b.readCardBudget, serial, budget)
	if len(b.purses.vouchers) > 0 {
		ask(stmtLockVouchers, b.readVoucher, b.voucherColumns(false)...)
	}
}

func (b *batch) readSlice(v [][]byte) {
	u := &b.purses.budgets[getInt4(v[0])-1]
	u.slice, u.left = getInt2(v[1]), getInt8(v[2])
}

func (b *batch) readBudget(v [][]byte) {
	u := &b.purses.budgets[getInt4(v[0])-1]
	u.pays, u.cardCap, u.total = v[1][0] == 1, getInt8(v[2]), getInt8(v[3])
}

func (b *batch) readCardBudget(v [][]byte) { b.purses.cards[getInt4(v[0])-1].was = getInt8(v[1]) }

func (b *batch) readVoucher(v [][]byte) {
	b.purses.vouchers[getInt4(v[0])-1].held = getInt2(v[1]) == voucherHeld
}

func (b *batch) voucherColumns(used bool) []*column {
	cols := []*column{b.col(0, oidInt8), b.col(1, oidInt8), b.col(2, oidInt2)}
	for i := range b.purses.vouchers {
		v := &b.purses.vouchers[i]
		if used && v.by == nil {
			continue
		}
		cols[0].int8(v.serial)
		cols[1].int8(v.series)
		cols[2].int2(v.no)
	}
	return cols
}

// sendPurses writes the net use of slices and of cards' caps, and the vouchers used.
func (b *batch) sendPurses() (statements int) {
	p := &b.purses
	id, slice, fen, n := b.col(0, oidInt8), b.col(1, oidInt2), b.col(2, oidInt8), b.col(3, oidInt8)
	for i := range p.budgets {
		if u := &p.budgets[i]; u.uses > 0 {
			id.int8(u.id)
			slice.int2(u.slice)
			fen.int8(u.taken)
			n.int8(u.uses)
		}
	}
	if id.n == 0 {
		return 0
	}
	b.send(stmtPutSlices, id, slice, fen, n)
	statements++
	serial, budget, add, most := b.col(0, oidInt8), b.col(1, oidInt8), b.col(2, oidInt8), b.col(3, oidInt8)
	for i := range p.cards {
		c := &p.cards[i]
		if limit := p.budgets[p.budgetAt[c.budget]].cardCap; limit > 0 && c.add > 0 {
			serial.int8(c.serial)
			budget.int8(c.budget)
			add.int8(c.add)
			most.int8(limit)
		}
	}
	if serial.n > 0 {
		b.send(stmtPutCardBudgets, serial, budget, add, most)
		statements++
	}
	cols := b.voucherColumns(true)
	if cols[0].n == 0 {
		return statements
	}
	merchant, purchase := b.col(3, oidInt8), b.col(4, oidUUID)
	for i := range p.vouchers {
		if r := p.vouchers[i].by; r != nil {
			merchant.int8(r.merchant)
			purchase.raw(r.id[:])
		}
	}
	b.send(stmtUseVouchers, append(cols, merchant, purchase)...)
	return statements + 1
}

// The legs of a purchase in the ledger: the merchant's share, then the union's, one a
// budget.
const (
	legMerchant = 1
	legUnion    = 2
)

// postings calls post for each transfer of a recorded row.
func (r *row) postings(post func(leg int16, debit, credit ledger.Account, fen int64)) {
	rest := r.q.unionShare
	if own := r.q.discount - rest; own > 0 {
		post(legMerchant, ledger.Discount(r.merchant), ledger.Members(), own)
	}
	leg := int16(legUnion)
	for i := range r.draws {
		post(leg, ledger.Budget(r.draws[i].budget), ledger.Merchant(r.merchant), r.draws[i].fen)
		rest -= r.draws[i].fen
		leg++
	}
	if rest > 0 {
		post(leg, ledger.Unbudgeted(), ledger.Merchant(r.merchant), rest)
	}
}

// sendTransfers posts what the recorded rows moved.
func (b *batch) sendTransfers() (statements int) {
	merchant, today, doc := b.col(0, oidInt8), b.col(1, oidDate), b.col(2, oidUUID)
	leg, debit, credit, fen := b.col(3, oidInt2), b.col(4, oidInt8), b.col(5, oidInt8), b.col(6, oidInt8)
	for _, r := range b.byKey {
		if !b.fate(r).recorded() {
			continue
		}
		r.postings(func(n int16, from, to ledger.Account, amount int64) {
			merchant.int8(r.merchant)
			today.date(b.today)
			doc.raw(r.id[:])
			leg.int2(n)
			debit.int8(int64(from))
			credit.int8(int64(to))
			fen.int8(amount)
		})
	}
	if merchant.n == 0 {
		return 0
	}
	b.send(stmtPost, merchant, today, doc, leg, debit, credit, fen)
	return 1
}
