package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/draft"
	"unioncard/merchant/signing"
)

type floorListPage struct {
	page.Frame
	Rows   []floorRow
	Write  bool
	Form   *page.Form
	Trades []page.Choice // those without a floor yet
}

type floorRow struct {
	signing.Floor
	Name, URL string
	Current   *signing.FloorVersion // in effect; nil for none
	Coming    *signing.FloorVersion // not in effect yet
	Offers    []string
}

// FloorList answers GET /console/floors. Floors bind everybody, so everybody may
// read them.
func (h *Handlers) FloorList(x *exchange.Exchange) error { return h.floorListPage(x, page.NewForm()) }

func (h *Handlers) floorListPage(x *exchange.Exchange, form *page.Form) error {
	floors, err := h.Contracts.Floors(x.Ctx)
	if err != nil {
		return err
	}
	p := &floorListPage{Frame: page.Frame{Title: "底线条件", Active: "floors"}, Form: form,
		Write: atRoot(x.Account) && x.Account.May(staff.WriteFloor)}
	names, err := h.termNames(x)
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for _, f := range floors {
		r := floorRow{Floor: f, Name: floorName(f.Trade, f.Brand), URL: floorURL(f.Trade, f.Brand)}
		r.Current, r.Coming = h.inEffect(f.Versions)
		if r.Current != nil {
			r.Offers = inWords(names, r.Current.Terms)
		}
		have[f.Trade] = true
		p.Rows = append(p.Rows, r)
	}
	for _, t := range page.Trades() {
		if !have[t.Value] {
			p.Trades = append(p.Trades, t)
		}
	}
	return h.Pages.Page(x, "console/floor_list", p)
}

// inEffect finds the version of a floor that has effect, and one to come.
func (h *Handlers) inEffect(versions []signing.FloorVersion) (current, coming *signing.FloorVersion) {
	now := h.Clock()
	for i := range versions {
		v := &versions[i]
		switch {
		case v.From.After(now):
			coming = v
		case v.Until.IsZero() || v.Until.After(now):
			current = v
		}
	}
	return current, coming
}

// floorName is a floor in words.
func floorName(trade, brand string) string {
	if brand != "" {
		return "品牌“" + brand + "”的底线"
	}
	return page.TradeName(trade) + "行业的底线"
}

// floorKey is what the address of a floor's pages carries.
func floorKey(trade, brand string) string {
	if brand != "" {
		return url.Values{"brand": {brand}}.Encode()
	}
	return url.Values{"trade": {trade}}.Encode()
}

func floorURL(trade, brand string) string { return "/console/floors/show?" + floorKey(trade, brand) }

func impactURL(id int64) string { return "/console/floors/impact?id=" + strconv.FormatInt(id, 10) }

// floorOf finds a floor by its trade or brand, one without versions if it has none
// yet.
func (h *Handlers) floorOf(x *exchange.Exchange, trade, brand string) (*signing.Floor, error) {
	floors, err := h.Contracts.Floors(x.Ctx)
	if err != nil {
		return nil, err
	}
	for i := range floors {
		if floors[i].Trade == trade && floors[i].Brand == brand {
			return &floors[i], nil
		}
	}
	return &signing.Floor{Trade: trade, Brand: brand}, nil
}

// floorPage is a floor: its versions, and the way of its draft to publishing.
type floorPage struct {
	page.Frame
	*signing.Floor
	EditURL string
	Root    bool // the account is of the province
	Write   bool
	Draft   *draft.Draft
	Drafted []string
	Impact  *signing.Impact // the newest; nil for none
	Stale   string          // why the newest no longer tells the truth
	Waiting *signing.Proposal
	Rows    []floorVersionRow
	Form    *page.Form
	Step    int
	Today   string
}

type floorVersionRow struct {
	signing.FloorVersion
	State  string
	Offers []string
}

// floorAsked is the trade or brand that the address or form names.
func floorAsked(trade, brand string) (string, string, error) {
	if (trade == "") == (brand == "") || len([]rune(brand)) > 60 || trade != "" && !knownTrade(merchant.Trade(trade)) {
		return "", "", exchange.ErrNoRoute
	}
	return trade, brand, nil
}

// FloorShow answers GET /console/floors/show?trade=… or ?brand=….
func (h *Handlers) FloorShow(x *exchange.Exchange) error {
	trade, brand, err := floorAsked(x.Query("trade"), x.Query("brand"))
	if err != nil {
		return err
	}
	return h.floorPage(x, trade, brand, nil)
}

func (h *Handlers) floorPage(x *exchange.Exchange, trade, brand string, form *page.Form) error {
	f, err := h.floorOf(x, trade, brand)
	if err != nil {
		return err
	}
	p := &floorPage{Floor: f, EditURL: "/console/floors/edit?" + floorKey(trade, brand), Root: atRoot(x.Account), Form: form, Today: page.Day(h.Clock())}
	p.Write = p.Root && x.Account.May(staff.WriteFloor)
	names, err := h.termNames(x)
	if err != nil {
		return err
	}
	current, _ := h.inEffect(f.Versions)
	for _, v := range f.Versions {
		state := "past"
		switch {
		case v.From.After(h.Clock()):
			state = "future"
		case current != nil && v.ID == current.ID:
			state = "current"
		}
		p.Rows = append(p.Rows, floorVersionRow{v, state, inWords(names, v.Terms)})
	}
	if p.Root {
		if err := h.floorDraft(x, p); err != nil {
			return err
		}
		if p.Draft != nil {
			p.Drafted = inWords(names, p.Draft.Terms)
		}
	}
	if p.Form == nil {
		p.Form = page.NewForm("deadline_days", "30")
	}
	p.Frame = page.Frame{Title: floorName(trade, brand), Active: "floors", Crumbs: []page.Crumb{{Title: "底线条件", URL: "/console/floors"}}}
	return h.Pages.Page(x, "console/floor_show", p)
}

// floorDraft reads how far the draft of a floor is.
func (h *Handlers) floorDraft(x *exchange.Exchange, p *floorPage) error {
	object := draft.FloorObject(merchant.Trade(p.Trade), p.Brand)
	var err error
	if p.Draft, err = h.drafts().Get(x.Ctx, object); err != nil && !errors.Is(err, draft.ErrNotFound) {
		return err
	}
	p.Waiting, err = h.Signing.WaitingFor(x.Ctx, signing.FloorKind, object)
	if errors.Is(err, merchant.ErrNotFound) {
		p.Waiting, err = nil, nil
	}
	if err != nil {
		return err
	}
	if p.Draft == nil {
		return nil
	}
	p.Step = 1
	p.Impact, err = h.Impacts.Latest(x.Ctx, merchant.Trade(p.Trade), p.Brand)
	if errors.Is(err, merchant.ErrNotFound) {
		p.Impact, err = nil, nil
	}
	if err != nil || p.Impact == nil {
		return err
	}
	if p.Impact.State == signing.ImpactDone {
		if p.Stale, err = h.Impacts.Stale(x.Ctx, p.Impact); err != nil {
			return err
		}
		if p.Stale == "" {
			p.Step = 2
		}
	}
	if p.Waiting != nil {
		p.Step = 3
	}
	return nil
}

// FloorImpact answers POST /console/floors/impact: it has the impact found.
func (h *Handlers) FloorImpact(x *exchange.Exchange) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	trade, brand, err := floorAsked(form.Text("trade"), form.Text("brand"))
	if err != nil {
		return err
	}
	if !atRoot(x.Account) { // drafts and impacts are the province's
		return exchange.ErrNoRoute
	}
	var wrong merchant.FieldErrors
	effective := dayField(form, "effective", &wrong, false)
	if page.Day(effective) == page.Day(h.Clock()) {
		effective = time.Time{} // today means at once
	}
	days, ok := form.Int("deadline_days")
	if !ok || days < 0 || days > 365 {
		wrong.Add("deadline_days", "请填写 0 到 365 的整数")
	}
	var id int64
	if err = wrong.Err(); err == nil {
		id, err = h.Impacts.Start(x.Ctx, x.Account, merchant.Trade(trade), brand, effective, int(days))
	}
	if err == nil {
		return x.Redirect(impactURL(id))
	}
	shown, ok := refusal(form.Values, err)
	if !ok {
		return err
	}
	x.Status = http.StatusUnprocessableEntity
	return h.floorPage(x, trade, brand, shown)
}

// FloorPropose answers POST /console/floors/propose.
func (h *Handlers) FloorPropose(x *exchange.Exchange) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	impact, ok := form.Int("impact")
	if !ok || !atRoot(x.Account) {
		return exchange.ErrNoRoute
	}
	i, err := h.Impacts.Get(x.Ctx, impact)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	reason := reasonIn(form, &wrong)
	var id int64
	if err = wrong.Err(); err == nil {
		id, err = h.Impacts.ProposeFloor(x.Ctx, x.Account, h.Signing, impact, reason)
	}
	if err == nil {
		page.Notify(x, "已提请审批，等省里另一位同事核对。")
		return x.Redirect(fmt.Sprintf("/console/proposals/%d", id))
	}
	shown, ok := refusal(form.Values, err)
	if !ok {
		return err
	}
	x.Status = http.StatusUnprocessableEntity
	return h.floorPage(x, string(i.Trade), i.Brand, shown)
}
