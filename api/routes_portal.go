package api

import (
	"errors"
	"net/http"
	"net/url"

	"unioncard/api/exchange"
	"unioncard/api/portal"
	"unioncard/merchant/account"
)

// portalRoutes is every page of the merchants' portal. A line names the right that it
// asks of a user; portalSignedIn holds it. The merchant comes from the session, never
// from the request: a handler reads x.Merchant, and looks every id up inside its
// merchant (outside answers 404 as absent does), a shop inside x.Merchant.Sees.
func (s *server) portalRoutes() []route {
	if s.people == nil || s.people.Portal == nil || s.people.Portal.Accounts == nil {
		return nil
	}
	p := s.people.Portal
	return []route{
		s.publicGet("/portal/login", p.LoginForm),
		s.signInPost("/portal/login", p.Login),
		s.publicGet("/portal/login/sms", p.LoginSMSForm),
		s.signInPost("/portal/login/sms", p.LoginSMS),
		s.publicGet("/portal/login/choose", p.LoginChooseForm),
		s.signInPost("/portal/login/choose", p.LoginChoose),
		s.publicGet("/portal/login/code", p.LoginCodeForm),
		s.signInPost("/portal/login/code", p.LoginCode),
		s.publicGet("/portal/login/enrol", p.LoginEnrolForm),
		s.signInPost("/portal/login/enrol", p.LoginCode),
		s.publicGet("/portal/login/qr.png", p.LoginQR),
		s.portalAlways("/portal/logout", account.Anybody, p.Logout),
		s.portalAlways("/portal/others", account.Anybody, p.Others),

		s.portalGet("/portal", account.Anybody, p.Home),

		s.portalGet("/portal/recon", account.Money, p.ReconList),
		s.portalStream("/portal/recon", account.Money, p.ReconUpload, portal.ReconBody),
		s.portalGet("/portal/recon/:id", account.Money, p.ReconShow),
		s.portalAlways("/portal/recon/:id/columns", account.Money, p.ReconColumns),
		s.portalAlways("/portal/recon/:id/drop", account.Money, p.ReconDrop),
		s.portalGet("/portal/differences/:id", account.Money, p.DifferenceShow),
		s.portalAlways("/portal/differences/:id/explain", account.Money, p.DifferenceExplain),
		s.portalAlways("/portal/differences/:id/agree", account.Money, p.DifferenceAgree),
		s.portalAlways("/portal/differences/:id/undone", account.Money, p.DifferenceUndone),
		s.portalGet("/portal/contract", account.Anybody, p.ContractList),
		s.portalGet("/portal/contracts/:id", account.Anybody, p.ContractShow),
		s.portalGet("/portal/contracts/:id/print", account.Owners, p.ContractPrint),
		s.portalUpload("/portal/contracts/:id/sign", account.Owners, p.ContractStamp),
		s.portalGet("/portal/outlets", account.Anybody, p.OutletList),
		s.portalGet("/portal/outlets/:id", account.Anybody, p.OutletShow),
		s.portalPost("/portal/outlets/:id/edit", account.Shops, p.OutletEdit),
		s.portalPost("/portal/outlets/:id/ask", account.Shops, p.OutletAsk),
		s.portalPost("/portal/outlets/:id/withdraw", account.Shops, p.OutletWithdraw),
		s.portalGet("/portal/terminals", account.Shops, p.TerminalList),
		s.portalPost("/portal/terminals", account.Shops, p.TerminalCode),
		s.portalAlways("/portal/terminals/:id/suspend", account.Shops, p.TerminalSuspend),
		s.portalGet("/portal/application", account.Owners, p.Joined),
		s.portalUpload("/portal/application/files", account.Owners, p.JoinedUpload),
		s.portalGet("/portal/files/:id", account.Owners, p.File),
		s.portalGet("/portal/users", account.Owners, p.UserList),
		s.portalPost("/portal/users", account.Owners, p.UserAdd),
		s.portalGet("/portal/users/new", account.Owners, p.UserNew),
		s.portalGet("/portal/users/:id/edit", account.Owners, p.UserEditForm),
		s.portalPost("/portal/users/:id/edit", account.Owners, p.UserEdit),
		s.portalAlways("/portal/users/:id/disable", account.Owners, p.UserDisable),
		s.portalPost("/portal/users/:id/reset", account.Owners, p.UserReset),
		s.portalGet("/portal/notices", account.Anybody, p.Notices),

		s.portalGet("/portal/purchases", account.Anybody, p.PurchaseList),
		s.portalDownload("/portal/purchases/export", account.Anybody, p.PurchaseExport),
		s.portalGet("/portal/purchases/:id", account.Anybody, p.PurchaseShow),

		s.portalGet("/portal/statements", account.Money, p.StatementList),
		s.portalGet("/portal/statements/month", account.Money, p.StatementMonth),
		s.portalGet("/portal/statements/:id", account.Money, p.StatementShow),
		s.portalGet("/portal/statements/:id/pdf", account.Money, p.StatementPDF),
		s.portalGet("/portal/statements/:id/xlsx", account.Money, p.StatementXLSX),
		s.portalAlways("/portal/statements/:id/confirm", account.Money, p.StatementConfirm),
		s.portalAlways("/portal/statements/:id/dispute", account.Money, p.StatementDispute),

		s.publicGet("/docs/webhooks", p.WebhookDocs),
		s.portalGet("/portal/webhooks", account.Owners, p.WebhookList),
		s.portalPost("/portal/webhooks", account.Owners, p.WebhookCreate),
		s.portalGet("/portal/webhooks/new", account.Owners, p.WebhookNew),
		s.portalGet("/portal/webhooks/:id", account.Owners, p.WebhookShow),
		s.portalGet("/portal/webhooks/:id/edit", account.Owners, p.WebhookEditForm),
		s.portalPost("/portal/webhooks/:id/edit", account.Owners, p.WebhookEdit),
		s.portalPost("/portal/webhooks/:id/rotate", account.Owners, p.WebhookRotate),
		s.portalAlways("/portal/webhooks/:id/pause", account.Owners, p.WebhookPause),
		s.portalPost("/portal/webhooks/:id/resume", account.Owners, p.WebhookResume),
		s.portalAlways("/portal/webhooks/:id/delete", account.Owners, p.WebhookDelete),
		s.portalPost("/portal/webhooks/:id/test", account.Owners, p.WebhookTest),
		s.portalGet("/portal/webhooks/:id/messages/:item", account.Owners, p.WebhookMessage),
		s.portalPost("/portal/webhooks/:id/messages/:item/resend", account.Owners, p.WebhookResend),
	}
}

// portalGet is a page of the portal.
func (s *server) portalGet(path string, right account.Right, h exchange.Handler) route {
	return route{method: http.MethodGet, path: path, handle: h, timeout: pageTime, gate: s.browsing,
		open: true, people: true, portal: right}
}

// portalDownload is a page of the portal that is a file sent as it is read: it has no
// time-out of its own, as exchange.Stream asks.
func (s *server) portalDownload(path string, right account.Right, h exchange.Handler) route {
	r := s.portalGet(path, right, h)
	r.timeout = 0
	return r
}

// portalPost is a form of the portal. A merchant that is suspended or has left is
// refused it.
func (s *server) portalPost(path string, right account.Right, h exchange.Handler) route {
	r := s.portalAlways(path, right, h)
	r.changes = true
	return r
}

// portalAlways is a form of the portal that a merchant may send even while it is
// suspended or after it has left: what settles money that is owed already, or takes
// away somebody's access or a lost terminal's, which refunds go through to the last.
func (s *server) portalAlways(path string, right account.Right, h exchange.Handler) route {
	return route{method: http.MethodPost, path: path, handle: h, media: exchange.MediaForm, body: formBody,
		timeout: pageTime, gate: s.browsing, open: true, writes: true, people: true, portal: right}
}

// portalUpload is portalPost with files, read whole.
func (s *server) portalUpload(path string, right account.Right, h exchange.Handler) route {
	r := s.portalPost(path, right, h)
	r.media, r.body, r.timeout = exchange.MediaUpload, uploadBody, longTime
	return r
}

// portalStream is portalAlways with a file too large to be held, at most limit bytes,
// which the handler reads as it arrives; its gate is its own, as consoleStream's.
func (s *server) portalStream(path string, right account.Right, h exchange.Handler, limit int) route {
	r := s.portalAlways(path, right, h)
	r.media, r.body, r.timeout, r.gate = exchange.MediaStream, limit, streamTime, &gate{max: maxStreaming}
	return r
}

// portalSignedIn lets a merchant's user through to what the roles allow: without a
// session to the sign-in page, without the right 403.
func (s *server) portalSignedIn(r *route, next exchange.Handler) exchange.Handler {
	if r.portal == "" {
		return next
	}
	return func(x *exchange.Exchange) error {
		p := s.people.Portal
		token := p.SessionToken(x.Gin.Request)
		if token == "" {
			return s.toPortalSignIn(x)
		}
		u, err := p.Accounts.BySession(x.Ctx, token)
		if errors.Is(err, account.ErrNoSession) {
			return s.toPortalSignIn(x)
		}
		if err != nil {
			return err
		}
		x.Merchant = u
		switch {
		case !u.May(r.portal):
			return exchange.ErrForbidden
		case r.changes && u.ReadOnly:
			return account.ErrReadOnly
		}
		return next(x)
	}
}

// toPortalSignIn asks for a sign-in and remembers where the person wanted to go.
func (s *server) toPortalSignIn(x *exchange.Exchange) error {
	to := "/portal/login"
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

// PortalRoute is one line of the table of the portal's routes, as the test of rights
// reads it.
type PortalRoute struct {
	Method, Path string
	// Right is "" for a page of signing in.
	Right account.Right
	// Changes: a merchant that may only read is refused.
	Changes bool
	// Upload: the form may carry files.
	Upload bool
}

// PortalRoutes lists every page of the portal, from the very table that the router
// is built of.
func PortalRoutes() []PortalRoute {
	s := &server{people: &People{Portal: &portal.Handlers{Options: portal.Options{Accounts: &account.Store{}}}}} // the handlers are named, not called
	var out []PortalRoute
	for _, r := range s.portalRoutes() {
		out = append(out, PortalRoute{Method: r.method, Path: r.path, Right: r.portal, Changes: r.changes,
			Upload: r.media == exchange.MediaUpload || r.media == exchange.MediaStream})
	}
	return out
}
