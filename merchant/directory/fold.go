package directory

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// fold writes text as it is searched for: without spaces and control characters,
// wide Latin letters, digits and signs made narrow, letters small. "ＫＦＣ 郑州" and
// "kfc郑州" fold alike.
func fold(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		if r = foldRune(r); r > 0 {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// foldRune is fold for one character, 0 for one that is left out.
func foldRune(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r >= 0x4e00 && r <= 0x9fff:
		return r
	case r >= 0xff01 && r <= 0xff5e: // wide forms of ASCII
		r -= 0xff01 - '!'
	}
	if r == utf8.RuneError || unicode.IsSpace(r) || unicode.IsControl(r) {
		return 0
	}
	return unicode.ToLower(r)
}

// key is what a posting list is of: a character, a pair of characters, or a
// value of a filter. Its low 42 bits are the value.
type key uint64

const (
	keyText key = iota << 42 // anywhere in the text
	keyName                  // in the outlet's name, merchant or brand
	keyCity
	keyCounty
	keyTrade
	keyBrand
)

const keyValue = 1<<42 - 1

// one is the value of a character, pair of two in a row. A character has 21 bits
// and none of a text is 0.
func one(r rune) key     { return key(r) }
func pair(a, b rune) key { return key(a)<<21 | key(b) }

func number(kind key, n int32) key { return kind | key(uint32(n)) }

// named is the key of a name, by FNV-1a; what it finds is compared with the name.
func named(kind key, s string) key {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return kind | key(h>>22)&keyValue
}

// grams calls f with the value of every character of a folded text and every pair.
func grams(text string, f func(key)) {
	last := rune(0)
	for _, r := range text {
		if r == separator {
			last = 0
			continue
		}
		f(one(r))
		if last != 0 {
			f(pair(last, r))
		}
		last = r
	}
}

// separator stands between the parts of a text; fold never leaves one in, so
// nothing that is searched for spans two parts.
const separator = '\n'
