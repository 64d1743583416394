package console

import (
	"net/http"

	"unioncard/api/exchange"
	"unioncard/card/union/staff"
)

// The cookies of the console. All are HttpOnly and SameSite=Lax, and Secure when
// the service is reached by https.
const (
	// SessionCookie holds the token of a session. Under https it is named
	// secureSessionCookie, whose prefix makes browsers insist on Secure, path / and
	// no domain, so that no other host of the domain can plant one.
	SessionCookie       = "uc_session"
	secureSessionCookie = "__Host-uc_session"
	// signInCookie holds the token of a sign-in under way.
	signInCookie = "uc_signin"
	// deviceCookie proves that its browser has signed in before.
	deviceCookie = "uc_device"
)

const (
	loginPath     = "/console/login"
	stageSeconds  = 10 * 60
	deviceSeconds = 180 * 24 * 3600
)

func (h *Handlers) sessionCookie() string {
	if h.SecureCookies {
		return secureSessionCookie
	}
	return SessionCookie
}

// SessionToken is the token in a request's session cookie, "" without one.
func (h *Handlers) SessionToken(r *http.Request) string {
	c, err := r.Cookie(h.sessionCookie())
	if err != nil {
		return ""
	}
	return c.Value
}

func cookieOf(x *exchange.Exchange, name string) string {
	c, err := x.Gin.Request.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie sets a cookie for a path; maxAge 0 until the browser closes, below 0
// takes it away.
func (h *Handlers) setCookie(x *exchange.Exchange, name, value, path string, maxAge int) {
	http.SetCookie(x.Gin.Writer, &http.Cookie{
		Name: name, Value: value, Path: path, MaxAge: maxAge, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: h.SecureCookies || x.Gin.Request.TLS != nil,
	})
}

// stagePath is the page of a stage.
func stagePath(s staff.Stage) string { return loginPath + "/" + string(s) }
