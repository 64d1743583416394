package recon

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"unioncard/card/sheet"
)

var beijing = time.FixedZone("Asia/Shanghai", 8*60*60)

// rules read rows of a file.
type rules struct {
	*layout
	date1904 bool
	// day is the file's only day, zero if it has several: a time without a date is of
	// that day.
	day time.Time
}

// read reads a line of the file. fault is what is wrong with it, in a sentence for the
// clerk, "" if nothing is.
func (r *rules) read(line *sheet.Row) (row Row, fault string) {
	row = Row{No: line.Number, Last4: -1}
	switch line.Fault {
	case sheet.Encoding:
		return row, "文字编码与别的行不同"
	case sheet.TooWide:
		return row, "列太多（最多 60 列）"
	case sheet.TooLong:
		return row, "有一格太长"
	}
	for f, i := range r.at {
		if c := line.Cell(i); i >= 0 && c.Kind == sheet.Formula {
			return row, f.Title() + "是公式，请粘贴为数值"
		} else if i >= 0 && c.Kind == sheet.Broken {
			return row, f.Title() + "是错误值"
		}
	}
	if fault = r.amounts(line, &row); fault != "" {
		return row, fault
	}
	if row.At, fault = r.time(line); fault != "" {
		return row, fault
	}
	if id := r.cell(line, FieldID).Text; id != "" {
		// What is no id of ours is a number of the till's that stands in this column.
		row.ID, _ = uuid.Parse(id)
	}
	row.Ref = r.cell(line, FieldRef).Text
	if utf8.RuneCountInString(row.Ref) > 64 {
		return row, "收银单号太长（最多 64 个字）"
	}
	row.Last4 = last4(r.cell(line, FieldCard))
	return row, ""
}

// amounts reads the amounts and which way the money went.
func (r *rules) amounts(line *sheet.Row, row *Row) (fault string) {
	for _, a := range []struct {
		field Field
		into  *int64
		has   Has
	}{{FieldFen, &row.Fen, HasFen}, {FieldDiscount, &row.Discount, HasDiscount}, {FieldPaid, &row.Paid, HasPaid}} {
		if !r.has(a.field) {
			continue
		}
		c := r.cell(line, a.field)
		if c.Text == "" && a.field == FieldDiscount {
			c.Text = "0" // tills leave it empty where there was none
		}
		if c.Text == "" {
			continue
		}
		fen, ok := money(c, r.cent[a.field])
		if !ok {
			return a.field.Title() + "“" + bounded(c.Text, 20) + "”不是金额"
		}
		*a.into, row.Has = fen, row.Has|a.has
	}
	if row.Has&(HasFen|HasPaid) == 0 {
		return "没有金额"
	}
	kind := r.cell(line, FieldType).Text
	row.Return = row.main() < 0 || row.Has&HasPaid != 0 && row.Paid < 0 || strings.ContainsAny(kind, "退撤废冲") ||
		strings.Contains(strings.ToLower(kind), "refund") || strings.Contains(strings.ToLower(kind), "void")
	for _, v := range []*int64{&row.Fen, &row.Discount, &row.Paid} {
		// A till may write a discount as -10, or a return without a minus.
		if *v = max(*v, -*v); row.Return {
			*v = -*v
		}
	}
	// The third follows from two.
	switch {
	case row.Has == HasFen|HasDiscount:
		row.Paid, row.Has = row.Fen-row.Discount, hasAll
	case row.Has == HasDiscount|HasPaid:
		row.Fen, row.Has = row.Discount+row.Paid, hasAll
	case row.Has == HasFen|HasPaid:
		row.Discount, row.Has = row.Fen-row.Paid, hasAll
	}
	return ""
}

// money reads an amount as tills write it: 1,234.50, ¥12, 12元, (5.00), −5. In yuan
// with at most two decimals, or in whole fen.
func money(c sheet.Cell, cent bool) (fen int64, ok bool) {
	s := strings.NewReplacer(" ", "", ",", "", "，", "", "¥", "", "￥", "", "元", "", "−", "-", "－", "-", "RMB", "", "CNY", "").Replace(c.Text)
	negative := false
	if strings.HasPrefix(s, "(") && strings.HasSuffix(s, ")") {
		negative, s = true, s[1:len(s)-1]
	} else if rest, found := strings.CutPrefix(s, "-"); found {
		negative, s = true, rest
	}
	if c.Kind == sheet.Number { // a binary fraction: 12.3 may come as 12.299999999999999
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(v) || v < 0 || v > MaxFen {
			return 0, false
		}
		if !cent {
			v *= 100
		}
		if fen = int64(math.Round(v)); math.Abs(v-float64(fen)) > 1e-4 {
			return 0, false
		}
	} else if fen, ok = decimal(s, cent); !ok {
		return 0, false
	}
	if fen > MaxFen {
		return 0, false
	}
	if negative {
		fen = -fen
	}
	return fen, true
}

// decimal reads digits with at most two decimals, as fen.
func decimal(s string, cent bool) (int64, bool) {
	whole, part, dot := strings.Cut(s, ".")
	if len(part) > 2 && strings.Trim(part[2:], "0") == "" {
		part = part[:2]
	}
	if dot && cent && strings.Trim(part, "0") == "" {
		part = ""
	}
	if whole == "" || len(whole) > 10 || len(part) > 2 || cent && part != "" {
		return 0, false
	}
	if !cent {
		whole += (part + "00")[:2]
	}
	var fen int64
	for _, d := range []byte(whole) {
		if d < '0' || d > '9' {
			return 0, false
		}
		fen = fen*10 + int64(d-'0')
	}
	return fen, true
}

// timeLayouts are how tills write a moment; dateLayouts a day; clockLayouts the time
// of a day.
func timeLayouts() []string {
	return []string{"2006-1-2 15:04:05", "2006/1/2 15:04:05", "2006-1-2 15:04", "2006/1/2 15:04", "2006.1.2 15:04:05", "2006.1.2 15:04",
		"20060102150405", "20060102 15:04:05", "20060102 150405", "2006-1-2T15:04:05", "2006年1月2日 15:04:05", "2006年1月2日 15:04", "2006年1月2日15:04:05"}
}

func dateLayouts() []string {
	return []string{"2006-1-2", "2006/1/2", "2006.1.2", "20060102", "2006年1月2日"}
}

func clockLayouts() []string { return []string{"15:04:05", "15:04", "150405"} }

// time reads when a row was, zero where the file does not say.
func (r *rules) time(line *sheet.Row) (time.Time, string) {
	if !r.has(FieldTime) {
		return time.Time{}, ""
	}
	c := r.cell(line, FieldTime)
	if c.Text == "" {
		return time.Time{}, ""
	}
	date := r.day
	if r.has(FieldDate) {
		d := r.cell(line, FieldDate)
		var ok bool
		if date, ok = r.moment(d, dateLayouts()); !ok {
			if date, ok = r.moment(d, timeLayouts()); !ok {
				return time.Time{}, "交易日期“" + bounded(d.Text, 20) + "”看不懂"
			}
		}
	}
	if at, ok := r.moment(c, timeLayouts()); ok {
		return at, ""
	}
	if at, err := time.Parse(time.RFC3339, c.Text); err == nil {
		return at, ""
	}
	if at, ok := r.moment(c, clockLayouts()); ok {
		if date.IsZero() {
			return time.Time{}, "交易时间没有日期"
		}
		y, m, d := date.In(beijing).Date()
		h, min, s := at.In(beijing).Clock()
		return time.Date(y, m, d, h, min, s, 0, beijing), ""
	}
	return time.Time{}, "交易时间“" + bounded(c.Text, 20) + "”看不懂"
}

// moment reads a text by layouts, or a spreadsheet's number: days since 1900, a
// fraction for the time of day.
func (r *rules) moment(c sheet.Cell, layouts []string) (time.Time, bool) {
	if c.Kind == sheet.Number {
		v, err := strconv.ParseFloat(c.Text, 64)
		switch {
		case err != nil || math.IsNaN(v) || v < 0 || v > 100_000_000:
		case v < 1: // the time of a day
			return time.Date(1, 1, 1, 0, 0, 0, 0, beijing).Add(time.Duration(math.Round(v*86400)) * time.Second), layouts[0] == clockLayouts()[0]
		case v > 30_000 && v < 80_000:
			if r.date1904 {
				v += 1462
			}
			// Day 60 is a 29 February that was not (ECMA-376, 18.17.4.1); all here are later.
			return time.Date(1899, 12, 30, 0, 0, 0, 0, beijing).Add(time.Duration(math.Round(v*86400)) * time.Second), layouts[0] != clockLayouts()[0]
		}
	}
	text := strings.Join(strings.Fields(c.Text), " ")
	for _, l := range layouts {
		if t, err := time.ParseInLocation(l, text, beijing); err == nil && t.Year() < 10000 {
			return t, true
		}
	}
	return time.Time{}, false
}

// last4 are a card number's last four digits, -1 where the cell ends in fewer. A
// spreadsheet that took 0123 for a number dropped its zero.
func last4(c sheet.Cell) int16 {
	s := strings.Join(strings.Fields(c.Text), "")
	if c.Kind == sheet.Number && len(s) < 4 && s != "" {
		s = strings.Repeat("0", 4-len(s)) + s
	}
	if len(s) < 4 {
		return -1
	}
	n := int16(0)
	for _, d := range []byte(s[len(s)-4:]) {
		if d < '0' || d > '9' {
			return -1
		}
		n = n*10 + int16(d-'0')
	}
	return n
}

// totalRow reports whether a line is no sale but the file's own total, or one of a
// part, which nothing is held against.
func totalRow(line *sheet.Row) (total, part bool) {
	for _, c := range line.Cells {
		switch plain(c.Text) {
		case "合计", "总计", "共计", "total":
			return true, false
		case "小计":
			return true, true
		}
	}
	return false, false
}
