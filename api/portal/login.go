package portal

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/skip2/go-qrcode"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/personal"
	"unioncard/card/phone"
	"unioncard/merchant"
	"unioncard/merchant/account"
)

// The portal's cookies, HttpOnly and SameSite=Lax, Secure by https. Under https the
// session's name has the prefix with which browsers insist on that.
const (
	SessionCookie       = "uc_portal"
	secureSessionCookie = "__Host-uc_portal"
	// signInCookie holds the token of a sign-in under way, phoneCookie the number that
	// a code was sent to, so that it need not be typed twice.
	signInCookie = "uc_portal_signin"
	phoneCookie  = "uc_portal_phone"
)

const (
	loginPath    = "/portal/login"
	stageSeconds = 10 * 60
	qrPixels     = 240
)

func (h *Handlers) sessionCookie() string {
	if h.SecureCookies {
		return secureSessionCookie
	}
	return SessionCookie
}

// SessionToken is the token in a request's session cookie, "" without one.
func (h *Handlers) SessionToken(r *http.Request) string { return cookieOf(r, h.sessionCookie()) }

func cookieOf(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie sets a cookie; maxAge 0 until the browser closes, below 0 takes it away.
func (h *Handlers) setCookie(x *exchange.Exchange, name, value, path string, maxAge int) {
	http.SetCookie(x.Gin.Writer, &http.Cookie{Name: name, Value: value, Path: path, MaxAge: maxAge, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: h.SecureCookies || x.Gin.Request.TLS != nil})
}

// safeNext is where to go after signing in: a page of the portal, whatever the form
// says.
func safeNext(to string) string {
	const home = "/portal"
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || strings.ContainsAny(to, "\\\r\n\t") || len(to) > 2000 ||
		u.Path != home && !strings.HasPrefix(u.Path, home+"/") || strings.Contains(u.Path, "..") || strings.HasPrefix(u.Path, loginPath) {
		return home
	}
	return u.RequestURI()
}

type loginPage struct {
	page.Frame
	Form   *page.Form
	Next   string
	Phone  string // masked, that a code was sent to
	Places []account.Place
	Secret string // of the second factor to set up
	Enrol  bool
}

// LoginForm answers GET /portal/login.
func (h *Handlers) LoginForm(x *exchange.Exchange) error {
	return h.showLogin(x, page.NewForm(), safeNext(x.Query("next")))
}

func (h *Handlers) showLogin(x *exchange.Exchange, form *page.Form, next string) error {
	return h.Pages.Page(x, "portal/login", &loginPage{Frame: page.Frame{Title: "登录商家后台", Active: "portal"}, Form: form, Next: next})
}

// Login answers POST /portal/login: a code goes to the number, if it is a user's.
func (h *Handlers) Login(x *exchange.Exchange) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	next := safeNext(f.Text("next"))
	form := &page.Form{Values: f.Values}
	number, err := personal.ParsePhone(f.Text("phone"))
	var fault *personal.Fault
	if errors.As(err, &fault) {
		form.Errors.Add("phone", fault.Message+"。"+fault.Fix+"。")
	} else if err != nil {
		return err
	} else if err := h.Accounts.RequestCode(x.Ctx, x.Addr, number); err != nil {
		if form.Summary = smsRefusal(err); form.Summary == "" {
			return err
		}
	}
	if form.Errors != nil || form.Summary != "" {
		x.Status = http.StatusUnprocessableEntity
		return h.showLogin(x, form, next)
	}
	h.setCookie(x, phoneCookie, number, loginPath, stageSeconds)
	return x.Redirect(loginPath + "/sms?next=" + url.QueryEscape(next))
}

// smsRefusal is what to say when a code is not sent or not taken, "" for any other
// error.
func smsRefusal(err error) string {
	var wait *phone.WaitError
	switch {
	case errors.As(err, &wait):
		return "操作太频繁，请 " + waiting(wait.After) + "后再试。已经收到的验证码在有效期内仍然可用。"
	case errors.Is(err, phone.ErrCodeWrong):
		return "验证码不对、已过期或已用过，请核对最近一条短信。收不到短信的，请确认这个号码是签约工会或本商家老板登记过的。"
	case errors.Is(err, phone.ErrNoSMS):
		return "系统还没有接通短信，暂时不能登录，请联系签约工会。"
	case errors.Is(err, phone.ErrBusy):
		return "现在发送的短信太多，请过一分钟再试。"
	}
	return ""
}

func waiting(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < 2*time.Minute:
		return strconv.Itoa(int(max(d/time.Second, 1))) + " 秒"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " 分钟"
	}
	return strconv.Itoa(int(d/time.Hour)) + " 小时"
}

// LoginSMSForm answers GET /portal/login/sms.
func (h *Handlers) LoginSMSForm(x *exchange.Exchange) error {
	return h.showSMS(x, page.NewForm(), safeNext(x.Query("next")))
}

func (h *Handlers) showSMS(x *exchange.Exchange, form *page.Form, next string) error {
	number := cookieOf(x.Gin.Request, phoneCookie)
	if number == "" {
		return x.Redirect(loginPath)
	}
	return h.Pages.Page(x, "portal/login_sms", &loginPage{Frame: page.Frame{Title: "输入短信验证码", Active: "portal"},
		Form: form, Next: next, Phone: personal.MaskPhone(number)})
}

// LoginSMS answers POST /portal/login/sms.
func (h *Handlers) LoginSMS(x *exchange.Exchange) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	next := safeNext(f.Text("next"))
	number, err := personal.ParsePhone(cookieOf(x.Gin.Request, phoneCookie))
	if err != nil {
		return x.Redirect(loginPath)
	}
	e, err := h.Accounts.SignIn(x.Ctx, x.Addr, number, f.Text("code"))
	if summary := smsRefusal(err); err != nil && summary != "" {
		x.Status = http.StatusUnprocessableEntity
		return h.showSMS(x, &page.Form{Summary: summary}, next)
	}
	if err != nil {
		return err
	}
	return h.proceed(x, e, next)
}

// proceed leads to the stage that a sign-in has reached.
func (h *Handlers) proceed(x *exchange.Exchange, e *account.Entry, next string) error {
	if e.Stage == account.StageFull {
		h.setCookie(x, h.sessionCookie(), e.Token, "/", 0)
		h.setCookie(x, signInCookie, "", loginPath, -1)
		h.setCookie(x, phoneCookie, "", loginPath, -1)
		return x.Redirect(next)
	}
	h.setCookie(x, signInCookie, e.Token, loginPath, stageSeconds)
	return x.Redirect(loginPath + "/" + string(e.Stage) + "?next=" + url.QueryEscape(next))
}

// gone begins the sign-in anew where its time is over.
func (h *Handlers) gone(x *exchange.Exchange, err error) error {
	if !errors.Is(err, account.ErrNoSession) {
		return err
	}
	page.Notify(x, "登录已超时，请重新登录。")
	return x.Redirect(loginPath)
}

// LoginChooseForm answers GET /portal/login/choose.
func (h *Handlers) LoginChooseForm(x *exchange.Exchange) error {
	return h.showChoose(x, page.NewForm(), safeNext(x.Query("next")))
}

func (h *Handlers) showChoose(x *exchange.Exchange, form *page.Form, next string) error {
	places, err := h.Accounts.Places(x.Ctx, cookieOf(x.Gin.Request, signInCookie))
	if err != nil {
		return h.gone(x, err)
	}
	return h.Pages.Page(x, "portal/login_choose", &loginPage{Frame: page.Frame{Title: "选择商家", Active: "portal"},
		Form: form, Next: next, Places: places})
}

// LoginChoose answers POST /portal/login/choose.
func (h *Handlers) LoginChoose(x *exchange.Exchange) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	user, _ := f.Int("user")
	next := safeNext(f.Text("next"))
	e, err := h.Accounts.Choose(x.Ctx, cookieOf(x.Gin.Request, signInCookie), user)
	if errors.Is(err, account.ErrNotFound) {
		x.Status = http.StatusUnprocessableEntity
		return h.showChoose(x, &page.Form{Errors: merchant.FieldErrors{{Field: "user", Message: "请选择要进入的商家。"}}}, next)
	}
	if err != nil {
		return h.gone(x, err)
	}
	return h.proceed(x, e, next)
}

// LoginCodeForm answers GET /portal/login/code.
func (h *Handlers) LoginCodeForm(x *exchange.Exchange) error {
	return h.showFactor(x, page.NewForm(), safeNext(x.Query("next")), account.StageCode)
}

// LoginEnrolForm answers GET /portal/login/enrol.
func (h *Handlers) LoginEnrolForm(x *exchange.Exchange) error {
	return h.showFactor(x, page.NewForm(), safeNext(x.Query("next")), account.StageEnrol)
}

func (h *Handlers) showFactor(x *exchange.Exchange, form *page.Form, next string, stage account.Stage) error {
	token := cookieOf(x.Gin.Request, signInCookie)
	at, err := h.Accounts.StageOf(x.Ctx, token)
	switch {
	case err != nil:
		return h.gone(x, err)
	case at != stage:
		return x.Redirect(loginPath + "/" + string(at) + "?next=" + url.QueryEscape(next))
	}
	p := &loginPage{Frame: page.Frame{Title: "输入动态验证码", Active: "portal"}, Form: form, Next: next}
	if stage == account.StageEnrol {
		offer, err := h.Accounts.Offered(x.Ctx, token)
		if err != nil {
			return h.gone(x, err)
		}
		p.Title, p.Secret, p.Enrol = "设置两步验证", grouped(offer.Secret), true
	}
	return h.Pages.Page(x, "portal/login_code", p)
}

// grouped is a secret as people type it: in fours.
func grouped(s string) string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// LoginCode answers POST /portal/login/code and /portal/login/enrol.
func (h *Handlers) LoginCode(x *exchange.Exchange) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	next := safeNext(f.Text("next"))
	token := cookieOf(x.Gin.Request, signInCookie)
	e, err := h.Accounts.Factor(x.Ctx, token, f.Text("code"))
	var wait *phone.WaitError
	summary := ""
	switch {
	case errors.As(err, &wait):
		summary = "输错次数太多，请 " + waiting(wait.After) + "后再试。手机换了、验证器丢了的，请本商家另一位老板或签约工会重置两步验证。"
	case errors.Is(err, account.ErrFactor):
		summary = "验证码不对，或已经用过。请等手机上出现下一个验证码再输入；手机时间要准。"
	case err != nil:
		return h.gone(x, err)
	default:
		return h.proceed(x, e, next)
	}
	stage, err := h.Accounts.StageOf(x.Ctx, token)
	if err != nil {
		return h.gone(x, err)
	}
	x.Status = http.StatusUnprocessableEntity
	return h.showFactor(x, &page.Form{Summary: summary}, next, stage)
}

// LoginQR answers GET /portal/login/qr.png.
func (h *Handlers) LoginQR(x *exchange.Exchange) error {
	offer, err := h.Accounts.Offered(x.Ctx, cookieOf(x.Gin.Request, signInCookie))
	if errors.Is(err, account.ErrNoSession) {
		return exchange.ErrNoRoute
	}
	if err != nil {
		return err
	}
	png, err := qrcode.Encode(offer.URL, qrcode.Low, qrPixels)
	if err != nil {
		return err
	}
	x.SetHeader("Cache-Control", "no-store")
	x.SetHeader("X-Content-Type-Options", "nosniff")
	x.Status, x.ContentType, x.Out = http.StatusOK, []string{"image/png"}, append(x.Out[:0], png...)
	return nil
}

// Logout answers POST /portal/logout.
func (h *Handlers) Logout(x *exchange.Exchange) error {
	if err := h.Accounts.SignOut(x.Ctx, h.SessionToken(x.Gin.Request)); err != nil {
		return err
	}
	h.setCookie(x, h.sessionCookie(), "", "/", -1)
	page.Notify(x, "您已退出登录。")
	return x.Redirect(loginPath)
}

// Others answers POST /portal/others: to the choice among the number's merchants.
func (h *Handlers) Others(x *exchange.Exchange) error {
	e, err := h.Accounts.Others(x.Ctx, x.Merchant)
	if err != nil {
		return h.gone(x, err)
	}
	h.setCookie(x, h.sessionCookie(), "", "/", -1)
	return h.proceed(x, e, "/portal")
}
