package console

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"unioncard/card/sheet"
	"unioncard/merchant"
	"unioncard/settlement"
)

// maxAnswerFaults is how many faulty rows of an answer are told at once.
const maxAnswerFaults = 10

// answerColumns are where the columns of a bank's answer stand, -1 for none.
type answerColumns struct{ no, fen, result, ref, note int }

// answerHead finds the columns by their headings; false for a row that is no heading.
func answerHead(row *sheet.Row) (c answerColumns, ok bool) {
	find := func(words ...string) int {
		return slices.IndexFunc(row.Cells, func(cell sheet.Cell) bool {
			return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(cell.Text, w) })
		})
	}
	c = answerColumns{find("序号"), find("金额"), find("结果", "状态"), find("流水", "凭证"), find("原因", "备注", "说明")}
	return c, c.no >= 0 && c.result >= 0
}

// readAnswers reads what a bank says of a payment's lines: a table with the columns
// 序号, 金额 and 结果, and perhaps 流水号 and 原因, such as the bank file that was sent
// with results added. Its line of totals is passed over. *sheet.Error for a file that
// can't be read, merchant.FieldErrors (field "answer") for rows that can't, and for a
// file that says of itself that it is of another payment than number.
func readAnswers(file io.ReaderAt, size int64, number string) ([]settlement.LineAnswer, error) {
	limits := sheet.DefaultLimits()
	limits.Bytes, limits.Rows = 16<<20, settlement.MaxLines+100
	r, err := sheet.Open(file, size, limits)
	if err != nil {
		return nil, err
	}
	var columns answerColumns
	var out []settlement.LineAnswer
	var wrong merchant.FieldErrors
	found := false
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if !found {
			columns, found = answerHead(row)
			continue
		}
		other := otherPayment(row, number)
		if other == "" && (strings.Contains(row.Cell(columns.no).Text, "合计") || blankRow(row)) {
			continue
		}
		a, fault := answerOf(row, columns)
		if other != "" {
			fault = "这是付款 " + other + " 的，不是 " + number + " 的"
		}
		if fault == "" {
			out = append(out, a)
		} else if len(wrong) < maxAnswerFaults {
			wrong.Add("answer", fmt.Sprintf("第 %d 行：%s", row.Number, fault))
		}
	}
	switch {
	case !found:
		wrong.Add("answer", "没有找到表头：文件里要有“序号”“金额”“结果”三列，可以在付款时的银行文件上加一列“结果”，填“成功”或“失败”")
	case len(out) == 0 && len(wrong) == 0:
		wrong.Add("answer", "表头下面没有内容")
	}
	return out, wrong.Err()
}

// paymentNumbers finds the numbers of payments, as bank files carry them.
var paymentNumbers = regexp.MustCompile(`\bFK[0-9]+\b`)

// otherPayment is the number of another payment that a row carries, "" for none: two
// months' files of one merchant and one sum look the same but for it.
func otherPayment(row *sheet.Row, number string) string {
	for _, c := range row.Cells {
		for _, n := range paymentNumbers.FindAllString(c.Text, -1) {
			if n != number {
				return n
			}
		}
	}
	return ""
}

func blankRow(row *sheet.Row) bool {
	return !slices.ContainsFunc(row.Cells, func(c sheet.Cell) bool { return strings.TrimSpace(c.Text) != "" })
}

// answerOf reads a row, and says what is wrong with it.
func answerOf(row *sheet.Row, at answerColumns) (a settlement.LineAnswer, fault string) {
	if row.Fault != sheet.NoFault {
		return a, "这一行读不出来"
	}
	for _, i := range []int{at.no, at.fen, at.result} {
		if c := row.Cell(i); c.Kind == sheet.Formula || c.Kind == sheet.Broken {
			return a, "单元格里是公式，请改成数值"
		}
	}
	no, err := strconv.ParseInt(strings.TrimSpace(row.Cell(at.no).Text), 10, 32)
	if err != nil || no < 1 {
		return a, "序号不对"
	}
	a.No = int32(no)
	if at.fen < 0 {
		return a, "没有“金额”一列，无法核对"
	}
	amount, ok := scaled(bigYuan, strings.ReplaceAll(row.Cell(at.fen).Text, ",", ""), 2)
	if !ok {
		return a, "金额不对"
	}
	a.Fen = amount
	result := strings.TrimSpace(row.Cell(at.result).Text)
	says := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(result, w) })
	}
	switch {
	case says("失败", "不成功", "未成功", "退", "拒", "未到", "未付"):
	case says("未", "没", "不", "部分", "待", "正在", "处理中", "受理中"): // neither, so far
		return a, "结果看不懂，请填“成功”或“失败”"
	case says("成功", "到账", "已付", "已支付", "完成"):
		a.Paid = true
	default:
		return a, "结果看不懂，请填“成功”或“失败”"
	}
	if at.ref >= 0 {
		a.Ref = strings.TrimSpace(row.Cell(at.ref).Text)
	}
	if at.note >= 0 {
		a.Note = strings.TrimSpace(row.Cell(at.note).Text)
	}
	if a.Note == "" && !a.Paid {
		a.Note = strings.TrimSpace(row.Cell(at.result).Text)
	}
	return a, ""
}
