package main

import (
	"time"

	"unioncard/api/page"
	"unioncard/api/portal"
	"unioncard/merchant/fleet"
	"unioncard/settlement/report"
)

// portalPages puts the merchants' portal together.
func (n *node) portalPages(pages *page.Renderer, clock func() time.Time) *portal.Handlers {
	return portal.New(portal.Options{
		Pages: pages, Applications: n.applied, Files: n.files,
		Merchants: n.merchants, Contracts: n.contracts, Fleet: fleet.NewStore(n.pool, clock),
		Recon: n.recon, Accounts: n.phones.portal, SecureCookies: n.cfg.secure(), Clock: clock,
		Sales: report.NewStore(n.pool, clock), Statements: n.statements, Webhooks: n.webhooks.store,
	})
}
