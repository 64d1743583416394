package portal

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant/terms"
	"unioncard/settlement/report"
)

// salesPage is how many purchases a page has.
const salesPage = 50

// saleStates are the states of a purchase, as purchases.state has them.
func saleStates() []page.Choice {
	return []page.Choice{{Value: "1", Label: "已成交"}, {Value: "2", Label: "已撤销"}, {Value: "3", Label: "已冲正"},
		{Value: "4", Label: "部分退款"}, {Value: "5", Label: "已退款"}}
}

var beijing = time.FixedZone("Asia/Shanghai", 8*3600)

// saleWish is what the address asks of the list of purchases: what the form shows
// again, and what the store is asked.
type saleWish struct {
	From, Until, Outlet, Q, Last4, State string
	Said                                 []string // how it was understood, where somebody could have meant more
	Outlets                              []page.Choice
	filter                               report.SaleFilter
}

// today is the day in Beijing, as midnight UTC.
func (h *Handlers) today() time.Time {
	y, m, d := h.Clock().In(beijing).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// saleWish reads the address. It never fails: what makes no sense is as if not asked
// for, and said. An outlet that the user does not see is as one that there is not.
func (h *Handlers) saleWish(x *exchange.Exchange) (*saleWish, error) {
	u := x.Merchant
	ids, names, err := h.Sales.OutletNames(x.Ctx, u.MerchantID, u.Outlets())
	if err != nil {
		return nil, err
	}
	w := &saleWish{Outlet: x.Query("outlet"), Q: strings.TrimSpace(x.Query("q")), Last4: strings.TrimSpace(x.Query("last4")), State: x.Query("state")}
	for _, id := range ids {
		w.Outlets = append(w.Outlets, page.Choice{Value: strconv.FormatInt(id, 10), Label: names[id]})
	}
	w.filter = report.SaleFilter{Merchant: u.MerchantID, Outlets: u.Outlets()}
	w.days(x.Query("from"), x.Query("until"), h.today())
	if id, err := strconv.ParseInt(w.Outlet, 10, 64); err == nil && slices.Contains(ids, id) {
		w.filter.Outlet = id
	} else {
		w.Outlet = ""
	}
	if id, err := uuid.Parse(w.Q); err == nil && len(w.Q) == 36 {
		w.filter.ID = id
	} else if len(w.Q) > 200 {
		w.Q = ""
		w.Said = append(w.Said, "单号太长，未按它查找。")
	} else {
		w.filter.Ref = strings.ToValidUTF8(strings.ReplaceAll(w.Q, "\x00", ""), "")
	}
	if len(w.Last4) == 4 && strings.Trim(w.Last4, "0123456789") == "" {
		w.filter.Last4 = w.Last4
	} else if w.Last4 != "" {
		w.Last4 = ""
		w.Said = append(w.Said, "卡号后四位应是4个数字，未按它查找。")
	}
	if slices.ContainsFunc(saleStates(), func(c page.Choice) bool { return c.Value == w.State }) {
		n, _ := strconv.Atoi(w.State)
		w.filter.State = int16(n)
	} else {
		w.State = ""
	}
	if id, err := uuid.Parse(x.Query("before")); err == nil {
		w.filter.Before = id
	}
	return w, nil
}

// days is the last week where nothing else is asked for.
func (w *saleWish) days(from, until string, today time.Time) {
	day := func(text, label string, otherwise time.Time) time.Time {
		if text == "" {
			return otherwise
		}
		t, err := time.Parse(time.DateOnly, text)
		if err != nil || t.Year() < 2000 || t.Year() > 9000 {
			w.Said = append(w.Said, label+"不是日期，未按它查找。")
			return otherwise
		}
		return t
	}
	f := &w.filter
	f.Until = day(until, "结束日期", today)
	f.From = day(from, "开始日期", f.Until.AddDate(0, 0, -6))
	if f.From.After(f.Until) {
		f.From, f.Until = f.Until, f.From
	}
	if first := f.Until.AddDate(0, 0, 1-report.MaxSaleDays); f.From.Before(first) {
		f.From = first
		w.Said = append(w.Said, "一次最多查"+strconv.Itoa(report.MaxSaleDays)+"天，更早的请分几次查。")
	}
	w.From, w.Until = f.From.Format(time.DateOnly), f.Until.Format(time.DateOnly)
}

// url is the address of the same wish, with what else is set.
func (w *saleWish) url(path string, pairs ...string) string {
	q := url.Values{"from": {w.From}, "until": {w.Until}}
	for i, value := range []string{w.Outlet, w.Q, w.Last4, w.State} {
		if value != "" {
			q.Set([]string{"outlet", "q", "last4", "state"}[i], value)
		}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return path + "?" + q.Encode()
}

type purchaseListPage struct {
	page.Frame
	*saleWish
	States       []page.Choice
	Rows         []report.Sale
	Totals       report.SaleTotals
	Next, First  string
	CSV, XLSX    string
	TotalsOf     int
	MaxXLSX      int
	MayOtherDays bool // the list is of days, not of one purchase
}

const purchasesPath = "/portal/purchases"

// PurchaseList answers GET /portal/purchases.
func (h *Handlers) PurchaseList(x *exchange.Exchange) error {
	w, err := h.saleWish(x)
	if err != nil {
		return err
	}
	p := &purchaseListPage{Frame: page.Frame{Title: "交易", Active: "purchases"}, saleWish: w, States: saleStates(),
		TotalsOf: report.SaleTotalsOf, MaxXLSX: maxXLSXRows}
	if p.Rows, err = h.Sales.Sales(x.Ctx, w.filter, salesPage+1); err != nil {
		return err
	}
	if p.Totals, err = h.Sales.SaleTotals(x.Ctx, w.filter); err != nil {
		return err
	}
	if len(p.Rows) > salesPage {
		p.Rows = p.Rows[:salesPage]
		p.Next = w.url(purchasesPath, "before", p.Rows[salesPage-1].ID.String())
	}
	if w.filter.Before != uuid.Nil {
		p.First = w.url(purchasesPath)
	}
	p.CSV, p.XLSX = w.url(purchasesPath+"/export", "format", "csv"), w.url(purchasesPath+"/export", "format", "xlsx")
	return h.Pages.Page(x, "portal/purchase_list", p)
}

type purchasePage struct {
	page.Frame
	P *report.SaleDetail
}

// PurchaseShow answers GET /portal/purchases/:id.
func (h *Handlers) PurchaseShow(x *exchange.Exchange) error {
	id, err := uuid.Parse(x.Gin.Param("id"))
	if err != nil {
		return exchange.ErrNoRoute
	}
	p := &purchasePage{Frame: page.Frame{Title: "交易详情", Active: "purchases", Crumbs: []page.Crumb{{Title: "交易", URL: purchasesPath}}}}
	if p.P, err = h.Sales.Sale(x.Ctx, x.Merchant.MerchantID, x.Merchant.Outlets(), id); err != nil {
		return err
	}
	return h.Pages.Page(x, "portal/purchase_show", p)
}

// Quantity is a line's quantity as people write it: 1500 thousandths are 1.5.
func (p *purchasePage) Quantity(milli int64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(float64(milli)/1000, 'f', 3, 64), "0"), ".")
}

// OfferName is an offer as people know it.
func (p *purchasePage) OfferName(o report.SaleOffer) string {
	if o.Series != "" {
		return "消费券：" + o.Series
	}
	return "优惠 " + o.Offer
}

// Goods is what a line sold: the till in a browser sends a basket's sums.
func (p *purchasePage) Goods(l report.SaleLine) string {
	switch {
	case l.SKU == terms.RestCategory || l.SKU == "" && l.Category == terms.RestCategory:
		return "未分商品"
	case l.SKU != "":
		return l.SKU
	}
	return l.Category
}

// UndoName is a kind of undoing.
func (p *purchasePage) UndoName(kind int16) string { return undoName(kind) }

func undoName(kind int16) string {
	switch kind {
	case 1:
		return "当日撤销"
	case 2:
		return "冲正"
	case 3:
		return "按金额退款"
	case 4:
		return "按商品退货"
	}
	return "撤回"
}
