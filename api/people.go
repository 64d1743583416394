package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"unioncard/api/console"
	"unioncard/api/exchange"
	"unioncard/api/open"
	"unioncard/api/page"
	"unioncard/api/phone"
	"unioncard/api/portal"
	tillpage "unioncard/api/till"
	"unioncard/card/union/staff"
	"unioncard/merchant"
)

// People is what the pages for people work on.
type People struct {
	Console *console.Handlers
	Open    *open.Handlers // the public directory
	Portal  *portal.Handlers
	Till    *tillpage.Handlers // the till in the browser
	// PhonePage is the member's page; what it asks for is answered elsewhere.
	PhonePage *phone.Page
	Phone     *phone.Handlers // nil: no member signs in
	Pages     *page.Renderer
	Assets    *page.Assets
	// Session returns who is signed in with a session's token, as the database
	// has the account now; staff.ErrNoSession for one that is unknown or over.
	Session func(ctx context.Context, token string) (*staff.Account, error)
	// Locate returns the path of the union that answers for an object;
	// merchant.ErrNotFound.
	Locate func(ctx context.Context, kind string, id int64) (string, error)
}

// SessionCookie holds the token of a console session where there is no TLS.
const SessionCookie = console.SessionCookie

// crossOrigin refuses forms that another site's page sends in a person's name.
func (s *server) crossOrigin(r *route, next exchange.Handler) exchange.Handler {
	if !r.people {
		return next
	}
	protection := http.NewCrossOriginProtection()
	return func(x *exchange.Exchange) error {
		if err := protection.Check(x.Gin.Request); err != nil {
			return errors.Join(exchange.ErrCrossOrigin, err)
		}
		return next(x)
	}
}

// signedIn lets an account through to what it may do: without a session to the
// sign-in page, outside its territory 404, inside without the right 403.
func (s *server) signedIn(r *route, next exchange.Handler) exchange.Handler {
	if r.right == "" {
		return next
	}
	return func(x *exchange.Exchange) error {
		token := s.people.Console.SessionToken(x.Gin.Request)
		if token == "" {
			return s.toSignIn(x)
		}
		var err error
		x.Account, err = s.people.Session(x.Ctx, token)
		if errors.Is(err, staff.ErrNoSession) {
			return s.toSignIn(x)
		}
		if err != nil {
			return err
		}
		if r.object != "" {
			id, err := x.ID64("id")
			if err != nil {
				return err
			}
			path, err := s.people.Locate(x.Ctx, r.object, id)
			if errors.Is(err, merchant.ErrNotFound) || err == nil && !x.Account.Covers(path) {
				return exchange.ErrNoRoute
			}
			if err != nil {
				return err
			}
		}
		if !x.Account.May(r.right) {
			return exchange.ErrForbidden
		}
		return next(x)
	}
}

// toSignIn asks for a sign-in and remembers where the person wanted to go.
func (s *server) toSignIn(x *exchange.Exchange) error {
	to := "/console/login"
	if x.Gin.Request.Method == http.MethodGet {
		to += "?next=" + url.QueryEscape(x.Gin.Request.URL.RequestURI())
	}
	if x.HTMX() {
		x.SetHeader("HX-Redirect", to)
		x.Status = http.StatusUnauthorized
		return nil
	}
	return x.Redirect(to)
}

// refuse answers an error with a page; a feed's reader gets the document.
func (p *People) refuse(problems *problems, x *exchange.Exchange, err error) {
	pr := problems.find(err)
	problems.answer(x, err)
	// An address that is none is a person's only if a browser asks for a page.
	if page.WantsJSON(x) || x.Gin.FullPath() == "" && !strings.Contains(x.Gin.GetHeader("Accept"), "text/html") {
		return
	}
	if err := p.Pages.Problem(x, page.Problem{Code: pr.code, Title: pr.title, Detail: pr.detail, Fix: pr.fix, Status: pr.status}); err != nil {
		problems.logger.Error("error page", "error", err)
	}
}
