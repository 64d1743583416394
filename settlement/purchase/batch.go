package purchase

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/merchant"
)

// fate is what becomes of a row of a batch.
type fate struct {
	err     error
	receipt Receipt
	claimed bool // its key is this row's
	coded   bool // its code use is this row's
}

// recorded says whether the row is a new purchase.
func (f *fate) recorded() bool { return f.err == nil && f.claimed }

// batch is one transaction of up to MaxRows purchases, in two round trips:
//
//  1. insert: the business day's lock, the keys (by the complete purchases) and the
//     codes, both by COPY, the present status of cards, terminals, outlets and
//     contracts, and the locks on limits and caps;
//  2. settle: decide in arrival order, take back the claims of refused rows, write
//     the net use of limits, budgets and vouchers, post the transfers, COMMIT.
//
// COPY writes a row at half the cost of INSERT … ON CONFLICT, but fails as a
// whole where one key or code is taken. The batch is then written again, and those
// after it for a while, by claim and use instead of insert, which find out whose
// they are (and need a round trip more each where they do). Everything is
// taken in one global order: day, keys, codes, limits, caps, slices of budgets, what
// cards had of them, vouchers.
//
// A lane draws on one slice of a budget. Where that has too little and the budget has
// not, the batch is rolled back, the money is laid out anew (budget.Rebalance) and
// the batch is written again.
type batch struct {
	l         *lane
	rows      []*row // decided here, in arrival order
	adjourned []*row
	crowded   []*row // beyond maxOfCode, refused
	fates     []fate

	xid      string
	at       time.Time // commit time: the transaction's start by the database's clock
	today    day       // the business day to stamp
	accepted int

	byKey  []*row // all rows
	byCode []*row // those still in the running
	drops  []*row // refused rows whose claim is to be taken back
	codes  map[codeUse]codeClaim
	limits limits
	caps   capUse
	purses purses

	statuses merchant.Statuses
	strange  error // a status of a kind that we do not know

	readers []func([][]byte) // of the questions about union money under way

	pipe *pgconn.Pipeline
	copy column // rows for COPY
	trip trip
	cols [21]column
	args [][]byte
	ids  [3][]int64
}

type codeUse struct{ serial, key int64 }

// codeClaim is the use of a code in a batch: the row that is decided here, and
// how many more there are.
type codeClaim struct{ first, more int }

// maxOfCode is how many rows of one code a batch takes in. All but the first wait
// for a batch each, should every one before them be refused: a till that sends a
// code under hundreds of keys must not keep the lane busy.
const maxOfCode = 16

// run writes the rows. On nil the transaction is durable and b.fates are final;
// on errLostCommit it may be; on any other error nothing was recorded.
func (b *batch) run(ctx context.Context, l *lane, rows []*row) error {
	b.begin(l, rows)
	if err := b.take(ctx); err != nil {
		return err
	}
	b.decide()
	if b.purses.short() {
		return errShort
	}
	if err := l.at(hookDecided); err != nil {
		return err
	}
	return b.settle(ctx)
}

// take gets the keys, the codes and the locks.
func (b *batch) take(ctx context.Context) error {
	if b.l.careful == 0 && b.plain() {
		if err := b.insert(ctx); err != nil {
			return err
		}
		return b.l.at(hookClaimed)
	}
	if err := b.claim(ctx); err != nil {
		return err
	}
	if err := b.l.at(hookClaimed); err != nil {
		return err
	}
	return b.use(ctx)
}

// begin takes the rows in. A code that several rows use is the first one's for
// now; the others wait for what becomes of it. Once it is known to be used, they
// are decided all together: claim and use find out by whom.
func (b *batch) begin(l *lane, rows []*row) {
	b.l, b.xid, b.accepted = l, "", 0
	b.strange = nil
	b.rows, b.adjourned, b.crowded, b.drops = b.rows[:0], b.adjourned[:0], b.crowded[:0], b.drops[:0]
	b.statuses.Reset()
	if b.codes == nil {
		b.codes = make(map[codeUse]codeClaim)
	}
	clear(b.codes)
	for _, r := range rows {
		if !r.spent && !b.claimCode(r) {
			continue
		}
		r.index = len(b.rows)
		b.rows = append(b.rows, r)
	}
	b.fates = slices.Grow(b.fates[:0], len(b.rows))[:len(b.rows)]
	clear(b.fates)
	b.byKey = append(b.byKey[:0], b.rows...)
	slices.SortFunc(b.byKey, func(x, y *row) int {
		return cmp.Or(cmp.Compare(x.merchant, y.merchant), cmp.Compare(x.terminal, y.terminal), cmp.Compare(x.key, y.key))
	})
}

// claimCode says whether the row is the first in the batch with its code; the
// others are adjourned or, when they are too many, refused.
func (b *batch) claimCode(r *row) bool {
	claim, taken := b.codes[r.codeUse()]
	if !taken {
		b.codes[r.codeUse()] = codeClaim{first: len(b.rows)}
		return true
	}
	claim.more++
	b.codes[r.codeUse()] = claim
	if claim.more < maxOfCode {
		b.adjourned = append(b.adjourned, r)
	} else {
		b.crowded = append(b.crowded, r)
	}
	return false
}

func (r *row) codeUse() codeUse { return codeUse{r.q.serial, r.q.codeKey} }

// spent says whether the batch, now that it is durable, left a row's code used.
func (b *batch) spent(r *row) bool {
	f := &b.fates[b.codes[r.codeUse()].first]
	return f.err == nil || errors.Is(f.err, ErrCodeUsed) || errors.Is(f.err, ErrQuoteUsed)
}

// dayLocked says whether the batch got as far as holding the day's lock.
func (b *batch) dayLocked() bool { return b.xid != "" }

// fate returns a row's fate.
func (b *batch) fate(r *row) *fate { return &b.fates[r.index] }

// claim is the first round trip of a careful batch.
func (b *batch) claim(ctx context.Context) error {
	b.open(ctx)
	b.send(stmtBegin)
	b.send(stmtLockDays)
	b.send(stmtNow)
	b.sendClaim()
	b.sendCards()
	b.send(stmtStatuses, b.statusColumns()...)
	err := b.sync()
	claimed := 0
	if err == nil {
		claimed, err = b.readClaim()
	}
	if err := b.close(err); err != nil {
		return err
	}
	if claimed < len(b.rows) {
		b.l.beCareful()
		if err := b.readKeys(ctx); err != nil {
			return err
		}
	} else {
		for i := range b.fates {
			b.fates[i].claimed = true
		}
	}
	b.byCode = b.byCode[:0]
	for _, r := range b.byKey {
		switch f := b.fate(r); {
		case f.claimed && f.err == nil:
			b.byCode = append(b.byCode, r)
		case f.claimed:
			b.drops = append(b.drops, r)
		}
	}
	b.inCodeOrder()
	return nil
}

// readClaim reads the answers to the first round trip and returns how many rows
// got their keys.
func (b *batch) readClaim() (claimed int, err error) {
	if _, err := b.exec(); err != nil { // BEGIN
		return 0, err
	}
	if err := b.each(b.readXID); err != nil {
		return 0, err
	}
	if err := b.each(b.readNow); err != nil {
		return 0, err
	}
	if claimed, err = b.exec(); err != nil {
		return 0, err
	}
	if err := b.each(b.readCard); err != nil {
		return 0, err
	}
	if err := b.each(b.readStatus); err != nil {
		return 0, err
	}
	return claimed, b.checkStatuses()
}

func (b *batch) readXID(v [][]byte) { b.xid = string(v[0]) }

func (b *batch) readNow(v [][]byte) {
	b.at = time.UnixMicro(getInt8(v[0])).UTC()
	b.today = day(getInt4(v[1]))
	b.l.today = b.today
}

// inCodeOrder sorts those still in the running and finds their limits and caps.
func (b *batch) inCodeOrder() {
	slices.SortFunc(b.byCode, func(x, y *row) int {
		return cmp.Or(cmp.Compare(x.q.serial, y.q.serial), cmp.Compare(x.q.codeKey, y.q.codeKey))
	})
	b.limits.gather(b.byCode, b.today)
	b.caps.gather(b.byCode, b.today)
	b.purses.gather(b.byCode)
}

// readKeys finds out whose the keys are, where some were taken: a row's own, or
// those of an earlier purchase or a tombstone, whose answer is given again.
func (b *batch) readKeys(ctx context.Context) error {
	b.open(ctx)
	m, t, k := b.col(0, oidInt8), b.col(1, oidInt8), b.col(2, oidText)
	for _, r := range b.byKey {
		m.int8(r.merchant)
		t.int8(r.terminal)
		k.text(r.key)
	}
	b.send(stmtReadKeys, m, t, k)
	known := 0
	err := b.sync()
	if err == nil {
		err = b.each(func(v [][]byte) {
			known++
			r := b.byKey[getInt4(v[0])-1]
			f := b.fate(r)
			if bytes.Equal(v[1], r.id[:]) {
				f.claimed = true
				return
			}
			p := stored{
				id: uuid.UUID(v[1]), hash: bytes.Clone(v[2]), state: State(getInt2(v[3])),
				amount: getInt8(v[4]), discount: getInt8(v[5]), unionShare: getInt8(v[6]),
				at: time.UnixMicro(getInt8(v[7])).UTC(), outlet: getInt8(v[8]), ref: string(v[9]), key: r.key,
			}
			f.receipt, f.err = p.firstAnswer(r.hash)
		})
	}
	if err := b.close(err); err != nil {
		return err
	}
	if known < len(b.rows) { // a key that was taken and is free again: begin anew
		return errRolledBack
	}
	return nil
}

// use takes the codes and the locks of a careful batch.
func (b *batch) use(ctx context.Context) error {
	if len(b.byCode) == 0 {
		return nil
	}
	b.open(ctx)
	serial, key, m, id := b.col(0, oidInt8), b.col(1, oidInt8), b.col(2, oidInt8), b.col(3, oidUUID)
	for _, r := range b.byCode {
		serial.int8(r.q.serial)
		key.int8(r.q.codeKey)
		m.int8(r.merchant)
		id.raw(r.id[:])
	}
	b.send(stmtUseCodes, serial, key, m, id)
	b.sendLocks()
	err := b.sync()
	used := 0
	if err == nil {
		used, err = b.exec()
	}
	if err == nil {
		err = b.readLocks()
	}
	if err := b.close(err); err != nil {
		return err
	}
	if used == len(b.byCode) {
		for _, r := range b.byCode {
			b.fate(r).coded = true
		}
		return nil
	}
	b.l.beCareful()
	return b.readCodes(ctx)
}

// readCodes finds out whose the codes are, where some were taken.
func (b *batch) readCodes(ctx context.Context) error {
	b.open(ctx)
	serial, key := b.col(0, oidInt8), b.col(1, oidInt8)
	for _, r := range b.byCode {
		serial.int8(r.q.serial)
		key.int8(r.q.codeKey)
	}
	b.send(stmtReadCodes, serial, key)
	err := b.sync()
	if err == nil {
		err = b.each(func(v [][]byte) {
			r := b.byCode[getInt4(v[0])-1]
			f := b.fate(r)
			switch {
			case bytes.Equal(v[1], r.id[:]):
				f.coded = true
			case getInt8(v[2]) == r.q.id:
				f.err = ErrQuoteUsed
			default:
				f.err = ErrCodeUsed
			}
		})
	}
	if err := b.close(err); err != nil {
		return err
	}
	for _, r := range b.byCode {
		if f := b.fate(r); !f.coded && f.err == nil { // a code that was taken and is free again: begin anew
			return errRolledBack
		}
	}
	return nil
}

// decide goes through the rows in arrival order.
func (b *batch) decide() {
	for _, r := range b.rows {
		f := b.fate(r)
		if !f.claimed || f.err != nil {
			continue
		}
		if f.err = b.caps.check(r); f.err == nil {
			f.err = b.limits.check(r)
		}
		if f.err == nil {
			f.err = b.purses.check(r)
		}
		if f.err != nil {
			continue
		}
		b.caps.take(r)
		b.limits.take(r)
		b.purses.take(r)
		f.receipt = r.receiptOf(b.at)
		b.accepted++
	}
	for _, r := range b.byCode {
		if b.fate(r).err != nil {
			b.drops = append(b.drops, r)
		}
	}
}
