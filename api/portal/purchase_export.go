package portal

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"strconv"
	"sync"
	"time"

	"unioncard/api/console"
	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/sheet"
	"unioncard/settlement/report"
)

// How large an export may be: a workbook is made whole, a CSV is sent as it is read,
// a step at a time, so that it holds neither memory nor a connection of the database
// while somebody's line is slow.
const (
	maxXLSXRows = console.ExportRows
	maxCSVRows  = 500_000
	csvStep     = 1_000
)

// exporting is how many exports a node writes at once; of one merchant exportingOne, so
// that slow lines of its own hold up nobody else's.
const exporting, exportingOne = 24, 2

// ErrExporting: too many exports are being written, of the merchant or in all.
var ErrExporting = errors.New("portal: too many exports at once")

// places are those of exports that are being written, by merchant.
type places struct {
	mu  sync.Mutex
	all int
	of  map[int64]int
}

// take takes a place; give gives it back, once. ErrExporting.
func (p *places) take(merchantID int64) (give func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all >= exporting || p.of[merchantID] >= exportingOne {
		return nil, ErrExporting
	}
	p.all++
	p.of[merchantID]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.all--
		if p.of[merchantID]--; p.of[merchantID] == 0 {
			delete(p.of, merchantID)
		}
	}, nil
}

func saleHeads() []console.Column {
	var out []console.Column
	for _, label := range []string{"交易时间", "营业日", "门店", "交易编号", "商家单号", "会员卡号", "状态", "消费金额", "优惠金额", "实付金额",
		"商家承担", "工会承担", "已退会员", "收回优惠", "收银员", "终端"} {
		out = append(out, console.Column{Label: label})
	}
	return out
}

func saleCells(s *report.Sale) []any {
	return []any{page.Second(s.At), s.Day.Format(time.DateOnly), s.Outlet, s.ID.String(), s.Ref, s.Card, page.StateName("sale_" + strconv.Itoa(int(s.State))),
		console.Fen(s.AmountFen), console.Fen(s.DiscountFen), console.Fen(s.PayableFen()), console.Fen(s.MerchantShareFen()), console.Fen(s.UnionShareFen),
		console.Fen(s.ReturnedFen), console.Fen(s.GivenBackFen), s.Operator, strconv.FormatInt(s.TerminalID, 10)}
}

// PurchaseExport answers GET /portal/purchases/export.
func (h *Handlers) PurchaseExport(x *exchange.Exchange) error {
	w, err := h.saleWish(x)
	if err != nil {
		return err
	}
	if x.Query("format") == "xlsx" {
		rows, err := h.Sales.Sales(x.Ctx, w.filter, maxXLSXRows+1)
		if err != nil {
			return err
		}
		l := console.ReadList(x, &console.ListSpec{Path: purchasesPath, Name: "交易", Columns: saleHeads()})
		return console.Export(x, l, rows, h.Clock(), func(s report.Sale) []any { return saleCells(&s) })
	}
	give, err := h.exports.take(x.Merchant.MerchantID)
	if err != nil {
		return err
	}
	// The request's end gives the place back, however it comes.
	context.AfterFunc(x.Ctx, give)
	name := "交易-" + w.From + "-" + w.Until + ".csv"
	x.ContentType = []string{"text/csv; charset=utf-8"}
	x.SetHeader("Content-Disposition", `attachment; filename="export.csv"; filename*=UTF-8''`+url.PathEscape(name))
	x.SetHeader("X-Content-Type-Options", "nosniff")
	x.SetHeader("Cache-Control", "no-store")
	x.Stream(func(ctx context.Context, out *exchange.StreamWriter) {
		h.streamSales(ctx, out, w.filter)
	})
	return nil
}

// streamSales writes the purchases of a filter as CSV. What goes wrong on the way
// ends the file with a line that says so: its status was sent long ago.
func (h *Handlers) streamSales(ctx context.Context, out *exchange.StreamWriter, f report.SaleFilter) {
	var buf bytes.Buffer
	w, err := sheet.NewCSV(&buf)
	if err != nil {
		return
	}
	var heads []string
	for _, c := range saleHeads() {
		heads = append(heads, c.Label)
	}
	write := func(cells ...string) { err = w.Write(cells) }
	flush := func() bool {
		if err != nil || w.Close() != nil || out.Send(buf.Bytes()) != nil {
			return false
		}
		buf.Reset()
		return true
	}
	write(heads...)
	for n := 0; ; {
		rows, readErr := h.Sales.Sales(ctx, f, csvStep)
		if readErr != nil {
			write("导出中断，以上内容不完整，请重新导出。")
			flush()
			return
		}
		for i := range rows {
			var cells []string
			for _, c := range saleCells(&rows[i]) {
				if fen, ok := c.(console.Fen); ok {
					cells = append(cells, page.Yuan(int64(fen)))
					continue
				}
				text, _ := c.(string)
				cells = append(cells, text)
			}
			write(cells...)
		}
		n += len(rows)
		if n >= maxCSVRows && len(rows) == csvStep {
			write("只导出前 " + strconv.Itoa(n) + " 行。请缩小日期范围，分几次导出。")
			flush()
			return
		}
		if !flush() || len(rows) < csvStep {
			return
		}
		f.Before = rows[len(rows)-1].ID
	}
}
