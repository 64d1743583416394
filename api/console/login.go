package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/staff"
)

type loginPage struct {
	page.Frame
	Form *page.Form
	Next string
}

// LoginForm answers GET /console/login.
func (h *Handlers) LoginForm(x *exchange.Exchange) error {
	return h.showLogin(x, &page.Form{}, safeNext(x.Query("next")))
}

func (h *Handlers) showLogin(x *exchange.Exchange, form *page.Form, next string) error {
	return h.Pages.Page(x, "console/login", &loginPage{Frame: page.Frame{Title: "登录"}, Form: form, Next: next})
}

// refuseLogin shows the form of a page again with what was wrong, without the
// secrets that were typed.
func refuseLogin(x *exchange.Exchange, typed url.Values, summary string) *page.Form {
	x.Status = http.StatusUnprocessableEntity
	kept := url.Values{}
	for _, name := range []string{"login"} {
		kept[name] = typed[name]
	}
	return &page.Form{Values: kept, Summary: summary}
}

// Login answers POST /console/login.
func (h *Handlers) Login(x *exchange.Exchange) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	next := safeNext(f.Text("next"))
	e, err := h.Staff.Begin(x.Ctx, staff.Attempt{
		Login: f.Text("login"), Password: f.Get("password"), From: x.Addr,
		Agent: x.Gin.Request.UserAgent(), Device: cookieOf(x, deviceCookie),
	})
	if summary := h.refusal(err); summary != "" {
		return h.showLogin(x, refuseLogin(x, f.Values, summary), next)
	}
	if err != nil {
		return err
	}
	return h.proceed(x, e, next)
}

// refusal is what to say when a sign-in or one of its stages is refused, "" for
// any other error.
func (h *Handlers) refusal(err error) string {
	var throttled *staff.ThrottledError
	switch {
	case errors.As(err, &throttled):
		return "输错次数太多，为保护账号，请在 " + page.Moment(throttled.Until.Add(time.Minute)) + " 以后再试。忘记密码请联系本单位系统管理员重置。"
	case errors.Is(err, staff.ErrWrong):
		return "登录名、密码或验证码不对，请重新输入。忘记密码请联系本单位系统管理员重置。"
	case errors.Is(err, staff.ErrOneTimeOver):
		return "一次性密码已过期，请联系本单位系统管理员重新发放。"
	case errors.Is(err, staff.ErrBusy):
		return "现在登录的人太多，请稍等几秒再试。"
	}
	return ""
}

// proceed leads to the stage that a sign-in has reached.
func (h *Handlers) proceed(x *exchange.Exchange, e *staff.Entry, next string) error {
	if e.Stage == staff.StageFull {
		h.signIn(x, e)
		return x.Redirect(next)
	}
	h.setCookie(x, signInCookie, e.Token, loginPath, stageSeconds)
	return x.Redirect(stagePath(e.Stage) + "?next=" + url.QueryEscape(next))
}

// signIn hands the browser a finished sign-in.
func (h *Handlers) signIn(x *exchange.Exchange, e *staff.Entry) {
	h.setCookie(x, h.sessionCookie(), e.Token, "/", 0)
	h.setCookie(x, deviceCookie, e.Device, loginPath, deviceSeconds)
	h.setCookie(x, signInCookie, "", loginPath, -1)
}

// Logout answers POST /console/logout.
func (h *Handlers) Logout(x *exchange.Exchange) error {
	if err := h.Staff.SignOut(x.Ctx, h.SessionToken(x.Gin.Request)); err != nil {
		return err
	}
	h.setCookie(x, h.sessionCookie(), "", "/", -1)
	page.Notify(x, "您已退出登录。")
	return x.Redirect(loginPath)
}

// safeNext is where to go after signing in: a page of the console, whatever the
// form says.
func safeNext(to string) string {
	const home = "/console"
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || strings.ContainsAny(to, "\\\r\n\t") || len(to) > 2000 ||
		u.Path != home && !strings.HasPrefix(u.Path, home+"/") || strings.Contains(u.Path, "..") ||
		strings.HasPrefix(u.Path, loginPath) || strings.HasPrefix(u.Path, "/console/logout") {
		return home
	}
	return u.RequestURI()
}
