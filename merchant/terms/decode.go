package terms

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// ErrInvalid is wrapped by every refusal of a document; the text names the
// offer and the field.
var ErrInvalid = errors.New("invalid terms")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// Parse decodes a document strictly: unknown or duplicate fields, nulls,
// trailing data, wrong types, more than MaxDepth levels, MaxDocument bytes or
// MaxOffers offers are refused with ErrInvalid. It also validates, so that
// what it returns compiles.
func Parse(data []byte) (*Terms, error) {
	if len(data) > MaxDocument {
		return nil, invalid("document over %d bytes", MaxDocument)
	}
	if !utf8.Valid(data) {
		return nil, invalid("document is not UTF-8")
	}
	if err := checkShape(data); err != nil {
		return nil, err
	}
	var doc struct {
		V      int               `json:"v"`
		Offers []json.RawMessage `json:"offers"`
	}
	if err := decodeStrict(data, &doc); err != nil {
		return nil, invalid("document: %v", err)
	}
	if doc.Offers == nil {
		return nil, invalid("offers: missing")
	}
	if len(doc.Offers) > MaxOffers {
		return nil, invalid("offers: more than %d", MaxOffers)
	}
	t := &Terms{V: doc.V, Offers: make([]Offer, len(doc.Offers))}
	for i, raw := range doc.Offers {
		if err := decodeStrict(raw, &t.Offers[i]); err != nil {
			return nil, invalid("offer %d (%s): %v", i+1, offerID(raw), err)
		}
	}
	if _, err := t.Compile(); err != nil {
		return nil, err
	}
	return t, nil
}

// offerID reads the id of an offer that did not decode, for the error text.
func offerID(raw []byte) string {
	var id struct {
		ID json.RawMessage `json:"id"`
	}
	if json.Unmarshal(raw, &id) != nil || len(id.ID) == 0 || len(id.ID) > 64 {
		return "no id"
	}
	return string(id.ID)
}

func decodeStrict(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return fmt.Errorf("field %q: %s is not allowed here", wrong.Field, wrong.Value)
		}
		return err
	}
	return nil
}

// level is one open object or array of checkShape.
type level struct {
	object bool
	key    string // the key whose value comes next; "" when a key comes next
	index  int
	seen   map[string]bool
}

// checkShape walks the tokens and refuses what encoding/json would let pass:
// duplicate keys, keys that differ in case only, nulls, trailing data, depth.
func checkShape(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var stack []level
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return invalid("document: unexpected end")
		}
		if err != nil {
			return invalid("document: %v", err)
		}
		var top *level
		if len(stack) > 0 {
			top = &stack[len(stack)-1]
		}
		switch tok := tok.(type) {
		case json.Delim:
			if tok == '{' || tok == '[' {
				if len(stack) == MaxDepth {
					return invalid("%s: nested deeper than %d", pathOf(stack), MaxDepth)
				}
				stack = append(stack, level{object: tok == '{', seen: map[string]bool{}})
				continue
			}
			stack = stack[:len(stack)-1]
		case string:
			if top != nil && top.object && top.key == "" {
				if err := top.open(tok, stack); err != nil {
					return err
				}
				continue
			}
		case nil:
			return invalid("%s: null", pathOf(stack))
		}
		if len(stack) == 0 {
			break
		}
		top = &stack[len(stack)-1]
		top.key = ""
		top.index++
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return invalid("document: data after its end")
	}
	return nil
}

func (l *level) open(key string, stack []level) error {
	// Every known key is lower case; this refuses the case variants that
	// encoding/json would fold together.
	for _, c := range []byte(key) {
		if c != '_' && (c < 'a' || c > 'z') {
			return invalid("%s: unknown field %q", pathOf(stack), key)
		}
	}
	if key == "" {
		return invalid("%s: empty field name", pathOf(stack))
	}
	if l.seen[key] {
		return invalid("%s: field %q twice", pathOf(stack), key)
	}
	l.seen[key] = true
	l.key = key
	return nil
}

func pathOf(stack []level) string {
	var b bytes.Buffer
	for i, l := range stack {
		switch {
		case !l.object:
			fmt.Fprintf(&b, "[%d]", l.index)
		case l.key != "" && i > 0:
			b.WriteString("." + l.key)
		default:
			b.WriteString(l.key)
		}
	}
	if b.Len() == 0 {
		return "document"
	}
	return b.String()
}

// Canonical is the one byte form of the document: fields in a fixed order,
// lists whose order means nothing sorted, offers and tiers as declared. Equal
// meaning gives equal bytes for hashing and storage.
func (t *Terms) Canonical() ([]byte, error) {
	if _, err := t.Compile(); err != nil {
		return nil, err
	}
	c := Terms{V: t.V, Offers: slices.Clone(t.Offers)}
	if c.Offers == nil {
		c.Offers = []Offer{}
	}
	for i := range c.Offers {
		c.Offers[i].sort()
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(c); err != nil {
		return nil, fmt.Errorf("terms: encode: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// sort replaces the unordered lists of o by sorted copies.
func (o *Offer) sort() {
	s, c := &o.Scope, &o.Calendar
	s.Categories, s.SKUs = sorted(s.Categories), sorted(s.SKUs)
	s.ExceptCategories, s.ExceptSKUs = sorted(s.ExceptCategories), sorted(s.ExceptSKUs)
	c.Weekdays, c.Blackout = sorted(c.Weekdays), sorted(c.Blackout)
	c.Hours = sortedBy(c.Hours, func(a, b Hours) int { return cmp.Compare(a.From, b.From) })
	o.Limits = sortedBy(o.Limits, func(a, b Limit) int { return cmp.Compare(a.Per, b.Per) })
	o.Benefit.Prices = sortedBy(o.Benefit.Prices, func(a, b Price) int { return cmp.Compare(a.SKU, b.SKU) })
	o.Eligibility.Territories = sorted(o.Eligibility.Territories)
	o.Eligibility.Classes = sorted(o.Eligibility.Classes)
}

func sorted[T cmp.Ordered](s []T) []T { return sortedBy(s, cmp.Compare[T]) }

func sortedBy[T any](s []T, by func(a, b T) int) []T {
	s = slices.Clone(s)
	slices.SortFunc(s, by)
	return s
}
