package console

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"unioncard/api/exchange"
	"unioncard/api/page"
)

var beijing = time.FixedZone("Asia/Shanghai", 8*3600)

// Fen is an amount of money in an export: a number of yuan with two decimals.
type Fen int64

// Export answers with the list as a file. rows are what the store fetched for
// l.Page; cells is a row's cells, one a column of the list: string, int, int64,
// Fen, time.Time (a moment in Beijing, to the minute) or bool. Of more than
// ExportRows rows the first are given, and the last line says so.
//
// The route's right and the store's territory hold for a file as for a page.
func Export[T any](x *exchange.Exchange, l *List, rows []T, now time.Time, cells func(row T) []any) error {
	header := make([]any, len(l.Columns))
	for i, c := range l.Columns {
		header[i] = c.Label
	}
	last := min(len(rows), ExportRows)
	each := func(write func(cells []any) error) error {
		if err := write(header); err != nil {
			return err
		}
		for _, row := range rows[:last] {
			if err := write(cells(row)); err != nil {
				return err
			}
		}
		if len(rows) > last {
			return write([]any{fmt.Sprintf("只导出前 %d 行。请缩小查询条件，分几次导出。", ExportRows)})
		}
		return nil
	}
	var out bytes.Buffer
	var err error
	if l.format == "xlsx" {
		x.ContentType = []string{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
		err = writeXLSX(&out, l.Name, each)
	} else {
		x.ContentType = []string{"text/csv; charset=utf-8"}
		err = writeCSV(&out, each)
	}
	if err != nil {
		return fmt.Errorf("console.Export: %w", err)
	}
	name := l.Name + "-" + now.In(beijing).Format("20060102-1504") + "." + l.format
	x.SetHeader("Content-Disposition", "attachment; filename=\"export."+l.format+"\"; filename*=UTF-8''"+url.PathEscape(name))
	x.SetHeader("X-Content-Type-Options", "nosniff")
	x.SetHeader("Cache-Control", "no-store")
	x.Out = append(x.Out[:0], out.Bytes()...)
	return nil
}

// lines calls write for every line of a file.
type lines func(write func(cells []any) error) error

// writeCSV writes RFC 4180 with the byte-order mark without which Excel takes
// UTF-8 for GBK.
func writeCSV(out *bytes.Buffer, each lines) error {
	out.WriteString("\uFEFF")
	w := csv.NewWriter(out)
	w.UseCRLF = true
	var record []string
	err := each(func(cells []any) error {
		record = record[:0]
		for _, c := range cells {
			s, err := cellText(c)
			if err != nil {
				return err
			}
			record = append(record, s)
		}
		return w.Write(record)
	})
	if err != nil {
		return err
	}
	w.Flush()
	return w.Error()
}

func cellText(c any) (string, error) {
	switch v := c.(type) {
	case string:
		return harmless(v), nil
	case int:
		return strconv.Itoa(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case Fen:
		return page.Yuan(int64(v)), nil
	case time.Time:
		return page.Moment(v), nil
	case bool:
		if v {
			return "是", nil
		}
		return "否", nil
	}
	return "", fmt.Errorf("a cell of type %T", c)
}

// harmless puts a ' before a text that a spreadsheet would take for a formula
// (OWASP, CSV injection; LF and the full-width signs, which some input methods
// type and some programs read as the plain ones, too).
func harmless(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(s)[0]) {
		return "'" + s
	}
	return s
}

// writeXLSX streams the lines into one sheet.
func writeXLSX(out *bytes.Buffer, name string, each lines) error {
	f := excelize.NewFile()
	defer f.Close() // only its temporary files; the book is written by then
	if err := f.SetSheetName("Sheet1", name); err != nil {
		return err
	}
	w, err := f.NewStreamWriter(name)
	if err != nil {
		return err
	}
	money, err := f.NewStyle(&excelize.Style{NumFmt: 4}) // #,##0.00
	if err != nil {
		return err
	}
	head, err := f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}})
	if err != nil {
		return err
	}
	if err := w.SetColWidth(1, 30, 16); err != nil {
		return err
	}
	if err := w.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	n := 0
	err = each(func(cells []any) error {
		n++
		row := make([]any, len(cells))
		for i, c := range cells {
			switch v := c.(type) {
			case int, int64:
				row[i] = v
			case Fen:
				row[i] = excelize.Cell{StyleID: money, Value: float64(v) / 100}
			default:
				text, err := cellText(c)
				if err != nil {
					return err
				}
				if n == 1 {
					row[i] = excelize.Cell{StyleID: head, Value: text}
				} else {
					row[i] = text
				}
			}
		}
		return w.SetRow("A"+strconv.Itoa(n), row)
	})
	if err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Write(out)
}
