package strictjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"unioncard/api/strictjson"
)

// shape is an object with one member of each kind, as a request has.
type shape struct {
	Name string  `json:"name"`
	N    int64   `json:"n"`
	Fen  int64   `json:"fen"`
	List []shape `json:"list"`
}

func decodeShape(r *strictjson.Reader) (s shape) {
	var seen strictjson.Seen
	for key := r.Object(); key != nil; key = r.Next() {
		switch string(key) {
		case "name":
			r.Once(&seen, 0)
			s.Name = strings.Clone(r.String())
		case "n":
			r.Once(&seen, 1)
			s.N = r.Int()
		case "fen":
			r.Once(&seen, 2)
			s.Fen = r.Fen()
		case "list":
			r.Once(&seen, 3)
			s.List = []shape{}
			for ok := r.Array(); ok; ok = r.More() {
				s.List = append(s.List, decodeShape(r))
			}
		default:
			r.Unknown()
		}
	}
	return s
}

func decode(body []byte) (shape, error) {
	var r strictjson.Reader
	r.Reset(bytes.Clone(body))
	s := decodeShape(&r)
	if err := r.End(); err != nil {
		return shape{}, err
	}
	return s, nil
}

// oracle decodes by encoding/json and then refuses, by a walk over the tokens,
// what encoding/json lets pass.
func oracle(body []byte) (shape, bool) {
	var s shape
	if !json.Valid(body) || !walk(body) {
		return s, false
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, false
	}
	_, err := d.Token()
	return s, errors.Is(err, io.EOF)
}

// walk is false when a name appears twice or is not written exactly so, a value
// is null, a half of a surrogate pair stands alone, the UTF-8 is broken or the
// nesting too deep.
func walk(body []byte) bool {
	if strings.ToValidUTF8(string(body), "?") != string(body) || loneSurrogate(body) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var open []map[string]bool // nil for an array
	name := false
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return true
		}
		if err != nil || t == nil {
			return false
		}
		if c, ok := t.(json.Delim); ok {
			switch c {
			case '{':
				open, name = append(open, map[string]bool{}), true
			case '[':
				open, name = append(open, nil), false
			default:
				open = open[:len(open)-1]
				name = len(open) > 0 && open[len(open)-1] != nil
			}
			if len(open) > strictjson.MaxDepth {
				return false
			}
			continue
		}
		if len(open) == 0 {
			return true
		}
		names := open[len(open)-1]
		if names != nil && name {
			key := t.(string)
			if names[key] || key != "name" && key != "n" && key != "fen" && key != "list" {
				return false
			}
			names[key] = true
			name = false
			continue
		}
		name = names != nil
	}
}

// loneSurrogate finds an escaped half of a surrogate pair without its other.
func loneSurrogate(body []byte) bool {
	s := strings.ReplaceAll(strings.ToLower(string(body)), `\\`, "__")
	for i := 0; i+6 <= len(s); i++ {
		if s[i:i+3] != `\ud` || s[i+3] < '8' {
			continue
		}
		low := len(s) >= i+12 && s[i+6:i+9] == `\ud` && s[i+9] >= 'c'
		if s[i+3] >= 'c' || !low {
			return true
		}
		i += 11
	}
	return false
}

func check(t interface{ Fatalf(string, ...any) }, body []byte) {
	want, ok := oracle(body)
	got, err := decode(body)
	if ok != (err == nil) {
		t.Fatalf("%q: encoding/json accepts: %v, we say: %v", body, ok, err)
	}
	if ok {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q: (-encoding/json +ours)\n%s", body, diff)
		}
	}
	var e *strictjson.Error
	if err != nil && (!errors.As(err, &e) || e.Offset < 0 || e.Offset > len(body)) {
		t.Fatalf("%q: error without a place: %v", body, err)
	}
}

func TestAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	pieces := rapid.SampledFrom([]string{
		"{", "}", "[", "]", ",", ":", `"name"`, `"n"`, `"fen"`, `"list"`, `"Name"`, `"x"`, `""`,
		`"\u006e"`, `"a\nb"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\udc00"`, `"\x"`, `"é中"`, "\"\xff\"", "\"\x01\"",
		"0", "-0", "-1", "12", "01", "1.0", "1e2", "1E+2", "-", "1.", ".5", "1e", "9223372036854775807",
		"9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551616", "1e400",
		"true", "false", "null", "nul", " ", "\t\r\n", "\f", "\x00", `\`, "/",
	})
	text := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(pieces, 0, 14).Draw(t, "pieces"), "")
	})
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.OneOf(text, wellFormed(3)).Draw(t, "body")
		check(t, []byte(body))
	})
}

// wellFormed draws objects that are mostly in order, so that acceptance is
// tested as much as refusal.
func wellFormed(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		space := rapid.SampledFrom([]string{"", "", " ", "\n\t"})
		number := rapid.OneOf(
			rapid.Map(rapid.Int64(), func(n int64) string { b, _ := json.Marshal(n); return string(b) }),
			rapid.SampledFrom([]string{"1.0", "null", `"1"`, "-0", "[]", "{}", "[[1]]", `{"a":{"b":2}}`}))
		text := rapid.OneOf(
			rapid.Map(rapid.String(), func(s string) string { b, _ := json.Marshal(s); return string(b) }),
			rapid.SampledFrom([]string{`"\ud83d\ude00"`, `"\ud83d"`, `"\ude00"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"a\/b\b"`, `"\u4E2d"`}))
		var members []string
		names := rapid.SampledFrom([]string{"name", "n", "fen", "list", "name", "n", "fen", "list", "other"})
		for _, name := range rapid.SliceOfN(names, 0, 4).Draw(t, "names") {
			var value string
			switch name {
			case "name", "other":
				value = text.Draw(t, "string")
			case "list":
				value = "[]"
				if depth > 0 {
					value = "[" + strings.Join(rapid.SliceOfN(wellFormed(depth-1), 0, 2).Draw(t, "list"), ",") + "]"
				}
			default:
				value = number.Draw(t, "number")
			}
			members = append(members, space.Draw(t, "s")+`"`+name+`"`+space.Draw(t, "s")+":"+value)
		}
		return "{" + strings.Join(members, ",") + space.Draw(t, "s") + "}"
	})
}

func FuzzReader(f *testing.F) {
	for _, s := range []string{
		`{"name":"a","n":1,"fen":2,"list":[{"n":3},{}]}`, `{"n":1e400}`, `{"name":"\ud83d\ude00"}`, `[[[[`, `{"n":1}x`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) { check(t, body) })
}

func TestErrors(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 10_000)
	for _, c := range []struct {
		name, body string
		want       error
		field      string
	}{
		{"not JSON", `{"n":1`, strictjson.ErrSyntax, "n"},
		{"trailing data", `{"n":1} {}`, strictjson.ErrSyntax, "n"},
		{"broken UTF-8", "{\"name\":\"\xff\"}", strictjson.ErrSyntax, ""},
		{"byte order mark", "\ufeff{}", strictjson.ErrSyntax, ""},
		{"deep", deep, strictjson.ErrTooDeep, ""},
		{"deep inside an unknown member", `{"x":` + deep + `}`, strictjson.ErrTooDeep, "x"},
		{"twice", `{"n":1,"n":1}`, strictjson.ErrDuplicateKey, "n"},
		{"twice, once escaped", `{"n":1,"\u006e":1}`, strictjson.ErrDuplicateKey, "n"},
		{"unknown", `{"m":1}`, strictjson.ErrUnknownField, "m"},
		{"half of a surrogate pair", `{"name":"\ud83d"}`, strictjson.ErrSyntax, "name"},
		{"other case", `{"N":1}`, strictjson.ErrUnknownField, "N"},
		{"null", `{"n":null}`, strictjson.ErrWrongType, "n"},
		{"fraction", `{"n":1.5}`, strictjson.ErrWrongType, "n"},
		{"amount as text", `{"fen":"1.005"}`, strictjson.ErrFen, "fen"},
		{"amount with exponent", `{"fen":1e2}`, strictjson.ErrFen, "fen"},
		{"amount beyond all", `{"fen":1e400}`, strictjson.ErrFen, "fen"},
		{"amount over int64", `{"fen":9223372036854775808}`, strictjson.ErrFen, "fen"},
		{"not an object", `[]`, strictjson.ErrWrongType, ""},
		{"a shape error before a broken end", `{"fen":"1",`, strictjson.ErrSyntax, "fen"},
		{"the first shape error", `{"x":1,"n":"1"}`, strictjson.ErrUnknownField, "x"},
		{"empty", ``, strictjson.ErrSyntax, ""},
	} {
		_, err := decode([]byte(c.body))
		var e *strictjson.Error
		if !errors.Is(err, c.want) || !errors.As(err, &e) || e.Field != c.field {
			t.Errorf("%s: got %v, want %v in %q", c.name, err, c.want, c.field)
		}
	}
}

func TestAppendStringRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "s")
		var got string
		if err := json.Unmarshal(strictjson.AppendString(nil, s), &got); err != nil {
			t.Fatal(err)
		}
		if want := strings.Join(strings.Split(toValid(s), ""), ""); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

// toValid puts one U+FFFD for every byte that is no UTF-8, as encoding/json does.
func toValid(s string) string { return string([]rune(s)) }
