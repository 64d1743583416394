package recon

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"unioncard/card/sheet"
	"unioncard/settlement/ledger"
)

// table is a till's file, read.
type table struct {
	format   string
	headings []string
	columns  Columns
	rows     []Row
	total    int64 // of all rows, in fen
}

// errColumns: which column is which is not known.
var errColumns = errors.New("recon: columns are not known")

// maxFaults is how many of a file's faulty rows are told.
const maxFaults = 5

// readTable reads a till's file: its heading, columns (those asked for, or else those
// remembered where they fit, completed by guessing), rows and totals. progress is told
// the part read. errColumns with the table's headings; *sheet.Error.
func readTable(in sheet.Reader, asked, remembered Columns, first, last ledger.Day, said *totals, progress func(part float64) error) (*table, error) {
	t := &table{format: in.Format()}
	known := asked
	if known == nil {
		known = remembered
	}
	var err error
	if t.headings, err = findHeading(in, known); err != nil {
		return t, err
	}
	t.columns = guess(t.headings)
	if l, ok := known.fit(t.headings); ok && len(known) > 0 && l != nil {
		t.columns = known
	} else if asked != nil {
		return t, errColumns // the file's heading is another than the one that was shown
	}
	l, ok := t.columns.fit(t.headings)
	if !ok || t.columns.Fault() != "" {
		return t, errColumns
	}
	r := &rules{layout: l, date1904: in.Date1904()}
	if first == last {
		r.day = first.Start()
	}
	foot, err := t.readRows(in, r, progress)
	if err != nil {
		return t, err
	}
	if len(t.rows) == 0 {
		return t, &sheet.Error{Code: "no_rows", Message: "表头下面没有交易。请导出这几天使用会员卡优惠的交易再上传；一笔也没有的，不用对账。"}
	}
	if err := t.checkTotals(said, foot); err != nil {
		return t, err
	}
	return t, t.checkDays(first, last)
}

// totals are control totals; rows is -1 where they have none.
type totals struct {
	rows int
	fen  int64
}

// readRows reads the rows below the heading, and the file's own total at its foot.
func (t *table) readRows(in sheet.Reader, r *rules, progress func(part float64) error) (foot *totals, err error) {
	var faults []string
	bad := 0
	for n := 0; ; n++ {
		line, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if n%5000 == 0 {
			if err := progress(in.Done()); err != nil {
				return nil, err
			}
		}
		if total, part := totalRow(line); total {
			if !part {
				if foot, err = r.foot(line); err != nil {
					return nil, err
				}
			}
			continue
		}
		row, fault := r.read(line)
		if fault != "" {
			if bad++; len(faults) < maxFaults {
				faults = append(faults, fmt.Sprintf("第 %d 行%s", line.Number, fault))
			}
			continue
		}
		t.rows = append(t.rows, row)
		t.total += row.main()
	}
	if bad > 0 {
		more := ""
		if bad > len(faults) {
			more = fmt.Sprintf("等共 %d 行", bad)
		}
		return nil, &sheet.Error{Code: "rows", Message: "有读不准的行，没有对账：" + strings.Join(faults, "；") + more + "。请在收银系统里重新导出，或改好这几行再上传。"}
	}
	return foot, nil
}

// foot reads the file's own total: its amount may be a formula, whose value the
// program left there.
func (r *rules) foot(line *sheet.Row) (*totals, error) {
	t := &totals{rows: -1}
	f := FieldFen
	if !r.has(f) {
		f = FieldPaid
	}
	c := r.cell(line, f)
	if c.Kind == sheet.Formula {
		c.Kind = sheet.Number
	}
	if c.Text == "" {
		return nil, nil //nolint:nilnil // a total without an amount is none
	}
	var ok bool
	if t.fen, ok = total(c, r.cent[f]); !ok {
		return nil, &sheet.Error{Code: "totals", Message: fmt.Sprintf("第 %d 行的合计“%s”不是金额。请改好或删去这一行再上传。", line.Number, bounded(c.Text, 20))}
	}
	return t, nil
}

// total is money without the bound of one sale.
func total(c sheet.Cell, cent bool) (int64, bool) {
	if fen, ok := money(c, cent); ok {
		return fen, true
	}
	s := strings.NewReplacer(" ", "", ",", "", "，", "", "¥", "", "￥", "", "元", "").Replace(c.Text)
	rest, negative := strings.CutPrefix(s, "-")
	fen, ok := decimal(rest, cent)
	if negative {
		fen = -fen
	}
	return fen, ok
}

// checkTotals holds what was read against what was typed and what the file says.
func (t *table) checkTotals(said, foot *totals) error {
	if said == nil && foot == nil {
		return &sheet.Error{Code: "no_totals", Message: fmt.Sprintf("按文件读出 %d 笔、合计 %s 元。请与收银系统的汇总核对，一致的话，重新上传时填上这两个数；不一致的，请重新导出。",
			len(t.rows), yuan(t.total))}
	}
	if said != nil && (said.rows != len(t.rows) || said.fen != t.total) {
		return &sheet.Error{Code: "totals", Message: fmt.Sprintf("您填的是 %d 笔、合计 %s 元，文件里是 %d 笔、合计 %s 元，没有对账。请核对文件是否完整，再上传。",
			said.rows, yuan(said.fen), len(t.rows), yuan(t.total))}
	}
	if foot != nil && foot.fen != t.total {
		return &sheet.Error{Code: "totals", Message: fmt.Sprintf("文件里的合计行写的是 %s 元，各行加起来是 %s 元，没有对账。请重新导出完整的文件再上传。", yuan(foot.fen), yuan(t.total))}
	}
	return nil
}

// checkDays refuses a file most of whose rows are of other days.
func (t *table) checkDays(first, last ledger.Day) error {
	dated, beyond := 0, 0
	var when time.Time
	for i := range t.rows {
		if at := t.rows[i].At; !at.IsZero() {
			dated++
			if d := ledger.DayOf(at); d < first || d > last {
				beyond++
				when = at
			}
		}
	}
	if beyond*2 > dated && beyond > 0 {
		return &sheet.Error{Code: "other_days", Message: fmt.Sprintf("文件里多数交易不是 %s 至 %s 的（例如有 %s 的），没有对账。请核对日期和文件，再上传。",
			first, last, when.In(beijing).Format(time.DateOnly))}
	}
	return nil
}

func yuan(fen int64) string {
	sign := ""
	if fen < 0 {
		sign, fen = "-", -fen
	}
	return fmt.Sprintf("%s%d.%02d", sign, fen/100, fen%100)
}

// ParseFen reads a total in yuan as people type it, with thousands parted or not.
func ParseFen(text string) (int64, bool) { return total(sheet.Cell{Text: text}, false) }
