package directory

import (
	"encoding/base64"
	"encoding/binary"
)

// cursor is where a page ended: an outlet, with what it is sorted by before its id.
type cursor struct {
	// class is 0 for an outlet whose name has the words, 1 for others.
	class uint8
	mm    int64 // distance, of a search nearby
	id    int64 // 0: at the beginning
}

const (
	cursorVersion = 1
	cursorLen     = 1 + 8 + 1 + 8 + 8
)

// text is the cursor as a caller gets it. It holds nothing secret and proves
// nothing; the mark only keeps it from another query by mistake.
func (c cursor) text(mark uint64) string {
	raw := make([]byte, 0, cursorLen)
	raw = append(raw, cursorVersion)
	raw = binary.BigEndian.AppendUint64(raw, mark)
	raw = append(raw, c.class)
	raw = binary.BigEndian.AppendUint64(raw, uint64(c.mm))
	raw = binary.BigEndian.AppendUint64(raw, uint64(c.id))
	return base64.RawURLEncoding.EncodeToString(raw)
}

// readCursor reads a cursor of a query; "" is the beginning. ErrCursor.
func readCursor(s string, mark uint64) (c cursor, err error) {
	if s == "" {
		return c, nil
	}
	if len(s) != base64.RawURLEncoding.EncodedLen(cursorLen) {
		return c, ErrCursor
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != cursorLen || raw[0] != cursorVersion || binary.BigEndian.Uint64(raw[1:]) != mark {
		return c, ErrCursor
	}
	c.class = raw[9]
	c.mm, c.id = int64(binary.BigEndian.Uint64(raw[10:])), int64(binary.BigEndian.Uint64(raw[18:]))
	if c.class > 1 || c.mm < 0 || c.id <= 0 {
		return cursor{}, ErrCursor
	}
	return c, nil
}
