package purchase

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/card"
	"unioncard/merchant"
)

// binaryFormat asks for every parameter and column in binary.
var binaryFormat = []int16{1}

// open starts a round trip.
func (b *batch) open(ctx context.Context) { b.pipe = b.l.conn.PgConn().StartPipeline(ctx) }

// send queues a statement with its columns.
func (b *batch) send(s statement, cols ...*column) {
	b.arguments(cols)
	b.pipe.SendQueryStatement(b.l.prepared[s], b.args, binaryFormat, binaryFormat)
}

// arguments puts the columns into b.args; none stands for null.
func (b *batch) arguments(cols []*column) {
	b.args = b.args[:0]
	for _, c := range cols {
		if c == nil {
			b.args = append(b.args, nil)
		} else {
			b.args = append(b.args, c.bytes())
		}
	}
}

func (b *batch) sync() error { return b.pipe.Sync() }

// close ends the round trip; err is what went wrong before.
func (b *batch) close(err error) error {
	if closeErr := b.pipe.Close(); err == nil {
		return closeErr
	}
	return err
}

// next returns the reader of the next statement's answer.
func (b *batch) next() (*pgconn.ResultReader, error) {
	got, err := b.pipe.GetResults()
	if err != nil {
		return nil, err
	}
	r, ok := got.(*pgconn.ResultReader)
	if !ok {
		return nil, fmt.Errorf("purchase: unexpected answer %T", got)
	}
	return r, nil
}

// exec reads an answer without rows and returns how many rows it touched.
func (b *batch) exec() (int, error) {
	r, err := b.next()
	if err != nil {
		return 0, err
	}
	tag, err := r.Close()
	return int(tag.RowsAffected()), err
}

// each reads an answer row by row; what it hands out is good for one call.
func (b *batch) each(fn func([][]byte)) error {
	r, err := b.next()
	if err != nil {
		return err
	}
	for r.NextRow() {
		fn(r.Values())
	}
	_, err = r.Close()
	return err
}

// col returns an empty column of elements of a type.
func (b *batch) col(i int, oid uint32) *column {
	c := &b.cols[i]
	c.oid = oid
	c.reset()
	return c
}

func getInt8(v []byte) int64 { return int64(binary.BigEndian.Uint64(v)) }
func getInt4(v []byte) int32 { return int32(binary.BigEndian.Uint32(v)) }
func getInt2(v []byte) int16 { return int16(binary.BigEndian.Uint16(v)) }

// sendClaim inserts the rows as the complete purchases that their quotes pin.
func (b *batch) sendClaim() {
	merchant, terminal, key := b.col(0, oidInt8), b.col(1, oidInt8), b.col(2, oidText)
	id, hash, outlet := b.col(3, oidUUID), b.col(4, oidBytea), b.col(5, oidInt8)
	contract, terms, floor := b.col(6, oidInt8), b.col(7, oidInt4), b.col(8, oidInt8)
	serial, kind, codeKey := b.col(9, oidInt8), b.col(10, oidInt2), b.col(11, oidInt8)
	quote, quoted, amount := b.col(12, oidInt8), b.col(13, oidTimestamptz), b.col(14, oidInt8)
	discount, union, applied := b.col(15, oidInt8), b.col(16, oidInt8), b.col(17, oidJSON)
	lines, ref, operator := b.col(18, oidText), b.col(19, oidText), b.col(20, oidText)
	for _, r := range b.byKey {
		q := &r.q
		merchant.int8(r.merchant)
		terminal.int8(r.terminal)
		key.text(r.key)
		id.raw(r.id[:])
		hash.raw(r.hash[:])
		outlet.int8(q.outlet)
		contract.int8(q.contract)
		terms.int4(q.terms)
		floor.int8(q.floor)
		serial.int8(q.serial)
		kind.int2(int16(q.kind))
		codeKey.int8(q.codeKey)
		quote.int8(q.id)
		quoted.timestamp(q.issuedAt)
		amount.int8(q.amount)
		discount.int8(q.discount)
		union.int8(q.unionShare)
		applied.raw(r.applied)
		if r.lines == nil {
			lines.null()
		} else {
			lines.raw(r.lines)
		}
		ref.orNull(r.ref)
		operator.orNull(r.operator)
	}
	b.send(stmtClaim, merchant, terminal, key, id, hash, outlet, contract, terms, floor, serial, kind, codeKey,
		quote, quoted, amount, discount, union, applied, lines, ref, operator)
}

func (b *batch) sendCards() { b.send(stmtCards, b.cardColumns()...) }

func (b *batch) cardColumns() []*column {
	serial, generation, epoch := b.col(0, oidInt8), b.col(1, oidInt2), b.col(2, oidInt2)
	for _, r := range b.rows {
		serial.int8(r.q.serial)
		generation.int2(int16(r.q.generation))
		if r.q.kind == card.KindPhone {
			epoch.int2(int16(r.q.epoch))
		} else {
			epoch.int2(-1)
		}
	}
	return []*column{serial, generation, epoch}
}

// readCard refuses a row whose card may not earn now.
func (b *batch) readCard(v [][]byte) {
	f := &b.fates[getInt4(v[0])-1]
	status, sameCard := card.Status(getInt2(v[1])), v[2][0] == 1
	switch {
	case !sameCard:
		f.err = card.ErrCodeInvalid // replaced or taken over since, so the code is none any more
	case status != card.StatusActive:
		f.err = status.Err()
	default:
		f.err = card.ErrCardExpired
	}
}

// statusColumns are the terminals, outlets and contracts, each once.
func (b *batch) statusColumns() []*column {
	for i := range b.ids {
		b.ids[i] = b.ids[i][:0]
	}
	for _, r := range b.rows {
		b.ids[0] = append(b.ids[0], r.terminal)
		b.ids[1] = append(b.ids[1], r.q.outlet)
		b.ids[2] = append(b.ids[2], r.q.contract)
	}
	cols := []*column{b.col(0, oidInt8), b.col(1, oidInt8), b.col(2, oidInt8), nil} // at the database's time
	for i := range b.ids {
		slices.Sort(b.ids[i])
		for _, id := range slices.Compact(b.ids[i]) {
			cols[i].int8(id)
		}
	}
	return cols
}

func (b *batch) readStatus(v [][]byte) {
	if err := b.statuses.Add(getInt2(v[0]), getInt8(v[1]), getInt2(v[2])); err != nil {
		b.strange = err
	}
}

// checkStatuses refuses the rows whose terminal, outlet, merchant or contract may
// not earn now, unless their card was refused already.
func (b *batch) checkStatuses() error {
	for i, r := range b.rows {
		f := &b.fates[i]
		if f.err != nil {
			continue
		}
		err := b.statuses.Check(r.terminal, r.q.outlet, r.q.contract)
		if errors.Is(err, merchant.ErrNotFound) {
			err = ErrNotFound
		}
		f.err = err
	}
	return b.strange
}

// settle is the last round trip. A batch without a new purchase leaves nothing
// behind.
func (b *batch) settle(ctx context.Context) error {
	b.open(ctx)
	if b.accepted == 0 {
		b.send(stmtRollback)
		// The answers are the same whether ROLLBACK arrives or the connection ends.
		if b.close(b.sync()) != nil {
			b.l.disconnect(ctx)
		}
		return nil
	}
	statements := b.sendDrops()
	statements += b.sendTaken()
	statements += b.sendPurses()
	statements += b.sendTransfers()
	b.send(stmtCommit)
	if err := b.sync(); err != nil {
		_ = b.pipe.Close()
		return fmt.Errorf("%w: %w", errLostCommit, err)
	}
	for range statements {
		if _, err := b.exec(); err != nil {
			return b.undecided(err)
		}
	}
	r, err := b.next()
	if err != nil {
		return b.undecided(err)
	}
	tag, err := r.Close()
	if err != nil {
		return b.undecided(err)
	}
	if tag.String() != "COMMIT" {
		return errors.Join(errRolledBack, b.pipe.Close())
	}
	if err := b.l.at(hookCommitted); err != nil {
		return b.undecided(err)
	}
	if b.pipe.Close() != nil {
		b.l.disconnect(ctx) // the batch is durable all the same
	}
	return nil
}

// undecided tells an error that the server reported for a statement, after which
// it skips COMMIT, from one after which nobody knows.
func (b *batch) undecided(err error) error {
	_ = b.pipe.Close()
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.SeverityUnlocalized == "ERROR" {
		return err
	}
	return fmt.Errorf("%w: %w", errLostCommit, err)
}

// sendDrops takes back the claims and code uses of refused rows, so that their
// keys and codes are free again.
func (b *batch) sendDrops() (statements int) {
	if len(b.drops) == 0 {
		return 0
	}
	m, id := b.col(0, oidInt8), b.col(1, oidUUID)
	serial, key := b.col(2, oidInt8), b.col(3, oidInt8)
	for _, r := range b.drops {
		m.int8(r.merchant)
		id.raw(r.id[:])
		if b.fate(r).coded {
			serial.int8(r.q.serial)
			key.int8(r.q.codeKey)
		}
	}
	b.send(stmtDrop, m, id)
	if serial.n == 0 {
		return 1
	}
	b.send(stmtDropCodes, serial, key)
	return 2
}
