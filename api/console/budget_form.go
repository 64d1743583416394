package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/settlement/budget"
)

// budgetFormPage is the form of a budget that is not open yet.
type budgetFormPage struct {
	page.Frame
	B    *budget.Row // nil for a new one
	Form *page.Form
}

// budgetValues is a draft as the form's fields.
func (h *Handlers) budgetValues(x *exchange.Exchange, b *budget.Row) (url.Values, error) {
	v := url.Values{"name": {b.Name}, "amount": {decimalText(b.AmountFen, 2)}, "first_day": {b.FirstDay.String()}, "last_day": {b.LastDay.String()},
		"version": {strconv.FormatInt(b.Version, 10)}}
	if b.MemberCapFen > 0 {
		v.Set("member_cap", decimalText(b.MemberCapFen, 2))
	}
	for _, t := range b.Trades {
		v.Add("trades", string(t))
	}
	lines, err := h.merchantLines(x.Ctx, b.Merchants)
	v.Set("merchants", lines)
	return v, err
}

// budgetPlan reads the form. FieldErrors for what can't be read.
func (h *Handlers) budgetPlan(x *exchange.Exchange, form *exchange.Form) (d budget.Plan, reason string, err error) {
	var wrong merchant.FieldErrors
	d.Name = form.Text("name")
	d.AmountFen = moneyIn(form, "amount", &wrong)
	d.MemberCapFen = moneyIn(form, "member_cap", &wrong)
	d.FirstDay = dayIn(form, "first_day", "开始日期", &wrong)
	d.LastDay = dayIn(form, "last_day", "结束日期", &wrong)
	d.Trades = tradesIn(form)
	if d.Merchants, err = h.merchantsIn(x, form, "merchants", &wrong); err != nil {
		return d, "", err
	}
	reason = reasonIn(form, &wrong)
	return d, reason, wrong.Err()
}

// tradesIn is the trades that are ticked; the store refuses one that there is not.
func tradesIn(form *exchange.Form) (out []merchant.Trade) {
	for _, t := range form.Values["trades"] {
		out = append(out, merchant.Trade(t))
	}
	return out
}

func (h *Handlers) budgetForm(x *exchange.Exchange, b *budget.Row, form *page.Form) error {
	p := &budgetFormPage{B: b, Form: form, Frame: page.Frame{Title: "新建补贴预算", Active: "budgets",
		Crumbs: []page.Crumb{{Title: "补贴预算", URL: "/console/budgets"}}}}
	if b != nil {
		p.Title = "修改预算“" + b.Name + "”"
		p.Crumbs = append(p.Crumbs, page.Crumb{Title: b.Name, URL: budgetURL(b.ID)})
	}
	return h.Pages.Page(x, "console/budget_form", p)
}

// BudgetNew answers GET /console/budgets/new.
func (h *Handlers) BudgetNew(x *exchange.Exchange) error {
	first, last := h.soon()
	return h.budgetForm(x, nil, page.NewForm("first_day", first, "last_day", last))
}

// BudgetCreate answers POST /console/budgets: a draft of the account's own office.
func (h *Handlers) BudgetCreate(x *exchange.Exchange) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	d, reason, err := h.budgetPlan(x, form)
	if err == nil {
		var id int64
		if id, err = h.Budgets.Create(x.Ctx, byMoney(x, reason), x.Account.UnionID, d); err == nil {
			page.Notify(x, "预算草稿已存好，还不能用。核对后请提请启用，由另一位同事批准。")
			return x.Redirect(budgetURL(id))
		}
	}
	shown, ok := moneyRefusal(form.Values, err)
	if !ok {
		return err
	}
	x.Status = http.StatusUnprocessableEntity
	return h.budgetForm(x, nil, shown)
}

// budgetOf is the budget of the address. A series has its own page.
func (h *Handlers) budgetOf(x *exchange.Exchange) (*budget.Row, error) {
	id, err := idOf(x)
	if err != nil {
		return nil, err
	}
	return h.Budgets.Get(x.Ctx, id)
}

// plainBudgetOf is budgetOf for what only a budget has.
func (h *Handlers) plainBudgetOf(x *exchange.Exchange) (*budget.Row, error) {
	b, err := h.budgetOf(x)
	if err == nil && b.Kind != budget.KindBudget {
		return nil, merchant.ErrNotFound
	}
	return b, err
}

// BudgetEditForm answers GET /console/budgets/:id/edit.
func (h *Handlers) BudgetEditForm(x *exchange.Exchange) error {
	b, err := h.plainBudgetOf(x)
	if err != nil {
		return err
	}
	if b.Status != budget.Draft {
		page.Notify(x, "这个预算已经启用，内容不能再改；要加钱请用“追加”。")
		return x.Redirect(budgetURL(b.ID))
	}
	values, err := h.budgetValues(x, b)
	if err != nil {
		return err
	}
	return h.budgetForm(x, b, &page.Form{Values: values})
}

// BudgetEdit answers POST /console/budgets/:id/edit.
func (h *Handlers) BudgetEdit(x *exchange.Exchange) error {
	form, b, err := posted(x, h.plainBudgetOf)
	if err != nil {
		return err
	}
	d, reason, err := h.budgetPlan(x, form)
	if err == nil {
		version, _ := form.Int("version")
		if err = h.Budgets.Edit(x.Ctx, byMoney(x, reason), b.ID, version, d); err == nil {
			page.Notify(x, "已保存。")
			return x.Redirect(budgetURL(b.ID))
		}
	}
	shown, ok := moneyRefusal(form.Values, err)
	if !ok {
		return err
	}
	if errors.Is(err, budget.ErrChanged) {
		if b, err = h.budgetOf(x); err != nil { // as it is now
			return err
		}
		now, err := h.budgetValues(x, b)
		if err != nil {
			return err
		}
		shown = changedMeanwhile(form.Values, now, budgetLabels())
	}
	x.Status = http.StatusUnprocessableEntity
	return h.budgetForm(x, b, shown)
}

func budgetLabels() [][2]string {
	return [][2]string{{"name", "名称"}, {"amount", "金额"}, {"first_day", "开始日期"}, {"last_day", "结束日期"}, {"member_cap", "每卡上限"},
		{"trades", "行业"}, {"merchants", "商家"}}
}

// changedMeanwhile is a form as it was typed, on top of what somebody else has saved
// since: it says what differs, and a second try replaces that.
func changedMeanwhile(typed, now url.Values, labels [][2]string) *page.Form {
	var differs []string
	for _, l := range labels {
		was, is := strings.Join(now[l[0]], "、"), strings.Join(typed[l[0]], "、")
		if was == is || normal(was) == normal(is) {
			continue
		}
		if was == "" {
			was = "空"
		}
		differs = append(differs, fmt.Sprintf("%s现在是“%s”", l[1], was))
	}
	typed.Set("version", now.Get("version"))
	said := "您打开以后，同事先保存了一次，您的还没有保存。"
	if len(differs) > 0 {
		said += "同事保存的与您填的不同：" + strings.Join(differs, "；") + "。"
	}
	return &page.Form{Values: typed, Summary: said + "核对后再按一次保存，就按您下面填的保存。"}
}

// normal is a value without what makes no difference.
func normal(s string) string {
	return strings.NewReplacer("\r", "", ",", "", " ", "").Replace(strings.TrimSpace(s))
}
