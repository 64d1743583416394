package keyset

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// Type is what a column that orders a list holds.
type Type int

// The types. None: a column that orders nothing.
const (
	None Type = iota
	Text
	Int
	Time
)

// maxCursor bounds a cursor in bytes; names are at most some hundred letters.
const maxCursor = 4 << 10

// errCursor: not a cursor, or one of another list or order.
var errCursor = errors.New("keyset: not a cursor of this list")

// cursor is a Mark as it travels. It is not secret and grants nothing: whatever
// it says, the statement shows only what the asker's territory holds. It is
// checked so that a forged one cannot reach the database with a value of
// another type.
type cursor struct {
	Sort string  `json:"s"`
	Desc bool    `json:"d,omitempty"`
	Back bool    `json:"b,omitempty"`
	Text *string `json:"t,omitempty"`
	Int  *int64  `json:"n,omitempty"` // a moment is in microseconds
	ID   int64   `json:"i"`
}

// Cursor writes the page beside a mark, after it or, with back, before it.
func (p Page) Cursor(m Mark, back bool) string {
	c := cursor{Sort: p.Sort, Desc: p.Desc, Back: back, ID: m.ID}
	switch v := m.Value.(type) {
	case string:
		c.Text = &v
	case int64:
		c.Int = &v
	case time.Time:
		micro := v.UnixMicro()
		c.Int = &micro
	}
	b, err := json.Marshal(c)
	if err != nil { // strings and numbers always have a JSON form
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// Read moves the page to where a cursor says; t is the type of the column that
// the page is ordered by. False, and nothing is moved, if it is no cursor of this
// order: the reader then gets the first page.
func (p *Page) Read(text string, t Type) bool {
	c, err := parse(text)
	if err != nil || c.Sort != p.Sort || c.Desc != p.Desc {
		return false
	}
	m := Mark{ID: c.ID}
	switch {
	case p.Sort == "id":
		if c.Text != nil {
			return false
		}
	case t == Text && c.Text != nil && c.Int == nil:
		m.Value = *c.Text
	case t == Int && c.Int != nil && c.Text == nil:
		m.Value = *c.Int
	case t == Time && c.Int != nil && c.Text == nil:
		m.Value = time.UnixMicro(*c.Int).UTC()
		if y := m.Value.(time.Time).Year(); y < 1 || y > 9999 { // PostgreSQL's dates end somewhere, too
			return false
		}
	default:
		return false
	}
	p.From, p.Back = &m, c.Back
	return true
}

func parse(text string) (c cursor, err error) {
	if len(text) > maxCursor {
		return c, errCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || !utf8.Valid(b) {
		return c, errCursor
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, errCursor
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return c, errCursor
	}
	if c.Text != nil && strings.ContainsRune(*c.Text, 0) {
		return c, errCursor
	}
	return c, nil
}
