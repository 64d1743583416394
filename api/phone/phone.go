// Package phone is the member's card on the phone (/m): the page, and the JSON API
// that it speaks, described in openapi-phone.yaml.
//
// Whoever is signed in is known by a cookie that no script can read and that no
// other site's page can make the browser send. A handler of a signed-in member gets
// the session as an argument, and everything it reads or changes is that member's;
// no request names a member or a card.
package phone

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"time"

	"unioncard/api/exchange"
	"unioncard/card"
	"unioncard/card/phone"
	"unioncard/card/phone/push"
	"unioncard/card/union"
	"unioncard/merchant"
	"unioncard/settlement/budget/voucher"
	"unioncard/settlement/report"
)

// Options is what the handlers work on.
type Options struct {
	Phones    *phone.Store
	Hub       *push.Hub
	Reports   *report.Store
	Claims    *voucher.Claimer
	Codes     *card.Codes
	Merchants *merchant.State // names, for what a phone is told at once
	Tree      func() *union.Tree
	// SecureCookies: the service is reached by https only.
	SecureCookies bool
	Clock         func() time.Time
	// StreamLife is how long a stream of events lasts before the phone opens it anew,
	// which checks its session; default 10 minutes. Beat is how often the stream says
	// that it is there; every third time it looks at its session. Default 20 seconds.
	StreamLife, Beat time.Duration
}

// Handlers answers for /m.
type Handlers struct{ Options }

// New returns the handlers.
func New(o Options) *Handlers {
	if o.StreamLife == 0 {
		o.StreamLife = 10 * time.Minute
	}
	if o.Beat == 0 {
		o.Beat = heartbeat
	}
	return &Handlers{o}
}

// The session's cookie goes to /m only. Under https it has a prefix that makes
// browsers insist on Secure.
const (
	sessionCookie       = "uc_member"
	secureSessionCookie = "__Secure-uc_member"
	cookiePath          = "/m"
)

func (h *Handlers) cookieName() string {
	if h.SecureCookies {
		return secureSessionCookie
	}
	return sessionCookie
}

// setSession gives the browser a session's token; "" takes it away.
func (h *Handlers) setSession(x *exchange.Exchange, token string) {
	c := &http.Cookie{
		Name: h.cookieName(), Value: token, Path: cookiePath, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: h.SecureCookies || x.Gin.Request.TLS != nil, MaxAge: int(h.Phones.Limits().Absolute / time.Second),
	}
	if token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(x.Gin.Writer, c)
}

// SignedIn lets a signed-in member through to a handler; others get
// phone.ErrNoSession.
func (h *Handlers) SignedIn(next func(*exchange.Exchange, *phone.Session) error) exchange.Handler {
	return func(x *exchange.Exchange) error {
		se, err := h.session(x)
		if err != nil {
			return err
		}
		return next(x, se)
	}
}

func (h *Handlers) session(x *exchange.Exchange) (*phone.Session, error) {
	c, err := x.Gin.Request.Cookie(h.cookieName())
	if err != nil {
		return nil, phone.ErrNoSession
	}
	return h.Phones.BySession(x.Ctx, c.Value)
}

// send makes v the answer. Nothing of a member may stay in a cache.
func send(x *exchange.Exchange, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	x.Out = append(x.Out, b...)
	x.Status, x.ContentType = status, exchange.JSON
	private(x)
	return nil
}

func private(x *exchange.Exchange) {
	x.SetHeader("Cache-Control", "no-store")
	x.SetHeader("X-Content-Type-Options", "nosniff")
}

//go:embed openapi-phone.yaml
var openAPI []byte

var yamlType = []string{"application/yaml"}

// OpenAPI answers GET /m/openapi.yaml.
func (h *Handlers) OpenAPI(x *exchange.Exchange) error {
	x.ContentType = yamlType
	x.Out = append(x.Out, openAPI...)
	x.SetHeader("Cache-Control", "public, max-age=300")
	x.SetHeader("X-Content-Type-Options", "nosniff")
	return nil
}

// beijing is the zone of every time in an answer.
var beijing = time.FixedZone("Asia/Shanghai", 8*3600)

func stamp(t time.Time) string { return t.In(beijing).Format(time.RFC3339) }

// stampMS is for the clock of the phone, which is set right by it.
func stampMS(t time.Time) string { return t.In(beijing).Format("2006-01-02T15:04:05.000Z07:00") }
