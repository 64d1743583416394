package sheet

import (
	"archive/zip"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Writer writes a table a row at a time. Nothing is kept on disk: what is written
// may be personal.
type Writer interface {
	Write(cells []string) error
	Close() error
}

// csvWriter writes RFC 4180 in UTF-8 with the byte-order mark without which Excel
// takes it for GB18030.
type csvWriter struct {
	w     *csv.Writer
	cells []string
}

// NewCSV writes CSV.
func NewCSV(w io.Writer) (Writer, error) {
	if _, err := io.WriteString(w, "\uFEFF"); err != nil {
		return nil, err
	}
	c := csv.NewWriter(w)
	c.UseCRLF = true
	return &csvWriter{w: c}, nil
}

func (c *csvWriter) Write(cells []string) error {
	c.cells = c.cells[:0]
	for _, s := range cells {
		c.cells = append(c.cells, harmless(s))
	}
	return c.w.Write(c.cells)
}

func (c *csvWriter) Close() error {
	c.w.Flush()
	return c.w.Error()
}

// harmless keeps a spreadsheet from taking a text for a formula (OWASP, CSV
// injection), or long digits for a number, which would cost the last of them;
// unwrap undoes it.
func harmless(s string) string {
	switch {
	case s == "":
		return s
	case strings.ContainsRune("=+-@＝＋－＠", []rune(s)[0]):
		return "'" + s
	case len(s) > 11 && strings.Trim(s, "0123456789Xx") == "":
		return `="` + s + `"`
	}
	return s
}

// Column is one column of a workbook: its heading, and how wide it is in letters.
type Column struct {
	Head  string
	Width int
}

// xlsxWriter writes one worksheet whose cells are all text, so that no digit is
// ever lost, also of what is typed below.
type xlsxWriter struct {
	zip  *zip.Writer
	out  io.Writer
	rows int
	buf  []byte
}

// NewXLSX writes a workbook with one worksheet and its heading. notes, if any, are
// the lines of a second worksheet named "填写说明".
func NewXLSX(w io.Writer, name string, columns []Column, notes []string) (Writer, error) {
	z := zip.NewWriter(w)
	parts := workbookParts(name, len(notes) > 0)
	for _, p := range parts {
		if err := addPart(z, p[0], p[1]); err != nil {
			return nil, err
		}
	}
	if len(notes) > 0 {
		if err := addPart(z, "xl/worksheets/sheet2.xml", notesSheet(notes)); err != nil {
			return nil, err
		}
	}
	out, err := z.Create("xl/worksheets/sheet1.xml")
	if err != nil {
		return nil, fmt.Errorf("sheet.NewXLSX: %w", err)
	}
	x := &xlsxWriter{zip: z, out: out}
	var b strings.Builder
	b.WriteString(xml.Header + `<worksheet xmlns="` + mainNS + `"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><cols>`)
	heads := make([]string, len(columns))
	for i, c := range columns {
		fmt.Fprintf(&b, `<col min="%d" max="%d" width="%d" style="1" customWidth="1"/>`, i+1, i+1, c.Width)
		heads[i] = c.Head
	}
	b.WriteString(`</cols><sheetData>`)
	if _, err := io.WriteString(out, b.String()); err != nil {
		return nil, fmt.Errorf("sheet.NewXLSX: %w", err)
	}
	return x, x.row(heads, 2)
}

const (
	mainNS     = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
	relationNS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	packageNS  = "http://schemas.openxmlformats.org/package/2006/"
)

// workbookParts is all of a workbook but its worksheets. Style 1 is text, style 2
// bold text.
func workbookParts(name string, notes bool) [][2]string {
	const sheetType = "application/vnd.openxmlformats-officedocument.spreadsheetml."
	second, secondSheet, secondType := "", "", ""
	if notes {
		second = `<Relationship Id="rId3" Type="` + relationNS + `/worksheet" Target="worksheets/sheet2.xml"/>`
		secondSheet = `<sheet name="填写说明" sheetId="2" r:id="rId3"/>`
		secondType = `<Override PartName="/xl/worksheets/sheet2.xml" ContentType="` + sheetType + `worksheet+xml"/>`
	}
	return [][2]string{
		{"[Content_Types].xml", `<Types xmlns="` + packageNS + `content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>` +
			`<Override PartName="/xl/workbook.xml" ContentType="` + sheetType + `sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="` + sheetType + `worksheet+xml"/>` + secondType +
			`<Override PartName="/xl/styles.xml" ContentType="` + sheetType + `styles+xml"/></Types>`},
		{"_rels/.rels", `<Relationships xmlns="` + packageNS + `relationships"><Relationship Id="rId1" Type="` + relationNS + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
		{"xl/workbook.xml", `<workbook xmlns="` + mainNS + `" xmlns:r="` + relationNS + `"><sheets><sheet name="` + escape(name) + `" sheetId="1" r:id="rId1"/>` + secondSheet + `</sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", `<Relationships xmlns="` + packageNS + `relationships"><Relationship Id="rId1" Type="` + relationNS + `/worksheet" Target="worksheets/sheet1.xml"/>` +
			`<Relationship Id="rId2" Type="` + relationNS + `/styles" Target="styles.xml"/>` + second + `</Relationships>`},
		{"xl/styles.xml", `<styleSheet xmlns="` + mainNS + `"><fonts count="2"><font><sz val="11"/><name val="宋体"/></font><font><b/><sz val="11"/><name val="宋体"/></font></fonts>` +
			`<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border/></borders>` +
			`<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="4"><xf/><xf numFmtId="49" applyNumberFormat="1"/><xf numFmtId="49" fontId="1" applyNumberFormat="1" applyFont="1"/>` +
			`<xf numFmtId="49" applyNumberFormat="1" applyAlignment="1"><alignment wrapText="1" vertical="top"/></xf></cellXfs></styleSheet>`},
	}
}

func notesSheet(notes []string) string {
	var b strings.Builder
	b.WriteString(`<worksheet xmlns="` + mainNS + `"><cols><col min="1" max="1" width="90" customWidth="1"/></cols><sheetData>`)
	for i, n := range notes {
		fmt.Fprintf(&b, `<row r="%d"><c r="A%d" s="3" t="inlineStr"><is><t xml:space="preserve">%s</t></is></c></row>`, i+1, i+1, escape(n))
	}
	b.WriteString(`</sheetData></worksheet>`)
	return b.String()
}

func addPart(z *zip.Writer, name, text string) error {
	w, err := z.Create(name)
	if err == nil {
		if !strings.HasPrefix(text, "<?xml") {
			text = xml.Header + text
		}
		_, err = io.WriteString(w, text)
	}
	if err != nil {
		return fmt.Errorf("sheet.NewXLSX: %s: %w", name, err)
	}
	return nil
}

// escape is a text as XML; what XML can't hold goes.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(strings.ToValidUTF8(s, ""))) // a Builder takes all
	return b.String()
}

func (x *xlsxWriter) Write(cells []string) error { return x.row(cells, 1) }

func (x *xlsxWriter) row(cells []string, style int) error {
	x.rows++
	n := strconv.Itoa(x.rows)
	b := append(append(append(x.buf[:0], `<row r="`...), n...), `">`...)
	for i, c := range cells {
		b = append(append(append(b, `<c r="`...), columnName(i)...), n...)
		b = append(append(append(b, `" s="`...), strconv.Itoa(style)...), `" t="inlineStr"><is><t xml:space="preserve">`...)
		b = append(append(b, escape(c)...), `</t></is></c>`...)
	}
	x.buf = append(b, `</row>`...)
	_, err := x.out.Write(x.buf)
	return err
}

// columnName is the name of the i-th column from 0.
func columnName(i int) string {
	name := ""
	for i++; i > 0; i = (i - 1) / 26 {
		name = string(rune('A'+(i-1)%26)) + name
	}
	return name
}

func (x *xlsxWriter) Close() error {
	if _, err := io.WriteString(x.out, `</sheetData></worksheet>`); err != nil {
		return err
	}
	return x.zip.Close()
}
