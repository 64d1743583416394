package personal

import "strings"

// Fault is a value that can't be taken, with a code that stays the same for good
// and what to tell a clerk. It never repeats the value.
type Fault struct {
	Field   string // "resident_id", "phone" or "name"
	Code    string // "id_check"
	Message string // Chinese: what is wrong
	Fix     string // Chinese: what to do
}

func (f *Fault) Error() string { return "personal: " + f.Code }

// The fields of a Person.
const (
	FieldResidentID = "resident_id"
	FieldPhone      = "phone"
	FieldName       = "name"
)

// clean brings a field as people and spreadsheets write it to plain characters:
// full-width forms become half-width (ASCII), every kind of blank a space, what
// can't be seen goes, and so do the apostrophe by which a spreadsheet marks text
// and blanks around.
func clean(s string) string {
	if plain(s) {
		return s
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= '！' && r <= '～':
			return r - '！' + '!'
		case r == '\u3000' || r == '\u00a0' || r == '\t' || r == '\n' || r == '\r' || r >= '\u2000' && r <= '\u200a' || r == '\u202f':
			return ' '
		case r == '\ufeff' || r >= '\u200b' && r <= '\u200f' || r >= '\u202a' && r <= '\u202e' || r >= '\u2060' && r <= '\u2064' || r == '\u00ad':
			return -1
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	// "'410…" and "’410…": typed to keep a spreadsheet from making a number of it.
	return strings.TrimSpace(strings.TrimLeft(s, "'`‘’"))
}

// plain: there is nothing to clean.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '\'' || c == '`' {
			return false
		}
	}
	return true
}

// scientific reports whether a spreadsheet has turned digits into a number such
// as 1.10101E+17, which has lost the last of them.
func scientific(s string) bool {
	mantissa, exponent, ok := strings.Cut(strings.ToUpper(s), "E")
	if !ok || mantissa == "" {
		return false
	}
	exponent = strings.TrimPrefix(exponent, "+")
	return digitsOnly(strings.Replace(mantissa, ".", "", 1)) && digitsOnly(exponent)
}

func digitsOnly(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
