package console

import (
	"net/http"
	"strings"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
	"unioncard/merchant"
	"unioncard/merchant/signing"
	"unioncard/settlement/budget"
	"unioncard/settlement/ledger"
	"unioncard/settlement/report"
)

// burnDays is how many days back a budget's page draws.
const burnDays = 30

type budgetPage struct {
	page.Frame
	B       budgetRow
	Facts   []any
	Waiting *signing.Proposal // nil for none
	Series  []seriesRow
	More    bool // there are more series than shown
	Chart   DaysChart
	Days    []report.SpendingDay
	AsOf    time.Time // of the chart; zero: not yet added up
	History []page.Step
	Write   bool
	Left    string // what closing sends back, in words
	Form    *page.Form
	TopUp   *page.Form
}

// BudgetShow answers GET /console/budgets/:id.
func (h *Handlers) BudgetShow(x *exchange.Exchange) error {
	b, err := h.budgetOf(x)
	if err != nil {
		return err
	}
	if b.Kind == budget.KindSeries {
		return x.Redirect(seriesURL(b.ID))
	}
	return h.budgetShow(x, b, &budgetPage{})
}

// budgetShow fills in the page around the forms that are set.
func (h *Handlers) budgetShow(x *exchange.Exchange, b *budget.Row, p *budgetPage) (err error) {
	p.Frame = page.Frame{Title: b.Name, Active: "budgets", Crumbs: []page.Crumb{{Title: "补贴预算", URL: "/console/budgets"}}}
	p.B, p.Write, p.Left = h.budgetRow(b), mayMoney(x), yuanWords(b.LeftFen)
	for _, f := range []**page.Form{&p.Form, &p.TopUp} {
		if *f == nil {
			*f = page.NewForm()
		}
	}
	if p.Facts, err = h.budgetFacts(x, b); err != nil {
		return err
	}
	if x.HTMX() {
		return h.Pages.Part(x, "console/budget_show", "burn", p)
	}
	if b.Waiting != 0 {
		if p.Waiting, err = h.Signing.Get(x.Ctx, b.Waiting); err != nil {
			return err
		}
	}
	const shown = 50
	list, err := h.Budgets.List(x.Ctx, x.Account.Path, budget.Filter{Kind: budget.KindSeries, Parent: b.ID}, keyset.Page{Sort: "id", Desc: true, Limit: shown + 1})
	if err != nil {
		return err
	}
	p.More = len(list) > shown
	if p.Series, err = h.seriesRows(x.Ctx, list[:min(len(list), shown)]); err != nil {
		return err
	}
	if err := h.burnChart(x, b, p); err != nil {
		return err
	}
	p.History, err = h.history(x, "budget", b.ID, "", moneyHistory)
	if err != nil {
		return err
	}
	return h.Pages.Page(x, "console/budget_show", p)
}

func (h *Handlers) budgetFacts(x *exchange.Exchange, b *budget.Row) ([]any, error) {
	where := "辖区内所有商家"
	if len(b.Merchants) > 0 {
		names, err := h.merchantNames(x.Ctx, b.Merchants)
		if err != nil {
			return nil, err
		}
		words := make([]string, len(names))
		for i, n := range names {
			words[i] = n.Name
		}
		if where = "只在 " + strings.Join(words, "、"); len(b.Merchants) > len(names) {
			where += " 等 " + figure(int64(len(b.Merchants))) + " 家"
		}
	}
	limit := "不限"
	if b.MemberCapFen > 0 {
		limit = yuanWords(b.MemberCapFen)
	}
	return []any{fact("单位", b.Office), fact("使用期", payingPeriod(b.FirstDay, b.LastDay)), fact("行业", tradeWords(b.Trades)), fact("商家", where),
		fact("每张卡最多补贴", limit), fact("编号", figure(b.ID)), fact("建立时间", page.Moment(b.CreatedAt))}, nil
}

// burnChart draws what the budget itself paid by day; series have their own pages.
func (h *Handlers) burnChart(x *exchange.Exchange, b *budget.Row, p *budgetPage) (err error) {
	to := h.today().Date()
	if p.Days, err = h.Reports.SpendingDays(x.Ctx, x.Account.Path, report.SpendingFilter{From: to.AddDate(0, 0, 1-burnDays), To: to,
		Account: ledger.Budget(b.ID)}); err != nil {
		return err
	}
	p.Chart = spendingChart(p.Days)
	if p.AsOf, err = h.Reports.SpendingAsOf(x.Ctx); err != nil {
		return err
	}
	if b.SpentFen == 0 && b.Uses == 0 {
		p.Days = nil
	}
	return nil
}

// spendingChart draws net spending and uses by day.
func spendingChart(days []report.SpendingDay) DaysChart {
	net, uses := DaysSeries{Name: "净支出（元）", Type: "bar", Axis: 1}, DaysSeries{Name: "笔次", Type: "line", Axis: 0}
	c := DaysChart{Kind: "days", Axes: []string{"笔", "元"}}
	for _, d := range days {
		c.Labels = append(c.Labels, d.Date.Format("01-02"))
		net.Data = append(net.Data, yuanOf(d.NetFen()))
		uses.Data = append(uses.Data, float64(d.Uses))
	}
	c.Series = []DaysSeries{uses, net}
	return c
}

// budgetRefused shows the page again with what was wrong in one of its forms.
func (h *Handlers) budgetRefused(x *exchange.Exchange, p *budgetPage) error {
	b, err := h.budgetOf(x) // as it is now
	if err != nil {
		return err
	}
	x.Status = http.StatusUnprocessableEntity
	return h.budgetShow(x, b, p)
}

// BudgetMove answers POST /console/budgets/:id/move: open, close, freeze, unfreeze,
// discard.
func (h *Handlers) BudgetMove(x *exchange.Exchange) error {
	form, b, err := posted(x, h.plainBudgetOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	reason := reasonIn(form, &wrong)
	to := budgetURL(b.ID)
	if err = wrong.Err(); err == nil {
		to, err = h.moveBudget(x, b, form, reason, budget.ProposeOpen)
	}
	if err == nil {
		return x.Redirect(to)
	}
	shown, ok := moneyRefusal(form.Values, err)
	if !ok {
		return err
	}
	return h.budgetRefused(x, &budgetPage{Form: shown})
}

// moveBudget does what a button of a budget's or a series' page asks for, and says
// where to go then.
func (h *Handlers) moveBudget(x *exchange.Exchange, b *budget.Row, form *exchange.Form, reason, opens string) (to string, err error) {
	by, what, to := byMoney(x, reason), "预算", budgetURL(b.ID)
	if b.Kind == budget.KindSeries {
		what, to = "消费券", seriesURL(b.ID)
	}
	switch form.Text("action") {
	case "open":
		return to, h.propose(x, opens, budgetObject(b.ID), b.OfficeID, struct{}{}, reason, "已提请启用，")
	case "close":
		return to, h.propose(x, budget.ProposeClose, budgetObject(b.ID), b.OfficeID, struct{}{}, reason, "已提请结束，")
	case "freeze":
		if err := h.Budgets.Freeze(x.Ctx, by, b.ID); err != nil {
			return to, err
		}
		page.Notify(x, "已冻结：从现在起这个"+what+"不再付钱，收银处马上照办。")
		return to, nil
	case "unfreeze":
		if err := h.Budgets.Unfreeze(x.Ctx, by, b.ID); err != nil {
			return to, err
		}
		page.Notify(x, "已解冻，可以继续使用。")
		return to, nil
	case "discard":
		version, _ := form.Int("version")
		if err := h.Budgets.Discard(x.Ctx, by, b.ID, version); err != nil {
			return to, err
		}
		page.Notify(x, "草稿已删除。")
		if to = "/console/budgets"; b.Kind == budget.KindSeries {
			to = "/console/series"
		}
		return to, nil
	}
	return to, merchant.FieldErrors{{Field: "action", Message: "请选择要办的事。"}}
}

// BudgetTopUp answers POST /console/budgets/:id/topup.
func (h *Handlers) BudgetTopUp(x *exchange.Exchange) error {
	form, b, err := posted(x, h.plainBudgetOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	fen := moneyIn(form, "amount", &wrong)
	reason := reasonAs(form, "topup_reason", &wrong)
	if err = wrong.Err(); err == nil {
		err = h.propose(x, budget.ProposeTopUp, budgetObject(b.ID), b.OfficeID, budget.TopUp{Fen: fen}, reason, "已提请追加 "+yuanWords(fen)+"，")
	}
	if err == nil {
		return x.Redirect(budgetURL(b.ID))
	}
	shown, ok := moneyRefusal(form.Values, err)
	if !ok {
		return err
	}
	return h.budgetRefused(x, &budgetPage{TopUp: shown})
}

// today is the business day in Beijing.
func (h *Handlers) today() ledger.Day { return ledger.DayOf(h.Clock()) }
