package purchase

import (
	"encoding/binary"
	"io"
	"time"
)

// The text of PostgreSQL's binary COPY (COPY, "Binary Format"): a signature, flags
// and the length of an extension, both 0; rows; a row of -1 columns.
const (
	copyHead = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	copyTail = "\xff\xff"
)

// copySlack is more than any row of the journal takes, in bytes.
const copySlack = 256

// y2k is PostgreSQL's epoch.
var y2k = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

// journalRows is what COPY reads: the rows in journalColumns' order. Written out,
// since a row through pgx's types costs more than checking the code it tells of.
type journalRows struct {
	rows    []verification
	started bool
	ended   bool
}

// Read implements io.Reader. It needs room for a row at least.
func (j *journalRows) Read(p []byte) (int, error) {
	if len(p) < copySlack {
		return 0, io.ErrShortBuffer
	}
	b := p[:0]
	if !j.started {
		b, j.started = append(b, copyHead...), true
	}
	for len(j.rows) > 0 && len(p)-len(b) >= copySlack {
		b = j.rows[0].appendCopy(b)
		j.rows = j.rows[1:]
	}
	switch {
	case len(j.rows) > 0 || len(p)-len(b) < copySlack:
		return len(b), nil
	case !j.ended:
		b, j.ended = append(b, copyTail...), true
		return len(b), nil
	}
	return 0, io.EOF
}

func (v *verification) appendCopy(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(journalColumns)))
	b = appendCopyInt64(b, v.at.UnixMicro()-y2k)
	b = appendCopyInt64(b, v.serial)
	b = appendCopyInt64(b, v.outlet)
	b = appendCopyInt64(b, v.terminal)
	b = binary.BigEndian.AppendUint32(b, 2)
	b = binary.BigEndian.AppendUint16(b, uint16(v.kind))
	reason := outcomeName(int(v.outcome))
	b = binary.BigEndian.AppendUint32(b, uint32(len(reason)))
	b = append(b, reason...)
	b = appendCopyInt64(b, v.contract)
	b = binary.BigEndian.AppendUint32(b, 4)
	b = binary.BigEndian.AppendUint32(b, uint32(v.terms))
	b = appendCopyInt64(b, v.amount)
	return appendCopyInt64(b, v.discount)
}

func appendCopyInt64(b []byte, n int64) []byte {
	b = binary.BigEndian.AppendUint32(b, 8)
	return binary.BigEndian.AppendUint64(b, uint64(n))
}
