// Package sheet reads tables that people upload, CSV and XLSX, a row at a time,
// and writes them.
//
// The file is a stranger's: nothing of it is believed. Whatever it declares is
// checked before anything is inflated, and every length is bounded (Limits), so
// that what is held in memory depends on the limits and not on the file. What is
// wrong with the file as a whole is an *Error with a sentence for the clerk; what
// is wrong with one row is that row's Fault, and reading goes on.
//
// A CSV may be in UTF-8 with or without byte-order mark, in UTF-16 with one
// (Excel's "Unicode text"), or in GB18030 (Excel's plain CSV in Chinese); the
// encoding is that of most of its lines, and lines of the other are marked, not
// guessed. An XLSX is read from its first visible worksheet. Formulas are never
// computed: their cells are marked, and carry the value the program left there.
package sheet

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what is read. DefaultLimits has what a roster may need.
type Limits struct {
	Bytes    int64 // of the file, as uploaded
	Rows     int   // with something in them, the heading not counted
	Columns  int   // kept of a row; more is the row's fault
	RowBytes int   // of a row of CSV
	// CellBytes is the most of a cell's text; what is longer is cut, and its row at
	// fault.
	CellBytes int
	Entries   int   // in an XLSX's archive
	Inflated  int64 // what an XLSX's archive may unpack to
	// Ratio is how much larger than packed an entry over a megabyte may be. Rows of
	// a real table pack to a tenth or so.
	Ratio   int64
	Strings int // bytes of an XLSX's shared strings, which are held in memory
}

// DefaultLimits are a roster's: a million members.
func DefaultLimits() Limits {
	return Limits{
		Bytes: 512 << 20, Rows: 1_000_000, Columns: 60, RowBytes: 64 << 10, CellBytes: 1000,
		Entries: 2000, Inflated: 2 << 30, Ratio: 200, Strings: 96 << 20,
	}
}

// Kind is what sort of value a cell holds.
type Kind uint8

// The kinds. CSV has only Text and Formula.
const (
	Text    Kind = iota
	Number       // typed as a number: more than 15 digits were lost
	Formula      // Cell.Text is the value last computed, if any
	Broken       // an error value such as #N/A
)

// Cell is one cell, its text cleaned of what can't be seen.
type Cell struct {
	Text string
	Kind Kind
}

// Fault is what is wrong with a row as such.
type Fault uint8

// The faults of rows.
const (
	NoFault  Fault = iota
	Encoding       // another encoding than the rest of the file, or none
	TooWide        // more columns than Limits.Columns; they are not kept
	TooLong        // a cell or the row is longer than its limit; it is cut
)

// Row is one row with something in it. It is good until the next call of Next;
// its texts may be kept.
type Row struct {
	Number int // as the clerk's program counts, from 1
	Cells  []Cell
	Fault  Fault
}

// Cell is the i-th cell, empty beyond the last.
func (r *Row) Cell(i int) Cell {
	if i < 0 || i >= len(r.Cells) {
		return Cell{}
	}
	return r.Cells[i]
}

func (r *Row) blank() bool {
	for _, c := range r.Cells {
		if c.Text != "" || c.Kind != Text {
			return false
		}
	}
	return true
}

// Reader reads a table.
type Reader interface {
	// Next is the next row that is not blank; io.EOF after the last, *Error.
	Next() (*Row, error)
	// Done is how much of the table has been read, from 0 to 1.
	Done() float64
	// Format says what the file is, in words: "CSV（GB18030）".
	Format() string
	// Date1904 reports whether dates are counted from 1904 instead of 1900.
	Date1904() bool
}

// Error is what is wrong with a file as a whole.
type Error struct {
	Code    string // stable: "encrypted", "macro", …
	Message string // a sentence for the clerk, with what to do
}

func (e *Error) Error() string { return "sheet: " + e.Code }

func refuse(code, format string, args ...any) *Error {
	return &Error{code, fmt.Sprintf(format, args...)}
}

// Open finds out what a file is and checks it; nothing has been inflated before
// its declared sizes passed. *Error, or the error of r.
func Open(r io.ReaderAt, size int64, limits Limits) (Reader, error) {
	if size > limits.Bytes {
		return nil, refuse("too_large", "文件超过 %d MB。请分成几个文件上传。", limits.Bytes>>20)
	}
	var head [8]byte
	n, err := r.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch magic := string(head[:n]); {
	case n == 0:
		return nil, refuse("empty", "文件是空的。请选择填好的名册。")
	case strings.HasPrefix(magic, "PK\x03\x04"), strings.HasPrefix(magic, "PK\x05\x06"):
		return openXLSX(r, size, limits)
	case magic == "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
		return nil, oldOffice(r, size)
	}
	return openCSV(r, size, limits)
}

// oldOffice tells an encrypted workbook from one of the old format: both are
// compound files, and the encrypted one has a stream of a certain name.
func oldOffice(r io.ReaderAt, size int64) error {
	name := []byte("E\x00n\x00c\x00r\x00y\x00p\x00t\x00e\x00d\x00P\x00a\x00c\x00k\x00a\x00g\x00e\x00")
	const block = 1 << 20
	buf := make([]byte, block)
	for at := int64(0); at < min(size, 64*block); at += int64(block - len(name)) {
		n, err := r.ReadAt(buf, at)
		if err != nil && err != io.EOF {
			return err
		}
		if strings.Contains(string(buf[:n]), string(name)) {
			return refuse("encrypted", "文件有打开密码，读不了。请在表格软件里取消密码，另存后再上传。")
		}
	}
	return refuse("old_excel", "这是旧的 .xls 格式，或者有密码。请打开后另存为 .xlsx（Excel 工作簿）再上传。")
}

// Clean takes the space around a text and what can't be seen out of it.
func Clean(s string) string {
	if !strings.ContainsFunc(s, unseen) {
		return strings.TrimSpace(s)
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case unseen(r):
			return -1
		}
		return r
	}, s))
}

func unseen(r rune) bool {
	return r < ' ' || r == 0x7f || r == 0xfeff || r == 0x200b || r > 0x7f && (unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Cc, r))
}

// cut is as much of a text as fits in so many bytes, whole letters.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// unwrap undoes what people write so that a spreadsheet leaves digits alone:
// ="410…" and '410…. What else starts with = or @ is a formula.
func unwrap(s string) Cell {
	if s == "" {
		return Cell{}
	}
	switch s[0] {
	case '=':
		if len(s) >= 3 && s[1] == '"' && s[len(s)-1] == '"' && !strings.Contains(s[2:len(s)-1], `"`) {
			return Cell{Text: Clean(s[2 : len(s)-1])}
		}
		return Cell{Text: s, Kind: Formula}
	case '@':
		return Cell{Text: s, Kind: Formula}
	case '\'':
		return Cell{Text: Clean(s[1:])}
	case '#':
		switch s {
		case "#N/A", "#NAME?", "#REF!", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!":
			return Cell{Text: s, Kind: Broken}
		}
	}
	return Cell{Text: s}
}
