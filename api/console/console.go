// Package console is what the unions' offices work in: every handler of the
// pages under /console. Who may call which stands in api/routes_people.go; a
// handler is only reached by an account that may, for an object in its
// territory. Ids that come in a form's fields are checked by the handler.
package console

import (
	"log/slog"
	"time"

	"unioncard/api/page"
	"unioncard/card"
	"unioncard/card/batch"
	"unioncard/card/member"
	"unioncard/card/roster"
	"unioncard/card/union"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/account"
	"unioncard/merchant/application"
	"unioncard/merchant/directory"
	"unioncard/merchant/exit"
	"unioncard/merchant/file"
	"unioncard/merchant/fleet"
	"unioncard/merchant/intake"
	"unioncard/merchant/signing"
	"unioncard/merchant/territory"
	"unioncard/settlement"
	"unioncard/settlement/budget"
	"unioncard/settlement/budget/voucher"
	"unioncard/settlement/recon"
	"unioncard/settlement/report"
)

// Options is what the console works on.
type Options struct {
	Pages        *page.Renderer
	DB           merchant.DB
	Merchants    *merchant.Store
	Staff        *staff.Store
	Signing      *signing.Store
	Contracts    *signing.Contracts
	Impacts      *signing.Impacts
	Files        *file.Store
	Applications *application.Store
	Accounts     *account.Store // merchants' users, and what they ask of their office
	Exits        *exit.Store
	Fleet        *fleet.Store
	Intake       *intake.Store
	Territory    *territory.Store // the union tree
	Census       *union.Census    // its counts
	Rosters      *roster.Store
	Signs        *directory.Signs // of life, of what the public directory lists
	Reports      *report.Store
	Recon        *recon.Store // merchants' till files and what they differ in
	Cards        *card.Store
	Members      *member.Store
	CardCodes    *card.Codes
	Batches      *batch.Store
	Budgets      *budget.Store
	Vouchers     *voucher.Store
	Statements   *settlement.Store // and payments
	// SecureCookies: the service is reached by https only.
	SecureCookies bool
	Clock         func() time.Time
	Logger        *slog.Logger
}

// Handlers are the console's pages.
type Handlers struct{ Options }

// New returns the console.
func New(o Options) *Handlers { return &Handlers{o} }
