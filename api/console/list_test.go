package console

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
)

var noon = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)

func shops() *ListSpec {
	return &ListSpec{
		Path: "/console/shops", Name: "店", Sort: "-id",
		Columns: []Column{
			{Key: "id", Label: "编号", Sort: keyset.Int, Number: true}, {Key: "name", Label: "名称", Sort: keyset.Text},
			{Key: "at", Label: "登记时间", Sort: keyset.Time}, {Key: "fen", Label: "金额", Number: true},
		},
		Filters: []Filter{
			{Name: "q", Label: "名称", Kind: "search"}, {Name: "trade", Label: "行业", Kind: "choice", Choices: page.Trades()},
			{Name: "from", Label: "起始日期", Kind: "day"},
		},
	}
}

func ask(query string) (*exchange.Exchange, *httptest.ResponseRecorder) {
	w := httptest.NewRecorder()
	c, _ := gin.CreateTestContext(w)
	c.Request = &http.Request{Method: http.MethodGet, Header: http.Header{}, URL: &url.URL{Path: "/console/shops", RawQuery: query}}
	return exchange.NewPool(nil).Get(c, noon), w
}

// read is the list that an address asks for.
func read(query string) *List {
	c := &gin.Context{Request: &http.Request{URL: &url.URL{RawQuery: query}}}
	return ReadList(exchange.NewPool(nil).Get(c, noon), shops())
}

func TestReadList(t *testing.T) {
	t.Parallel()
	type asked struct {
		Page   keyset.Page
		Values map[string]string
		Said   int
		URL    string
	}
	first := keyset.Page{Sort: "id", Desc: true, Limit: 51}
	long := strings.Repeat("店", 100)
	for query, want := range map[string]asked{
		"":                              {first, map[string]string{}, 0, "/console/shops"},
		"sort=name&size=20":             {keyset.Page{Sort: "name", Limit: 21}, map[string]string{}, 0, "/console/shops?size=20&sort=name"},
		"sort=-id":                      {first, map[string]string{}, 0, "/console/shops"},
		"sort=fen":                      {first, map[string]string{}, 0, "/console/shops"}, // not an order
		"sort=name;DROP":                {first, map[string]string{}, 0, "/console/shops"},
		"sort=" + url.QueryEscape("x'"): {first, map[string]string{}, 0, "/console/shops"},
		"size=1000000":                  {keyset.Page{Sort: "id", Desc: true, Limit: 201}, map[string]string{}, 0, "/console/shops?size=200"},
		"size=0":                        {first, map[string]string{}, 0, "/console/shops"},
		"size=-5":                       {first, map[string]string{}, 0, "/console/shops"},
		"size=1e6":                      {first, map[string]string{}, 0, "/console/shops"},
		"size=99999999999999999999999":  {first, map[string]string{}, 0, "/console/shops"},
		"q=50%25_&trade=catering":       {first, map[string]string{"q": "50%_", "trade": "catering"}, 0, "/console/shops?q=50%25_&trade=catering"},
		"q=a%00b":                       {first, map[string]string{}, 0, "/console/shops"},
		"q=%ff":                         {first, map[string]string{}, 0, "/console/shops"},
		"trade=bribery":                 {first, map[string]string{}, 0, "/console/shops"},
		"from=2026-13-01":               {first, map[string]string{}, 1, "/console/shops"},
		"from=2026-11-01":               {first, map[string]string{"from": "2026-11-01"}, 0, "/console/shops?from=2026-11-01"},
		"q=" + url.QueryEscape(strings.Repeat("店", 3413)): {first, map[string]string{"q": long}, 1, "/console/shops?q=" + url.QueryEscape(long)},
		"at=rubbish": {first, map[string]string{}, 1, "/console/shops"},
		// A cursor of another order.
		"sort=name&at=" + first.Cursor(keyset.Mark{Value: int64(1), ID: 1}, false): {keyset.Page{Sort: "name", Limit: 51}, map[string]string{}, 1, "/console/shops?sort=name"},
		"format=csv&size=20": {keyset.Page{Sort: "id", Desc: true, Limit: ExportRows + 1}, map[string]string{}, 0, "/console/shops?size=20"},
		"format=exe":         {first, map[string]string{}, 0, "/console/shops"},
	} {
		l := read(query)
		if d := cmp.Diff(want, asked{l.Page, l.values, len(l.Said), l.url()}); d != "" {
			t.Errorf("%.60q: %s", query, d)
		}
	}
	if got := read("from=2026-11-01").Day("from"); !got.Equal(time.Date(2026, 10, 31, 16, 0, 0, 0, time.UTC)) {
		t.Errorf("the day starts at %v", got)
	}
}

// TestFinish walks three pages forwards and one back by the links alone.
func TestFinish(t *testing.T) {
	t.Parallel()
	mark := func(id int, sort string) (any, int64) { return fmt.Sprint(id), int64(id) }
	l := read("sort=name&size=2&trade=health")
	if got := Finish(l, []int{1, 2, 3}, mark); cmp.Diff([]int{1, 2}, got) != "" || l.Shown != 2 || l.PrevURL() != "" || l.FirstURL() != "" {
		t.Errorf("first page: %v, %+v", got, l)
	}
	follow := func(link string) *List {
		t.Helper()
		u, err := url.Parse(link)
		if err != nil || link == "" {
			t.Fatalf("link %q: %v", link, err)
		}
		return read(u.RawQuery)
	}
	second := follow(l.NextURL())
	if d := cmp.Diff(keyset.Page{Sort: "name", From: &keyset.Mark{Value: "2", ID: 2}, Limit: 3}, second.Page); d != "" || second.Value("trade") != "health" {
		t.Errorf("second page: %s", d)
	}
	if got := Finish(second, []int{3, 4}, mark); len(got) != 2 || second.NextURL() != "" || second.FirstURL() == "" {
		t.Errorf("last page: %v, next %q", got, second.NextURL())
	}
	back := follow(second.PrevURL())
	if !back.Page.Back || back.Page.From.ID != 3 {
		t.Errorf("back: %+v", back.Page)
	}
	if got := Finish(back, []int{2, 1}, mark); cmp.Diff([]int{1, 2}, got) != "" || back.PrevURL() != "" || back.NextURL() == "" {
		t.Errorf("back: %v, prev %q, next %q", got, back.PrevURL(), back.NextURL())
	}
	empty := read("")
	if got := Finish(empty, nil, mark); len(got) != 0 || empty.NextURL() != "" || empty.PrevURL() != "" {
		t.Errorf("empty: %v", got)
	}
}

func TestHeads(t *testing.T) {
	t.Parallel()
	want := []Head{
		{"编号", "/console/shops?sort=id", "none", true}, {"名称", "/console/shops?sort=-name", "ascending", false},
		{"登记时间", "/console/shops?sort=at", "none", false}, {"金额", "", "", true},
	}
	if d := cmp.Diff(want, read("sort=name").Heads()); d != "" {
		t.Error(d)
	}
}

type shop struct {
	id   int64
	name string
	at   time.Time
	fen  int64
}

func shopCells(s shop) []any { return []any{s.id, s.name, s.at, Fen(s.fen)} }

var evil = []string{"=1+1", "+86", "-5", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1", "a=1", "'x", "", "a,\"b\"\r\nc"}

func evilShops() (rows []shop, want [][]string) {
	want = append(want, []string{"编号", "名称", "登记时间", "金额"})
	for i, name := range evil {
		rows = append(rows, shop{int64(i + 1), name, noon, -1250})
		shown := name
		if strings.ContainsAny(name[:min(1, len(name))], "=+-@\t\r\n") || strings.HasPrefix(name, "＝") {
			shown = "'" + name
		}
		want = append(want, []string{fmt.Sprint(i + 1), shown, "2026-11-23 12:00", "-12.50"})
	}
	return rows, want
}

func TestExportCSV(t *testing.T) {
	t.Parallel()
	x, w := ask("format=csv")
	rows, want := evilShops()
	if err := Export(x, ReadList(x, shops()), rows, noon, shopCells); err != nil {
		t.Fatal(err)
	}
	x.Send()
	body, ok := strings.CutPrefix(w.Body.String(), "\uFEFF")
	if !ok {
		t.Error("no byte-order mark")
	}
	got, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range append(got, want...) { // package csv keeps no CR in a cell
		for i := range record {
			record[i] = strings.ReplaceAll(record[i], "\r", "")
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := w.Header().Get("Content-Disposition"); d != "attachment; filename=\"export.csv\"; filename*=UTF-8''%E5%BA%97-20261123-1200.csv" {
		t.Errorf("Content-Disposition %s", d)
	}
}

func TestExportXLSX(t *testing.T) {
	t.Parallel()
	x, w := ask("format=xlsx")
	rows, want := evilShops()
	if err := Export(x, ReadList(x, shops()), rows, noon, shopCells); err != nil {
		t.Fatal(err)
	}
	x.Send()
	f, err := excelize.OpenReader(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.GetRows("店")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i := range want {
		// XML has no CR of its own in a cell.
		if plain := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace; plain(got[i][1]) != plain(want[i][1]) {
			t.Errorf("row %d: %q, want %q", i, got[i][1], want[i][1])
		}
		if formula, err := f.GetCellFormula("店", fmt.Sprintf("B%d", i+1)); formula != "" || err != nil {
			t.Errorf("row %d holds the formula %q, %v", i, formula, err)
		}
	}
	if d := cmp.Diff([]string{"1", "'=1+1", "2026-11-23 12:00", "-12.50"}, got[1]); d != "" {
		t.Error(d)
	}
}

func TestExportIsBounded(t *testing.T) {
	t.Parallel()
	x, w := ask("format=csv")
	if err := Export(x, ReadList(x, shops()), make([]shop, ExportRows+1), noon, shopCells); err != nil {
		t.Fatal(err)
	}
	x.Send()
	lines := strings.Split(strings.TrimSpace(w.Body.String()), "\r\n")
	if len(lines) != 1+ExportRows+1 || !strings.Contains(lines[len(lines)-1], "只导出前 50000 行") {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
	unknown := func(shop) []any { return []any{struct{}{}} }
	if err := Export(x, ReadList(x, shops()), make([]shop, 1), noon, unknown); err == nil {
		t.Error("a cell of unknown type was written")
	}
	spec := shops()
	spec.NoExport = true
	if l := ReadList(x, spec); l.Exporting() || l.ExportURL("csv") != "" {
		t.Error("a list without export exports")
	}
}

func FuzzReadList(f *testing.F) {
	f.Add("q=a&sort=-name&size=7&at=eyJzIjoiaWQiLCJkIjp0cnVlLCJpIjoxfQ&from=2026-01-01")
	f.Add("size=1000000&q=%00&trade=x;y&format=xlsx")
	f.Fuzz(func(t *testing.T, query string) {
		l := read(query)
		if limit := l.Page.Limit; limit < 2 || limit > maxPageRows+1 && !l.Exporting() || limit > ExportRows+1 {
			t.Errorf("limit %d", limit)
		}
		if l.sortType(l.Page.Sort) == keyset.None {
			t.Errorf("ordered by %q", l.Page.Sort)
		}
		if q := l.Value("q"); utf8.RuneCountInString(q) > maxSearch || !utf8.ValidString(q) || strings.ContainsRune(q, 0) {
			t.Errorf("looks for %q", q)
		}
		// The list's own address asks for the same list.
		u, err := url.Parse(l.url())
		if err != nil {
			t.Fatal(err)
		}
		again := read(u.RawQuery)
		if d := cmp.Diff(l.values, again.values); d != "" || again.Page.Sort != l.Page.Sort || again.Page.Desc != l.Page.Desc || again.size != l.size {
			t.Errorf("%q asks for another list: %s", l.url(), d)
		}
	})
}
