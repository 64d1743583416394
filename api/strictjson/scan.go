package strictjson

import (
	"math"
	"unicode/utf16"
	"unicode/utf8"
)

// peek returns the byte at the cursor, 0 at the end (0 is never valid there).
func (r *Reader) peek() byte {
	if r.i < len(r.b) {
		return r.b[r.i]
	}
	return 0
}

func (r *Reader) space() {
	for r.i < len(r.b) {
		switch r.b[r.i] {
		case ' ', '\t', '\n', '\r':
			r.i++
		default:
			return
		}
	}
}

// skip steps over one value of any type, checking its syntax and depth.
func (r *Reader) skip() {
	if r.hard != nil {
		return
	}
	r.space()
	switch c := r.peek(); {
	case c == '"':
		r.str()
	case c == '-' || c >= '0' && c <= '9':
		r.number()
	case c == 't':
		r.literal("true")
	case c == 'f':
		r.literal("false")
	case c == 'n':
		r.literal("null")
	case c == '[':
		for ok := r.Array(); ok; ok = r.More() {
			r.skip()
		}
	case c == '{':
		for key := r.Object(); key != nil; key = r.Next() {
			r.skip()
		}
	default:
		r.fail(ErrSyntax)
	}
}

func (r *Reader) literal(word string) {
	end := r.i + len(word)
	if end > len(r.b) || string(r.b[r.i:end]) != word {
		r.fail(ErrSyntax)
		return
	}
	r.i = end
}

// number takes a number by the grammar of RFC 8259. exact is false when it has
// a fraction or an exponent, or does not fit an int64.
func (r *Reader) number() (n int64, exact bool) {
	b, i := r.b, r.i
	neg := b[i] == '-'
	if neg {
		i++
	}
	start := i
	var u uint64
	over := false
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		d := uint64(b[i] - '0')
		if u > (math.MaxUint64-d)/10 {
			over = true
		}
		u = u*10 + d
	}
	if i == start || b[start] == '0' && i-start > 1 {
		r.i = i
		r.fail(ErrSyntax)
		return 0, false
	}
	r.i = i
	exact = !over
	if i < len(b) && (b[i] == '.' || b[i]|0x20 == 'e') {
		exact = false
		if !r.fraction() {
			return 0, false
		}
	}
	switch {
	case !exact:
		return 0, false
	case neg && u <= 1<<63:
		return -int64(u), true // -(1<<63) wraps onto itself
	case !neg && u <= math.MaxInt64:
		return int64(u), true
	}
	return 0, false
}

// fraction takes what follows the digits of a number that is no integer.
func (r *Reader) fraction() bool {
	if r.peek() == '.' {
		r.i++
		if !r.digits() {
			return false
		}
	}
	if r.peek()|0x20 == 'e' {
		r.i++
		if c := r.peek(); c == '+' || c == '-' {
			r.i++
		}
		return r.digits()
	}
	return true
}

// digits takes one digit or more.
func (r *Reader) digits() bool {
	start := r.i
	for r.i < len(r.b) && r.b[r.i]-'0' <= 9 {
		r.i++
	}
	if r.i == start {
		r.fail(ErrSyntax)
		return false
	}
	return true
}

// str takes a string from its opening quote and returns its text, unescaped in
// place. The body's UTF-8 has been checked.
func (r *Reader) str() []byte {
	b := r.b
	start := r.i + 1
	for i := start; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			r.i = i + 1
			return b[start:i:i]
		case c == '\\':
			return r.escaped(start, i)
		case c < 0x20:
			r.i = i
			r.fail(ErrSyntax)
			return nil
		}
	}
	r.fail(ErrSyntax)
	return nil
}

// escaped goes on with a string whose first escape is at i. The text never
// grows by unescaping, so writing trails reading.
func (r *Reader) escaped(start, i int) []byte {
	b, w := r.b, i
	for i < len(b) {
		c := b[i]
		switch {
		case c == '"':
			r.i = i + 1
			return b[start:w:w]
		case c < 0x20:
			r.i = i
			r.fail(ErrSyntax)
			return nil
		case c != '\\':
			b[w] = c
			w++
			i++
			continue
		}
		if i+1 >= len(b) {
			break
		}
		if b[i+1] == 'u' {
			char, size := surrogates(b[i:])
			if size == 0 {
				break
			}
			w += utf8.EncodeRune(b[w:], char)
			i += size
			continue
		}
		char := unescape(b[i+1])
		if char == 0 {
			break
		}
		b[w] = char
		w++
		i += 2
	}
	r.i = min(i, len(b))
	r.fail(ErrSyntax)
	return nil
}

// unescape gives the byte that an escape letter stands for, 0 for none.
func unescape(c byte) byte {
	switch c {
	case '"', '\\', '/':
		return c
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return 0
}

// surrogates reads \uXXXX or a surrogate pair at the start of b and returns the
// character and how many bytes it took; size 0 when malformed or a lone half.
func surrogates(b []byte) (char rune, size int) {
	char, ok := hex4(b)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(char) {
		return char, 6
	}
	low, ok := hex4(b[6:])
	if !ok {
		return 0, 0
	}
	if char = utf16.DecodeRune(char, low); char == utf8.RuneError {
		return 0, 0
	}
	return char, 12
}

// hex4 reads \uXXXX.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var v rune
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			v = v<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}
