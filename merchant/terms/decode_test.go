package terms

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	one := func(fields string) string {
		return `{"v":1,"offers":[{"id":"x","title":"优惠","funding_bp":10000,` + fields + `}]}`
	}
	percent := `"benefit":{"kind":"percent","rate_bp":9000}`
	for name, tc := range map[string]struct{ doc, names string }{
		"empty":               {``, "end"},
		"not JSON":            {`{`, "end"},
		"null":                {`null`, "null"},
		"array":               {`[]`, "document"},
		"trailing":            {doc(off10) + `{}`, "after its end"},
		"version":             {strings.Replace(doc(off10), `"v":1`, `"v":2`, 1), "v: 2"},
		"no version":          {`{"offers":[]}`, "v: 0"},
		"no offers":           {`{"v":1}`, "offers"},
		"null offers":         {`{"v":1,"offers":null}`, "offers: null"},
		"unknown field":       {`{"v":1,"offers":[],"x":1}`, "x"},
		"unknown offer field": {one(percent + `,"rate":1`), `offer 1 ("x")`},
		"duplicate field":     {one(percent + `,"id":"y"`), `field "id" twice`},
		"case variant":        {one(percent + `,"ID":"y"`), `"ID"`},
		"wrong type":          {one(`"benefit":{"kind":"percent","rate_bp":"9000"}`), "benefit.rate_bp"},
		"fraction":            {one(`"benefit":{"kind":"percent","rate_bp":9000.5}`), "benefit.rate_bp"},
		"overflow":            {one(`"benefit":{"kind":"percent","rate_bp":99999999999999999999}`), "benefit.rate_bp"},
		"deep":                {strings.Repeat("[", 10_000), "nested deeper"},
		"large":               {strings.Repeat(" ", MaxDocument+1), "bytes"},
		"not UTF-8":           {"{\"v\":1,\"\xff\":1}", "UTF-8"},
		"too many":            {doc(slicesRepeat(off10, MaxOffers+1)...), "more than 64"},
		"crossing scopes":     {doc(crossingScopes(maxCrossing + 1)...), "not nested"},
		"id":                  {strings.Replace(one(percent), `"x"`, `"X"`, 1), "id:"},
		"long id":             {strings.Replace(one(percent), `"x"`, `"`+strings.Repeat("x", 33)+`"`, 1), "id:"},
		"title":               {strings.Replace(one(percent), `优惠`, `\u0000`, 1), "title"},
		"id twice":            {strings.Replace(doc(off10, off10), "o1", "o0", 1), "used twice"},
		"stack twice":         {doc(`"stack":1,`+off10, `"stack":1,`+off10), "stack"},
		"rate 0":              {one(`"benefit":{"kind":"percent"}`), "rate_bp"},
		"rate 10000":          {one(`"benefit":{"kind":"percent","rate_bp":10000}`), "rate_bp"},
		"kind":                {one(`"benefit":{"kind":"gift"}`), "kind"},
		"foreign field":       {one(`"benefit":{"kind":"percent","rate_bp":9000,"off_fen":1}`), "off_fen"},
		"off above at":        {one(`"benefit":{"kind":"amount_off","at_fen":100,"off_fen":101}`), "off_fen"},
		"small step":          {one(`"benefit":{"kind":"every","at_fen":99,"off_fen":1}`), "at_fen"},
		"no tiers":            {one(`"benefit":{"kind":"tiers"}`), "tiers"},
		"tiers descend":       {one(`"benefit":{"kind":"tiers","tiers":[{"at_fen":200,"off_fen":10},{"at_fen":100,"off_fen":20}]}`), "ascending"},
		"tiers mixed":         {one(`"benefit":{"kind":"tiers","tiers":[{"at_fen":100,"off_fen":10},{"at_fen":200,"rate_bp":8000}]}`), "every tier"},
		"no prices":           {one(`"benefit":{"kind":"unit_price"}`), "prices"},
		"price twice":         {one(`"benefit":{"kind":"unit_price","prices":[{"sku":"s","price_fen":1},{"sku":"s","price_fen":2}]}`), "prices.sku"},
		"unit price scope":    {one(onA + `"benefit":{"kind":"unit_price","prices":[{"sku":"s","price_fen":1}]}`), "scope"},
		"category twice":      {one(`"scope":{"categories":["a","a"]},` + percent), "scope.categories"},
		"empty SKU":           {one(`"scope":{"skus":[""]},` + percent), "scope.skus"},
		"day":                 {one(`"calendar":{"from":"2026-02-30"},` + percent), "calendar.from"},
		"ends before":         {one(`"calendar":{"from":"2026-02-02","to":"2026-02-01"},` + percent), "calendar.to"},
		"weekday":             {one(`"calendar":{"weekdays":[0]},` + percent), "calendar.weekdays"},
		"hours":               {one(`"calendar":{"hours":[{"from":"22:00","to":"02:00"}]},` + percent), "calendar.hours"},
		"hours overlap":       {one(`"calendar":{"hours":[{"from":"08:00","to":"12:00"},{"from":"11:00","to":"13:00"}]},` + percent), "overlap"},
		"short hour":          {one(`"calendar":{"hours":[{"from":"8:00","to":"12:00"}]},` + percent), "calendar.hours.from"},
		"blackout twice":      {one(`"calendar":{"blackout":["2026-01-01","2026-01-01"]},` + percent), "blackout"},
		"cap":                 {one(`"caps":{"purchase_fen":-1},` + percent), "caps"},
		"period":              {one(`"limits":[{"per":"year","uses":1}],` + percent), "year"},
		"empty limit":         {one(`"limits":[{"per":"day"}],` + percent), "limits"},
		"limit twice":         {one(`"limits":[{"per":"day","uses":1},{"per":"day","fen":1}],` + percent), "twice"},
		"funding":             {strings.Replace(one(percent), "10000", "10001", 1), "funding_bp"},
		"territory":           {one(`"eligibility":{"territories":[1]},` + percent), "territories"},
		"class":               {one(`"eligibility":{"classes":[256]},` + percent), "classes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(tc.doc))
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), tc.names) {
				t.Errorf("%v, want it to name %q", err, tc.names)
			}
		})
	}
}

// crossingScopes are offers each of which shares a category with the next.
func crossingScopes(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(`"scope":{"categories":["c%d","c%d"]},`, i, i+1)+off10)
	}
	return out
}

func TestParseAcceptsManyOffers(t *testing.T) {
	t.Parallel()
	mustCompile(t, doc(crossingScopes(maxCrossing)...))
	mustCompile(t, doc(slicesRepeat(onA+off10, MaxOffers)...))
}

func slicesRepeat(s string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}

// The order of what has no order does not matter, that of offers does.
func TestCanonical(t *testing.T) {
	t.Parallel()
	a := mustParse(t, doc(`"calendar":{"weekdays":[7,1],"blackout":["2026-05-02","2026-05-01"]},"scope":{"skus":["<t>","s"]},`+off10))
	b := mustParse(t, ` { "offers":[{"funding_bp":10000,"title":"优惠","id":"o0",`+off10+
		`,"scope":{"skus":["s","<t>"]},"calendar":{"blackout":["2026-05-01","2026-05-02"],"weekdays":[1,7]}}],"v":1}`)
	canonA, errA := a.Canonical()
	canonB, errB := b.Canonical()
	if errA != nil || errB != nil || !bytes.Equal(canonA, canonB) {
		t.Errorf("%s %v, %s %v", canonA, errA, canonB, errB)
	}
	want := `{"v":1,"offers":[{"id":"o0","title":"优惠","scope":{"skus":["<t>","s"]},"calendar":{"weekdays":[1,7],"blackout":["2026-05-01","2026-05-02"]},"benefit":{"kind":"percent","rate_bp":9000},"funding_bp":10000}]}`
	if d := cmp.Diff(want, string(canonA)); d != "" {
		t.Error(d)
	}
	if _, err := (&Terms{}).Canonical(); !errors.Is(err, ErrInvalid) {
		t.Errorf("invalid terms have a canonical form: %v", err)
	}
}

// Compiling neither keeps nor changes what the caller holds.
func TestCompileCopies(t *testing.T) {
	t.Parallel()
	doc := mustParse(t, doc(`"eligibility":{"territories":[410181,410100]},`+off10))
	c := compiled(t, doc)
	if doc.Offers[0].Eligibility.Territories[0] != 410181 {
		t.Error("the document was sorted")
	}
	doc.Offers[0].Eligibility.Territories[0] = 1
	doc.Offers[0].Title = ""
	if c.Offers()[0].Title() == "" || !c.offers[0].eligible.holds(Holder{County: 410181}) {
		t.Error("the compiled form shares the document")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(benchTerms))
	f.Add([]byte(doc(perDay1+onAB+man100, mei100)))
	f.Add([]byte(doc(`"benefit":{"kind":"tiers","tiers":[{"at_fen":100,"off_fen":10}]}`)))
	f.Add([]byte(`{"v":1,"offers":[{"id":1}]}`))
	f.Add([]byte(`[[[[[[[[[[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := Parse(data)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("%v is not ErrInvalid", err)
			}
			return
		}
		first, err := doc.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(first)
		if err != nil {
			t.Fatalf("canonical form refused: %v: %s", err, first)
		}
		if second, err := again.Canonical(); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("canonical form is not stable: %s then %s", first, second)
		}
		c, err := doc.Compile()
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Explain()
		var r Result
		in := benchInput()
		c.Evaluate(in, &r)
		if r.DiscountFen < 0 || r.DiscountFen > in.AmountFen {
			t.Fatalf("discount %d of %d", r.DiscountFen, in.AmountFen)
		}
	})
}

// FuzzCompare: whatever parses compares with itself as not worse, or undecided.
func FuzzCompare(f *testing.F) {
	f.Add([]byte(benchTerms), []byte(benchTerms))
	f.Add([]byte(doc(perDay1+onAB+man100, mei100)), []byte(doc(off10)))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		local, errA := Parse(a)
		floor, errB := Parse(b)
		if errA != nil || errB != nil || len(local.Offers)+len(floor.Offers) > 12 {
			return
		}
		l, fl := compiled(t, local), compiled(t, floor)
		if got := Compare(l, l); got.Verdict == Worse {
			t.Fatalf("worse than itself: %+v: %s", got, show(local))
		}
		got := Compare(l, fl)
		if len(local.Offers) <= 8 && len(floor.Offers) <= 8 {
			checkWorse(t, local, floor, &got)
		}
	})
}

// Golden is a real kind of offer with its discounts at telling amounts.
type golden struct {
	Name    string          `json:"name"`
	Text    string          `json:"text"`
	Offer   json.RawMessage `json:"offer"`
	Amounts [][2]int64      `json:"amounts"` // fen paid before, fen off; an amount alone
	Lines   []struct {
		SKU          string `json:"sku"`
		QtyMilli     int64  `json:"qty_milli"`
		UnitPriceFen int64  `json:"unit_price_fen"`
		AmountFen    int64  `json:"amount_fen"`
		OffFen       int64  `json:"off_fen"`
	} `json:"lines"` // one line each
}

func TestGolden(t *testing.T) {
	t.Parallel()
	var all []golden
	readJSON(t, "testdata/offers.json", &all)
	if len(all) < 9 {
		t.Fatalf("%d offers", len(all))
	}
	for _, g := range all {
		t.Run(g.Name, func(t *testing.T) {
			t.Parallel()
			c := mustCompile(t, fmt.Sprintf(`{"v":1,"offers":[%s]}`, g.Offer))
			if d := cmp.Diff([]string{g.Text}, c.Explain()); d != "" {
				t.Error(d)
			}
			if c.Offers()[0].Title() != g.Name {
				t.Errorf("title %s", c.Offers()[0].Title())
			}
			var r Result
			for _, a := range g.Amounts {
				c.Evaluate(&Input{AmountFen: a[0], At: plainDay}, &r)
				if r.DiscountFen != a[1] {
					t.Errorf("%d fen: %d off, want %d", a[0], r.DiscountFen, a[1])
				}
			}
			for _, l := range g.Lines {
				it := Item{SKU: l.SKU, Category: "any", QtyMilli: l.QtyMilli, UnitPriceFen: l.UnitPriceFen, AmountFen: l.AmountFen}
				if err := CheckBasket(it.AmountFen, []Item{it}); err != nil {
					t.Error(err)
				}
				c.Evaluate(&Input{AmountFen: it.AmountFen, Items: []Item{it}, At: plainDay}, &r)
				if r.DiscountFen != l.OffFen {
					t.Errorf("%+v: %d off", l, r.DiscountFen)
				}
			}
			if n := len(g.Amounts) + len(g.Lines); n < 4 {
				t.Errorf("only %d cases", n)
			}
		})
	}
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		t.Fatal(err)
	}
}
