package directory

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"unioncard/merchant"
)

// Bounds of a query.
const (
	// MaxText is the longest text searched for, in characters; MaxWords is how
	// many words separated by spaces it may hold.
	MaxText  = 64
	MaxWords = 8
	// MaxLimit is the most outlets on one page, DefaultLimit what is given unasked.
	MaxLimit     = 100
	DefaultLimit = 20
	// MaxRadius is the farthest that nearby reaches, DefaultRadius how far it does
	// unasked, in metres.
	MaxRadius     = 50_000
	DefaultRadius = 5_000
)

var (
	// ErrCursor: a cursor that is none, or of another query.
	ErrCursor = errors.New("directory: cursor is not one of this query")
	// ErrInvalid is every InvalidError.
	ErrInvalid = errors.New("directory: invalid query")
)

// InvalidError is a query that has no answer.
type InvalidError struct {
	Field  string // of Query, in small letters
	Detail string
}

func (e *InvalidError) Error() string {
	return fmt.Sprintf("directory: invalid %s: %s", e.Field, e.Detail)
}

// Unwrap makes it ErrInvalid.
func (e *InvalidError) Unwrap() error { return ErrInvalid }

// Query is what somebody looks for; every part that is given must hold.
type Query struct {
	// Text is words separated by spaces; each must be part of the outlet's name,
	// merchant, brand, address or an offer's title, in any case and width.
	Text   string
	City   int32 // GB/T 2260 codes; a city holds the counties in it
	County int32
	Trade  merchant.Trade
	Brand  string // whole
	// Near is a position in GCJ-02: outlets come by distance from it, up to Radius
	// metres (0: DefaultRadius).
	Near   *Point
	Radius int
	Limit  int // 0: DefaultLimit
	Cursor string
}

// find is a Query made ready.
type find struct {
	words   []string // folded
	exact   bool     // posting lists alone decide about the words
	texts   []key    // values, of keyText or keyName
	filters []key
	city    int32
	county  int32
	trade   merchant.Trade
	brand   string
	near    *Point
	radius  int64 // millimetres
	limit   int
	mark    uint64 // of the query, so that a cursor serves no other
}

// prepare checks a query: InvalidError.
func (q *Query) prepare() (*find, error) {
	f := &find{city: q.City, county: q.County, trade: q.Trade, limit: q.Limit, exact: true, near: q.Near}
	if err := f.setText(q.Text); err != nil {
		return nil, err
	}
	if f.limit == 0 {
		f.limit = DefaultLimit
	}
	if f.limit < 1 || f.limit > MaxLimit {
		return nil, &InvalidError{"limit", fmt.Sprintf("want 1 to %d", MaxLimit)}
	}
	if err := f.setFilters(q); err != nil {
		return nil, err
	}
	return f, f.setNear(q)
}

func (f *find) setText(text string) error {
	if !utf8.ValidString(text) || len(text) > 4*MaxText || utf8.RuneCountInString(text) > MaxText {
		return &InvalidError{"text", fmt.Sprintf("want at most %d characters", MaxText)}
	}
	for _, r := range text {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return &InvalidError{"text", "holds control characters"}
		}
	}
	for _, w := range strings.Fields(text) {
		if w = fold(w); w == "" {
			continue
		}
		f.words = append(f.words, w)
		n := utf8.RuneCountInString(w)
		f.exact = f.exact && n <= 2
		if n == 1 {
			r, _ := utf8.DecodeRuneInString(w)
			f.texts = append(f.texts, one(r))
			continue
		}
		last := rune(0)
		for _, r := range w {
			if last != 0 {
				f.texts = append(f.texts, pair(last, r))
			}
			last = r
		}
	}
	if len(f.words) > MaxWords {
		return &InvalidError{"text", fmt.Sprintf("want at most %d words", MaxWords)}
	}
	return nil
}

func (f *find) setFilters(q *Query) error {
	for _, d := range []struct {
		name string
		kind key
		code int32
	}{{"city", keyCity, q.City}, {"county", keyCounty, q.County}} {
		if d.code == 0 {
			continue
		}
		if d.code < 100000 || d.code > 999999 {
			return &InvalidError{d.name, "want six digits of GB/T 2260"}
		}
		f.filters = append(f.filters, number(d.kind, d.code))
	}
	if q.Trade != "" {
		known := false
		for _, t := range merchant.Trades() {
			known = known || t == q.Trade
		}
		if !known {
			return &InvalidError{"trade", "there is no such trade"}
		}
		f.filters = append(f.filters, named(keyTrade, string(q.Trade)))
	}
	if q.Brand != "" {
		if !utf8.ValidString(q.Brand) || utf8.RuneCountInString(q.Brand) > MaxText {
			return &InvalidError{"brand", fmt.Sprintf("want at most %d characters", MaxText)}
		}
		if f.brand = fold(q.Brand); f.brand == "" {
			return &InvalidError{"brand", "holds nothing to look for"}
		}
		f.filters = append(f.filters, named(keyBrand, f.brand))
	}
	return nil
}

func (f *find) setNear(q *Query) error {
	if q.Radius < 0 || q.Radius > MaxRadius {
		return &InvalidError{"radius", fmt.Sprintf("want 1 to %d metres", MaxRadius)}
	}
	if q.Near == nil {
		if q.Radius != 0 {
			return &InvalidError{"radius", "there is no position to measure from"}
		}
	} else {
		// Written so that NaN is refused.
		if !(math.Abs(q.Near.Lon) <= 180 && math.Abs(q.Near.Lat) <= 90) {
			return &InvalidError{"near", "want longitude within ±180 and latitude within ±90 degrees"}
		}
		f.radius = DefaultRadius * 1000
		if q.Radius > 0 {
			f.radius = int64(q.Radius) * 1000
		}
	}
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%q %d %d %q %q %d", f.words, f.city, f.county, f.trade, f.brand, f.radius) // never fails
	if f.near != nil {
		_, _ = fmt.Fprintf(h, " %x %x", math.Float64bits(f.near.Lon), math.Float64bits(f.near.Lat))
	}
	f.mark = h.Sum64()
	return nil
}

// matches says whether an entry is what is looked for, and whether its name alone
// has all the words.
func (f *find) matches(e *Entry) (ok, byName bool) {
	if f.city != 0 && e.City != f.city || f.county != 0 && e.Territory != f.county ||
		f.trade != "" && e.Trade != f.trade || f.brand != "" && e.brand != f.brand {
		return false, false
	}
	byName = true
	for _, w := range f.words {
		if byName && strings.Contains(e.text[:e.nameEnd], w) {
			continue
		}
		if byName = false; !strings.Contains(e.text, w) {
			return false, false
		}
	}
	return true, byName
}
