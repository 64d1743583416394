package card

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// Binary COPY (PostgreSQL manual, COPY, "Binary Format"): a header, tuples, and
// a trailer of -1 in place of a tuple's number of fields. All integers are big
// endian. PostgreSQL sends one tuple a message, but the decoder takes any cut.
var copySignature = []byte("PGCOPY\n\xff\r\n\x00")

const (
	copyHeader = 11 + 4 + 4 // signature, flags, length of the header's extension
	copyFields = 9
	// fixedTuple is a tuple up to the length of its last field, the name: the
	// number of fields, then for each its length and value.
	fixedTuple = 2 + (4 + 8) + (4 + 2) + (4 + 2) + (4 + 2) + (4 + 4) + (4 + 4) + (4 + 4) + (4 + 2) + 4
	// No masked name is longer than this many bytes; what is shows as "*" instead
	// of filling the dictionary.
	maxName  = 64
	maxField = 1 << 20
)

var errCopy = errors.New("card: not the COPY stream asked for")

// copyDecoder is an io.Writer that fills the table with the tuples written to it.
// It belongs to one COPY; names and territories it has met are kept in maps of
// its own, as the dictionaries' are under a lock.
type copyDecoder struct {
	table       *Table
	names       map[string]uint16
	territories map[int32]uint16
	months      monthCache
	rest        []byte // of a tuple that was cut
	started     bool
	ended       bool
	grown       int64 // cards new to the table, not yet added to its count
}

func newCopyDecoder(t *Table) *copyDecoder {
	return &copyDecoder{table: t, names: make(map[string]uint16, 512), territories: make(map[int32]uint16, 64)}
}

// Write decodes what p completes.
func (d *copyDecoder) Write(p []byte) (int, error) {
	whole := len(p)
	if len(d.rest) > 0 {
		d.rest = append(d.rest, p...)
		p = d.rest
	}
	n, err := d.decode(p)
	if err != nil {
		return 0, err
	}
	d.rest = append(d.rest[:0], p[n:]...)
	return whole, nil
}

// finish reports whether the stream came to its end, and counts its cards.
func (d *copyDecoder) finish() error {
	d.table.cards.Add(d.grown)
	d.grown = 0
	if !d.ended || len(d.rest) > 0 {
		return fmt.Errorf("%w: it broke off", errCopy)
	}
	return nil
}

// decode takes whole tuples off p and returns how many bytes they are.
func (d *copyDecoder) decode(p []byte) (n int, err error) {
	if !d.started {
		if len(p) < copyHeader {
			return 0, nil
		}
		extension := binary.BigEndian.Uint32(p[15:])
		if !bytes.Equal(p[:11], copySignature) || extension != 0 {
			return 0, fmt.Errorf("%w: header", errCopy)
		}
		d.started, n = true, copyHeader
	}
	for {
		b := p[n:]
		if len(b) < 2 {
			return n, nil
		}
		if d.ended {
			return n, fmt.Errorf("%w: data after its end", errCopy)
		}
		if int16(binary.BigEndian.Uint16(b)) == -1 {
			d.ended = true
			n += 2
			continue
		}
		if len(b) < fixedTuple {
			return n, nil
		}
		nameLen := int(int32(binary.BigEndian.Uint32(b[fixedTuple-4:])))
		if nameLen < 0 || nameLen > maxField {
			return n, fmt.Errorf("%w: a name of %d bytes", errCopy, nameLen)
		}
		if len(b) < fixedTuple+nameLen {
			return n, nil
		}
		if err := d.tuple(b[:fixedTuple+nameLen]); err != nil {
			return n, err
		}
		n += fixedTuple + nameLen
	}
}

// tuple puts one card into the table.
func (d *copyDecoder) tuple(b []byte) error {
	be := binary.BigEndian
	if be.Uint16(b) != copyFields || be.Uint32(b[2:]) != 8 || be.Uint32(b[14:]) != 2 || be.Uint32(b[20:]) != 2 ||
		be.Uint32(b[26:]) != 2 || be.Uint32(b[32:]) != 4 || be.Uint32(b[40:]) != 4 || be.Uint32(b[48:]) != 4 ||
		be.Uint32(b[56:]) != 2 {
		return fmt.Errorf("%w: fields", errCopy)
	}
	serial := int64(be.Uint64(b[6:]))
	if serial < 1 || serial > MaxSerial {
		return fmt.Errorf("%w: serial %d", errCopy, serial)
	}
	e := Entry{
		Status:     Status(be.Uint16(b[18:])),
		Generation: be.Uint16(b[24:]),
		Class:      uint8(be.Uint16(b[30:])),
		Last4:      uint16(be.Uint32(b[36:])),
		ValidUntil: d.months.of(int32(be.Uint32(b[52:]))),
	}
	w := pack(&e, d.territory(int32(be.Uint32(b[44:]))), d.name(b[fixedTuple:]))
	d.grown += d.table.put(serial, w, uint8(be.Uint16(b[60:])))
	return nil
}

func (d *copyDecoder) name(b []byte) uint16 {
	if i, ok := d.names[string(b)]; ok {
		return i
	}
	if len(b) > maxName {
		return 0
	}
	name := string(b)
	i := d.table.names.intern(name)
	d.names[name] = i
	return i
}

func (d *copyDecoder) territory(code int32) uint16 {
	if i, ok := d.territories[code]; ok {
		return i
	}
	i := d.table.territories.intern(code)
	d.territories[code] = i
	return i
}

// monthCache turns PostgreSQL's dates, days since 2000, into months. Cards run
// out at month ends, so few dates occur and mostly the same as before.
type monthCache struct {
	days  int32
	month Month
	known bool
}

func (c *monthCache) of(days int32) Month {
	if c.known && c.days == days {
		return c.month
	}
	c.days, c.known = days, true
	switch days {
	case math.MaxInt32: // infinity
		c.month = maxMonth
	case math.MinInt32: // -infinity
		c.month = 0
	default:
		c.month = monthOfDate(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(days)))
	}
	return c.month
}
