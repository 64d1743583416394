package console

import (
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/staff"
	"unioncard/merchant/signing"
)

// proposalRows is how many proposals one page shows.
const proposalRows = 50

type proposalListPage struct {
	page.Frame
	View string // "mine" (waiting for me), "made" (by me), "all"
	Tabs []any
	Rows []signing.Proposal
	More string // the next page's address, "" for none
}

// ProposalList answers GET /console/proposals: what waits for the account, what it
// made, or all in its territory.
func (h *Handlers) ProposalList(x *exchange.Exchange) error {
	p := &proposalListPage{Frame: page.Frame{Title: "审批", Active: "proposals"}, View: x.Query("view")}
	decides := x.Account.May(staff.Decide)
	if p.View != "made" && p.View != "all" && p.View != "mine" {
		p.View = "made"
		if decides {
			p.View = "mine"
		}
	}
	for _, t := range []struct{ view, title string }{{"mine", "等我审批"}, {"made", "我提请的"}, {"all", "全部"}} {
		if t.view == "mine" && !decides {
			continue
		}
		p.Tabs = append(p.Tabs, map[string]any{"Title": t.title, "URL": "/console/proposals?view=" + t.view, "Current": t.view == p.View})
	}
	var err error
	if p.View == "mine" {
		p.Rows, err = h.Signing.Waiting(x.Ctx, x.Account, 200)
	} else {
		f := signing.Filter{Limit: proposalRows + 1}
		f.Before, _ = strconv.ParseInt(x.Query("before"), 10, 64) // nonsense is the first page
		if f.Before < 0 {
			f.Before = 0
		}
		if p.View == "made" {
			f.Maker = x.Account.ID
		}
		p.Rows, err = h.Signing.List(x.Ctx, x.Account, f)
		if len(p.Rows) > proposalRows {
			p.Rows = p.Rows[:proposalRows]
			p.More = "/console/proposals?view=" + p.View + "&before=" + strconv.FormatInt(p.Rows[proposalRows-1].ID, 10)
		}
	}
	if err != nil {
		return err
	}
	return h.Pages.Page(x, "console/proposal_list", p)
}
