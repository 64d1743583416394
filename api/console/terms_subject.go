package console

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/draft"
	"unioncard/merchant/terms"
)

// TermsEditor is the pages on which the Terms of a contract, or of a floor, are
// written. What is edited is a draft (package draft); nobody is bound by it
// before it was proposed, approved and published.
type TermsEditor struct {
	h *Handlers
	// find reads what the request's address names, for the account that asks.
	find func(x *exchange.Exchange) (*termsSubject, error)
}

// ContractTerms is the editor at /console/contracts/:id/terms.
func (h *Handlers) ContractTerms() *TermsEditor { return &TermsEditor{h, h.contractSubject} }

// FloorTerms is the editor at /console/floors/edit?trade=… or ?brand=….
func (h *Handlers) FloorTerms() *TermsEditor { return &TermsEditor{h, h.floorSubject} }

// termsSubject is whose Terms are edited.
type termsSubject struct {
	object string     // of the draft: "contract:12"
	path   string     // of the editor
	key    url.Values // what the address carries besides: a floor's trade or brand

	Facts  *merchant.ContractFacts // of a contract; nil for a floor
	Trade  merchant.Trade
	Brand  string
	Write  bool // the account may change it
	naming *merchant.Naming
	names  terms.Names

	Draft   *draft.Draft // nil without one
	Version int32        // that the next save is based on
	Actor   string       // who saved the draft, by name
	// Published are the versions so far, the newest first.
	Published []merchant.PublishedTerms
	now       time.Time
	// budgets are those that an offer may name; nil for a floor, which names none.
	budgets []page.Choice
	// goodsNamed is the SKUs that the Terms or a bound name; others are made up.
	goodsNamed map[string]bool
}

// Floor says whether a floor is edited.
func (s *termsSubject) Floor() bool { return s.Facts == nil }

// URL is a page of this editor: URL("offer", "kind", "percent").
func (s *termsSubject) URL(page string, pairs ...string) string {
	to := s.path
	if page != "" {
		to += "/" + page
	}
	q := url.Values{}
	for k, v := range s.key {
		q[k] = v
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	return to
}

// Home is where what is edited has its own page.
func (s *termsSubject) Home() string {
	if s.Floor() {
		return "/console/floors/show?" + s.key.Encode()
	}
	return "/console/contracts/" + strconv.FormatInt(s.Facts.ID, 10)
}

// Name is what is edited, in words.
func (s *termsSubject) Name() string {
	switch {
	case s.Floor() && s.Brand != "":
		return "品牌“" + s.Brand + "”的省级底线"
	case s.Floor():
		return page.TradeName(string(s.Trade)) + "行业的省级底线"
	case s.Facts.Outlet != "":
		return s.Facts.Merchant + "（" + s.Facts.Outlet + "）"
	}
	return s.Facts.Merchant
}

// Terms is what the editor shows: the draft, else the latest published version,
// else nothing yet.
func (s *termsSubject) Terms() *terms.Terms {
	switch {
	case s.Draft != nil:
		return s.Draft.Terms
	case len(s.Published) > 0:
		return s.Published[0].Terms
	}
	return &terms.Terms{V: terms.Version, Offers: []terms.Offer{}}
}

// Changed says whether there is a draft that differs from what is published.
func (s *termsSubject) Changed() bool {
	if s.Draft == nil {
		return false
	}
	if len(s.Published) == 0 {
		return true
	}
	c := terms.Diff(s.Published[0].Terms, s.Draft.Terms)
	return !c.None()
}

// frame is the frame of a page of the editor.
func (s *termsSubject) frame(title string) page.Frame {
	f := page.Frame{Title: title, Active: "contracts",
		Crumbs: []page.Crumb{{Title: "协议", URL: "/console/contracts"}, {Title: s.Name(), URL: s.Home()}}}
	if s.Floor() {
		f.Active = "floors"
		f.Crumbs = []page.Crumb{{Title: "底线条件", URL: "/console/floors"}, {Title: s.Name(), URL: s.Home()}}
	}
	return f
}

func (h *Handlers) contractSubject(x *exchange.Exchange) (*termsSubject, error) {
	id, err := x.ID64("id") // in the account's territory: the route's check
	if err != nil {
		return nil, err
	}
	facts, err := h.Merchants.ContractFacts(x.Ctx, id)
	if err != nil {
		return nil, err
	}
	s := &termsSubject{object: draft.ContractObject(id), path: "/console/contracts/" + strconv.FormatInt(id, 10) + "/terms",
		Facts: facts, Trade: facts.Trade, Brand: facts.Brand,
		Write: x.Account.May(staff.WriteContract) && facts.Status != merchant.ContractEnded}
	if s.Published, err = h.Merchants.ContractVersions(x.Ctx, id); err != nil {
		return nil, err
	}
	if err := h.fillSubject(x.Ctx, s); err != nil {
		return nil, err
	}
	s.budgets, err = h.budgetChoices(x.Ctx, s)
	return s, err
}

// floorSubject is a floor by its trade or brand. Floors and their drafts are the
// province's: elsewhere there is none.
func (h *Handlers) floorSubject(x *exchange.Exchange) (*termsSubject, error) {
	trade, brand := merchant.Trade(x.Query("trade")), x.Query("brand")
	if !atRoot(x.Account) || (trade == "") == (brand == "") || len([]rune(brand)) > 60 {
		return nil, exchange.ErrNoRoute
	}
	s := &termsSubject{object: draft.FloorObject(trade, brand), path: "/console/floors/edit", key: url.Values{},
		Trade: trade, Brand: brand, Write: x.Account.May(staff.WriteFloor)}
	if brand != "" {
		s.key.Set("brand", brand)
	} else {
		s.key.Set("trade", string(trade))
		if !knownTrade(trade) {
			return nil, exchange.ErrNoRoute
		}
	}
	var err error
	if s.Published, err = h.Merchants.FloorVersions(x.Ctx, trade, brand); err != nil {
		return nil, err
	}
	return s, h.fillSubject(x.Ctx, s)
}

// atRoot says whether an account is of the province itself.
func atRoot(a *staff.Account) bool { return strings.Count(a.Path, "/") == 2 }

func knownTrade(t merchant.Trade) bool {
	for _, known := range merchant.Trades() {
		if known == t {
			return true
		}
	}
	return false
}

// fillSubject reads what both kinds of subject have.
func (h *Handlers) fillSubject(ctx context.Context, s *termsSubject) error {
	s.now = h.Clock()
	var err error
	if s.naming, err = h.Merchants.Naming(ctx); err != nil {
		return err
	}
	s.names = s.naming.Names()
	s.Draft, err = h.drafts().Get(ctx, s.object)
	switch {
	case errors.Is(err, draft.ErrNotFound):
		s.Version, err = h.drafts().Version(ctx, s.object)
		return err
	case err != nil:
		return err
	}
	s.Version = s.Draft.Version
	names, err := h.Merchants.ActorNames(ctx, []string{s.Draft.Actor})
	s.Actor = names[s.Draft.Actor]
	return err
}

// drafts is where drafts are kept.
func (h *Handlers) drafts() *draft.Store { return draft.NewStore(h.DB, h.Clock) }

// by says that an account changes a draft.
func (s *termsSubject) by(x *exchange.Exchange, what string) merchant.By {
	return merchant.By{Actor: x.Account.Actor(), Reason: what}
}

// Keys is what a form that asks by GET has to carry along, in hidden fields.
func (s *termsSubject) Keys() []page.Choice {
	var out []page.Choice
	for k := range s.key {
		out = append(out, page.Choice{Value: k, Label: s.key.Get(k)})
	}
	return out
}
