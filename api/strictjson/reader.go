// Package strictjson reads and writes the JSON of the API without reflection.
//
// Reader is a pull decoder over one body held in memory. It is stricter than
// encoding/json and follows I-JSON (RFC 7493): names match exactly and appear
// once, unknown names, trailing data, invalid UTF-8 and lone surrogates are
// refused, null is not a value of any member, and a number is an exact int64.
//
// Two kinds of error are kept apart. A syntax error ends the reading. A shape
// error (a duplicate or unknown name, a wrong type) is remembered, the value is
// stepped over and reading goes on, so that a caller with many entries in one
// body can answer each for itself; a body that is not JSON is always reported
// as such, whatever else is wrong with it.
//
// The Append functions write into a caller's buffer.
package strictjson

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// MaxDepth is how many objects and arrays may be open at once; no request of
// the API needs more than five.
const MaxDepth = 16

// What can be wrong with a body. An *Error wraps one of them.
var (
	ErrSyntax       = errors.New("not valid JSON")
	ErrTooDeep      = errors.New("nested too deeply")
	ErrDuplicateKey = errors.New("name appears twice")
	ErrUnknownField = errors.New("unknown name")
	ErrWrongType    = errors.New("wrong type of value")
	ErrMissing      = errors.New("required name is missing")
	ErrFen          = errors.New("not an exact int64 amount")
)

// Error says what is wrong and where.
type Error struct {
	// Err is one of the sentinels of this package.
	Err error
	// Field is the member's name, at most 64 bytes of it; may be empty.
	Field string
	// Offset is the byte offset in the body.
	Offset int
}

func (e *Error) Error() string {
	return fmt.Sprintf("json: %v: %q at byte %d", e.Err, e.Field, e.Offset)
}

func (e *Error) Unwrap() error { return e.Err }

// Reader decodes one body. It unescapes strings in place, so the body belongs
// to it until the caller has finished, and the strings it returns are views of
// the body: a caller that keeps one copies it.
type Reader struct {
	b     []byte
	i     int
	depth int
	key   []byte
	hard  error
	soft  error
}

// Reset starts on a body.
func (r *Reader) Reset(b []byte) {
	*r = Reader{b: b}
	if !utf8.Valid(b) {
		r.fail(ErrSyntax)
	}
}

// End checks that nothing but space follows and returns the first syntax error,
// else the first shape error not yet taken.
func (r *Reader) End() error {
	if r.hard == nil {
		r.space()
		if r.i < len(r.b) {
			r.fail(ErrSyntax)
		}
	}
	if r.hard != nil {
		return r.hard
	}
	return r.soft
}

// TakeShape returns the first shape error since the last call and forgets it.
// Once the syntax is broken it returns that error for ever.
func (r *Reader) TakeShape() error {
	if r.hard != nil {
		return r.hard
	}
	err := r.soft
	r.soft = nil
	return err
}

// Broken reports whether the syntax is broken, so that a loop can stop.
func (r *Reader) Broken() bool { return r.hard != nil }

// Object opens an object and returns its first name; nil when it has none or
// the value is no object. The name is a view of the body.
func (r *Reader) Object() []byte {
	if !r.open('{') {
		return nil
	}
	r.space()
	if r.i < len(r.b) && r.b[r.i] == '}' {
		r.i++
		r.depth--
		return nil
	}
	return r.name()
}

// Next returns the next name of the open object; nil at its end.
func (r *Reader) Next() []byte {
	if !r.more('}') {
		return nil
	}
	return r.name()
}

// Array opens an array and reports whether it has a first element.
func (r *Reader) Array() bool {
	if !r.open('[') {
		return false
	}
	r.space()
	if r.i < len(r.b) && r.b[r.i] == ']' {
		r.i++
		r.depth--
		return false
	}
	return true
}

// More reports whether the open array has another element.
func (r *Reader) More() bool { return r.more(']') }

// Seen remembers which members of an object have been met, one bit each.
type Seen uint32

// Once marks member n of the present name as met; a second time is a shape error.
func (r *Reader) Once(s *Seen, n uint) {
	if *s&(1<<n) != 0 {
		r.shape(ErrDuplicateKey)
	}
	*s |= 1 << n
}

// Has reports whether member n was met.
func (s Seen) Has(n uint) bool { return s&(1<<n) != 0 }

// Unknown steps over the value of a name that the shape does not have.
func (r *Reader) Unknown() {
	r.shape(ErrUnknownField)
	r.skip()
}

// Require is a shape error when member n of the object just read was not met.
func (r *Reader) Require(s Seen, n uint, name string) {
	if !s.Has(n) && r.soft == nil && r.hard == nil {
		r.soft = &Error{Err: ErrMissing, Field: name, Offset: r.i}
	}
}

// String reads a string as a view of the body.
func (r *Reader) String() string {
	if r.space(); r.peek() != '"' {
		r.wrong(ErrWrongType)
		return ""
	}
	s := r.str()
	return unsafe.String(unsafe.SliceData(s), len(s))
}

// Int reads an exact int64: no fraction, no exponent.
func (r *Reader) Int() int64 { return r.integer(ErrWrongType) }

// Fen reads an amount, in fen or thousandths. Any other value, of whatever
// type, is the shape error ErrFen. The range is the caller's matter.
func (r *Reader) Fen() int64 { return r.integer(ErrFen) }

func (r *Reader) integer(kind error) int64 {
	r.space()
	c := r.peek()
	if c != '-' && (c < '0' || c > '9') {
		r.wrong(kind)
		return 0
	}
	at := r.i
	n, exact := r.number()
	if !exact && r.hard == nil && r.soft == nil {
		r.soft = r.errorAt(kind, at)
	}
	return n
}

// open takes the opening bracket c, or steps over a value of another type.
func (r *Reader) open(c byte) bool {
	r.space()
	if r.peek() != c {
		r.wrong(ErrWrongType)
		return false
	}
	return r.enter()
}

func (r *Reader) enter() bool {
	if r.depth == MaxDepth {
		r.fail(ErrTooDeep)
		return false
	}
	r.depth++
	r.i++
	return true
}

// more takes the comma before another element, or the closing bracket c.
func (r *Reader) more(c byte) bool {
	if r.hard != nil {
		return false
	}
	r.space()
	switch r.peek() {
	case ',':
		r.i++
		r.space()
		return true
	case c:
		r.i++
		r.depth--
		return false
	}
	r.fail(ErrSyntax)
	return false
}

// name takes a member's name and the colon after it.
func (r *Reader) name() []byte {
	r.space()
	if r.peek() != '"' {
		r.fail(ErrSyntax)
		return nil
	}
	r.key = r.str()
	r.space()
	if r.peek() != ':' {
		r.fail(ErrSyntax)
		return nil
	}
	r.i++
	return r.key
}

// wrong remembers a shape error and steps over the value.
func (r *Reader) wrong(kind error) {
	r.shape(kind)
	r.skip()
}

func (r *Reader) shape(kind error) {
	if r.soft == nil && r.hard == nil {
		r.soft = r.errorAt(kind, r.i)
	}
}

// fail records a syntax error and moves to the end, so that every loop ends.
func (r *Reader) fail(kind error) {
	if r.hard == nil {
		r.hard = r.errorAt(kind, r.i)
	}
	r.i = len(r.b)
}

func (r *Reader) errorAt(kind error, at int) *Error {
	field := r.key
	if len(field) > 64 {
		field = field[:64]
	}
	return &Error{Err: kind, Field: strings.ToValidUTF8(string(field), ""), Offset: at}
}

// RestoreShape puts back a shape error taken before, unless there is one.
func (r *Reader) RestoreShape(err error) {
	if r.soft == nil {
		r.soft = err
	}
}
