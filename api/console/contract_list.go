package console

import (
	"context"
	"strconv"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/signing"
)

type contractListPage struct {
	page.Frame
	List *List
	Rows []signing.ContractRow
}

func contractList() *ListSpec {
	var statuses []page.Choice
	for _, s := range []merchant.ContractStatus{merchant.ContractDraft, merchant.ContractActive, merchant.ContractSuspended,
		merchant.ContractEnding, merchant.ContractEnded} {
		title := stageWord(string(s))
		if s == merchant.ContractDraft {
			title = "签订中"
		}
		statuses = append(statuses, page.Choice{Value: string(s), Label: title})
	}
	return &ListSpec{
		Path: "/console/contracts", Name: "协议", Sort: "-id",
		Columns: []Column{{Key: "id", Label: "编号", Sort: keyset.Int, Number: true}, {Key: "merchant", Label: "商家", Sort: keyset.Text},
			{Key: "trade", Label: "行业"}, {Key: "office", Label: "签约工会"}, {Key: "stage", Label: "办到哪一步"},
			{Key: "from", Label: "自"}, {Key: "until", Label: "至", Sort: keyset.Time}, {Key: "clause", Label: "随省条款"}},
		Filters: []Filter{{Name: "q", Label: "商家、门店或编号", Kind: "search"}, {Name: "trade", Label: "行业", Kind: "choice", Choices: page.Trades()},
			{Name: "status", Label: "状态", Kind: "choice", Choices: statuses},
			{Name: "ends", Label: "即将到期", Kind: "choice", Choices: []page.Choice{{Value: "7", Label: "7 天内"}, {Value: "30", Label: "30 天内"}, {Value: "60", Label: "60 天内"}}}},
	}
}

// ContractList answers GET /console/contracts.
func (h *Handlers) ContractList(x *exchange.Exchange) error {
	l := ReadList(x, contractList())
	ends, _ := strconv.Atoi(l.Value("ends")) // one of the choices, or none
	rows, err := h.Contracts.List(x.Ctx, x.Account.Path, signing.ContractFilter{
		Text: l.Value("q"), Trade: l.Value("trade"), Status: l.Value("status"), Ends: ends}, l.Page)
	if err != nil {
		return err
	}
	if l.Exporting() {
		return Export(x, l, rows, h.Clock(), func(r signing.ContractRow) []any {
			clause := "无"
			if r.FloorClause {
				clause = "有"
			}
			return []any{r.ID, outletOf(r.Merchant, r.Outlet), page.TradeName(r.Trade), r.Office, r.Stage.Row().Title,
				page.Day(r.ValidFrom), page.Day(lastDay(r.ValidUntil)), clause}
		})
	}
	rows = Finish(l, rows, func(r signing.ContractRow, sort string) (any, int64) {
		switch sort {
		case "merchant":
			return r.Merchant, r.ID
		case "until":
			return r.ValidUntil, r.ID
		}
		return r.ID, r.ID
	})
	return h.Pages.Page(x, "console/contract_list", &contractListPage{
		Frame: page.Frame{Title: "协议", Active: "contracts"}, List: l, Rows: rows})
}

// outletOf is a merchant, or one outlet of it, in a word.
func outletOf(merchantName, outlet string) string {
	if outlet == "" {
		return merchantName
	}
	return merchantName + "（" + outlet + "）"
}

// lastDay is a moment within the last day before an exclusive end.
func lastDay(until time.Time) time.Time {
	if until.IsZero() {
		return until
	}
	return until.Add(-time.Second)
}

// workContracts is what contracts, proposals and floors leave for an account.
func (h *Handlers) workContracts(ctx context.Context, acct *staff.Account) ([]WorkItem, error) {
	var items []WorkItem
	if acct.May(staff.Decide) {
		n, err := h.Signing.WaitingCount(ctx, acct)
		if err != nil {
			return nil, err
		}
		items = append(items, WorkItem{Title: "等我审批", Count: n, URL: "/console/proposals", Urgent: true})
	}
	if !acct.May(staff.WriteContract) {
		return items, nil
	}
	drafts, err := h.Contracts.CountContracts(ctx, acct.Path, merchant.ContractDraft)
	if err != nil {
		return nil, err
	}
	open, urgent, err := h.Contracts.CountRenegotiations(ctx, acct.Path)
	if err != nil {
		return nil, err
	}
	reminders, err := h.Contracts.Reminders(ctx, acct.Path, 1000)
	if err != nil {
		return nil, err
	}
	ending, soon := 0, false
	for _, r := range reminders {
		if r.Kind == "renewal" {
			ending++
			soon = soon || r.Due.Sub(h.Clock()) <= 7*24*time.Hour
		}
	}
	return append(items,
		WorkItem{Title: "低于底线，要重新议价", Count: open, URL: "/console/renegotiations", Urgent: urgent > 0},
		WorkItem{Title: "协议快到期，要办续签", Count: ending, URL: "/console/contracts?ends=60", Urgent: soon},
		WorkItem{Title: "正在签订的协议", Count: drafts, URL: "/console/contracts?status=draft"}), nil
}
