package main

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/api"
	"unioncard/api/console"
	"unioncard/api/page"
	phonepage "unioncard/api/phone"
	"unioncard/api/till"
	"unioncard/card/union"
	"unioncard/merchant"
	"unioncard/merchant/exit"
	"unioncard/merchant/fleet"
	"unioncard/merchant/intake"
	"unioncard/merchant/signing"
	"unioncard/merchant/territory"
	"unioncard/settlement"
	"unioncard/settlement/budget"
	"unioncard/settlement/budget/voucher"
	"unioncard/settlement/report"
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
	if n.files, n.applied, err = newApplications(n.pool, n.cfg, n.keyring, clock); err != nil {
		return nil, err
	}
	n.accounts = newStaff(n.pool, n.cfg, n.keyring, clock)
	taking := intake.New(n.pool, clock, n.applied)
	n.exits = exit.New(n.pool, clock, exit.ProposalGate{}, exit.RenewalGate{}, exit.DraftGate{}, settlement.ExitGate{})
	n.territory = territory.New(n.pool, territory.Options{Clock: clock,
		HandOver: []func(context.Context, pgx.Tx, int64) error{report.HandOver}})
	n.statements = settlement.NewStore(n.pool, settlement.Options{Clock: clock, Details: n.applied})
	n.budgets = budget.NewStore(n.pool, budget.Options{Clock: clock, Registerer: n.registry})
	n.vouchers = voucher.NewStore(n.pool, n.budgets, clock)
	proposals := signing.New(n.pool, signing.Options{Clock: clock, Kinds: slices.Concat(n.exits.Kinds(), signing.Kinds(clock),
		[]signing.Kind{taking.Kind(), n.territory.Kind()},
		[]signing.Kind{n.recon.Kind()},
		n.budgets.Kinds(), n.vouchers.Kinds(), n.statements.Kinds())})
	n.impacts = signing.NewImpacts(n.pool, clock, n.log)
	n.contracts = signing.NewContracts(n.pool, clock, proposals, n.files)
	return &api.People{
		Console: console.New(console.Options{
			Pages: pages, DB: n.pool, Merchants: n.merchants, Staff: n.accounts, SecureCookies: n.cfg.secure(),
			Members: n.members, Territory: n.territory, Census: union.NewCensus(n.pool, clock),
			Rosters: n.rosters,
			Recon:   n.recon,
			Intake:  taking, Applications: n.applied, Files: n.files, Accounts: n.phones.portal,
			Signing: proposals, Contracts: n.contracts, Impacts: n.impacts, Exits: n.exits, Fleet: fleet.NewStore(n.pool, clock),
			Reports: report.NewStore(n.pool, clock), Signs: n.listing.signs,
			Cards: n.cards, CardCodes: n.codes, Batches: n.batches,
			Budgets: n.budgets, Vouchers: n.vouchers, Statements: n.statements,
			Clock: clock, Logger: n.log,
		}),
		PhonePage: phonepage.NewPage(pages, assets),
		Phone:     n.phones.page,
		Open:      n.openPages(pages, clock),
		Portal:    n.portalPages(pages, clock),
		Till:      till.New(till.Options{Pages: pages, Assets: assets}),
		Pages:     pages,
		Assets:    assets,
		Session:   n.accounts.BySession,
		Locate: func(ctx context.Context, kind string, id int64) (string, error) {
			return merchant.Locate(ctx, n.pool, kind, id)
		},
	}, nil
}
