package console

import (
	"net/http"
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
	"unioncard/merchant"
	"unioncard/merchant/account"
	"unioncard/merchant/exit"
	"unioncard/merchant/fleet"
	"unioncard/merchant/signing"
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
	Actions   []page.Choice
	Waiting   []signing.Proposal // about the outlet
	Wish      *account.Wish      // of the merchant, nil if none waits
	Answers   []page.Choice
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
	p := &outletPage{
		Frame: page.Frame{Title: o.Name, Active: "outlets", Crumbs: []page.Crumb{{Title: "门店", URL: "/console/outlets"}}},
		O:     o, Place: placeName(o.Territory), Terminals: terminals, Form: form, Code: code, Actions: outletActions(&o)}
	all, err := h.Signing.Of(x.Ctx, outletObject(id))
	if err != nil {
		return err
	}
	for _, q := range all {
		if q.State == signing.Waiting {
			p.Waiting = append(p.Waiting, q)
		}
	}
	if h.Accounts != nil {
		if p.Wish, err = h.outletWish(x.Ctx, id); err != nil {
			return err
		}
		p.Answers = answers()
	}
	return h.Pages.Page(x, "console/outlet_show", p)
}

func outletObject(id int64) string { return "outlet:" + strconv.FormatInt(id, 10) }
func outletURL(id int64) string    { return "/console/outlets/" + strconv.FormatInt(id, 10) }

// outletActions is what may be done with an outlet that has not closed.
func outletActions(o *merchant.OutletFacts) []page.Choice {
	end := page.Choice{Value: "close", Label: "提请停业：不能恢复，由另一位同事批准"}
	switch {
	case o.Unopened:
		return []page.Choice{{Value: "open", Label: "提请开业：按现行协议开始优惠，由另一位同事批准"}, end}
	case o.Status == merchant.OutletActive:
		return []page.Choice{{Value: "suspend", Label: "暂停：装修、临时歇业等，立即停止优惠，可以恢复"}, end}
	}
	return []page.Choice{{Value: "resume", Label: "恢复营业：立即恢复优惠"}, end}
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

// OutletMove answers POST /console/outlets/:id/move. Whoever runs the shop may have
// shut it today: to suspend it, and to resume what was open before, is one person's
// and goes at once. To open it for the first time, and to close it for good, is
// proposed here and approved by another. The contract stays as it is.
func (h *Handlers) OutletMove(x *exchange.Exchange) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	by := byAccount(x, reasonIn(form, &wrong))
	do := map[string]func() (string, error){
		"suspend": func() (string, error) { return "门店已暂停。", h.Merchants.SuspendOutlet(x.Ctx, by, id) },
		"resume":  func() (string, error) { return "门店已恢复。", h.Merchants.ResumeOutlet(x.Ctx, by, id) },
		"open": func() (string, error) {
			return "已提请开业，等另一位同事批准。", h.proposeOutlet(x, exit.KindOutletOpen, id, by.Reason)
		},
		"close": func() (string, error) {
			return "已提请停业，等另一位同事批准。", h.proposeOutlet(x, exit.KindOutletClose, id, by.Reason)
		},
	}[form.Text("action")]
	if do == nil {
		wrong.Add("action", "请选择要办的事。")
	}
	if len(wrong) == 0 {
		done, err := do()
		if err == nil {
			page.Notify(x, done)
			return x.Redirect(outletURL(id))
		}
		sentence := refusalSentence(err)
		if sentence == "" {
			return err
		}
		wrong.Add("action", sentence)
	}
	x.Status = http.StatusUnprocessableEntity
	return h.outletPage(x, &page.Form{Values: form.Values, Errors: wrong}, nil)
}

func (h *Handlers) proposeOutlet(x *exchange.Exchange, kind string, id int64, reason string) error {
	o, err := h.Merchants.Outlet(x.Ctx, id)
	if err != nil {
		return err
	}
	_, err = h.Signing.Propose(x.Ctx, x.Account, kind, outletObject(id), o.OfficeID, struct{}{}, reason)
	return err
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
