package console

import (
	"fmt"
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant/signing"
)

// impactPageRows is how many contracts one page of an impact list shows.
const impactPageRows = 50

type impactPage struct {
	page.Frame
	*signing.Impact
	Name, FloorURL string
	Percent        int
	Stale          string
	Offices        []signing.ImpactOffice
	Office         int64 // whose contracts are listed; 0 for all
	Rows           []impactRow
	Next           string
}

type impactRow struct {
	signing.ImpactRow
	Why string
}

// ImpactShow answers GET /console/floors/impact?id=…: how far the search is, or
// what it found. Only the province sees it: it names every office's contracts.
func (h *Handlers) ImpactShow(x *exchange.Exchange) error {
	id, err := strconv.ParseInt(x.Query("id"), 10, 64)
	if err != nil || id <= 0 || !atRoot(x.Account) {
		return exchange.ErrNoRoute
	}
	i, err := h.Impacts.Get(x.Ctx, id)
	if err != nil {
		return err
	}
	p := &impactPage{Impact: i, Name: floorName(string(i.Trade), i.Brand), FloorURL: floorURL(string(i.Trade), i.Brand)}
	if i.Total > 0 {
		p.Percent = i.Done * 100 / i.Total
	}
	if i.State == signing.ImpactDone {
		if err := h.impactFound(x, p); err != nil {
			return err
		}
	}
	p.Frame = page.Frame{Title: "底线影响清单", Active: "floors", Crumbs: []page.Crumb{
		{Title: "底线条件", URL: "/console/floors"}, {Title: p.Name, URL: p.FloorURL}}}
	if x.HTMX() && !i.Over() {
		return h.Pages.Part(x, "console/floor_impact", "progress", p)
	}
	if x.HTMX() {
		x.SetHeader("HX-Refresh", "true")
	}
	return h.Pages.Page(x, "console/floor_impact", p)
}

// impactFound reads what a finished search found.
func (h *Handlers) impactFound(x *exchange.Exchange, p *impactPage) error {
	var err error
	if p.Stale, err = h.Impacts.Stale(x.Ctx, p.Impact); err != nil {
		return err
	}
	if p.Offices, err = h.Impacts.Offices(x.Ctx, p.ID); err != nil {
		return err
	}
	p.Office, _ = strconv.ParseInt(x.Query("office"), 10, 64) // nonsense: all, from the start
	after, _ := strconv.ParseInt(x.Query("after"), 10, 64)
	rows, err := h.Impacts.Rows(x.Ctx, p.ID, p.Office, after, impactPageRows+1)
	if err != nil {
		return err
	}
	if len(rows) > impactPageRows {
		rows = rows[:impactPageRows]
		p.Next = fmt.Sprintf("%s&office=%d&after=%d", impactURL(p.ID), p.Office, rows[impactPageRows-1].ContractID)
	}
	for _, r := range rows {
		p.Rows = append(p.Rows, impactRow{r, r.Comparison.Reason})
	}
	return nil
}
