package api

import (
	"net/http"
	"time"

	"unioncard/api/console"
	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/api/phone"
	"unioncard/card/union/staff"
)

// What a page may take; uploads and exports take longer.
const (
	pageTime = 10 * time.Second
	longTime = 60 * time.Second
	// streamTime is for half a gigabyte over a county's line; maxStreaming is how many
	// send at once.
	streamTime   = 30 * time.Minute
	maxStreaming = 16
)

// Bodies of the public form, in bytes: 50 outlets of a few hundred letters each,
// and one file.
const (
	applyBody   = 256 << 10
	oneFileBody = 11 << 20
)

// peopleRoutes is every page there is, by audience. A line of the console names
// the right it needs and the kind of object that :id is; signedIn holds both.
// Who may, in words, stands in cmd/unioncard/testdata/rights.txt; a route without
// its line there fails a test.
func (s *server) peopleRoutes() []route {
	p := s.people
	if p == nil {
		return nil
	}
	c, o, w := p.Console, p.Open, p.Portal
	ct, ft := c.ContractTerms(), c.FloorTerms()
	return []route{
		s.publicGet(page.AssetPath+"*name", p.Assets.Serve),

		s.publicGet("/", o.Home),
		s.publicGet("/outlets", o.List),
		s.publicGet("/outlets/:id", o.OutletPage),
		s.publicGet("/robots.txt", o.Robots),
		s.publicGet("/sitemap.xml", o.Sitemap),
		s.publicGet("/sitemaps/:id", o.SitemapPart),
		s.publicGet("/open/v1/outlets", o.Outlets),
		s.publicGet("/open/v1/outlets/changes", o.Changes),
		s.publicGet("/open/v1/outlets/:id", o.Outlet),
		s.publicGet("/open/v1/trades", o.Trades),
		s.publicGet("/open/v1/divisions", o.Divisions),
		s.publicGet("/open/openapi.yaml", o.OpenAPI),

		s.publicGet(phone.PagePath, p.PhonePage.Home),
		s.publicGet("/m/sw.js", p.PhonePage.Worker),
		s.publicGet("/m/manifest.webmanifest", p.PhonePage.Manifest),
		s.publicGet("/m/icon-192.png", p.PhonePage.Icon),
		s.publicGet("/m/icon-512.png", p.PhonePage.Icon),
		s.publicGet("/m/icon-maskable.png", p.PhonePage.Icon),

		s.publicGet("/till", p.Till.Page),
		s.publicGet("/till/sw.js", p.Till.Worker),
		s.publicGet("/till/manifest.webmanifest", p.Till.Manifest),
		s.publicGet("/till/icon.svg", p.Till.Icon),

		s.publicGet("/console/login", c.LoginForm),
		s.signInPost("/console/login", c.Login),
		s.publicGet("/console/login/code", c.LoginCodeForm),
		s.signInPost("/console/login/code", c.LoginCode),
		s.publicGet("/console/login/password", c.LoginPasswordForm),
		s.signInPost("/console/login/password", c.LoginPassword),
		s.publicGet("/console/login/enrol", c.LoginEnrolForm),
		s.signInPost("/console/login/enrol", c.LoginEnrol),
		s.publicGet("/console/login/qr.png", c.LoginQR),
		s.consolePost("/console/logout", c.Logout, staff.SignedIn, ""),

		s.consoleGet("/console/account", c.Account, staff.SignedIn, ""),
		s.consolePost("/console/account/password", c.AccountPassword, staff.SignedIn, ""),
		s.consolePost("/console/account/factor", c.AccountFactor, staff.SignedIn, ""),
		s.consoleGet("/console/account/factor", c.FactorForm, staff.SignedIn, ""),
		s.consolePost("/console/account/factor/cancel", c.FactorCancel, staff.SignedIn, ""),
		s.consolePost("/console/account/factor/confirm", c.FactorConfirm, staff.SignedIn, ""),
		s.consoleGet("/console/account/qr.png", c.FactorQR, staff.SignedIn, ""),
		s.consolePost("/console/account/recovery", c.AccountRecovery, staff.SignedIn, ""),
		s.consolePost("/console/account/sessions/:item/end", c.EndSession, staff.SignedIn, ""),

		s.consoleGet("/console/staff", c.StaffList, staff.WriteStaff, ""),
		s.consolePost("/console/staff", c.StaffCreate, staff.WriteStaff, ""),
		s.consoleGet("/console/staff/new", c.StaffNew, staff.WriteStaff, ""),
		s.consoleGet("/console/staff/:id", c.StaffShow, staff.WriteStaff, "staff"),
		s.consoleGet("/console/staff/:id/edit", c.StaffEditForm, staff.WriteStaff, "staff"),
		s.consolePost("/console/staff/:id/edit", c.StaffEdit, staff.WriteStaff, "staff"),
		s.consolePost("/console/staff/:id/reset", c.StaffReset, staff.WriteStaff, "staff"),
		s.consolePost("/console/staff/:id/disable", c.StaffDisable, staff.WriteStaff, "staff"),
		s.consolePost("/console/staff/:id/enable", c.StaffEnable, staff.WriteStaff, "staff"),
		s.consoleGet("/console/events", c.EventList, staff.ReadEvents, ""),

		s.consoleGet("/console", c.Home, staff.SignedIn, ""),

		s.consoleGet("/console/contracts", c.ContractList, staff.ReadBusiness, ""),
		s.consoleGet("/console/contracts/:id", c.ContractShow, staff.ReadBusiness, "contract"),
		s.consoleGet("/console/contracts/:id/versions", c.ContractVersions, staff.ReadBusiness, "contract"),
		s.consoleGet("/console/contracts/:id/print", c.ContractPrint, staff.ReadBusiness, "contract"),
		s.consoleGet("/console/contracts/:id/edit", c.ContractEditForm, staff.WriteContract, "contract"),
		s.consolePost("/console/contracts/:id/edit", c.ContractEdit, staff.WriteContract, "contract"),
		s.consolePost("/console/contracts/:id/propose", c.ContractPropose, staff.WriteContract, "contract"),
		s.consoleUpload("/console/contracts/:id/sign", c.ContractSign, staff.WriteContract, "contract"),
		s.consolePost("/console/contracts/:id/publish", c.ContractPublish, staff.WriteContract, "contract"),
		s.consolePost("/console/contracts/:id/drop", c.ContractDrop, staff.WriteContract, "contract"),
		s.consoleGet("/console/contracts/:id/renew", c.ContractRenewForm, staff.WriteContract, "contract"),
		s.consolePost("/console/contracts/:id/renew", c.ContractRenew, staff.WriteContract, "contract"),
		s.consoleGet("/console/merchants/:id/contract", c.ContractNewForm, staff.WriteContract, "merchant"),
		s.consolePost("/console/merchants/:id/contract", c.ContractNew, staff.WriteContract, "merchant"),

		s.consoleGet("/console/contracts/:id/terms", ct.Show, staff.ReadBusiness, "contract"),
		s.consoleGet("/console/contracts/:id/terms/history", ct.History, staff.ReadBusiness, "contract"),
		s.consoleGet("/console/contracts/:id/terms/json", ct.JSON, staff.ReadBusiness, "contract"),
		s.consoleUpload("/console/contracts/:id/terms/json", ct.SaveJSON, staff.WriteContract, "contract"),
		s.consoleGet("/console/contracts/:id/terms/offer", ct.OfferForm, staff.WriteContract, "contract"),
		s.consolePost("/console/contracts/:id/terms/offer", ct.SaveOffer, staff.WriteContract, "contract"),
		s.consolePost("/console/contracts/:id/terms/check", ct.CheckOffer, staff.WriteContract, "contract"),
		s.consolePost("/console/contracts/:id/terms/arrange", ct.Arrange, staff.WriteContract, "contract"),
		s.consolePost("/console/contracts/:id/terms/adopt", ct.Adopt, staff.WriteContract, "contract"),
		s.consolePost("/console/contracts/:id/terms/restore", ct.Restore, staff.WriteContract, "contract"),
		s.consoleGet("/console/floors/edit", ft.Show, staff.ReadBusiness, ""),
		s.consoleGet("/console/floors/edit/history", ft.History, staff.ReadBusiness, ""),
		s.consoleGet("/console/floors/edit/json", ft.JSON, staff.ReadBusiness, ""),
		s.consoleUpload("/console/floors/edit/json", ft.SaveJSON, staff.WriteFloor, ""),
		s.consoleGet("/console/floors/edit/offer", ft.OfferForm, staff.WriteFloor, ""),
		s.consolePost("/console/floors/edit/offer", ft.SaveOffer, staff.WriteFloor, ""),
		s.consolePost("/console/floors/edit/check", ft.CheckOffer, staff.WriteFloor, ""),
		s.consolePost("/console/floors/edit/arrange", ft.Arrange, staff.WriteFloor, ""),
		s.consolePost("/console/floors/edit/adopt", ft.Adopt, staff.WriteFloor, ""),
		s.consolePost("/console/floors/edit/restore", ft.Restore, staff.WriteFloor, ""),

		s.consoleGet("/console/proposals", c.ProposalList, staff.ReadBusiness, ""),
		s.consoleGet("/console/proposals/:id", c.ProposalShow, staff.ReadBusiness, "proposal"),
		s.consoleLong("/console/proposals/:id/decide", c.ProposalDecide, staff.Decide, "proposal"),
		s.consolePost("/console/proposals/:id/withdraw", c.ProposalWithdraw, staff.WriteContract, "proposal"),

		s.consoleGet("/console/floors", c.FloorList, staff.ReadBusiness, ""),
		s.consoleGet("/console/floors/show", c.FloorShow, staff.ReadBusiness, ""),
		s.consoleGet("/console/floors/impact", c.ImpactShow, staff.ReadBusiness, ""),
		s.consolePost("/console/floors/impact", c.FloorImpact, staff.WriteFloor, ""),
		s.consolePost("/console/floors/propose", c.FloorPropose, staff.WriteFloor, ""),
		s.consoleGet("/console/renegotiations", c.RenegotiationList, staff.ReadBusiness, ""),

		s.publicGet("/apply", w.Form),
		s.publicPost("/apply", w.Apply, exchange.MediaForm, applyBody),
		s.publicGet("/apply/:id/:token", w.Status),
		s.publicGet("/apply/:id/:token/edit", w.EditForm),
		s.publicPost("/apply/:id/:token/edit", w.Edit, exchange.MediaForm, applyBody),
		s.publicPost("/apply/:id/:token/files", w.Upload, exchange.MediaUpload, oneFileBody),
		s.publicPost("/apply/:id/:token/files/:item/remove", w.RemoveFile, exchange.MediaForm, smallBody),
		s.publicPost("/apply/:id/:token/move", w.Move, exchange.MediaForm, smallBody),

		s.consoleGet("/console/applications", c.ApplicationList, staff.ReadBusiness, ""),
		s.consolePost("/console/applications", c.ApplicationCreate, staff.WriteApplication, ""),
		s.consoleGet("/console/applications/new", c.ApplicationNew, staff.WriteApplication, ""),
		s.consoleGet("/console/applications/:id", c.ApplicationShow, staff.ReadBusiness, "application"),
		s.consoleGet("/console/applications/:id/edit", c.ApplicationEditForm, staff.WriteApplication, "application"),
		s.consolePost("/console/applications/:id/edit", c.ApplicationEdit, staff.WriteApplication, "application"),
		s.consolePost("/console/applications/:id/move", c.ApplicationMove, staff.WriteApplication, "application"),
		s.consolePost("/console/applications/:id/accept", c.ApplicationAccept, staff.WriteApplication, "application"),
		s.consolePost("/console/applications/:id/checks", c.ApplicationCheck, staff.WriteApplication, "application"),
		s.consolePost("/console/applications/:id/link", c.ApplicationLink, staff.WriteApplication, "application"),
		s.consoleUpload("/console/applications/:id/visits", c.ApplicationVisit, staff.WriteApplication, "application"),
		s.consoleUpload("/console/applications/:id/files", c.ApplicationFile, staff.WriteApplication, "application"),
		s.consolePost("/console/applications/:id/files/:item/remove", c.ApplicationFileRemove, staff.WriteApplication, "application"),
		s.consoleGet("/console/files/:id", c.File, staff.ReadBusiness, "file"),
		s.consoleGet("/console/files/:id/image", c.FileImage, staff.ReadBusiness, "file"),
		s.consoleGet("/console/merchants", c.MerchantList, staff.ReadBusiness, ""),
		s.consoleGet("/console/merchants/:id", c.MerchantShow, staff.ReadBusiness, "merchant"),
		s.consoleGet("/console/merchants/:id/details", c.MerchantDetailsForm, staff.WriteApplication, "merchant"),
		s.consolePost("/console/merchants/:id/details", c.MerchantDetails, staff.WriteApplication, "merchant"),
		s.consoleGet("/console/merchants/:id/users", c.MerchantUsers, staff.ReadBusiness, "merchant"),
		s.consolePost("/console/merchants/:id/users", c.MerchantOwner, staff.WriteApplication, "merchant"),
		s.consolePost("/console/merchants/:id/users/:item/reset", c.MerchantUserReset, staff.WriteApplication, "merchant"),
		s.consolePost("/console/merchants/:id/users/:item/disable", c.MerchantUserDisable, staff.WriteApplication, "merchant"),

		s.consoleGet("/console/exits", c.ExitList, staff.ReadBusiness, ""),
		s.consoleGet("/console/contracts/:id/exit", c.ExitForm, staff.ReadBusiness, "contract"),
		s.consolePost("/console/contracts/:id/exit", c.Exit, staff.WriteExit, "contract"),
		s.consolePost("/console/contracts/:id/suspend", c.SuspendContract, staff.WriteExit, "contract"),
		s.consolePost("/console/contracts/:id/resume", c.ResumeContract, staff.WriteExit, "contract"),

		s.consoleGet("/console/import", c.Import, staff.ReadBusiness, ""),
		s.consoleUpload("/console/import", c.ImportCheck, staff.ImportBusiness, ""),
		s.consoleGet("/console/import/template", c.ImportTemplate, staff.ImportBusiness, ""),
		s.consoleGet("/console/import/:id", c.ImportShow, staff.ReadBusiness, "importrun"),
		s.consolePost("/console/import/:id", c.ImportPropose, staff.ImportBusiness, "importrun"),

		s.consoleGet("/console/members", c.MemberList, staff.ReadMembers, ""),
		s.consolePost("/console/members/search", c.MemberSearch, staff.ReadMembers, ""),
		s.consoleGet("/console/members/:id", c.MemberShow, staff.ReadMembers, "member"),
		s.consolePost("/console/members/:id/reveal", c.MemberReveal, staff.RevealMembers, "member"),
		s.consolePost("/console/members/:id/export", c.MemberExport, staff.RevealMembers, "member"),
		s.consoleGet("/console/members/:id/edit", c.MemberEditForm, staff.WriteMembers, "member"),
		s.consolePost("/console/members/:id/edit", c.MemberEdit, staff.WriteMembers, "member"),
		s.consolePost("/console/members/:id/move", c.MemberMove, staff.WriteMembers, "member"),
		s.consoleGet("/console/members/:id/transfer", c.MemberTransferForm, staff.WriteMembers, "member"),
		s.consolePost("/console/members/:id/transfer", c.MemberTransfer, staff.WriteMembers, "member"),
		s.consoleGet("/console/unions/:id/register", c.MemberNew, staff.WriteMembers, "union"),
		s.consolePost("/console/unions/:id/register", c.MemberRegister, staff.WriteMembers, "union"),
		s.consoleGet("/console/transfers", c.TransferList, staff.ReadMembers, ""),
		s.consoleGet("/console/unions/:id/transfer", c.TransferNew, staff.WriteMembers, "union"),
		s.consolePost("/console/unions/:id/transfer", c.TransferCreate, staff.WriteMembers, "union"),
		s.consoleGet("/console/transfers/:id/decide", c.TransferDecideForm, staff.WriteMembers, "transferout"),
		s.consolePost("/console/transfers/:id/decide", c.TransferDecide, staff.WriteMembers, "transferout"),
		s.consoleGet("/console/transfers/:id/withdraw", c.TransferWithdrawForm, staff.WriteMembers, "transferin"),
		s.consolePost("/console/transfers/:id/withdraw", c.TransferWithdraw, staff.WriteMembers, "transferin"),
		s.consoleGet("/console/unions", c.UnionList, staff.ReadUnions, ""),
		s.consoleGet("/console/unions/:id", c.UnionShow, staff.ReadUnions, "union"),
		s.consoleGet("/console/unions/:id/add", c.UnionAddForm, staff.WriteUnions, "union"),
		s.consolePost("/console/unions/:id/add", c.UnionAdd, staff.WriteUnions, "union"),
		s.consoleGet("/console/unions/:id/rename", c.UnionRenameForm, staff.WriteUnions, "union"),
		s.consolePost("/console/unions/:id/rename", c.UnionRename, staff.WriteUnions, "union"),
		s.consoleGet("/console/unions/:id/merge", c.UnionMergeForm, staff.WriteUnions, "union"),
		s.consoleLong("/console/unions/:id/merge", c.UnionMerge, staff.WriteUnions, "union"),
		s.consolePost("/console/unions/:id/merge/withdraw", c.UnionMergeWithdraw, staff.WriteUnions, "union"),

		s.consoleGet("/console/cards", c.CardList, staff.ReadMembers, ""),
		s.consolePost("/console/cards", c.CardCreate, staff.WriteCards, ""),
		s.consoleGet("/console/cards/new", c.CardNew, staff.WriteCards, ""),
		s.consolePost("/console/cards/find", c.CardFind, staff.ReadMembers, ""),
		s.consoleGet("/console/cards/:id", c.CardShow, staff.ReadMembers, "card"),
		s.consolePost("/console/cards/:id/move", c.CardMove, staff.WriteCards, "card"),
		s.consolePost("/console/cards/:id/print", c.CardPrint, staff.WriteCards, "card"),
		s.consoleGet("/console/batches", c.BatchList, staff.ReadMembers, ""),
		s.consolePost("/console/batches", c.BatchCreate, staff.WriteCards, ""),
		s.consoleGet("/console/batches/new", c.BatchNew, staff.WriteCards, ""),
		s.consoleGet("/console/batches/:id", c.BatchShow, staff.ReadMembers, "batch"),
		s.consolePost("/console/batches/:id/move", c.BatchMove, staff.WriteCards, "batch"),
		s.consolePost("/console/batches/:id/edit", c.BatchEdit, staff.WriteCards, "batch"),
		s.consoleLong("/console/batches/:id/hand", c.BatchHand, staff.WriteCards, "batch"),
		s.consoleLong("/console/batches/:id/file", c.BatchFile, staff.WriteCards, "batch"),
		s.consoleLong("/console/batches/:id/download", c.BatchDownload, staff.WriteCards, "batch"),

		s.consoleGet("/console/differences", c.DifferenceList, staff.ReadMoney, ""),
		s.consoleGet("/console/differences/:id", c.DifferenceShow, staff.ReadMoney, "difference"),
		s.consolePost("/console/differences/:id/accept", c.DifferenceAccept, staff.WriteMoney, "difference"),
		s.consolePost("/console/differences/:id/adjust", c.DifferenceAdjust, staff.WriteMoney, "difference"),
		s.consolePost("/console/differences/:id/reject", c.DifferenceReject, staff.WriteMoney, "difference"),
		s.consolePost("/console/differences/:id/void", c.DifferenceVoid, staff.WriteMoney, "difference"),

		s.consoleGet("/console/rosters", c.RosterList, staff.ReadMembers, ""),
		s.consoleStream("/console/rosters", c.RosterUpload, staff.WriteMembers, ""),
		s.consoleGet("/console/rosters/template", c.RosterTemplate, staff.WriteMembers, ""),
		s.consoleGet("/console/rosters/:id", c.RosterShow, staff.ReadMembers, "rosterrun"),
		s.consolePost("/console/rosters/:id/apply", c.RosterApply, staff.WriteMembers, "rosterrun"),
		s.consolePost("/console/rosters/:id/discard", c.RosterDiscard, staff.WriteMembers, "rosterrun"),
		s.consoleLong("/console/rosters/:id/faults", c.RosterFaults, staff.WriteMembers, "rosterrun"),

		s.consoleGet("/console/spending", c.SpendingList, staff.ReadMoney, ""),
		s.consoleGet("/console/budgets", c.BudgetList, staff.ReadMoney, ""),
		s.consolePost("/console/budgets", c.BudgetCreate, staff.WriteMoney, ""),
		s.consoleGet("/console/budgets/new", c.BudgetNew, staff.WriteMoney, ""),
		s.consoleGet("/console/budgets/:id", c.BudgetShow, staff.ReadMoney, "budget"),
		s.consoleGet("/console/budgets/:id/edit", c.BudgetEditForm, staff.WriteMoney, "budget"),
		s.consolePost("/console/budgets/:id/edit", c.BudgetEdit, staff.WriteMoney, "budget"),
		s.consolePost("/console/budgets/:id/move", c.BudgetMove, staff.WriteMoney, "budget"),
		s.consolePost("/console/budgets/:id/topup", c.BudgetTopUp, staff.WriteMoney, "budget"),
		s.consoleGet("/console/budgets/:id/series", c.SeriesNew, staff.WriteMoney, "budget"),
		s.consolePost("/console/budgets/:id/series", c.SeriesCreate, staff.WriteMoney, "budget"),
		s.consoleGet("/console/series", c.SeriesList, staff.ReadMoney, ""),
		s.consoleGet("/console/series/:id", c.SeriesShow, staff.ReadMoney, "series"),
		s.consoleGet("/console/series/:id/edit", c.SeriesEditForm, staff.WriteMoney, "series"),
		s.consolePost("/console/series/:id/edit", c.SeriesEdit, staff.WriteMoney, "series"),
		s.consolePost("/console/series/:id/move", c.SeriesMove, staff.WriteMoney, "series"),
		s.consoleUpload("/console/series/:id/grant", c.SeriesGrant, staff.WriteMoney, "series"),
		s.consolePost("/console/series/:id/revoke", c.SeriesRevoke, staff.WriteMoney, "series"),
		s.consoleGet("/console/statements", c.StatementList, staff.ReadMoney, ""),
		s.consoleGet("/console/statements/:id", c.StatementShow, staff.ReadMoney, "statement"),
		s.consolePost("/console/statements/:id/confirm", c.StatementConfirm, staff.WriteMoney, "statement"),
		s.consolePost("/console/statements/:id/resolve", c.StatementResolve, staff.WriteMoney, "statement"),
		s.consolePost("/console/statements/:id/adjust", c.StatementAdjust, staff.WriteMoney, "statement"),
		s.consoleGet("/console/payments", c.PaymentList, staff.ReadMoney, ""),
		s.consolePost("/console/payments", c.PaymentCreate, staff.WriteMoney, ""),
		s.consoleGet("/console/payments/new", c.PaymentNew, staff.WriteMoney, ""),
		s.consoleGet("/console/payments/:id", c.PaymentShow, staff.ReadMoney, "payment"),
		s.consolePost("/console/payments/:id/move", c.PaymentMove, staff.WriteMoney, "payment"),
		s.consoleLong("/console/payments/:id/file", c.PaymentFile, staff.WriteMoney, "payment"),
		s.consoleUpload("/console/payments/:id/answer", c.PaymentAnswer, staff.WriteMoney, "payment"),
		s.consolePost("/console/proposals/:id/retract", c.ProposalWithdraw, staff.WriteMoney, "proposal"),

		s.consoleGet("/console/silent", c.SilentList, staff.ReadBusiness, ""),
		s.consoleGet("/console/terminals", c.TerminalList, staff.ReadBusiness, ""),
		s.consoleGet("/console/terminals/:id", c.TerminalShow, staff.ReadBusiness, "terminal"),
		s.consolePost("/console/terminals/:id/move", c.TerminalMove, staff.WriteTerminal, "terminal"),
		s.consolePost("/console/terminals/:id/rekey", c.TerminalRekey, staff.WriteTerminal, "terminal"),
		s.consoleGet("/console/outlets", c.OutletList, staff.ReadBusiness, ""),
		s.consoleGet("/console/outlets/requests", c.OutletRequests, staff.ReadBusiness, ""),
		s.consoleGet("/console/outlets/:id", c.OutletShow, staff.ReadBusiness, "outlet"),
		s.consolePost("/console/outlets/:id/request", c.OutletAnswer, staff.WriteApplication, "outlet"),
		s.consolePost("/console/outlets/:id/code", c.OutletCode, staff.WriteTerminal, "outlet"),
		s.consolePost("/console/outlets/:id/move", c.OutletMove, staff.WriteExit, "outlet"),
		s.consolePost("/console/merchants/:id/code", c.MerchantCode, staff.WriteTerminal, "merchant"),
	}
}

// consoleGet is a page of the console.
func (s *server) consoleGet(path string, h exchange.Handler, right staff.Right, object string) route {
	return route{method: http.MethodGet, path: path, handle: h, timeout: pageTime, gate: s.browsing,
		open: true, people: true, right: right, object: object}
}

// consolePost is a form of the console.
func (s *server) consolePost(path string, h exchange.Handler, right staff.Right, object string) route {
	return route{method: http.MethodPost, path: path, handle: h, media: exchange.MediaForm, body: formBody,
		timeout: pageTime, gate: s.browsing, open: true, writes: true, people: true, right: right, object: object}
}

// consoleLong is a form of the console that may do much at once: publishing a floor
// looks at every contract it binds.
func (s *server) consoleLong(path string, h exchange.Handler, right staff.Right, object string) route {
	r := s.consolePost(path, h, right, object)
	r.timeout = longTime
	return r
}

// consoleStream is a form of the console with a file too large to be held, which the
// handler reads as it arrives. So the gate holds who is still sending, too; it is the
// route's own, and a slow sender keeps nobody else out.
func (s *server) consoleStream(path string, h exchange.Handler, right staff.Right, object string) route {
	r := s.consolePost(path, h, right, object)
	r.media, r.body, r.timeout, r.gate = exchange.MediaStream, console.RosterBody, streamTime, &gate{max: maxStreaming}
	return r
}

// signInPost is a form of the console for who has not signed in yet.
func (s *server) signInPost(path string, h exchange.Handler) route {
	return route{method: http.MethodPost, path: path, handle: h, media: exchange.MediaForm, body: smallBody,
		timeout: pageTime, gate: s.browsing, open: true, writes: true, people: true}
}

// consoleUpload is a form of the console with files.
func (s *server) consoleUpload(path string, h exchange.Handler, right staff.Right, object string) route {
	r := s.consolePost(path, h, right, object)
	r.media, r.body, r.timeout = exchange.MediaUpload, uploadBody, longTime
	return r
}

// publicGet is a page or feed for everybody.
func (s *server) publicGet(path string, h exchange.Handler) route {
	return route{method: http.MethodGet, path: path, handle: h, timeout: pageTime, gate: s.browsing, open: true, people: true}
}

// publicPost is a form for everybody.
func (s *server) publicPost(path string, h exchange.Handler, media exchange.Media, body int) route {
	return route{method: http.MethodPost, path: path, handle: h, media: media, body: body,
		timeout: longTime, gate: s.opening, open: true, writes: true, people: true}
}
