package main

import (
	"time"

	"unioncard/api/page"
	"unioncard/api/portal"
)

// portalPages puts the merchants' portal together.
func (n *node) portalPages(pages *page.Renderer, clock func() time.Time) *portal.Handlers {
	return portal.New(portal.Options{
		Pages: pages, Applications: n.applied, Files: n.files,
		Accounts: n.phones.portal, SecureCookies: n.cfg.secure(), Clock: clock,
	})
}
