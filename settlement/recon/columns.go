package recon

import (
	"fmt"
	"slices"
	"strings"

	"unioncard/card/sheet"
)

// Field is what a column of a till's file may be.
type Field string

// The fields.
const (
	FieldID       Field = "id"       // of the purchase, as the till's receipt has it
	FieldRef      Field = "ref"      // the till's own number, merchant_ref
	FieldTime     Field = "time"     // date and time, or the time beside a date
	FieldDate     Field = "date"     // the date, where the time stands alone
	FieldFen      Field = "amount"   // before the discount
	FieldDiscount Field = "discount" //
	FieldPaid     Field = "paid"     // after the discount
	FieldCard     Field = "card"     // its number, masked
	FieldType     Field = "type"     // sale or return
)

// Fields are the fields in the order of a form.
func Fields() []Field {
	return []Field{FieldID, FieldRef, FieldTime, FieldDate, FieldFen, FieldDiscount, FieldPaid, FieldCard, FieldType}
}

// Title is a field in Chinese.
func (f Field) Title() string {
	switch f {
	case FieldID:
		return "优惠单号"
	case FieldRef:
		return "收银单号"
	case FieldTime:
		return "交易时间"
	case FieldDate:
		return "交易日期"
	case FieldFen:
		return "消费金额"
	case FieldDiscount:
		return "优惠金额"
	case FieldPaid:
		return "实付金额"
	case FieldCard:
		return "会员卡号"
	case FieldType:
		return "交易类型"
	}
	return string(f)
}

// headings are how tills name a column, the surest first.
func headings(f Field) []string {
	switch f {
	case FieldID:
		return []string{"优惠单号", "优惠编号", "工会优惠单号", "purchase_id", "purchaseid"}
	case FieldRef:
		return []string{"收银单号", "商户单号", "商户订单号", "商家单号", "订单号", "订单编号", "小票号", "流水号", "交易流水号", "单号", "交易单号", "merchant_ref", "order_no", "orderno"}
	case FieldTime:
		return []string{"交易时间", "消费时间", "支付时间", "付款时间", "收银时间", "下单时间", "完成时间", "时间", "time", "paid_at"}
	case FieldDate:
		return []string{"交易日期", "消费日期", "营业日期", "日期", "date"}
	case FieldFen:
		return []string{"消费金额", "订单金额", "应收金额", "交易金额", "原价", "原价金额", "应收", "金额", "amount", "amount_fen"}
	case FieldDiscount:
		return []string{"优惠金额", "工会优惠", "会员优惠", "折扣金额", "优惠", "discount", "discount_fen"}
	case FieldPaid:
		return []string{"实付金额", "实收金额", "支付金额", "付款金额", "实付", "实收", "paid", "payable_fen"}
	case FieldCard:
		return []string{"会员卡号", "工会卡号", "卡号", "会员卡", "card", "number_masked"}
	case FieldType:
		return []string{"交易类型", "类型", "业务类型", "收支类型", "type"}
	}
	return nil
}

// Columns say which heading is which field.
type Columns map[Field]string

// layout is which column of the file is which, by index.
type layout struct {
	at   map[Field]int
	cent map[Field]bool // amounts in fen instead of yuan
}

func (l *layout) has(f Field) bool { return l.at[f] >= 0 }

// cell is a row's cell of a field.
func (l *layout) cell(r *sheet.Row, f Field) sheet.Cell { return r.Cell(l.at[f]) }

// plain is a heading without blanks, brackets and marks: 金额（元）* is 金额.
func plain(s string) string {
	s = strings.ToLower(strings.Join(strings.Fields(s), ""))
	if i := strings.IndexAny(s, "（(【["); i > 0 {
		s = s[:i]
	}
	return strings.Trim(s, "*＊:：")
}

// inFen reports whether an amount's heading says that it is in fen.
func inFen(heading string) bool {
	h := strings.ToLower(strings.Join(strings.Fields(heading), ""))
	return strings.HasSuffix(h, "_fen") || strings.Contains(h, "（分）") || strings.Contains(h, "(分)")
}

// guess finds what it can of a row of headings. A heading that stands there twice is
// nobody's to guess.
func guess(heads []string) Columns {
	plains := make([]string, len(heads))
	for i, h := range heads {
		plains[i] = plain(h)
	}
	found, taken := Columns{}, map[int]bool{}
	for _, f := range Fields() {
		for _, name := range headings(f) {
			i := slices.Index(plains, name)
			if i < 0 || taken[i] || slices.Contains(plains[i+1:], name) {
				continue
			}
			found[f], taken[i] = heads[i], true
			break
		}
	}
	return found
}

// fit makes a layout of the columns that people named, for a file's headings; false if
// a heading is not there or stands there twice.
func (c Columns) fit(heads []string) (*layout, bool) {
	l := &layout{at: map[Field]int{}, cent: map[Field]bool{}}
	for _, f := range Fields() {
		l.at[f] = -1
		name, ok := c[f]
		if !ok {
			continue
		}
		i := slices.Index(heads, name)
		if i < 0 || slices.Contains(heads[i+1:], name) {
			return nil, false
		}
		l.at[f], l.cent[f] = i, inFen(name)
	}
	return l, true
}

// Fault is why columns are not enough to match by, "" if they are.
func (c Columns) Fault() string {
	named := map[string]Field{}
	for _, f := range Fields() {
		head, ok := c[f]
		if !ok {
			continue
		}
		if other, twice := named[head]; twice {
			return fmt.Sprintf("“%s”一列不能既是%s又是%s。", head, other.Title(), f.Title())
		}
		named[head] = f
	}
	has := func(f Field) bool { _, ok := c[f]; return ok }
	switch {
	case !has(FieldFen) && !has(FieldPaid):
		return "请指明哪一列是消费金额或实付金额。"
	case !has(FieldID) && !has(FieldRef) && !has(FieldTime):
		return "请指明哪一列是优惠单号、收银单号或交易时间，至少要有一样。"
	case has(FieldDate) && !has(FieldTime):
		return "有交易日期的，还要指明交易时间；只有日期的，不用指明。"
	}
	return ""
}

// headingRows is how many rows may stand above the heading.
const headingRows = 10

// findHeading reads up to the heading: the first row that what is known fits, or else
// the first with two cells that a till would call a column, or else the first row.
func findHeading(in sheet.Reader, known Columns) (heads []string, err error) {
	var first []string
	for range headingRows {
		row, err := in.Next()
		if err != nil {
			if fault, ok := asFault(err); ok {
				return nil, fault
			}
			break
		}
		cells := make([]string, len(row.Cells))
		for i, c := range row.Cells {
			cells[i] = bounded(c.Text, 40)
		}
		if len(known) > 0 {
			if _, ok := known.fit(cells); ok {
				return cells, nil
			}
		}
		if len(guess(cells)) >= 2 {
			if row.Fault != sheet.NoFault {
				return nil, &sheet.Error{Code: "heading", Message: "表头读不全：文字编码不对，或者列太多（最多 60 列）。请只留要用的列，另存为 .xlsx 再上传。"}
			}
			return cells, nil
		}
		if first == nil {
			first = cells
		}
	}
	if first == nil {
		return nil, &sheet.Error{Code: "no_rows", Message: "文件里没有内容。请导出带表头的交易明细再上传。"}
	}
	return first, nil
}

// bounded is a text of at most n letters.
func bounded(s string, n int) string {
	r := []rune(s)
	return string(r[:min(len(r), n)])
}
