package purchase

// usageColumns writes the keys of usage rows into the first seven columns.
func (b *batch) usageColumns(taken bool) []*column {
	cols := []*column{b.col(0, oidInt8), b.col(1, oidInt8), b.col(2, oidInt8), b.col(3, oidText),
		b.col(4, oidInt8), b.col(5, oidInt2), b.col(6, oidDate)}
	for i := range b.limits.rows {
		u := &b.limits.rows[i]
		if taken && u.add.uses == 0 {
			continue
		}
		cols[0].int8(u.merchant)
		cols[1].int8(u.contract)
		cols[2].int8(u.source)
		cols[3].text(u.offer)
		cols[4].int8(u.serial)
		cols[5].int2(int16(u.period))
		cols[6].date(u.start)
	}
	return cols
}

func (b *batch) capColumns(taken bool) []*column {
	cols := []*column{b.col(7, oidInt8), b.col(8, oidInt2), b.col(9, oidDate)}
	for i := range b.caps.rows {
		u := &b.caps.rows[i]
		if taken && u.add == 0 {
			continue
		}
		cols[0].int8(u.serial)
		cols[1].int2(int16(u.kind))
		cols[2].date(b.caps.today)
	}
	return cols
}

// sendLocks locks the limits and caps that are there, and what there is of union money. One that is not can't be
// locked: if two batches create it at once, the second's CHECK fails or its
// decision holds for the sum as well.
func (b *batch) sendLocks() {
	if len(b.limits.rows) > 0 {
		b.send(stmtLockUsage, b.usageColumns(false)...)
	}
	if len(b.caps.rows) > 0 {
		b.send(stmtLockCaps, b.capColumns(false)...)
	}
	b.readers = b.readers[:0]
	b.purseQuestions(func(s statement, read func([][]byte), cols ...*column) {
		b.send(s, cols...)
		b.readers = append(b.readers, read)
	})
}

func (b *batch) readLocks() error {
	if len(b.limits.rows) > 0 {
		if err := b.each(b.readUsage); err != nil {
			return err
		}
	}
	if len(b.caps.rows) > 0 {
		if err := b.each(b.readCap); err != nil {
			return err
		}
	}
	for _, read := range b.readers {
		if err := b.each(read); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) readUsage(v [][]byte) {
	b.limits.rows[getInt4(v[0])-1].was = used{uses: getInt8(v[1]), fen: getInt8(v[2])}
}

func (b *batch) readCap(v [][]byte) { b.caps.rows[getInt4(v[0])-1].was = getInt8(v[1]) }

// sendTaken writes the net use of limits and caps.
func (b *batch) sendTaken() (statements int) {
	cols := b.usageColumns(true)
	if cols[0].n > 0 {
		uses, fen := b.col(10, oidInt4), b.col(11, oidInt8)
		maxUses, maxFen := b.col(12, oidInt4), b.col(13, oidInt8)
		for i := range b.limits.rows {
			u := &b.limits.rows[i]
			if u.add.uses == 0 {
				continue
			}
			uses.int4(int32(u.add.uses))
			fen.int8(u.add.fen)
			if u.maxUses == noLimit {
				maxUses.null()
			} else {
				maxUses.int4(int32(u.maxUses))
			}
			if u.maxFen == noLimit {
				maxFen.null()
			} else {
				maxFen.int8(u.maxFen)
			}
		}
		b.send(stmtPutUsage, append(cols, uses, fen, maxUses, maxFen)...)
		statements++
	}
	if cols = b.capColumns(true); cols[0].n > 0 {
		fen, most := b.col(10, oidInt8), b.col(11, oidInt8)
		for i := range b.caps.rows {
			if u := &b.caps.rows[i]; u.add > 0 {
				fen.int8(u.add)
				limit, _ := b.caps.caps.of(u.kind)
				most.int8(limit)
			}
		}
		b.send(stmtPutCaps, append(cols, fen, most)...)
		statements++
	}
	return statements
}
