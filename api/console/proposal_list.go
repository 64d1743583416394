package console

import (
	"fmt"
	"strconv"
	"strings"

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
	Rows []proposalRow
	More string // the next page's address, "" for none
}

// proposalRow is a proposal and whom or what it is about.
type proposalRow struct {
	signing.Proposal
	About string
}

// aboutProposal names what a proposal is about, without asking for it.
func aboutProposal(p *signing.Proposal) string {
	if p.Merchant != "" {
		return p.Merchant
	}
	if trade, ok := strings.CutPrefix(p.Object, "floor:trade:"); ok {
		return floorName(trade, "")
	}
	if brand, ok := strings.CutPrefix(p.Object, "floor:brand:"); ok {
		return floorName("", brand)
	}
	if id, ok := signing.ObjectID(p.Object, "union"); ok {
		return fmt.Sprintf("编号 %d 的工会", id)
	}
	if id, ok := signing.ObjectID(p.Object, "difference"); ok {
		return fmt.Sprintf("对账差异 %d", id)
	}
	if id, ok := signing.ObjectID(p.Object, "importrun"); ok {
		return fmt.Sprintf("第 %d 次上传的文件", id)
	}
	return ""
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
	var found []signing.Proposal
	var err error
	if p.View == "mine" {
		found, err = h.Signing.Waiting(x.Ctx, x.Account, 200)
	} else {
		f := signing.Filter{Limit: proposalRows + 1}
		f.Before, _ = strconv.ParseInt(x.Query("before"), 10, 64) // nonsense is the first page
		if f.Before < 0 {
			f.Before = 0
		}
		if p.View == "made" {
			f.Maker = x.Account.ID
		}
		found, err = h.Signing.List(x.Ctx, x.Account, f)
		if len(found) > proposalRows {
			found = found[:proposalRows]
			p.More = "/console/proposals?view=" + p.View + "&before=" + strconv.FormatInt(found[proposalRows-1].ID, 10)
		}
	}
	if err != nil {
		return err
	}
	for i := range found {
		p.Rows = append(p.Rows, proposalRow{found[i], aboutProposal(&found[i])})
	}
	return h.Pages.Page(x, "console/proposal_list", p)
}
