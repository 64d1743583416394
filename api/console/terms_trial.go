package console

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"unioncard/api/page"
	"unioncard/merchant/terms"
)

// trialView is a basket that a clerk typed and what it would earn.
type trialView struct {
	Rows []trialRow
	At   string
	// Places is whose card, by territory; Class its class.
	Error   string
	Done    bool
	Amount  int64
	Off     int64
	Payable int64
	Got     []string
	Not     []string
}

// trialRow is one line as typed.
type trialRow struct {
	Category, SKU, Qty, Price string
	Amount, Off               int64 // once computed
}

// trialRows is how many lines the form has.
const trialRows = 4

// trial reads a typed basket from the address and evaluates it; without one, the
// form is empty.
func (s *termsSubject) trial(q url.Values, doc *terms.Terms) *trialView {
	v := &trialView{At: q.Get("t_at")}
	at := s.tellingMoment()
	if t, err := time.ParseInLocation("2006-01-02T15:04", v.At, terms.Beijing()); err == nil {
		at = t
	}
	v.At = at.In(terms.Beijing()).Format("2006-01-02T15:04")
	items, rows := v.read(q)
	for len(v.Rows) < trialRows {
		v.Rows = append(v.Rows, trialRow{})
	}
	if v.Error != "" || len(items) == 0 {
		return v
	}
	for i := range items {
		v.Amount += items[i].AmountFen
	}
	if err := terms.CheckBasket(v.Amount, items); err != nil {
		v.Error = "金额要在 0.01 元到 100 万元之间，数量和单价要大于 0。"
		return v
	}
	form, err := doc.Compile()
	if err != nil {
		return v // the verdict says what is wrong
	}
	var r terms.Result
	in := terms.Input{AmountFen: v.Amount, Items: items, At: at, Holder: s.holder()}
	form.Evaluate(&in, &r)
	v.Done, v.Off, v.Payable = true, r.DiscountFen, v.Amount-r.DiscountFen
	for i, row := range rows {
		v.Rows[row].Amount, v.Rows[row].Off = items[i].AmountFen, r.Lines[i]
	}
	v.explain(s, form, &r, doc)
	return v
}

// read reads the typed lines; rows says which row each item came from.
func (v *trialView) read(q url.Values) (items []terms.Item, rows []int) {
	n := min(max(len(q["t_cat"]), len(q["t_sku"]), len(q["t_qty"]), len(q["t_price"])), 20)
	for i := range n {
		row := trialRow{Category: nthOf(q["t_cat"], i), SKU: strings.TrimSpace(nthOf(q["t_sku"], i)),
			Qty: strings.TrimSpace(nthOf(q["t_qty"], i)), Price: strings.TrimSpace(nthOf(q["t_price"], i))}
		v.Rows = append(v.Rows, row)
		if row.Price == "" && row.Qty == "" {
			continue
		}
		price, ok := readFen(row.Price)
		qty := int64(1000)
		if row.Qty != "" {
			var okQty bool
			qty, okQty = scaled(qtyText, row.Qty, 3)
			ok = ok && okQty
		}
		if !ok || qty == 0 || qty > terms.MaxQtyMilli || price > terms.MaxBasketFen || len(row.SKU) > 64 || len(row.Category) > 64 {
			v.Error = "第 " + strconv.Itoa(i+1) + " 行：数量和单价请填数字，例如数量 2、单价 38.5。"
			return nil, nil
		}
		items = append(items, terms.Item{SKU: row.SKU, Category: row.Category, QtyMilli: qty, UnitPriceFen: price,
			AmountFen: min((qty*price+500)/1000, terms.MaxBasketFen+1)})
		rows = append(rows, i)
	}
	return items, rows
}

// explain says which offers gave what, by what rule, and why others did not.
func (v *trialView) explain(s *termsSubject, form *terms.Compiled, r *terms.Result, doc *terms.Terms) {
	offers := form.Offers()
	for _, a := range r.Applied {
		o := doc.Offers[a.Offer]
		v.Got = append(v.Got, fmt.Sprintf("“%s”减 %s 元：%s（参加金额 %s 元）", offers[a.Offer].Title(), page.Yuan(a.DiscountFen),
			s.names.Describe(o), page.Yuan(a.InScopeFen)))
	}
	for _, d := range r.Declined {
		v.Not = append(v.Not, fmt.Sprintf("“%s”没有用上：%s", offers[d.Offer].Title(), d.Message()))
	}
}
