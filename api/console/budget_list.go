package console

import (
	"strconv"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
	"unioncard/settlement/budget"
)

func budgetURL(id int64) string    { return "/console/budgets/" + strconv.FormatInt(id, 10) }
func budgetObject(id int64) string { return "budget:" + strconv.FormatInt(id, 10) }

func budgetStatuses() []page.Choice {
	var out []page.Choice
	for _, s := range []budget.Status{budget.Draft, budget.Open, budget.Frozen, budget.Closed} {
		out = append(out, page.Choice{Value: string(s), Label: page.StateName("budget_" + string(s))})
	}
	return out
}

func budgetList() *ListSpec {
	return &ListSpec{
		Path: "/console/budgets", Name: "补贴预算", Sort: "-id",
		Columns: []Column{
			{Key: "name", Label: "预算", Sort: keyset.Text}, {Key: "office", Label: "单位"}, {Key: "status", Label: "状态"},
			{Key: "first_day", Label: "开始"}, {Key: "last_day", Label: "结束", Sort: keyset.Int},
			{Key: "amount", Label: "总额（元）", Sort: keyset.Int, Number: true}, {Key: "spent", Label: "已补贴（元）", Number: true},
			{Key: "allocated", Label: "划给消费券（元）", Number: true}, {Key: "left", Label: "还剩（元）", Number: true},
			{Key: "uses", Label: "笔数", Number: true},
		},
		Filters: []Filter{
			{Name: "q", Label: "预算名称", Kind: "search"},
			{Name: "status", Label: "状态", Kind: "choice", Choices: budgetStatuses()},
			{Name: "low", Label: "提醒", Kind: "choice", Choices: []page.Choice{{Value: "1", Label: "快用完的"}}},
		},
	}
}

// budgetRow is a budget with what its list and page say of it.
type budgetRow struct {
	budget.Row
	State string // its badge
	Alert string // what to see to, "" for nothing
	Over  bool   // its days are over
}

func (h *Handlers) budgetRow(b *budget.Row) budgetRow {
	r := budgetRow{Row: *b, State: "budget_" + string(b.Status)}
	live := b.Status == budget.Open || b.Status == budget.Frozen
	r.Over = live && h.Clock().After(b.LastDay.Start().AddDate(0, 0, 1))
	switch {
	case !live:
	case r.Over:
		r.Alert = "已过期，可以结束并退回余额"
	case b.LeftFen <= 0:
		r.Alert = "已用完"
	case b.UsedPercent() >= 95:
		r.Alert = "已用 95% 以上"
	case b.UsedPercent() >= 80:
		r.Alert = "已用 80% 以上"
	}
	return r
}

// Used and Given are the bar's parts in per cent: spent, and with series.
func (r budgetRow) Used() int { return percentOf(r.SpentFen, r.AmountFen-r.ReturnedFen) }

// Given: see Used.
func (r budgetRow) Given() int { return percentOf(r.AllocatedFen, r.AmountFen-r.ReturnedFen) }

func percentOf(part, whole int64) int {
	if whole <= 0 || part <= 0 {
		return 0
	}
	return int(min(part, whole) * 100 / whole)
}

type budgetListPage struct {
	page.Frame
	List *List
	Rows []budgetRow
}

// BudgetList answers GET /console/budgets.
func (h *Handlers) BudgetList(x *exchange.Exchange) error {
	l := ReadList(x, budgetList())
	rows, err := h.Budgets.List(x.Ctx, x.Account.Path, budget.Filter{Kind: budget.KindBudget, Status: budget.Status(l.Value("status")),
		Text: l.Value("q"), NearlySpent: l.Value("low") != ""}, l.Page)
	if err != nil {
		return err
	}
	if l.Exporting() {
		return Export(x, l, rows, h.Clock(), func(b budget.Row) []any {
			return []any{b.Name, b.Office, page.StateName("budget_" + string(b.Status)), b.FirstDay.String(), b.LastDay.String(),
				Fen(b.AmountFen), Fen(b.SpentFen), Fen(b.AllocatedFen), leftOf(&b), b.Uses}
		})
	}
	p := &budgetListPage{Frame: page.Frame{Title: "补贴预算", Active: "budgets"}, List: l}
	for _, b := range Finish(l, rows, budgetMark) {
		p.Rows = append(p.Rows, h.budgetRow(&b))
	}
	return h.Pages.Page(x, "console/budget_list", p)
}

// leftOf is what a file says a budget has left: nothing of a draft, which has no money
// yet.
func leftOf(b *budget.Row) any {
	if b.Status == budget.Draft {
		return ""
	}
	return Fen(b.LeftFen)
}

// budgetMark is a budget's place in an order.
func budgetMark(b budget.Row, sort string) (any, int64) {
	switch sort {
	case "name":
		return b.Name, b.ID
	case "last_day":
		return int64(b.LastDay), b.ID
	case "amount":
		return b.AmountFen, b.ID
	}
	return b.ID, b.ID
}

// soon is the default period of a new budget: from today to the year's end.
func (h *Handlers) soon() (first, last string) {
	now := h.Clock().In(beijing)
	return now.Format(time.DateOnly), time.Date(now.Year(), 12, 31, 0, 0, 0, 0, beijing).Format(time.DateOnly)
}
