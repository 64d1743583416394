package purchase

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// maxPlainLocks bounds the limits that a batch may lock in one round trip with its
// COPYs: their answers must fit into the socket while the questions are still
// being written.
const maxPlainLocks = 1024

// plain says whether the rows may go in by COPY: if their locks are not too many.
// It takes the day for the one that the last batch was stamped with.
func (b *batch) plain() bool {
	b.today = b.l.today
	if b.today == 0 {
		b.today = dayOf(b.l.c.opts.Clock())
	}
	b.byCode = append(b.byCode[:0], b.byKey...)
	b.inCodeOrder()
	return len(b.limits.rows)+len(b.caps.rows)+b.purses.locks() <= maxPlainLocks
}

// insert is the first round trip. It is written in protocol messages, as pgx's
// pipeline has none for COPY. errTaken if a key or code is not free, or is being
// taken by somebody whose transaction then commits; errRolledBack if the day is
// another one than thought.
func (b *batch) insert(ctx context.Context) error {
	b.trip.reset()
	stamp := b.today
	b.ask(stmtBegin, nil)
	b.ask(stmtLockDays, b.readXID)
	b.ask(stmtNow, b.readNow)
	b.copyPurchases()
	b.copyCodes()
	b.ask(stmtCards, b.readCard, b.cardColumns()...)
	b.ask(stmtStatuses, b.readStatus, b.statusColumns()...)
	if len(b.limits.rows) > 0 {
		b.ask(stmtLockUsage, b.readUsage, b.usageColumns(false)...)
	}
	if len(b.caps.rows) > 0 {
		b.ask(stmtLockCaps, b.readCap, b.capColumns(false)...)
	}
	b.purseQuestions(b.ask)
	if err := b.trip.do(ctx, b.l.conn.PgConn()); err != nil {
		return takenOr(err)
	}
	for _, n := range b.trip.copied {
		if n != len(b.rows) {
			return fmt.Errorf("%w: %d of %d rows written", errTaken, n, len(b.rows))
		}
	}
	if b.today != stamp {
		return fmt.Errorf("%w: the day has turned", errRolledBack)
	}
	if err := b.checkStatuses(); err != nil {
		return err
	}
	for i := range b.fates {
		f := &b.fates[i]
		f.claimed, f.coded = true, true
	}
	return nil
}

// takenOr is errTaken for a unique key that is not free, and else the error.
func takenOr(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23505" {
		return fmt.Errorf("%w: %w", errTaken, err)
	}
	return err
}

// copyPurchases inserts the rows as the complete purchases that their quotes pin.
func (b *batch) copyPurchases() {
	c := b.startCopy(stmtCopy)
	for _, r := range b.byKey {
		q := &r.q
		c.tuple(23)
		c.int8(r.merchant)
		c.int8(r.terminal)
		c.text(r.key)
		c.raw(r.id[:])
		c.raw(r.hash[:])
		c.int8(q.outlet)
		c.int8(q.contract)
		c.int4(q.terms)
		c.int8(q.floor)
		c.int8(q.serial)
		c.int2(int16(q.kind))
		c.int8(q.codeKey)
		c.int8(q.id)
		c.timestamp(q.issuedAt)
		c.int8(q.amount)
		c.int8(q.discount)
		c.int8(q.unionShare)
		c.raw(r.applied)
		if r.lines == nil {
			c.null()
		} else {
			c.raw(r.lines)
		}
		c.orNull(r.ref)
		c.orNull(r.operator)
		c.int2(int16(StateCommitted))
		c.date(b.today)
	}
	b.endCopy()
}

func (b *batch) copyCodes() {
	c := b.startCopy(stmtCopyCodes)
	for _, r := range b.byCode {
		c.tuple(4)
		c.int8(r.q.serial)
		c.int8(r.q.codeKey)
		c.int8(r.merchant)
		c.raw(r.id[:])
	}
	b.endCopy()
}

// startCopy executes a COPY statement and returns where its rows go.
func (b *batch) startCopy(s statement) *column {
	b.ask(s, nil)
	b.copy.buf = append(b.copy.buf[:0], copyHead...)
	return &b.copy
}

// endCopy sends the rows, with the mark of their end.
func (b *batch) endCopy() {
	b.copy.buf = append(b.copy.buf, copyTail...)
	b.trip.message(&pgproto3.CopyData{Data: b.copy.buf})
	b.trip.message(&pgproto3.CopyDone{})
}

// tuple begins a row of n fields; a field is written like an array's element.
func (c *column) tuple(n uint16) { c.buf = binary.BigEndian.AppendUint16(c.buf, n) }

// ask queues a statement for the trip; read gets its rows.
func (b *batch) ask(s statement, read func([][]byte), cols ...*column) {
	b.arguments(cols)
	b.trip.execute(b.l.prepared[s].Name, b.args, read)
}
