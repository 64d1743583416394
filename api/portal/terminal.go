package portal

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
	"unioncard/merchant"
	"unioncard/merchant/account"
	"unioncard/merchant/fleet"
)

const terminalsPath = "/portal/terminals"

// terminalsShown bounds the terminals on the page; a shop is chosen to see others.
const terminalsShown = 300

type terminalListPage struct {
	page.Frame
	Rows   []fleet.Terminal
	Shops  []account.Shop
	Outlet int64 // that is shown alone, 0: all
	More   bool
	Form   *page.Form
	Issue  []page.Choice // shops that may get a terminal, and the POS server
	Code   *merchant.ActivationCode
	For    string // what the code is for
}

// TerminalList answers GET /portal/terminals.
func (h *Handlers) TerminalList(x *exchange.Exchange) error {
	return h.terminals(x, page.NewForm(), nil, "")
}

func (h *Handlers) terminals(x *exchange.Exchange, form *page.Form, code *merchant.ActivationCode, what string) error {
	u := x.Merchant
	shops, err := h.Accounts.Shops(x.Ctx, u)
	if err != nil {
		return err
	}
	p := &terminalListPage{Frame: page.Frame{Title: "收银终端", Active: "terminals"}, Shops: shops, Form: form, Code: code, For: what}
	if id, err := strconv.ParseInt(x.Query("outlet"), 10, 64); err == nil && u.Sees(id) {
		p.Outlet = id
	}
	if p.Rows, p.More, err = h.merchantTerminals(x, p.Outlet); err != nil {
		return err
	}
	for _, s := range shops {
		if s.Status != merchant.OutletClosed && u.Runs(s.ID) {
			p.Issue = append(p.Issue, page.Choice{Value: strconv.FormatInt(s.ID, 10), Label: s.Name})
		}
	}
	if u.Is(account.Owner) {
		p.Issue = append(p.Issue, page.Choice{Value: posServer, Label: "收银系统服务器（代表全部门店）"})
	}
	return h.Pages.Page(x, "portal/terminal_list", p)
}

// posServer stands for the merchant's POS server where a shop may be chosen.
const posServer = "server"

// merchantTerminals are the terminals that a user may see: of one shop, or of all.
func (h *Handlers) merchantTerminals(x *exchange.Exchange, outlet int64) (rows []fleet.Terminal, more bool, err error) {
	u := x.Merchant
	list := func(outlet int64) error {
		// The territory is everything: the merchant is what narrows it.
		got, err := h.Fleet.List(x.Ctx, fleet.Filter{Path: "/", Merchant: u.MerchantID, Outlet: outlet}, keyset.Page{Sort: "id", Limit: terminalsShown + 1})
		rows = append(rows, got...)
		return err
	}
	switch {
	case outlet != 0 || u.AllOutlets():
		err = list(outlet)
	default:
		for _, id := range u.OutletIDs {
			if err == nil {
				err = list(id)
			}
		}
	}
	if err != nil {
		return nil, false, err
	}
	more = len(rows) > terminalsShown
	return rows[:min(len(rows), terminalsShown)], more, nil
}

// TerminalCode answers POST /portal/terminals: an activation code for a shop, or for
// the POS server.
func (h *Handlers) TerminalCode(x *exchange.Exchange) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	var code merchant.ActivationCode
	what := ""
	if f.Text("outlet") == posServer && x.Merchant.Is(account.Owner) {
		what = "收银系统服务器"
		code, err = h.Merchants.IssuePOSActivationCode(x.Ctx, byUser(x, "商家开通收银系统服务器"), x.Merchant.MerchantID)
	} else {
		id, _ := f.Int("outlet")
		var o *account.Shop
		if o, err = h.Accounts.Shop(x.Ctx, x.Merchant, id); err == nil && x.Merchant.Runs(id) {
			what = o.Name
			code, err = h.Merchants.IssueActivationCode(x.Ctx, byUser(x, "商家开通终端"), id)
		} else if err == nil || errors.Is(err, merchant.ErrNotFound) {
			err = merchant.FieldErrors{{Field: "outlet", Message: "请选择门店。"}}
		}
	}
	if errors.Is(err, merchant.ErrOutletClosed) {
		err = merchant.FieldErrors{{Field: "outlet", Message: "门店已停业，不能再开通终端。"}}
	}
	if refused, ok := page.Refuse(f.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.terminals(x, refused, nil, "")
	}
	if err != nil {
		return err
	}
	return h.terminals(x, page.NewForm(), &code, what)
}

// TerminalSuspend answers POST /portal/terminals/:id/suspend: a terminal that was
// lost. To put it to use again is the office's.
func (h *Handlers) TerminalSuspend(x *exchange.Exchange) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	t, err := h.Fleet.Get(x.Ctx, "/", id)
	if err != nil {
		return err
	}
	if t.MerchantID != x.Merchant.MerchantID || t.POSServer && !x.Merchant.Is(account.Owner) || !t.POSServer && !x.Merchant.Runs(t.OutletID) {
		return merchant.ErrNotFound
	}
	err = h.Merchants.SuspendTerminal(x.Ctx, byUser(x, "商家报告终端丢失或停用"), id)
	var move *merchant.MoveError
	switch {
	case errors.As(err, &move):
		page.Notify(x, "这台终端已经不在使用。")
	case err != nil:
		return err
	default:
		page.Notify(x, "已暂停，这台终端马上不能再用。找到了要恢复，请联系签约工会。")
	}
	return x.Redirect(terminalsPath)
}

// Suspendable reports whether the user may suspend a terminal.
func (p *terminalListPage) Suspendable(t fleet.Terminal) bool {
	return t.Status == merchant.TerminalActive && (t.POSServer && p.User.Is(account.Owner) || !t.POSServer && p.User.Runs(t.OutletID))
}

// Chosen is the name of the shop that is shown alone.
func (p *terminalListPage) Chosen() string {
	i := slices.IndexFunc(p.Shops, func(s account.Shop) bool { return s.ID == p.Outlet })
	if i < 0 {
		return ""
	}
	return p.Shops[i].Name
}
