package directory

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"unioncard/card/union"
	"unioncard/merchant"
)

var noon = time.Date(2026, 6, 1, 4, 0, 0, 0, time.UTC)

// alphabet is small, so that drawn words meet in drawn texts.
var alphabet = []rune("郑州店面火锅AaＡ1１ (　\n豫")

func words(t *rapid.T, name string, most int) string {
	return string(rapid.SliceOfN(rapid.SampledFrom(alphabet), 0, most).Draw(t, name))
}

var territories = []int32{410105, 410122, 410100, 410526, 411702}

// entry draws an outlet around Zhengzhou, some several times at one spot.
func entry(t *rapid.T, id int64) *Entry {
	e := &Entry{
		ID: id, MerchantID: id % 7, Name: words(t, "name", 5), Merchant: words(t, "merchant", 4),
		Brand: rapid.SampledFrom([]string{"", "豫州", "KFC"}).Draw(t, "brand"), Address: words(t, "address", 6),
		Trade:     rapid.SampledFrom(merchant.Trades()).Draw(t, "trade"),
		Territory: rapid.SampledFrom(territories).Draw(t, "territory"),
		Placed:    rapid.Bool().Draw(t, "placed"),
		Offers:    &Offers{List: []Offer{{Title: words(t, "title", 4)}}},
	}
	e.City, e.brand = cityOf(e.Territory), fold(e.Brand)
	if e.Placed && rapid.IntRange(0, 2).Draw(t, "one spot") == 0 {
		e.Place = Point{113.61, 34.71} // a mall
	} else if e.Placed {
		e.Place = Point{
			113.6 + float64(rapid.IntRange(-40, 40).Draw(t, "east"))/97,
			34.7 + float64(rapid.IntRange(-40, 40).Draw(t, "north"))/89,
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "ends") == 0 {
		e.next, e.stays = noon.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "when"))*time.Second), rapid.Bool().Draw(t, "stays")
	}
	e.setText()
	return e
}

func query(t *rapid.T) Query {
	q := Query{Limit: rapid.IntRange(1, 5).Draw(t, "limit")}
	switch rapid.IntRange(0, 4).Draw(t, "words") {
	case 0:
		q.Text = words(t, "text", 4)
	case 1:
		q.Text = words(t, "text", 1) + " " + words(t, "text", 1)
	}
	if rapid.IntRange(0, 3).Draw(t, "in city") == 0 {
		q.City = cityOf(rapid.SampledFrom(territories).Draw(t, "city"))
	}
	if rapid.IntRange(0, 5).Draw(t, "in county") == 0 {
		q.County = rapid.SampledFrom(territories).Draw(t, "county")
	}
	if rapid.IntRange(0, 5).Draw(t, "of trade") == 0 {
		q.Trade = rapid.SampledFrom(merchant.Trades()).Draw(t, "trade")
	}
	if rapid.IntRange(0, 5).Draw(t, "of brand") == 0 {
		q.Brand = rapid.SampledFrom([]string{"豫 州", "ｋｆｃ", "没有"}).Draw(t, "brand")
	}
	if rapid.Bool().Draw(t, "nearby") {
		q.Near = &Point{113.6 + rapid.Float64Range(-0.5, 0.5).Draw(t, "lon"), 34.7 + rapid.Float64Range(-0.5, 0.5).Draw(t, "lat")}
		q.Radius = rapid.IntRange(1, MaxRadius).Draw(t, "radius")
	}
	return q
}

// bruteForce answers a query by looking at every entry, by the words of Query.
func bruteForce(all map[int64]*Entry, q Query, now time.Time) (ids []int64) {
	type found struct {
		id    int64
		class int
		mm    int64
	}
	var hits []found
	for _, e := range all {
		if !e.next.IsZero() && !e.stays && !e.next.After(now) ||
			q.City != 0 && cityOf(e.Territory) != q.City || q.County != 0 && e.Territory != q.County ||
			q.Trade != "" && e.Trade != q.Trade || q.Brand != "" && fold(e.Brand) != fold(q.Brand) {
			continue
		}
		h, ok := found{id: e.ID}, true
		has := func(w string, parts ...string) bool {
			return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(fold(p), fold(w)) })
		}
		for _, w := range strings.Fields(q.Text) {
			if !has(w, e.Name, e.Merchant, e.Brand) {
				h.class = 1
				ok = ok && has(w, e.Address, e.Offers.List[0].Title, placeName(cityOf(e.Territory)), placeName(e.Territory), e.Trade.Title())
			}
		}
		if q.Near != nil {
			h.class = 0
			h.mm = millimetres(*q.Near, e.Place)
			ok = ok && e.Placed && h.mm <= int64(q.Radius)*1000
		}
		if ok {
			hits = append(hits, h)
		}
	}
	slices.SortFunc(hits, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.mm, b.mm), cmp.Compare(a.id, b.id))
	})
	for _, h := range hits {
		ids = append(ids, h.id)
	}
	return ids
}

// pages reads a query's pages to the end.
func pages(x *Index, q Query, now time.Time) (ids []int64, err error) {
	for {
		p, err := x.Search(q, now)
		if err != nil {
			return nil, err
		}
		for _, h := range p.Hits {
			ids = append(ids, h.ID)
		}
		if p.Next == "" {
			return ids, nil
		}
		if len(p.Hits) != q.Limit {
			return nil, fmt.Errorf("%d hits on a page of %d that is not the last", len(p.Hits), q.Limit)
		}
		q.Cursor = p.Next
	}
}

// TestSearchAgainstBruteForce: whatever the changes before, however they came, a
// search finds what looking at everything finds, in the same order, page by page.
func TestSearchAgainstBruteForce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := map[int64]*Entry{}
		x := &Index{}
		if rapid.Bool().Draw(t, "loaded") {
			var entries []*Entry
			for id := range int64(rapid.IntRange(0, 12).Draw(t, "size")) {
				e := entry(t, id*3+1)
				all[e.ID], entries = e, append(entries, e)
			}
			x = newIndex(entries)
		}
		for range rapid.IntRange(0, 5).Draw(t, "steps") {
			var changes []change
			for _, id := range rapid.SliceOfNDistinct(rapid.Int64Range(1, 40), 0, 12, rapid.ID[int64]).Draw(t, "ids") {
				if rapid.Bool().Draw(t, "gone") {
					delete(all, id)
					changes = append(changes, change{id, nil})
					continue
				}
				all[id] = entry(t, id)
				changes = append(changes, change{id, all[id]})
			}
			before, had := x, x.Len()
			x = x.with(changes)
			if before.Len() != had || x.Len() != len(all) {
				t.Fatalf("%d outlets, want %d; the index before has %d, had %d", x.Len(), len(all), before.Len(), had)
			}
		}
		for id := range int64(42) {
			if got := x.Outlet(id); got != all[id] {
				t.Fatalf("outlet %d is %v, want %v", id, got, all[id])
			}
		}
		for range 4 {
			q := query(t)
			want := bruteForce(all, q, noon)
			got, err := pages(x, q, noon)
			if err != nil {
				t.Fatal(err)
			}
			if d := gocmp.Diff(want, got); d != "" {
				t.Fatalf("%+v: %s", q, d)
			}
			for _, most := range []int{1, 100} {
				if n, err := x.Count(q, noon, most); err != nil || n != min(most, len(want)) {
					t.Fatalf("%+v: counts %d of %d, %v", q, n, len(want), err)
				}
			}
			// A position in a crowd is found by walking outwards.
			if q.Near != nil {
				f, err := q.prepare()
				if err != nil {
					t.Fatal(err)
				}
				var walked []int64
				x.grid.walk(*f.near, f.radius, func(_, id int64) bool {
					if e := all[id]; !e.over(noon) {
						if ok, _ := f.matches(e); ok {
							walked = append(walked, id)
						}
					}
					return true
				})
				if d := gocmp.Diff(want, walked); d != "" {
					t.Fatalf("walking %+v: %s", q, d)
				}
			}
		}
	})
}

// TestManyBlocks: blocks split and stay in order, and posting lists are made again
// only when what is searched for changes.
func TestManyBlocks(t *testing.T) {
	t.Parallel()
	make := func(id int64, name string, until time.Time) *Entry {
		e := &Entry{ID: id, Name: name, Merchant: "商家", Trade: merchant.TradeCatering, Territory: 410105, City: 410100, Until: until, Offers: &Offers{}}
		e.setText()
		return e
	}
	x := &Index{}
	const n = 3 * blockMax
	for from := int64(0); from < n; from += 500 {
		var changes []change
		for i := from; i < min(n, from+500); i++ {
			id := (i*7919)%n + 1 // scattered
			changes = append(changes, change{id, make(id, fmt.Sprintf("门店%d号", id), noon)})
		}
		x = x.with(changes)
	}
	if x.Len() != n || len(x.blocks) < 3 {
		t.Fatalf("%d outlets in %d blocks", x.Len(), len(x.blocks))
	}
	last := int64(0)
	x.Each(func(e *Entry) bool {
		if e.ID != last+1 {
			t.Fatalf("outlet %d after %d", e.ID, last)
		}
		last = e.ID
		return true
	})
	got, err := pages(x, Query{Text: "店4096号", Limit: 10}, noon)
	if d := gocmp.Diff([]int64{4096}, got); err != nil || d != "" {
		t.Error(err, d)
	}
	// A later end of every contract leaves the lists as they are.
	var later []change
	x.Each(func(e *Entry) bool {
		later = append(later, change{e.ID, make(e.ID, e.Name, noon.Add(time.Hour))})
		return true
	})
	y := x.with(later)
	for i := range x.blocks {
		if x.blocks[i].lists != y.blocks[i].lists {
			t.Fatal("posting lists made again for nothing")
		}
	}
	if y.Outlet(5).Until.Equal(noon) {
		t.Error("the change is not there")
	}
	z := y.with([]change{{5, make(5, "别名", noon)}})
	if z.blocks[0].lists == y.blocks[0].lists || len(z.blocks) != len(y.blocks) || z.blocks[1] != y.blocks[1] {
		t.Error("a new name must change the lists of its block and of no other")
	}
	var gone []change
	for id := int64(1); id <= n; id++ {
		gone = append(gone, change{id, nil})
	}
	if e := z.with(gone); e.Len() != 0 || len(e.blocks) != 0 {
		t.Errorf("%d outlets in %d blocks after all are gone", e.Len(), len(e.blocks))
	}
}

func TestQueriesRefused(t *testing.T) {
	t.Parallel()
	nan := 0.0
	nan /= nan
	for name, q := range map[string]Query{
		"text":   {Text: strings.Repeat("长", MaxText+1)},
		"limit":  {Limit: 1_000_000},
		"city":   {City: 41},
		"county": {County: -410105},
		"trade":  {Trade: "food"},
		"brand":  {Brand: "　"},
		"near":   {Near: &Point{nan, 34}},
		"radius": {Near: &Point{113, 34}, Radius: MaxRadius + 1},
	} {
		var invalid *InvalidError
		_, err := (&Index{}).Search(q, noon)
		if !errors.As(err, &invalid) || invalid.Field != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{"a\x00b", "\xff", strings.Repeat("a ", 9), strings.Repeat("%", 10<<10)} {
		if _, err := (&Index{}).Search(Query{Text: text}, noon); err == nil {
			t.Errorf("%.20q was searched for", text)
		}
	}
	if _, err := (&Index{}).Search(Query{Text: " \t%_'\"<>"}, noon); err != nil {
		t.Errorf("signs are text like any other: %v", err)
	}
}

// FuzzCursor: no cursor but one of the same query is taken, and what is taken comes
// back as it was.
func FuzzCursor(f *testing.F) {
	f.Add(cursor{1, 5, 7}.text(3))
	f.Add("")
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := readCursor(s, 3)
		if err != nil {
			if !errors.Is(err, ErrCursor) {
				t.Fatal(err)
			}
			return
		}
		if s != "" && c.text(3) != s {
			t.Fatalf("%q came back as %q", s, c.text(3))
		}
		if _, err := readCursor(s, 4); s != "" && !errors.Is(err, ErrCursor) {
			t.Fatal("taken for another query")
		}
	})
}

// FuzzSearch: no text breaks a search, and what it finds has the words.
func FuzzSearch(f *testing.F) {
	x := newIndex([]*Entry{})
	var changes []change
	for id, name := range []string{"", "海底捞火锅（郑州店）", "ＫＦＣ kfc", "%_\u200b\ufffd", "𠮷野家"} {
		e := &Entry{ID: int64(id) + 1, Name: name, Merchant: "郑州", Address: "花园路", Offers: &Offers{}}
		e.setText()
		changes = append(changes, change{e.ID, e})
	}
	x = x.with(changes)
	f.Add("火锅 郑州")
	f.Add("\x00")
	f.Add("𠮷野家")
	f.Fuzz(func(t *testing.T, text string) {
		all := map[int64]*Entry{}
		x.Each(func(e *Entry) bool { e.Offers = &Offers{List: []Offer{{}}}; all[e.ID] = e; return true })
		got, err := pages(x, Query{Text: text, Limit: 2}, noon)
		if err != nil {
			var invalid *InvalidError
			if !errors.As(err, &invalid) {
				t.Fatal(err)
			}
			return
		}
		if d := gocmp.Diff(bruteForce(all, Query{Text: text}, noon), got); d != "" {
			t.Fatal(d)
		}
	})
}

// placeName is the oracle's own way to a division's name.
func placeName(code int32) string {
	for _, d := range union.Divisions() {
		if d.Code == code {
			return d.Name
		}
	}
	return ""
}
