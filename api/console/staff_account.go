package console

import (
	"errors"
	"net/http"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/staff"
)

type accountPage struct {
	page.Frame
	Row      *staff.Row
	Sessions []staff.Session
	Policy   staff.Policy
	// One form each, so that a refused one keeps its own message.
	Password, Factor, Renew *page.Form
}

// Account answers GET /console/account.
func (h *Handlers) Account(x *exchange.Exchange) error { return h.showAccount(x, &accountPage{}) }

func (h *Handlers) showAccount(x *exchange.Exchange, p *accountPage) (err error) {
	p.Frame = page.Frame{Title: "我的账号", Active: "account"}
	p.Policy = h.Staff.Policy()
	if p.Row, err = h.Staff.Get(x.Ctx, x.Account.ID); err != nil {
		return err
	}
	if p.Sessions, err = h.Staff.Sessions(x.Ctx, x.Account.ID, h.SessionToken(x.Gin.Request)); err != nil {
		return err
	}
	for _, f := range []**page.Form{&p.Password, &p.Factor, &p.Renew} {
		if *f == nil {
			*f = &page.Form{}
		}
	}
	return h.Pages.Page(x, "console/account_show", p)
}

// ownRefusal is what to say when a proof within a session fails, "" for any other
// error.
func (h *Handlers) ownRefusal(err error) string {
	if errors.Is(err, staff.ErrWrong) {
		return "现在的密码不对，没有改动。"
	}
	return h.refusal(err)
}

// AccountPassword answers POST /console/account/password.
func (h *Handlers) AccountPassword(x *exchange.Exchange) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	form := &page.Form{}
	if f.Get("password") != f.Get("again") {
		form.Errors.Add("again", "两次输入的新密码不一样。")
	} else {
		err = h.Staff.ChangePassword(x.Ctx, x.Account, h.SessionToken(x.Gin.Request), f.Get("present"), f.Get("password"))
		form.Errors, form.Summary = staffFaults(err), h.ownRefusal(err)
	}
	if form.Summary != "" || form.Errors != nil {
		x.Status = http.StatusUnprocessableEntity
		return h.showAccount(x, &accountPage{Password: form})
	}
	if err != nil {
		return err
	}
	page.Notify(x, "密码已修改，其他设备上的登录都已退出。")
	return x.Redirect("/console/account")
}

// AccountFactor answers POST /console/account/factor: it offers a new second factor.
func (h *Handlers) AccountFactor(x *exchange.Exchange) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	err = h.Staff.StartFactor(x.Ctx, x.Account, f.Get("present"))
	if summary := h.ownRefusal(err); summary != "" {
		x.Status = http.StatusUnprocessableEntity
		return h.showAccount(x, &accountPage{Factor: &page.Form{Summary: summary}})
	}
	if err != nil {
		return err
	}
	return x.Redirect("/console/account/factor")
}

type factorPage struct {
	page.Frame
	Form     *page.Form
	Secret   string
	Recovery []string
}

// FactorForm answers GET /console/account/factor.
func (h *Handlers) FactorForm(x *exchange.Exchange) error { return h.showFactor(x, &page.Form{}) }

func (h *Handlers) showFactor(x *exchange.Exchange, form *page.Form) error {
	offer, err := h.Staff.Offered(x.Ctx, x.Account.ID)
	if errors.Is(err, staff.ErrNotFound) {
		return x.Redirect("/console/account")
	}
	if err != nil {
		return err
	}
	return h.Pages.Page(x, "console/account_factor", &factorPage{Frame: accountFrame("设置两步验证"), Form: form, Secret: grouped(offer.Secret)})
}

func accountFrame(title string) page.Frame {
	return page.Frame{Title: title, Active: "account", Crumbs: []page.Crumb{{Title: "我的账号", URL: "/console/account"}}}
}

// FactorQR answers GET /console/account/qr.png.
func (h *Handlers) FactorQR(x *exchange.Exchange) error {
	offer, err := h.Staff.Offered(x.Ctx, x.Account.ID)
	if errors.Is(err, staff.ErrNotFound) {
		return exchange.ErrNoRoute
	}
	if err != nil {
		return err
	}
	return sendQR(x, offer)
}

// FactorCancel answers POST /console/account/factor/cancel: the offer is taken back.
func (h *Handlers) FactorCancel(x *exchange.Exchange) error {
	if err := h.Staff.CancelFactor(x.Ctx, x.Account); err != nil {
		return err
	}
	return x.Redirect("/console/account")
}

// FactorConfirm answers POST /console/account/factor/confirm.
func (h *Handlers) FactorConfirm(x *exchange.Exchange) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	recovery, err := h.Staff.ConfirmFactor(x.Ctx, x.Account, h.SessionToken(x.Gin.Request), f.Text("code"))
	if summary := h.codeRefusal(err); summary != "" {
		x.Status = http.StatusUnprocessableEntity
		return h.showFactor(x, &page.Form{Summary: summary})
	}
	if errors.Is(err, staff.ErrNotFound) { // confirmed already, in another window, or run out
		page.Notify(x, "二维码已过期，或已在别的窗口完成或取消。要设置请重新开始。")
		return x.Redirect("/console/account")
	}
	if err != nil {
		return err
	}
	return h.showRecovery(x, recovery)
}

func (h *Handlers) showRecovery(x *exchange.Exchange, recovery []string) error {
	return h.Pages.Page(x, "console/account_recovery", &factorPage{Frame: accountFrame("请保存恢复码"), Recovery: recovery})
}

// AccountRecovery answers POST /console/account/recovery.
func (h *Handlers) AccountRecovery(x *exchange.Exchange) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	recovery, err := h.Staff.RenewRecovery(x.Ctx, x.Account, f.Get("present"))
	if summary := h.ownRefusal(err); summary != "" {
		x.Status = http.StatusUnprocessableEntity
		return h.showAccount(x, &accountPage{Renew: &page.Form{Summary: summary}})
	}
	if err != nil {
		return err
	}
	return h.showRecovery(x, recovery)
}

// EndSession answers POST /console/account/sessions/:item/end.
func (h *Handlers) EndSession(x *exchange.Exchange) error {
	id, err := x.ID64("item")
	if err != nil {
		return err
	}
	if err := h.Staff.EndSession(x.Ctx, x.Account.ID, id); err != nil {
		return err
	}
	page.Notify(x, "那台设备上的登录已退出。")
	return x.Redirect("/console/account")
}
