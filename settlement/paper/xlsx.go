package paper

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"unioncard/settlement"
)

// XLSX writes a statement as a workbook: a sheet for the statement and one a table.
// Amounts are numbers, all else is text that no program takes for a formula.
func XLSX(s *settlement.Statement, n Names) (out []byte, err error) {
	d, err := layOut(s, n, 0)
	if err != nil {
		return nil, err
	}
	f := excelize.NewFile()
	defer f.Close()                                      // only its temporary files; the book is written by then
	money, err := f.NewStyle(&excelize.Style{NumFmt: 4}) // #,##0.00
	if err != nil {
		return nil, fmt.Errorf("paper.XLSX: %w", err)
	}
	bold, err := f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}})
	if err != nil {
		return nil, fmt.Errorf("paper.XLSX: %w", err)
	}
	cell := func(v any) any {
		if amount, ok := v.(fen); ok {
			return excelize.Cell{StyleID: money, Value: float64(amount) / 100}
		}
		return v
	}
	facts := [][]any{{excelize.Cell{StyleID: bold, Value: d.title}}}
	for _, fact := range d.facts {
		facts = append(facts, []any{fact[0], cell(fact[1])})
	}
	for _, note := range d.notes {
		facts = append(facts, []any{note})
	}
	if err := f.SetSheetName("Sheet1", "结算单"); err != nil {
		return nil, fmt.Errorf("paper.XLSX: %w", err)
	}
	if err := fill(f, "结算单", []float64{30, 30}, facts); err != nil {
		return nil, err
	}
	for _, t := range d.tables {
		name, _, _ := strings.Cut(t.title, "：")
		if _, err := f.NewSheet(name); err != nil {
			return nil, fmt.Errorf("paper.XLSX: %w", err)
		}
		rows := [][]any{make([]any, len(t.heads))}
		for i, h := range t.heads {
			rows[0][i] = excelize.Cell{StyleID: bold, Value: h}
		}
		for _, cells := range t.rows {
			row := make([]any, len(cells))
			for i, c := range cells {
				row[i] = cell(c)
			}
			rows = append(rows, row)
		}
		if err := fill(f, name, t.widths, rows); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		return nil, fmt.Errorf("paper.XLSX: %w", err)
	}
	return inOrder(b.Bytes())
}

// inOrder puts a workbook's parts in the order of their names, without times: as
// the library has it, their order is that of a map.
func inOrder(book []byte) ([]byte, error) {
	from, err := zip.NewReader(bytes.NewReader(book), int64(len(book)))
	if err != nil {
		return nil, fmt.Errorf("paper.XLSX: %w", err)
	}
	slices.SortFunc(from.File, func(a, b *zip.File) int { return strings.Compare(a.Name, b.Name) })
	var out bytes.Buffer
	to := zip.NewWriter(&out)
	for _, part := range from.File {
		if err := copyPart(to, part); err != nil {
			return nil, fmt.Errorf("paper.XLSX: %s: %w", part.Name, err)
		}
	}
	if err := to.Close(); err != nil {
		return nil, fmt.Errorf("paper.XLSX: %w", err)
	}
	return out.Bytes(), nil
}

func copyPart(to *zip.Writer, part *zip.File) error {
	in, err := part.Open()
	if err != nil {
		return err
	}
	defer in.Close() // read to its end
	out, err := to.Create(part.Name)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return err
}

// fill writes a worksheet's rows.
func fill(f *excelize.File, sheet string, widths []float64, rows [][]any) error {
	w, err := f.NewStreamWriter(sheet)
	if err != nil {
		return fmt.Errorf("paper: sheet: %w", err)
	}
	for i, width := range widths {
		if err := w.SetColWidth(i+1, i+1, max(10, width)); err != nil {
			return fmt.Errorf("paper: sheet: %w", err)
		}
	}
	for i, cells := range rows {
		if err := w.SetRow("A"+strconv.Itoa(i+1), cells); err != nil {
			return fmt.Errorf("paper: sheet: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("paper: sheet: %w", err)
	}
	return nil
}
