// Package paper writes a closed statement as a document to keep: PDF to print and
// sign, XLSX to reckon with.
//
// What is written is the statement's body, which never changes, and the names of
// the merchant, its office and its outlets. The same statement under the same names
// gives the same bytes, on every node and in every year: nothing of the moment at
// which it is written goes in. Of the worker there is nothing in a statement.
package paper

import (
	"fmt"
	"strconv"

	"unioncard/settlement"
)

// Names are what a body names by number.
type Names struct {
	Merchant, Office string
	Outlets          map[int64]string
}

func (n *Names) outlet(id int64) string {
	if name := n.Outlets[id]; name != "" {
		return name
	}
	return strconv.FormatInt(id, 10) + " 号门店"
}

// fen is an amount in a cell: yuan with two decimals.
type fen int64

func (f fen) String() string {
	sign := ""
	n := int64(f)
	if n < 0 {
		sign, n = "-", -n
	}
	return fmt.Sprintf("%s%d.%02d", sign, n/100, n%100)
}

// document is a statement laid out: pairs of words on top, then tables.
type document struct {
	title  string
	facts  [][2]any
	tables []table
	notes  []string
}

// table is a heading and rows of cells: string, int64 or fen. widths are shares of a
// page's width.
type table struct {
	title  string
	heads  []string
	widths []float64
	rows   [][]any
}

// layOut is what both formats show. most bounds the rows of a table, 0 for all.
func layOut(s *settlement.Statement, n Names, most int) (*document, error) {
	b, err := s.Content()
	if err != nil {
		return nil, fmt.Errorf("paper: %w", err)
	}
	d := &document{title: "工会会员卡优惠服务结算单", facts: [][2]any{
		{"结算单号", b.Number}, {"商家", n.Merchant}, {"结算工会", n.Office}, {"营业日", b.Day},
		{"期初未付（元）", fen(b.OpeningFen)}, {"本日应付（元）", fen(b.DueFen)}, {"本日已付（元）", fen(b.PaidFen)}, {"期末未付（元）", fen(b.ClosingFen)},
		{"其中：工会承担的优惠（元）", fen(b.UnionShareFen)}, {"当日撤销和退款退还工会（元）", fen(b.UnionBackFen)}, {"调整（元）", fen(b.AdjustedFen)},
		{"成交笔数", b.Purchases}, {"消费总额（元）", fen(b.GrossFen)}, {"优惠总额（元）", fen(b.DiscountFen)}, {"商家承担的优惠（元）", fen(b.MerchantShareFen)},
	}}
	outlets := table{title: "按门店", heads: []string{"门店", "笔数", "消费总额", "优惠", "商家承担", "工会承担", "撤销", "退款", "退给会员", "收回优惠", "退还工会"},
		widths: []float64{22, 7, 11, 9, 9, 9, 6, 6, 9, 9, 9}}
	for _, o := range b.Outlets {
		f := &o.Figures
		outlets.rows = append(outlets.rows, []any{n.outlet(o.Outlet), f.Purchases, fen(f.GrossFen), fen(f.DiscountFen), fen(f.MerchantShareFen),
			fen(f.UnionShareFen), f.Undone, f.Refunds, fen(f.ReturnedFen), fen(f.GivenBackFen), fen(f.UnionBackFen)})
	}
	adjustments := table{title: "调整：以前各日交易的撤销和退款，以及人工调整", heads: []string{"事项", "说明", "退给会员", "收回优惠", "调整应付"},
		widths: []float64{14, 52, 11, 11, 12}}
	for _, a := range b.Adjustments {
		adjustments.rows = append(adjustments.rows, []any{AdjustmentName(a), adjustmentText(a, &n), fen(a.ReturnedFen), fen(a.GivenBackFen), fen(a.Fen)})
	}
	payments := table{title: "本日付款", heads: []string{"付款批次", "事项", "金额"}, widths: []float64{30, 40, 30}}
	for _, p := range b.Payments {
		what := "付款"
		if p.Fen < 0 {
			what = "银行退回"
		}
		payments.rows = append(payments.rows, []any{settlement.PaymentNumber(p.Payment), what, fen(p.Fen)})
	}
	for _, t := range []table{outlets, adjustments, payments} {
		if len(t.rows) == 0 {
			continue
		}
		if most > 0 && len(t.rows) > most {
			d.notes = append(d.notes, fmt.Sprintf("“%s”共 %d 行，这里只列前 %d 行，全部内容见 Excel 文件。", t.title, len(t.rows), most))
			t.rows = t.rows[:most]
		}
		d.tables = append(d.tables, t)
	}
	d.notes = append(d.notes, "期初未付 + 本日应付 − 本日已付 = 期末未付；本日应付 = 工会承担的优惠 − 退还工会 + 调整。",
		"商家承担的优惠由商家让利，不参与结算。结算单生成后不再改动，以后的更正记入更正当日的结算单。",
		fmt.Sprintf("内容校验码（SHA-256）：%x", s.SHA256))
	return d, nil
}

// AdjustmentName is what an adjustment of a statement is, in Chinese.
func AdjustmentName(a settlement.Adjustment) string {
	switch a.Kind {
	case settlement.KindVoid:
		return "撤销"
	case settlement.KindReversal:
		return "冲正"
	case settlement.KindRefund:
		return "退款"
	}
	switch a.Cause {
	case "difference":
		return "对账差异"
	case "dispute":
		return "申诉处理"
	case "compensation":
		return "补偿"
	}
	return "人工调整"
}

func adjustmentText(a settlement.Adjustment, n *Names) string {
	if a.Kind == settlement.KindPosted {
		return a.Reason
	}
	return fmt.Sprintf("%s %s的交易 %s", a.PurchaseDay, n.outlet(a.Outlet), a.Purchase)
}
