package portal

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/merchant/application"
)

type formPage struct {
	page.Frame
	Action string
	New    bool
	Form   *page.Form
	Rows   []int
	Places []page.Choice
	Trades []page.Choice
	Masked struct{ Phone, Account string }
}

// Form answers GET /apply.
func (h *Handlers) Form(x *exchange.Exchange) error {
	return h.form(x, nil, page.NewForm(), 1)
}

func (h *Handlers) form(x *exchange.Exchange, a *application.Application, form *page.Form, rows int) error {
	places, err := h.Applications.Places(x.Ctx, "")
	if err != nil {
		return err
	}
	p := &formPage{Form: form, New: a == nil, Action: "/apply", Frame: page.Frame{Title: "商家入网申请", Active: "apply"}}
	if a != nil {
		p.Action, p.Title = link(x)+"/edit", "修改申请资料"
		p.Crumbs = []page.Crumb{{Title: "我的申请", URL: link(x)}}
		p.Masked.Phone, p.Masked.Account = application.Mask(a.Doc.Contact.Phone), application.Mask(a.Doc.Bank.Account)
	}
	for _, t := range page.Trades() {
		if t.Value != string(merchant.TradeUnion) {
			p.Trades = append(p.Trades, t)
		}
	}
	for i := range min(rows, application.MaxOutlets) {
		p.Rows = append(p.Rows, i)
	}
	for _, place := range places {
		p.Places = append(p.Places, page.Choice{Value: strconv.Itoa(int(place.Code)), Label: place.Name, Group: place.City})
	}
	return h.Pages.Page(x, "portal/apply_form", p)
}

// link is the secret link of the request.
func link(x *exchange.Exchange) string {
	return "/apply/" + url.PathEscape(x.Gin.Param("id")) + "/" + url.PathEscape(x.Gin.Param("token"))
}

// Apply answers POST /apply: it makes a draft and leads to its link.
func (h *Handlers) Apply(x *exchange.Exchange) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	d, typed, faults := application.ReadForm(form.Values)
	if form.Text("more") != "" {
		return h.form(x, nil, &page.Form{Values: typed}, len(d.Outlets)+1)
	}
	d.Normalize()
	var rest merchant.FieldErrors
	if errors.As(d.Check(true), &rest) {
		faults = append(faults, rest...)
	}
	if form.Text("consent") != "1" {
		faults.Add("consent", "请阅读并同意个人信息的使用说明。")
	}
	var r application.Receipt
	if err = faults.Err(); err == nil {
		if err := h.sending.take(x.Addr); err != nil {
			return err
		}
		r, err = h.Applications.Apply(x.Ctx, d)
	}
	if refused, ok := page.Refuse(typed, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.form(x, nil, refused, max(1, len(d.Outlets)))
	}
	if err != nil {
		return err
	}
	return x.Redirect("/apply/" + r.Number + "/" + r.Token)
}

// sent leads back from what can't be done any more.
func sent(x *exchange.Exchange) error {
	page.Notify(x, "申请已经提交，现在不能修改。")
	return x.Redirect(link(x))
}

// EditForm answers GET /apply/:id/:token/edit.
func (h *Handlers) EditForm(x *exchange.Exchange) error {
	a, err := h.own(x)
	if err != nil {
		return err
	}
	if !a.Editable(true) {
		return x.Redirect(link(x))
	}
	values := a.Doc.Form()
	values.Set("version", strconv.FormatInt(a.Version, 10))
	values.Del("phone") // shown in part; an empty field leaves it
	values.Del("bank_account")
	return h.form(x, a, &page.Form{Values: values}, max(1, len(a.Doc.Outlets)))
}

// Edit answers POST /apply/:id/:token/edit.
func (h *Handlers) Edit(x *exchange.Exchange) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	a, err := h.own(x)
	if err != nil {
		return err
	}
	if !a.Editable(true) {
		return sent(x)
	}
	if err := h.uploading.take(x.Addr); err != nil {
		return err
	}
	d, typed, faults := application.ReadForm(form.Values)
	if form.Text("more") != "" {
		return h.form(x, a, &page.Form{Values: typed}, len(d.Outlets)+1)
	}
	if d.Contact.Phone == "" {
		d.Contact.Phone = a.Doc.Contact.Phone
	}
	if d.Bank.Account == "" && (d.Bank.Holder != "" || d.Bank.Bank != "") {
		d.Bank.Account = a.Doc.Bank.Account
	}
	version, _ := form.Int("version")
	if err = faults.Err(); err == nil {
		err = h.Applications.Save(x.Ctx, by(a, "商家修改申请资料"), a.ID, version, d, true)
	}
	var conflict *application.ConflictError
	var move *merchant.MoveError
	switch {
	case errors.As(err, &conflict):
		typed.Set("version", strconv.FormatInt(a.Version, 10))
		x.Status = http.StatusConflict
		return h.form(x, a, &page.Form{Values: typed, Summary: "您打开以后，这份申请在别处改过，没有保存。请核对后再提交。"}, max(1, len(d.Outlets)))
	case errors.As(err, &move):
		return sent(x)
	}
	if refused, ok := page.Refuse(typed, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.form(x, a, refused, max(1, len(d.Outlets)))
	}
	if err != nil {
		return err
	}
	page.Notify(x, "已保存。")
	return x.Redirect(link(x))
}
