package keyset_test

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"unioncard/card/union/keyset"
	"unioncard/migrations/pgtest"
)

func TestClause(t *testing.T) {
	t.Parallel()
	columns := map[string]string{"name": "m.name", "id": "m.id"}
	mark := &keyset.Mark{Value: "x", ID: 7}
	for _, test := range []struct {
		page         keyset.Page
		where, order string
		args         []any
	}{
		{keyset.Page{Sort: "name", Limit: 51}, "true", " ORDER BY m.name ASC, m.id ASC LIMIT $2", []any{"a", 51}},
		{keyset.Page{Sort: "name", From: mark, Limit: 51}, "(m.name, m.id) > ($2, $3)", " ORDER BY m.name ASC, m.id ASC LIMIT $4", []any{"a", "x", int64(7), 51}},
		{keyset.Page{Sort: "name", Desc: true, From: mark, Limit: 1}, "(m.name, m.id) < ($2, $3)", " ORDER BY m.name DESC, m.id DESC LIMIT $4", []any{"a", "x", int64(7), 1}},
		{keyset.Page{Sort: "name", Desc: true, Back: true, From: mark, Limit: 1}, "(m.name, m.id) > ($2, $3)", " ORDER BY m.name ASC, m.id ASC LIMIT $4", []any{"a", "x", int64(7), 1}},
		{keyset.Page{Sort: "id", Desc: true, From: mark, Limit: 1}, "m.id < $2", " ORDER BY m.id DESC LIMIT $3", []any{"a", int64(7), 1}},
		{keyset.Page{Sort: "id; DROP TABLE x", From: mark, Limit: 1}, "m.id > $2", " ORDER BY m.id ASC LIMIT $3", []any{"a", int64(7), 1}},
	} {
		where, order, args := test.page.Clause(columns, "m.id", "a")
		if d := gocmp.Diff([]any{test.where, test.order, test.args}, []any{where, order, args}); d != "" {
			t.Error(d)
		}
	}
}

type row struct {
	ID   int64
	Name string
	At   time.Time
}

// TestPages reads a table of PostgreSQL's page by page, forwards and back, by
// each type of column with many equal values, and compares with the whole.
func TestPages(t *testing.T) {
	t.Parallel()
	tx := pgtest.Tx(t)
	ctx := t.Context()
	if _, err := tx.Exec(ctx, `CREATE TEMP TABLE pages (id bigint PRIMARY KEY, name text NOT NULL COLLATE "C", at timestamptz NOT NULL)`); err != nil {
		t.Fatal(err)
	}
	var all []row
	for i := range 57 {
		r := row{int64(i*7%57 + 1), fmt.Sprintf("店%%_%d", i%5), time.Date(2026, 1, 1, 0, 0, 0, i%3*1000, time.UTC)}
		all = append(all, r)
		if _, err := tx.Exec(ctx, `INSERT INTO pages VALUES ($1, $2, $3)`, r.ID, r.Name, r.At); err != nil {
			t.Fatal(err)
		}
	}
	columns := map[string]string{"name": "name", "at": "at", "id": "id"}
	types := map[string]keyset.Type{"name": keyset.Text, "at": keyset.Time, "id": keyset.Int}
	read := func(p keyset.Page) []row {
		where, order, args := p.Clause(columns, "id")
		rows, err := tx.Query(ctx, `SELECT id, name, at FROM pages WHERE `+where+order, args...)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var out []row
		for rows.Next() {
			var r row
			if err := rows.Scan(&r.ID, &r.Name, &r.At); err != nil {
				t.Fatal(err)
			}
			r.At = r.At.UTC()
			out = append(out, r)
		}
		return out
	}
	value := func(r row, sort string) keyset.Mark {
		return keyset.Mark{Value: map[string]any{"name": r.Name, "at": r.At, "id": r.ID}[sort], ID: r.ID}
	}
	for sort := range columns {
		for _, desc := range []bool{false, true} {
			want := slices.Clone(all)
			slices.SortFunc(want, func(a, b row) int {
				c := 0
				switch sort {
				case "name":
					c = strings.Compare(a.Name, b.Name)
				case "at":
					c = a.At.Compare(b.At)
				}
				c = cmp.Or(c, cmp.Compare(a.ID, b.ID))
				if desc {
					c = -c
				}
				return c
			})
			p := keyset.Page{Sort: sort, Desc: desc, Limit: 11}
			var got []row
			pages := [][]row{}
			for {
				shown, more := keyset.Cut(p, read(p))
				got, pages = append(got, shown...), append(pages, shown)
				if !more {
					break
				}
				if !p.Read(p.Cursor(value(shown[len(shown)-1], sort), false), types[sort]) {
					t.Fatal("a cursor of its own was refused")
				}
			}
			if d := gocmp.Diff(want, got); d != "" {
				t.Fatalf("%s, descending %v: %s", sort, desc, d)
			}
			// And back from the last page to the first.
			for i := len(pages) - 1; i > 0; i-- {
				if !p.Read(p.Cursor(value(pages[i][0], sort), true), types[sort]) {
					t.Fatal("a cursor of its own was refused")
				}
				shown, more := keyset.Cut(p, read(p))
				if d := gocmp.Diff(pages[i-1], shown); d != "" || more != (i > 1) {
					t.Fatalf("back in %s: more %v, %s", sort, more, d)
				}
			}
		}
	}
	// What a search looks for stands for itself.
	for text, want := range map[string]int{"%_1": 12, "_": 57, "%": 57, `\`: 0, "%_9": 0} {
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM pages WHERE name LIKE $1`, keyset.Like(text)).Scan(&n); err != nil || n != want {
			t.Errorf("LIKE %q: %d rows, %v; want %d", text, n, err, want)
		}
	}
}

func TestForeignCursors(t *testing.T) {
	t.Parallel()
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for _, text := range []string{
		"", "x", "====", encode("null"), encode("[]"), encode(`{"s":"name","i":1}`), encode(`{"s":"name","n":1,"i":1}`),
		encode(`{"s":"name","t":"a\u0000","i":1}`), encode(`{"s":"id","t":"a","i":1}`), encode(`{"s":"name","d":true,"t":"a","i":1}`),
		encode(`{"s":"name","t":"a","i":1,"x":1}`), encode(`{"s":"name","t":"a","i":1} 2`), encode(`{"s":"name","t":"a","i":"1"}`),
		encode(`{"s":"name","t":"` + strings.Repeat("a", 4000) + `","i":1}`), encode("{\"s\":\"name\",\"t\":\"\xff\",\"i\":1}"),
	} {
		p := keyset.Page{Sort: "name"}
		if p.Read(text, keyset.Text) {
			t.Errorf("%q was taken for a cursor: %+v", text, p)
		}
		if p.From != nil {
			t.Errorf("%q moved the page", text)
		}
	}
	p := keyset.Page{Sort: "at"}
	if p.Read(encode(`{"s":"at","n":9223372036854775807,"i":1}`), keyset.Time) {
		t.Error("a moment beyond every calendar was taken")
	}
}

func TestCursorRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom([]keyset.Type{keyset.Text, keyset.Int, keyset.Time}).Draw(t, "type")
		m := keyset.Mark{ID: rapid.Int64().Draw(t, "id")}
		switch typ {
		case keyset.Text:
			m.Value = strings.ReplaceAll(rapid.StringN(0, 100, 300).Draw(t, "text"), "\x00", "")
		case keyset.Int:
			m.Value = rapid.Int64().Draw(t, "int")
		default:
			m.Value = time.UnixMicro(rapid.Int64Range(-1e15, 1e17).Draw(t, "time")).UTC()
		}
		p := keyset.Page{Sort: "c", Desc: rapid.Bool().Draw(t, "desc")}
		back := rapid.Bool().Draw(t, "back")
		if !p.Read(p.Cursor(m, back), typ) || p.Back != back {
			t.Fatalf("own cursor refused: %+v", m)
		}
		if d := gocmp.Diff(m, *p.From); d != "" {
			t.Fatal(d)
		}
	})
}

func FuzzCursor(f *testing.F) {
	p := keyset.Page{Sort: "name"}
	f.Add(p.Cursor(keyset.Mark{Value: "店", ID: 1}, false))
	f.Add(p.Cursor(keyset.Mark{Value: int64(5), ID: 1}, true))
	f.Add("e30")
	f.Fuzz(func(t *testing.T, text string) {
		for _, typ := range []keyset.Type{keyset.Text, keyset.Int, keyset.Time} {
			p := keyset.Page{Sort: "name", Limit: 2}
			if !p.Read(text, typ) {
				continue
			}
			if s, ok := p.From.Value.(string); ok && (typ != keyset.Text || !utf8.ValidString(s) || strings.ContainsRune(s, 0)) {
				t.Errorf("%q as %d: %q", text, typ, s)
			}
			again := keyset.Page{Sort: "name", Limit: 2}
			if !again.Read(p.Cursor(*p.From, p.Back), typ) || !gocmp.Equal(again, p) {
				t.Errorf("%q read as %+v, read again as %+v", text, p, again)
			}
		}
	})
}
