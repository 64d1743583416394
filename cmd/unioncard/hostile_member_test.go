package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"unioncard/api/console"
	"unioncard/card"
	"unioncard/card/union"
	"unioncard/card/union/staff"
)

// TestHostileRosters: whatever is uploaded as a roster, the registrar gets a
// sentence, nobody becomes a member, and the service goes on.
func TestHostileRosters(t *testing.T) {
	t.Parallel()
	b := newProvince(t).serve(t, "")
	works, err := card.NewStore(b.pool, card.StoreOptions{}).CreateUnion(t.Context(), card.By{Actor: "test", Reason: "test"},
		union.Union{Kind: union.Grassroots, Name: "甲厂工会委员会", ParentID: b.unions[jinshui]})
	b.must(err)
	c := b.hire("jiceng", works.ID, staff.Registrar)
	members := b.number(`SELECT count(*) FROM members`)
	const head = "姓名,身份证号,手机号\n"
	for name, file := range map[string]struct {
		data []byte
		says string
	}{
		"a bomb":              {bomb(t), "这个文件读不了"},
		"a workbook locked":   {append([]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), make([]byte, 4096)...), "这个文件读不了"},
		"macros":              {archive(t, map[string]string{"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<workbook/>", "xl/vbaProject.bin": "x"}), "这个文件读不了"},
		"an external entity":  {entity(t), "DOCTYPE"},
		"a row out of range":  {farRow(t, "2147483647"), "行号不对"},
		"a row below all":     {farRow(t, "-1"), "行号不对"},
		"a picture":           {snapshot(t, 1), "这个文件读不了"},
		"two headings of one": {[]byte("姓名,身份证号,姓名\n王芳,1,王芳\n"), "这个文件读不了"},
		"a million columns":   {[]byte(head + strings.Repeat("1,", 1_000_000) + "\n"), "有问题"},
		"nobody":              {[]byte(head), "表头下面没有会员"},
		"nonsense":            {[]byte(head + "<script>alert(1)</script>,41010119900230001X,１３８\n\"=cmd|'/c calc'!A1\",=1+1,\xff\n"), "有问题"},
	} {
		b.sub(name, func(t *testing.T) {
			a := c.upload("/console/rosters", "file", name+".xlsx", file.data)
			if a.status == http.StatusUnprocessableEntity { // told at once
				return
			}
			at := c.want("upload", a, http.StatusSeeOther).to()
			id := at[strings.LastIndex(at, "/")+1:]
			soon(t, time.Now(), time.Minute, "the check", func() bool {
				return b.number(`SELECT count(*) FROM roster_runs WHERE id = $1::bigint AND state IN ('queued', 'checking')`, id) == 0
			})
			shown := c.want("the result", c.get(at), http.StatusOK, file.says)
			if strings.Contains(shown.body, "没有办完") {
				t.Errorf("broken instead of refused: %.600s", readable(shown.body))
			}
		})
	}
	if n := b.number(`SELECT count(*) FROM members`); n != members {
		t.Errorf("%d members came of it", n-members)
	}
}

// archive is a ZIP of some texts.
func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, text := range files {
		w, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// bomb is a workbook of some kilobytes whose sheet unpacks to 64 megabytes.
func bomb(t *testing.T) []byte {
	t.Helper()
	return rewritten(t, func(name, text string) string {
		if name == "xl/worksheets/sheet1.xml" {
			return strings.Replace(text, "<sheetData>", "<sheetData>"+strings.Repeat(" ", 64<<20), 1)
		}
		return text
	})
}

func entity(t *testing.T) []byte {
	t.Helper()
	return rewritten(t, func(name, text string) string {
		if name != "xl/worksheets/sheet1.xml" {
			return text
		}
		_, body, _ := strings.Cut(text, "?>")
		return `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>` + body
	})
}

func farRow(t *testing.T, row string) []byte {
	t.Helper()
	return rewritten(t, func(_, text string) string { return strings.Replace(text, `<row r="2"`, `<row r="`+row+`"`, 1) })
}

// rewritten is a small roster as a workbook, each of its files passed through change.
func rewritten(t *testing.T, change func(name, text string) string) []byte {
	t.Helper()
	book := excelize.NewFile()
	for row, cells := range [][]any{{"姓名", "身份证号", "手机号"}, {"王芳", "410101199003070000", "13800000000"}} {
		if err := book.SetSheetRow("Sheet1", fmt.Sprintf("A%d", row+1), &cells); err != nil {
			t.Fatal(err)
		}
	}
	var raw bytes.Buffer
	if err := book.Write(&raw); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(raw.Bytes()), int64(raw.Len()))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = change(f.Name, string(text))
	}
	return archive(t, files)
}

// TestPhoneApart: an office's session is none of a member's, and no other site's page
// does anything in a member's name.
func TestPhoneApart(t *testing.T) {
	t.Parallel()
	b := newProvince(t).serve(t, "")
	c := b.hire("registrar", b.unions[jinshui], staff.Registrar)
	calls := [][2]string{{"GET", "me"}, {"GET", "purchases"}, {"GET", "events"}, {"POST", "enrol"}, {"POST", "keys"}, {"POST", "lost"}, {"POST", "found"},
		{"POST", "session/others/end"}, {"DELETE", "session"}}
	for _, call := range calls {
		media, body := "", io.Reader(nil)
		if call[0] == http.MethodPost && call[1] != "session/others/end" {
			media, body = "application/json", strings.NewReader("{}")
		}
		if a := c.send(call[0], "/m/api/"+call[1], media, body, "Cookie", "uc_member="+c.token+"; "+console.SessionCookie+"="+c.token); a.status != http.StatusUnauthorized {
			t.Errorf("%s /m/api/%s in a clerk's session: %d %.200s", call[0], call[1], a.status, a.body)
		}
	}
	for _, call := range append(calls[3:], [2]string{"POST", "code"}, [2]string{"POST", "session"}) {
		for _, from := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://elsewhere.example"}} {
			if a := c.send(call[0], "/m/api/"+call[1], "application/json", strings.NewReader(`{"phone":"13800000000"}`), from...); a.status != http.StatusForbidden {
				t.Errorf("%s /m/api/%s with %v: %d, want 403", call[0], call[1], from, a.status)
			}
		}
	}
}
