package sheet

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"path"
	"strconv"
	"strings"
)

// The bounds of a worksheet (ECMA-376, 18.3).
const (
	maxRowNumber    = 1_048_576
	maxColumnNumber = 16_384
)

// xlsxReader streams one worksheet. Only the shared strings are held in memory.
type xlsxReader struct {
	limits   Limits
	in       *xmlReader
	close    io.Closer
	counted  *counter
	size     int64
	strings  stringTable
	date1904 bool
	last     int // number of the last row
	rows     int

	row   Row
	cells []Cell
	text  strings.Builder
}

func openXLSX(r io.ReaderAt, size int64, limits Limits) (*xlsxReader, error) {
	a, err := openArchive(r, size, limits)
	if err != nil {
		return nil, err
	}
	if err := a.workbookKind(); err != nil {
		return nil, err
	}
	x := &xlsxReader{limits: limits}
	sheetPart, err := x.firstSheet(a)
	if err != nil {
		return nil, err
	}
	if a.files["xl/sharedstrings.xml"] != nil {
		if err := x.loadStrings(a); err != nil {
			return nil, err
		}
	}
	in, f, err := a.open(sheetPart)
	if err != nil {
		return nil, err
	}
	x.close, x.size = in, int64(f.UncompressedSize64)
	x.counted = &counter{r: in}
	x.in = newXML(x.counted)
	return x, nil
}

// workbookKind refuses what is packed like a workbook and is something else.
func (a *archive) workbookKind() error {
	switch {
	case a.files["xl/vbaproject.bin"] != nil:
		return errMacro()
	case a.files["xl/workbook.bin"] != nil:
		return refuse("old_excel", "这是 .xlsb 格式。请打开后另存为 .xlsx（Excel 工作簿）再上传。")
	case a.files["xl/workbook.xml"] == nil || a.files["[content_types].xml"] == nil:
		return refuse("not_a_table", "这不是 .xlsx 表格。请用模板填写，另存为 .xlsx 或 CSV 后再上传。")
	}
	macro := false
	err := a.part("[content_types].xml", func(e xml.StartElement) {
		macro = macro || strings.Contains(strings.ToLower(attr(e, "ContentType")), "macroenabled")
	})
	if err == nil && macro {
		return errMacro()
	}
	return err
}

func errMacro() error {
	return refuse("macro", "文件里有宏，不能上传。请另存为 .xlsx（不带宏的 Excel 工作簿）再上传。")
}

// firstSheet is the part of the first worksheet that can be seen.
func (x *xlsxReader) firstSheet(a *archive) (string, error) {
	id := ""
	err := a.part("xl/workbook.xml", func(e xml.StartElement) {
		switch e.Name.Local {
		case "workbookPr":
			v := attr(e, "date1904")
			x.date1904 = v == "1" || v == "true"
		case "sheet":
			if state := attr(e, "state"); id == "" && (state == "" || state == "visible") {
				id = relation(e)
			}
		}
	})
	if err != nil {
		return "", err
	}
	target := ""
	err = a.part("xl/_rels/workbook.xml.rels", func(e xml.StartElement) {
		if e.Name.Local == "Relationship" && attr(e, "Id") == id && attr(e, "TargetMode") != "External" &&
			strings.HasSuffix(attr(e, "Type"), "/worksheet") {
			target = attr(e, "Target")
		}
	})
	if err != nil {
		return "", err
	}
	if id == "" || target == "" {
		return "", refuse("no_sheet", "文件里没有能看到的工作表。请用模板填写后再上传。")
	}
	if strings.HasPrefix(target, "/") {
		return path.Clean(target), nil
	}
	return path.Join("xl", target), nil
}

// stringTable is the shared strings, one behind the other.
type stringTable struct {
	text []byte
	ends []uint32
}

func (t *stringTable) at(i int) (string, bool) {
	if i < 0 || i >= len(t.ends) {
		return "", false
	}
	from := uint32(0)
	if i > 0 {
		from = t.ends[i-1]
	}
	return string(t.text[from:t.ends[i]]), true
}

// loadStrings reads the shared strings, without their phonetic readings.
func (x *xlsxReader) loadStrings(a *archive) error {
	r, _, err := a.open("xl/sharedStrings.xml")
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // nothing was written
	in := newXML(r)
	reading, phonetic, from := false, 0, 0
	for {
		t, err := in.token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			switch t.Name.Local {
			case "si":
				from = len(x.strings.text)
			case "rPh":
				phonetic++
			case "t":
				reading = phonetic == 0
			}
		case xml.EndElement:
			switch t.Name.Local {
			case "si":
				x.strings.ends = append(x.strings.ends, uint32(len(x.strings.text)))
			case "rPh":
				phonetic--
			case "t":
				reading = false
			}
		case xml.CharData:
			// One byte more than a cell may have, so that its row is at fault.
			if room := x.limits.CellBytes + 1 - (len(x.strings.text) - from); reading && room > 0 {
				x.strings.text = append(x.strings.text, t[:min(len(t), room)]...)
			}
		}
		// An empty string costs memory too.
		if len(x.strings.text)+4*len(x.strings.ends) > x.limits.Strings {
			return refuse("too_large", "表里的文字太多，放不下。请分成几个文件，或另存为 CSV 再上传。")
		}
	}
}

func (x *xlsxReader) Format() string { return "XLSX" }
func (x *xlsxReader) Date1904() bool { return x.date1904 }

func (x *xlsxReader) Done() float64 { return min(1, float64(x.counted.n)/float64(max(x.size, 1))) }

func (x *xlsxReader) Next() (*Row, error) {
	for {
		t, err := x.in.token()
		if errors.Is(err, io.EOF) {
			return nil, errors.Join(x.end(), io.EOF)
		}
		if err != nil {
			return nil, err
		}
		e, ok := t.(xml.StartElement)
		if !ok || e.Name.Local != "row" {
			continue
		}
		if err := x.readRow(e); err != nil {
			return nil, err
		}
		if x.row.Fault == NoFault && x.row.blank() {
			continue
		}
		if x.rows++; x.rows > x.limits.Rows+1 {
			return nil, refuse("too_many_rows", "超过 %d 行。请分成几个文件上传。", x.limits.Rows)
		}
		return &x.row, nil
	}
}

func (x *xlsxReader) end() error {
	c := x.close
	x.close = nil
	if c == nil {
		return nil
	}
	return c.Close()
}

// readRow reads a row's cells up to its end tag.
func (x *xlsxReader) readRow(e xml.StartElement) error {
	x.cells = x.cells[:0]
	x.row = Row{Number: x.last + 1}
	if r := attr(e, "r"); r != "" {
		n, ok := number(r, x.last+1, maxRowNumber)
		if !ok {
			return refuse("row_number", "第 %d 行之后的行号不对，不是表格软件保存的文件。请把内容复制到模板里再上传。", x.last)
		}
		x.row.Number = n
	} else if x.row.Number > maxRowNumber {
		return errDamaged
	}
	x.last = x.row.Number
	column := 0
	for {
		t, err := x.in.token()
		if err != nil {
			return errEnd(err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Local != "c" {
				continue
			}
			column++
			if ref := attr(t, "r"); ref != "" {
				at, ok := columnOf(ref)
				if !ok || at < column {
					return errDamaged
				}
				column = at
			} else if column > maxColumnNumber {
				return errDamaged
			}
			cell, err := x.readCell(attr(t, "t"))
			if err != nil {
				return err
			}
			x.put(column, cell)
		case xml.EndElement:
			if t.Name.Local == "row" {
				x.row.Cells = x.cells
				return nil
			}
		}
	}
}

func (x *xlsxReader) put(column int, cell Cell) {
	if column > x.limits.Columns {
		if cell.Text != "" || cell.Kind != Text {
			x.row.Fault = max(x.row.Fault, TooWide)
		}
		return
	}
	if len(cell.Text) > x.limits.CellBytes {
		cell.Text, x.row.Fault = cut(cell.Text, x.limits.CellBytes), TooLong
	}
	for len(x.cells) < column-1 {
		x.cells = append(x.cells, Cell{})
	}
	x.cells = append(x.cells, cell)
}

// readCell reads up to the cell's end tag. kind is its t attribute (18.18.11).
func (x *xlsxReader) readCell(kind string) (Cell, error) {
	x.text.Reset()
	formula, reading, phonetic := false, false, 0
	for {
		t, err := x.in.token()
		if err != nil {
			return Cell{}, errEnd(err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			switch t.Name.Local {
			case "f":
				formula = true
			case "rPh":
				phonetic++
			case "v", "t":
				reading = phonetic == 0
			}
		case xml.CharData:
			if room := x.limits.CellBytes + 1 - x.text.Len(); reading && room > 0 {
				x.text.Write(t[:min(len(t), room)])
			}
		case xml.EndElement:
			switch t.Name.Local {
			case "v", "t":
				reading = false
			case "rPh":
				phonetic--
			case "c":
				return x.value(kind, formula)
			}
		}
	}
}

func (x *xlsxReader) value(kind string, formula bool) (Cell, error) {
	text := x.text.String()
	c := Cell{}
	switch kind {
	case "s":
		i, ok := number(strings.TrimSpace(text), 0, math.MaxInt32)
		if ok {
			text, ok = x.strings.at(i)
		}
		if !ok {
			return c, errDamaged
		}
	case "e":
		c.Kind = Broken
	case "", "n":
		if text = strings.TrimSpace(text); text != "" {
			c.Kind, text = Number, plainNumber(text)
		}
	}
	c.Text = Clean(text)
	if formula {
		c.Kind = Formula
	} else if c.Kind == Text && strings.HasPrefix(c.Text, "'") {
		c = unwrap(c.Text)
	}
	return c, nil
}

// plainNumber writes whole numbers of up to 15 digits in full, as 1.38E10, and
// leaves what has lost digits as it is.
func plainNumber(s string) string {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1e15 {
		return s
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// columnOf is the column of a reference such as AB12, from 1.
func columnOf(ref string) (n int, ok bool) {
	i := 0
	for ; i < len(ref) && i < 4; i++ {
		c := ref[i] | 0x20
		if c < 'a' || c > 'z' {
			break
		}
		n = n*26 + int(c-'a') + 1
	}
	return n, n >= 1 && n <= maxColumnNumber && i < len(ref)
}

// errEnd: the file may not end inside a row.
func errEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return errDamaged
	}
	return err
}
