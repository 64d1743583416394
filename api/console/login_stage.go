package console

import (
	"errors"
	"net/http"

	"github.com/skip2/go-qrcode"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/staff"
	"unioncard/merchant"
)

type stagePage struct {
	page.Frame
	Form     *page.Form
	Next     string
	Policy   staff.Policy
	Secret   string   // of the second factor to set up
	Recovery []string // codes, shown once
}

// atStage shows the page of a sign-in's stage, or leads to the one it is at.
func (h *Handlers) atStage(x *exchange.Exchange, stage staff.Stage) error {
	at, err := h.Staff.StageOf(x.Ctx, cookieOf(x, signInCookie))
	if errors.Is(err, staff.ErrNoSession) || at == staff.StageFull {
		return x.Redirect(loginPath)
	}
	if err != nil {
		return err
	}
	if at != stage {
		return x.Redirect(stagePath(at))
	}
	return h.showStage(x, stage, &page.Form{}, safeNext(x.Query("next")))
}

func (h *Handlers) showStage(x *exchange.Exchange, stage staff.Stage, form *page.Form, next string) error {
	p := &stagePage{Form: form, Next: next, Policy: h.Staff.Policy()}
	switch stage {
	case staff.StageCode:
		p.Title = "输入验证码"
	case staff.StagePassword:
		p.Title = "设置新密码"
	case staff.StageEnrol:
		p.Title = "设置两步验证"
		offer, err := h.Staff.OfferAtSignIn(x.Ctx, cookieOf(x, signInCookie))
		if err != nil {
			return h.signInGone(x, err)
		}
		p.Secret = grouped(offer.Secret)
	}
	return h.Pages.Page(x, "console/login_"+string(stage), p)
}

// signInGone begins the sign-in anew where its time is over.
func (h *Handlers) signInGone(x *exchange.Exchange, err error) error {
	if !errors.Is(err, staff.ErrNoSession) {
		return err
	}
	page.Notify(x, "登录已超时，请重新登录。")
	return x.Redirect(loginPath)
}

// grouped is a secret as people type it: in fours.
func grouped(s string) string {
	out := ""
	for i, r := range s {
		if i > 0 && i%4 == 0 {
			out += " "
		}
		out += string(r)
	}
	return out
}

// LoginCodeForm answers GET /console/login/code.
func (h *Handlers) LoginCodeForm(x *exchange.Exchange) error { return h.atStage(x, staff.StageCode) }

// LoginCode answers POST /console/login/code.
func (h *Handlers) LoginCode(x *exchange.Exchange) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	next := safeNext(f.Text("next"))
	e, err := h.Staff.Code(x.Ctx, cookieOf(x, signInCookie), f.Text("code"))
	if summary := h.codeRefusal(err); summary != "" {
		return h.showStage(x, staff.StageCode, refuseLogin(x, f.Values, summary), next)
	}
	if err != nil {
		return h.signInGone(x, err)
	}
	return h.proceed(x, e, next)
}

// codeRefusal is refusal in the words of who knows that the password was right.
func (h *Handlers) codeRefusal(err error) string {
	if errors.Is(err, staff.ErrWrong) {
		return "验证码不对，或已经用过。请等手机上出现下一个验证码再输入；手机时间要准。"
	}
	return h.refusal(err)
}

// LoginPasswordForm answers GET /console/login/password.
func (h *Handlers) LoginPasswordForm(x *exchange.Exchange) error {
	return h.atStage(x, staff.StagePassword)
}

// LoginPassword answers POST /console/login/password.
func (h *Handlers) LoginPassword(x *exchange.Exchange) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	next := safeNext(f.Text("next"))
	if f.Get("password") != f.Get("again") {
		form := refuseLogin(x, f.Values, "")
		form.Errors.Add("again", "两次输入的密码不一样。")
		return h.showStage(x, staff.StagePassword, form, next)
	}
	e, err := h.Staff.ChooseAtSignIn(x.Ctx, cookieOf(x, signInCookie), f.Get("password"))
	if faults := staffFaults(err); faults != nil {
		form := refuseLogin(x, f.Values, "")
		form.Errors = faults
		return h.showStage(x, staff.StagePassword, form, next)
	}
	if err != nil {
		return h.signInGone(x, err)
	}
	return h.proceed(x, e, next)
}

// LoginEnrolForm answers GET /console/login/enrol.
func (h *Handlers) LoginEnrolForm(x *exchange.Exchange) error { return h.atStage(x, staff.StageEnrol) }

// LoginEnrol answers POST /console/login/enrol. The recovery codes are in this one
// answer and nowhere else.
func (h *Handlers) LoginEnrol(x *exchange.Exchange) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	next := safeNext(f.Text("next"))
	e, recovery, err := h.Staff.EnrolAtSignIn(x.Ctx, cookieOf(x, signInCookie), f.Text("code"))
	if summary := h.codeRefusal(err); summary != "" {
		return h.showStage(x, staff.StageEnrol, refuseLogin(x, f.Values, summary), next)
	}
	if err != nil {
		return h.signInGone(x, err)
	}
	h.signIn(x, e)
	return h.Pages.Page(x, "console/login_recovery", &stagePage{Frame: page.Frame{Title: "请保存恢复码"}, Next: next, Recovery: recovery})
}

// LoginQR answers GET /console/login/qr.png.
func (h *Handlers) LoginQR(x *exchange.Exchange) error {
	offer, err := h.Staff.OfferAtSignIn(x.Ctx, cookieOf(x, signInCookie))
	if errors.Is(err, staff.ErrNoSession) || errors.Is(err, staff.ErrNotFound) {
		return exchange.ErrNoRoute
	}
	if err != nil {
		return err
	}
	return sendQR(x, offer)
}

// qrPixels is the side of the picture.
const qrPixels = 240

func sendQR(x *exchange.Exchange, offer staff.Offer) error {
	png, err := qrcode.Encode(offer.URL, qrcode.Low, qrPixels)
	if err != nil {
		return err
	}
	x.SetHeader("Cache-Control", "no-store")
	x.SetHeader("X-Content-Type-Options", "nosniff")
	x.Status, x.ContentType, x.Out = http.StatusOK, []string{"image/png"}, append(x.Out[:0], png...)
	return nil
}

// staffFaults are the fields that the store of accounts refuses, nil for any other
// error.
func staffFaults(err error) merchant.FieldErrors {
	var invalid *staff.InvalidError
	if !errors.As(err, &invalid) {
		return nil
	}
	var faults merchant.FieldErrors
	for _, f := range invalid.Fields {
		faults.Add(f.Field, f.Message)
	}
	return faults
}
