// Package portal is what merchants use.
//
// Without an account: the form to join, and the page behind a secret link on which
// they see how their application stands, add files, correct what was returned and
// send it. Whoever holds the link may do that, so it shows the phone and account only
// in part and nothing of anybody else: that a company is known already is for the
// office alone.
//
// Signed in, under /portal: everything else (package account says who may). Which
// right a page asks for stands in api/routes_portal.go; a handler is only reached by
// a user who has it, as x.Merchant. The merchant comes from the session, never from
// the request: an id in a path or a form is looked up inside x.Merchant.MerchantID
// and, of a shop, held against x.Merchant.Sees; outside answers as absent does.
//
// All of it works without scripts.
package portal

import (
	"errors"
	"net/netip"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/merchant/account"
	"unioncard/merchant/application"
	"unioncard/merchant/file"
	"unioncard/merchant/fleet"
	"unioncard/merchant/signing"
	"unioncard/settlement"
	"unioncard/settlement/recon"
	"unioncard/settlement/report"
	"unioncard/settlement/webhook"
)

// Options is what the portal works on.
type Options struct {
	Pages        *page.Renderer
	Applications *application.Store
	Files        *file.Store
	// Accounts are the merchants' users; nil: nobody signs in.
	Accounts *account.Store
	// Merchants, Contracts and Fleet are what the portal of a merchant shows and does of
	// its agreements, shops and terminals.
	Merchants *merchant.Store
	Contracts *signing.Contracts
	Fleet     *fleet.Store
	Recon     *recon.Store // the merchants' till files
	// SecureCookies: the service is reached by https only.
	SecureCookies bool
	// Sales are the merchants' purchases, Statements what is owed of them, Webhooks who
	// is told of them.
	Sales      *report.Store
	Statements *settlement.Store
	Webhooks   *webhook.Store
	Clock      func() time.Time
}

// Handlers are the portal's pages.
type Handlers struct {
	Options
	sending, uploading *limiter
	exports            *places
	papers             chan struct{} // places for those that write a PDF
}

// What one network address may do an hour, and all of them together: enough for a
// service hall where many apply from one, too little to fill a disk.
const (
	sendsPerHour, allSendsPerHour     = 30, 2_000
	uploadsPerHour, allUploadsPerHour = 120, 4_000
)

// New returns the portal.
func New(o Options) *Handlers {
	return &Handlers{Options: o, sending: newLimiter(o.Clock, sendsPerHour, allSendsPerHour),
		uploading: newLimiter(o.Clock, uploadsPerHour, allUploadsPerHour), exports: &places{of: map[int64]int{}}, papers: make(chan struct{}, printing)}
}

// ErrTooMany: an address, or all together, have sent too much within the hour.
var ErrTooMany = errors.New("portal: too many requests")

// by is the applicant, as events name it.
func by(a *application.Application, reason string) merchant.By {
	return merchant.By{Actor: "applicant:" + a.Number, Reason: reason}
}

// own reads the application of a link. A wrong one reads like one that never was.
func (h *Handlers) own(x *exchange.Exchange) (*application.Application, error) {
	// The address holds a secret: nobody keeps the page or learns where it came from.
	x.SetHeader("Cache-Control", "no-store")
	x.SetHeader("X-Robots-Tag", "noindex")
	return h.Applications.ByToken(x.Ctx, x.Gin.Param("id"), x.Gin.Param("token"))
}

// place is an address, or for IPv6 the /64 that one customer has.
func place(a netip.Addr) netip.Addr {
	if a.Is6() && !a.Is4In6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a.Unmap()
}
