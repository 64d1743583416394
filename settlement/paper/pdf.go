package paper

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"codeberg.org/go-pdf/fpdf"

	"unioncard/settlement"
)

// A page is A4; lengths in millimetres, letters in points.
const (
	margin    = 15.0
	textWidth = 210 - 2*margin
	footAt    = 297 - 12.0
	lineHigh  = 5.0
	small     = 7.5
	normal    = 9.5
	family    = "cjk"
	// pdfRows bounds a table: a page for every forty of them is enough paper.
	pdfRows = 400
)

// PDF writes a statement.
func PDF(font []byte, s *settlement.Statement, n Names) ([]byte, error) {
	d, err := layOut(s, n, pdfRows)
	if err != nil {
		return nil, err
	}
	doc := fpdf.New("P", "mm", "A4", "")
	doc.SetMargins(margin, margin, margin)
	doc.SetAutoPageBreak(false, 0)
	doc.SetCreationDate(s.ClosedAt.UTC())
	doc.SetModificationDate(s.ClosedAt.UTC())
	doc.SetCatalogSort(true)
	doc.SetTitle(s.Number, true)
	doc.AddUTF8FontFromBytes(family, "", font)
	doc.SetFooterFunc(func() {
		doc.SetFont(family, "", small)
		doc.SetXY(margin, footAt)
		doc.CellFormat(textWidth, lineHigh, s.Number+"　第 "+strconv.Itoa(doc.PageNo())+" 页", "", 0, "C", false, 0, "")
	})
	p := &printer{doc: doc}
	doc.AddPage()
	doc.SetFont(family, "", 16)
	doc.CellFormat(textWidth, 12, d.title, "", 1, "C", false, 0, "")
	p.facts(d.facts)
	for i := range d.tables {
		p.table(&d.tables[i])
	}
	doc.Ln(3)
	doc.SetFont(family, "", small)
	for _, note := range d.notes {
		p.room(2 * lineHigh)
		doc.MultiCell(textWidth, lineHigh-0.5, note, "", "L", false)
	}
	p.room(4 * lineHigh)
	doc.Ln(8)
	doc.SetFont(family, "", normal)
	doc.CellFormat(textWidth/2, lineHigh, "商家（盖章）：", "", 0, "L", false, 0, "")
	doc.CellFormat(textWidth/2, lineHigh, "工会（盖章）：", "", 1, "L", false, 0, "")
	var out bytes.Buffer
	if err := doc.Output(&out); err != nil {
		return nil, fmt.Errorf("paper.PDF: %w", err)
	}
	return out.Bytes(), nil
}

// printer draws.
type printer struct{ doc *fpdf.Fpdf }

// room begins a page if less than so much is left of this one.
func (p *printer) room(height float64) (broke bool) {
	if p.doc.GetY()+height <= footAt-2 {
		return false
	}
	p.doc.AddPage()
	return true
}

// facts are two pairs a line.
func (p *printer) facts(facts [][2]any) {
	p.doc.SetFont(family, "", normal)
	const term, height = 48.0, lineHigh + 1
	for i, f := range facts {
		width := textWidth/2 - term
		wide := i < 4 // names may be long
		if wide {
			width = textWidth - term
		}
		p.doc.SetX(p.doc.GetX())
		p.doc.CellFormat(term, height, fmt.Sprint(f[0]), "B", 0, "L", false, 0, "")
		p.doc.CellFormat(width, height, p.cut(text(f[1]), width), "B", 0, "L", false, 0, "")
		if wide || (i-4)%2 == 1 || i == len(facts)-1 {
			p.doc.Ln(height)
		}
	}
}

// cut is as much of a text as fits in a width.
func (p *printer) cut(s string, width float64) string {
	for runes := []rune(s); len(runes) > 0; runes = runes[:len(runes)-1] {
		if p.doc.GetStringWidth(string(runes)) <= width-2 {
			return string(runes)
		}
	}
	return ""
}

// text is a cell as the PDF has it: the library knows the basic plane's letters only,
// and fails on rare ones of names (𠮷) and on emoji, which print as 〓.
func text(v any) string {
	return strings.Map(func(r rune) rune {
		if r > 0xffff {
			return '〓'
		}
		return r
	}, strings.ToValidUTF8(fmt.Sprint(v), "〓"))
}

// table draws a table; its heading is repeated on every page.
func (p *printer) table(t *table) {
	doc := p.doc
	p.room(5 * lineHigh)
	doc.Ln(3)
	doc.SetFont(family, "", normal)
	doc.CellFormat(textWidth, lineHigh+1, t.title, "", 1, "L", false, 0, "")
	doc.SetFont(family, "", small)
	widths, all := make([]float64, len(t.widths)), 0.0
	for _, w := range t.widths {
		all += w
	}
	for i, w := range t.widths {
		widths[i] = w / all * textWidth
	}
	heads := make([]any, len(t.heads))
	for i, h := range t.heads {
		heads[i] = h
	}
	p.row(widths, heads, true)
	for _, cells := range t.rows {
		if p.room(3 * lineHigh) {
			doc.SetFont(family, "", small)
			p.row(widths, heads, true)
		}
		p.row(widths, cells, false)
	}
}

// row draws one row, as high as its longest text, three lines at most.
func (p *printer) row(widths []float64, cells []any, head bool) {
	const high, mostLines = 4.2, 3
	doc := p.doc
	lines, most := make([][]string, len(cells)), 1
	for i, c := range cells {
		lines[i] = doc.SplitText(text(c), widths[i])
		if len(lines[i]) > mostLines {
			lines[i] = append(lines[i][:mostLines-1:mostLines-1], p.cut(lines[i][mostLines-1], widths[i]-4)+"…")
		}
		most = max(most, len(lines[i]))
	}
	x, y := margin, doc.GetY()
	for i, c := range cells {
		align := "L"
		if _, word := c.(string); head {
			align = "C"
		} else if !word {
			align = "R"
		}
		doc.Rect(x, y, widths[i], float64(most)*high+1, "D")
		for k, line := range lines[i] {
			doc.SetXY(x, y+0.5+float64(k)*high)
			doc.CellFormat(widths[i], high, line, "", 0, align, false, 0, "")
		}
		x += widths[i]
	}
	doc.SetXY(margin, y+float64(most)*high+1)
}
