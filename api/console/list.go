package console

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
)

// Bounds of a list. A number of rows that is none, or below 1, is pageRows; one
// above maxPageRows is maxPageRows: the same address always shows the same.
const (
	pageRows    = 50
	maxPageRows = 200
	// ExportRows is how many rows an export holds at most.
	ExportRows = 50_000
	// maxSearch bounds what is looked for, in letters.
	maxSearch = 100
)

// ListSpec is what a list can be asked.
type ListSpec struct {
	// Path is the list's address; Name names its exported file, e.g. "商家".
	Path, Name string
	// Sort is the order without another wish: a column's key, "-key" for falling.
	Sort    string
	Columns []Column
	Filters []Filter
	// NoExport: the list cannot be exported.
	NoExport bool
}

// Column is one column of a list.
type Column struct {
	Key, Label string
	// Sort is the type of its values, keyset.None if the list cannot be ordered by it.
	Sort keyset.Type
	// Number: its values stand on the right.
	Number bool
}

// Filter is one condition that a list can be put under.
type Filter struct {
	Name, Label string
	// Kind is "search" (any text), "choice" (one of Choices) or "day" (2006-01-02).
	Kind    string
	Choices []page.Choice
}

// List is a list as asked for: what the store needs, and what its page shows.
type List struct {
	*ListSpec
	// Page is for the store, which adds its Clause to the statement.
	Page keyset.Page
	// Shown is the number of rows on the page; Said is what the reader should know
	// of how the request was understood.
	Shown int
	Said  []string

	format     string // of an export: csv, xlsx, "" for a page
	values     map[string]string
	size       int
	prev, next string // cursors
}

// ReadList reads a list's wishes from the address. It never fails: what makes no
// sense is as if not asked for, and said where somebody could have meant it.
func ReadList(x *exchange.Exchange, spec *ListSpec) *List {
	l := &List{ListSpec: spec, values: map[string]string{}, size: pageRows}
	for _, f := range spec.Filters {
		l.filter(f, x.Query(f.Name))
	}
	if n, err := strconv.Atoi(x.Query("size")); err == nil && n >= 1 {
		l.size = min(n, maxPageRows)
	}
	key, desc := l.order(x.Query("sort"))
	l.Page = keyset.Page{Sort: key, Desc: desc, Limit: l.size + 1}
	if f := x.Query("format"); (f == "csv" || f == "xlsx") && !spec.NoExport {
		l.format, l.Page.Limit = f, ExportRows+1
		return l
	}
	if cursor := x.Query("at"); cursor != "" && !l.Page.Read(cursor, l.sortType(key)) {
		l.Said = append(l.Said, "翻页位置已失效，从第一页显示。")
	}
	return l
}

func (l *List) filter(f Filter, value string) {
	switch f.Kind {
	case "choice":
		if !slices.ContainsFunc(f.Choices, func(c page.Choice) bool { return c.Value == value }) {
			value = ""
		}
	case "day":
		if _, err := time.Parse(time.DateOnly, value); err != nil && value != "" {
			l.Said = append(l.Said, f.Label+"不是日期，未按它筛选。")
			value = ""
		}
	default:
		if runes := []rune(value); len(runes) > maxSearch {
			value = string(runes[:maxSearch])
			l.Said = append(l.Said, fmt.Sprintf("%s只取前 %d 个字。", f.Label, maxSearch))
		}
	}
	if value != "" {
		l.values[f.Name] = value
	}
}

// order is the column to order by; an unknown one is the list's own.
func (l *List) order(wish string) (key string, desc bool) {
	for _, w := range []string{wish, l.Sort} {
		key, desc = strings.CutPrefix(w, "-")
		if l.sortType(key) != keyset.None {
			return key, desc
		}
	}
	return "id", true
}

func (l *List) sortType(key string) keyset.Type {
	for _, c := range l.Columns {
		if c.Key == key {
			return c.Sort
		}
	}
	if key == "id" {
		return keyset.Int
	}
	return keyset.None
}

// Value is what a filter was set to, "" if it was not.
func (l *List) Value(name string) string { return l.values[name] }

// Day is the moment at which a filter's day starts in Beijing, zero if it was not
// set.
func (l *List) Day(name string) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, l.values[name], beijing)
	if err != nil {
		return time.Time{}
	}
	return t
}

// Filtered reports whether any condition is set.
func (l *List) Filtered() bool { return len(l.values) > 0 }

// Exporting reports whether a file is asked for instead of a page.
func (l *List) Exporting() bool { return l.format != "" }

// Finish takes the rows that the store fetched for l.Page, returns those to show
// and notes where the pages beside lie. mark is a row's value in the column
// l.Page.Sort (string, int64 or time.Time) and its id.
func Finish[T any](l *List, rows []T, mark func(row T, sort string) (value any, id int64)) []T {
	p := l.Page
	shown, more := keyset.Cut(p, rows)
	l.Shown = len(shown)
	if len(shown) == 0 {
		return shown
	}
	at := func(row T, back bool) string {
		value, id := mark(row, p.Sort)
		return p.Cursor(keyset.Mark{Value: value, ID: id}, back)
	}
	if p.Back || more {
		l.next = at(shown[len(shown)-1], false)
	}
	if p.Back && more || !p.Back && p.From != nil {
		l.prev = at(shown[0], true)
	}
	return shown
}

// url is the list's address with its conditions and what else is set.
func (l *List) url(pairs ...string) string {
	q := url.Values{}
	for name, value := range l.values {
		q.Set(name, value)
	}
	if s := l.SortParam(); s != "" {
		q.Set("sort", s)
	}
	if l.size != pageRows {
		q.Set("size", strconv.Itoa(l.size))
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if q.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			q.Del(pairs[i])
		}
	}
	if len(q) == 0 {
		return l.Path
	}
	return l.Path + "?" + q.Encode()
}

// SortParam is the order as the address says it, "" for the list's own.
func (l *List) SortParam() string {
	s := l.Page.Sort
	if l.Page.Desc {
		s = "-" + s
	}
	if s == l.Sort {
		return ""
	}
	return s
}

// FirstURL, PrevURL and NextURL are the pages beside, "" where there is none.
func (l *List) FirstURL() string {
	if l.Page.From == nil {
		return ""
	}
	return l.url()
}

// PrevURL: see FirstURL.
func (l *List) PrevURL() string {
	if l.prev == "" {
		return ""
	}
	return l.url("at", l.prev)
}

// NextURL: see FirstURL.
func (l *List) NextURL() string {
	if l.next == "" {
		return ""
	}
	return l.url("at", l.next)
}

// ExportURL is where the list is a file of a format, "" if it cannot be one.
func (l *List) ExportURL(format string) string {
	if l.NoExport {
		return ""
	}
	return l.url("format", format)
}

// Head is one column's heading.
type Head struct {
	Label, URL string
	// Sorted is "ascending", "descending", "none" for a column that can be, or "".
	Sorted string
	Number bool
}

// Heads is the heading row; a click on a column orders by it, a second one the
// other way round.
func (l *List) Heads() []Head {
	heads := make([]Head, 0, len(l.Columns))
	for _, c := range l.Columns {
		h := Head{Label: c.Label, Number: c.Number}
		if c.Sort != keyset.None {
			h.Sorted, h.URL = "none", l.url("sort", c.Key)
			if c.Key == l.Page.Sort {
				h.Sorted = "ascending"
				if l.Page.Desc {
					h.Sorted = "descending"
				} else {
					h.URL = l.url("sort", "-"+c.Key)
				}
			}
		}
		heads = append(heads, h)
	}
	return heads
}
