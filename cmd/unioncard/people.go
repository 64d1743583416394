package main

import (
	"context"
	"time"

	"unioncard/api"
	"unioncard/api/console"
	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/web"
)

// people puts the pages for people together.
func (n *node) people(clock func() time.Time) (*api.People, error) {
	assets, err := page.NewAssets(web.Dist)
	if err != nil {
		return nil, err
	}
	if !assets.Built() {
		n.log.Warn("styles and scripts were not built into this program (make assets): pages come without looks and charts")
	}
	pages, err := page.NewRenderer(web.Templates, assets, clock)
	if err != nil {
		return nil, err
	}
	accounts := newStaff(n.pool, n.cfg, n.keyring, clock)
	return &api.People{
		Console: console.New(console.Options{Pages: pages, DB: n.pool, Merchants: n.merchants, Staff: accounts, SecureCookies: n.cfg.secure(), Clock: clock, Logger: n.log}),
		Pages:   pages,
		Assets:  assets,
		Session: accounts.BySession,
		Locate: func(ctx context.Context, kind string, id int64) (string, error) {
			return merchant.Locate(ctx, n.pool, kind, id)
		},
	}, nil
}
