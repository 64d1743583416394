package console

import (
	"context"
	"slices"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/staff"
)

// WorkItem is work that waits for somebody: how many of what, and where to do it.
type WorkItem struct {
	Title  string
	Count  int
	URL    string
	Urgent bool // a deadline passes, or members are harmed meanwhile
}

// workSources is what each area says waits for an account. An area's function
// returns nothing for who could not do the work.
func (h *Handlers) workSources() []func(ctx context.Context, acct *staff.Account) ([]WorkItem, error) {
	return []func(ctx context.Context, acct *staff.Account) ([]WorkItem, error){
		h.workApplications,
		h.workMerchants,
		h.workContracts,
		h.workExits,
		h.workTerminals,
		h.workSilent,
		h.workMembers,
		h.workBatches,
		h.workMoney,
	}
}

// work is all that waits for an account, the urgent first.
func (h *Handlers) work(ctx context.Context, acct *staff.Account) ([]WorkItem, error) {
	var all []WorkItem
	for _, source := range h.workSources() {
		items, err := source(ctx, acct)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			if item.Count > 0 {
				all = append(all, item)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b WorkItem) int {
		switch {
		case a.Urgent == b.Urgent:
			return 0
		case a.Urgent:
			return -1
		}
		return 1
	})
	return all, nil
}

type homePage struct {
	page.Frame
	Work    []WorkItem
	Figures *figures // nil for who may not read business
}

// Home answers GET /console.
func (h *Handlers) Home(x *exchange.Exchange) error {
	work, err := h.work(x.Ctx, x.Account)
	if err != nil {
		return err
	}
	shown, err := h.figures(x.Ctx, x.Account)
	if err != nil {
		return err
	}
	return h.Pages.Page(x, "console/home", &homePage{Frame: page.Frame{Title: "工作台", Active: "home"}, Work: work, Figures: shown})
}
