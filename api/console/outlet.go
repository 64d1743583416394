package console

import (
	"errors"
	"net/http"
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
	"unioncard/merchant"
	"unioncard/merchant/fleet"
)

func outletList() *ListSpec {
	return &ListSpec{
		Path: "/console/outlets", Name: "门店", Sort: "-id",
		Columns: []Column{
			{Key: "name", Label: "门店", Sort: keyset.Text}, {Key: "merchant", Label: "商家", Sort: keyset.Text},
			{Key: "address", Label: "地址"}, {Key: "status", Label: "状态"}, {Key: "contract", Label: "优惠"},
			{Key: "terminals", Label: "终端", Number: true}, {Key: "id", Label: "编号", Sort: keyset.Int, Number: true},
		},
		Filters: []Filter{
			{Name: "q", Label: "门店、商家或地址", Kind: "search"},
			{Name: "status", Label: "状态", Kind: "choice", Choices: []page.Choice{
				{Value: "active", Label: "营业"}, {Value: "suspended", Label: "已暂停"}, {Value: "closed", Label: "已停业"}}},
			{Name: "without", Label: "要关注", Kind: "choice", Choices: []page.Choice{
				{Value: "contract", Label: "没有生效的协议"}, {Value: "terminal", Label: "没有终端"}}},
		},
	}
}

type outletListPage struct {
	page.Frame
	List *List
	Rows []fleet.Outlet
}

// OutletList answers GET /console/outlets.
func (h *Handlers) OutletList(x *exchange.Exchange) error {
	l := ReadList(x, outletList())
	rows, err := h.Fleet.Outlets(x.Ctx, fleet.OutletFilter{Path: x.Account.Path, Text: l.Value("q"),
		Status: merchant.OutletStatus(l.Value("status")), Without: l.Value("without")}, l.Page)
	if err != nil {
		return err
	}
	if l.Exporting() {
		return Export(x, l, rows, h.Clock(), func(o fleet.Outlet) []any {
			return []any{o.Name, o.Merchant, o.Address, page.StateName("outlet_" + string(o.Status)), either(o.ContractID != 0, "有", "无"), o.Terminals, o.ID}
		})
	}
	rows = Finish(l, rows, func(o fleet.Outlet, sort string) (any, int64) {
		switch sort {
		case "name":
			return o.Name, o.ID
		case "merchant":
			return o.Merchant, o.ID
		}
		return o.ID, o.ID
	})
	return h.Pages.Page(x, "console/outlet_list", &outletListPage{Frame: page.Frame{Title: "门店", Active: "outlets"}, List: l, Rows: rows})
}

func either(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

type outletPage struct {
	page.Frame
	O         merchant.OutletFacts
	Place     string
	Terminals []fleet.Terminal
	Form      *page.Form
	Code      *merchant.ActivationCode // shown once, just issued
}

// terminalsShown bounds the terminals on an outlet's page.
const terminalsShown = 200

// OutletShow answers GET /console/outlets/:id.
func (h *Handlers) OutletShow(x *exchange.Exchange) error {
	return h.outletPage(x, page.NewForm(), nil)
}

func (h *Handlers) outletPage(x *exchange.Exchange, form *page.Form, code *merchant.ActivationCode) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	o, err := h.Merchants.Outlet(x.Ctx, id)
	if err != nil {
		return err
	}
	terminals, err := h.Fleet.List(x.Ctx, fleet.Filter{Path: x.Account.Path, Outlet: id}, keyset.Page{Sort: "id", Limit: terminalsShown})
	if err != nil {
		return err
	}
	return h.Pages.Page(x, "console/outlet_show", &outletPage{
		Frame: page.Frame{Title: o.Name, Active: "outlets", Crumbs: []page.Crumb{{Title: "门店", URL: "/console/outlets"}}},
		O:     o, Place: placeName(o.Territory), Terminals: terminals, Form: form, Code: code})
}

// OutletCode answers POST /console/outlets/:id/code: an activation code for a till.
func (h *Handlers) OutletCode(x *exchange.Exchange) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	code, err := h.Merchants.IssueActivationCode(x.Ctx, byAccount(x, "开通门店终端"), id)
	if err != nil {
		return h.codeRefused(x, err, func(form *page.Form) error { return h.outletPage(x, form, nil) })
	}
	return h.outletPage(x, page.NewForm(), &code)
}

// OutletMove answers POST /console/outlets/:id/move: suspend, resume or close. A
// single outlet stops at once, by one person: whoever runs the shop may have shut
// it today. The contract stays as it is.
func (h *Handlers) OutletMove(x *exchange.Exchange) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	by := byAccount(x, reasonIn(form, &wrong))
	var done string
	do := map[string]func() error{
		"suspend": func() error { done = "门店已暂停。"; return h.Merchants.SuspendOutlet(x.Ctx, by, id) },
		"resume":  func() error { done = "门店已恢复。"; return h.Merchants.ResumeOutlet(x.Ctx, by, id) },
		"close":   func() error { done = "门店已停业。"; return h.Merchants.CloseOutlet(x.Ctx, by, id) },
	}[form.Text("action")]
	if do == nil {
		wrong.Add("action", "请选择要办的事。")
	}
	if len(wrong) == 0 {
		err := do()
		if err == nil {
			page.Notify(x, done)
			return x.Redirect("/console/outlets/" + strconv.FormatInt(id, 10))
		}
		var move *merchant.MoveError
		if !errors.As(err, &move) {
			return err
		}
		wrong.Add("action", "门店现在的状态不能这样办理，可能别人刚刚改过，请看上面的状态。")
	}
	x.Status = http.StatusUnprocessableEntity
	return h.outletPage(x, &page.Form{Values: form.Values, Errors: wrong}, nil)
}

type merchantCodePage struct {
	page.Frame
	MerchantID int64
	Merchant   string
	Form       *page.Form
	Code       *merchant.ActivationCode
}

// MerchantCode answers POST /console/merchants/:id/code: an activation code for
// the merchant's POS server, which acts for all its outlets.
func (h *Handlers) MerchantCode(x *exchange.Exchange) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	name, err := h.Merchants.Name(x.Ctx, id)
	if err != nil {
		return err
	}
	show := func(form *page.Form, code *merchant.ActivationCode) error {
		return h.Pages.Page(x, "console/merchant_code", &merchantCodePage{
			Frame: page.Frame{Title: "开通收银系统服务器", Active: "merchants", Crumbs: []page.Crumb{
				{Title: "商家", URL: "/console/merchants"}, {Title: name, URL: "/console/merchants/" + strconv.FormatInt(id, 10)}}},
			MerchantID: id, Merchant: name, Form: form, Code: code})
	}
	code, err := h.Merchants.IssuePOSActivationCode(x.Ctx, byAccount(x, "开通收银系统服务器"), id)
	if err != nil {
		return h.codeRefused(x, err, func(form *page.Form) error { return show(form, nil) })
	}
	return show(page.NewForm(), &code)
}
