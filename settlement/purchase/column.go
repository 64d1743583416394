package purchase

import "encoding/binary"

// Type ids of PostgreSQL's system catalogue, as arrays carry them in binary.
const (
	oidBytea       = 17
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidText        = 25
	oidDate        = 1082
	oidTimestamptz = 1184
	oidUUID        = 2950
	oidJSON        = 114
)

// pgEpoch is 2000-01-01 00:00 UTC in unix seconds, where PostgreSQL's binary
// times begin; pgEpochDay is the same in days.
const (
	pgEpoch    = 946684800
	pgEpochDay = pgEpoch / 86400
)

// column builds a one-dimensional array in PostgreSQL's binary form. A batch is a
// handful of columns, whatever its rows: writing them by hand costs a few
// nanoseconds an element, and the memory is kept from batch to batch.
type column struct {
	oid uint32
	n   int
	buf []byte
}

const columnHead = 20 // dimensions, nulls, element type, length, lower bound

func (c *column) reset() {
	c.n = 0
	if c.buf == nil {
		c.buf = make([]byte, columnHead, 4096)
	}
	c.buf = c.buf[:columnHead]
}

// bytes returns the array, good until the next reset.
func (c *column) bytes() []byte {
	h := c.buf[:columnHead]
	binary.BigEndian.PutUint32(h[0:], 1)
	binary.BigEndian.PutUint32(h[4:], 1) // may hold nulls; PostgreSQL looks for itself
	binary.BigEndian.PutUint32(h[8:], c.oid)
	binary.BigEndian.PutUint32(h[12:], uint32(c.n))
	binary.BigEndian.PutUint32(h[16:], 1)
	if c.n == 0 {
		binary.BigEndian.PutUint32(h[0:], 0)
		return c.buf[:12]
	}
	return c.buf
}

func (c *column) int8(v int64) {
	c.n++
	c.buf = binary.BigEndian.AppendUint32(c.buf, 8)
	c.buf = binary.BigEndian.AppendUint64(c.buf, uint64(v))
}

func (c *column) int4(v int32) {
	c.n++
	c.buf = binary.BigEndian.AppendUint32(c.buf, 4)
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(v))
}

func (c *column) int2(v int16) {
	c.n++
	c.buf = binary.BigEndian.AppendUint32(c.buf, 2)
	c.buf = binary.BigEndian.AppendUint16(c.buf, uint16(v))
}

func (c *column) raw(b []byte) {
	c.n++
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(len(b)))
	c.buf = append(c.buf, b...)
}

func (c *column) text(s string) {
	c.n++
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(len(s)))
	c.buf = append(c.buf, s...)
}

func (c *column) null() {
	c.n++
	c.buf = binary.BigEndian.AppendUint32(c.buf, 0xffffffff)
}

// timestamp takes unix milliseconds.
func (c *column) timestamp(ms int64) { c.int8((ms - pgEpoch*1000) * 1000) }

// date takes days since 1970-01-01.
func (c *column) date(d day) { c.int4(int32(d) - pgEpochDay) }

// orNull appends s, or null where there is nothing.
func (c *column) orNull(s string) {
	if s == "" {
		c.null()
		return
	}
	c.text(s)
}
