package console

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/merchant/fleet"
)

type terminalPage struct {
	page.Frame
	T    *fleet.Terminal
	Form *page.Form
	Code *merchant.ActivationCode // shown once, just issued
}

// TerminalShow answers GET /console/terminals/:id.
func (h *Handlers) TerminalShow(x *exchange.Exchange) error {
	return h.terminalPage(x, page.NewForm(), nil)
}

func (h *Handlers) terminalPage(x *exchange.Exchange, form *page.Form, code *merchant.ActivationCode) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	t, err := h.Fleet.Get(x.Ctx, x.Account.Path, id)
	if err != nil {
		return err
	}
	return h.Pages.Page(x, "console/terminal_show", &terminalPage{
		Frame: page.Frame{Title: fmt.Sprintf("终端 %d", t.ID), Active: "terminals",
			Crumbs: []page.Crumb{{Title: "终端", URL: "/console/terminals"}}},
		T: t, Form: form, Code: code})
}

// TerminalMove answers POST /console/terminals/:id/move: suspend, resume, retire,
// or whether card numbers may be typed.
func (h *Handlers) TerminalMove(x *exchange.Exchange) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	reason := reasonIn(form, &wrong)
	by := byAccount(x, reason)
	var done string
	do := map[string]func() error{
		"suspend": func() error { done = "终端已暂停。"; return h.Merchants.SuspendTerminal(x.Ctx, by, id) },
		"resume":  func() error { done = "终端已恢复。"; return h.Merchants.ResumeTerminal(x.Ctx, by, id) },
		"retire":  func() error { done = "终端已停用。"; return h.Merchants.RetireTerminal(x.Ctx, by, id) },
		"typed": func() error {
			done = "已允许手输卡号。"
			return h.Merchants.SetTypedAllowed(x.Ctx, by, id, true)
		},
		"scan": func() error {
			done = "已改为只能扫码。"
			return h.Merchants.SetTypedAllowed(x.Ctx, by, id, false)
		},
	}[form.Text("action")]
	if do == nil {
		wrong.Add("action", "请选择要办的事。")
	}
	if len(wrong) == 0 {
		err := do()
		if err == nil {
			page.Notify(x, done)
			return x.Redirect("/console/terminals/" + strconv.FormatInt(id, 10))
		}
		var move *merchant.MoveError
		if !errors.As(err, &move) {
			return err
		}
		wrong.Add("action", "终端现在的状态不能这样办理，可能别人刚刚改过，请看上面的状态。")
	}
	x.Status = http.StatusUnprocessableEntity
	return h.terminalPage(x, &page.Form{Values: form.Values, Errors: wrong}, nil)
}

// TerminalRekey answers POST /console/terminals/:id/rekey: a code by which the
// terminal registers a new key.
func (h *Handlers) TerminalRekey(x *exchange.Exchange) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	code, err := h.Merchants.IssueRekeyCode(x.Ctx, byAccount(x, "更换终端密钥"), id)
	if err != nil {
		return h.codeRefused(x, err, func(form *page.Form) error { return h.terminalPage(x, form, nil) })
	}
	return h.terminalPage(x, page.NewForm(), &code)
}

// codeRefused shows the page again with why no activation code was given.
func (h *Handlers) codeRefused(x *exchange.Exchange, err error, show func(*page.Form) error) error {
	var move *merchant.MoveError
	form := &page.Form{}
	switch {
	case errors.Is(err, merchant.ErrMerchantExited):
		form.Summary = "商家已退出网络，不能再开通终端。"
	case errors.Is(err, merchant.ErrOutletClosed):
		form.Summary = "门店已停业，不能再开通终端。"
	case errors.As(err, &move):
		form.Summary = "终端已停用，不能更换密钥；请在门店页面开通新的终端。"
	default:
		return err
	}
	x.Status = http.StatusUnprocessableEntity
	return show(form)
}

// byAccount says who makes a change and why.
func byAccount(x *exchange.Exchange, reason string) merchant.By {
	return merchant.By{Actor: "staff:" + strconv.FormatInt(x.Account.ID, 10), Reason: reason}
}
