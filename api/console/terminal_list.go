package console

import (
	"context"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/fleet"
)

func terminalStates() []page.Choice {
	return []page.Choice{{Value: "active", Label: "在用"}, {Value: "suspended", Label: "已暂停"}, {Value: "retired", Label: "已停用"}}
}

func terminalList() *ListSpec {
	return &ListSpec{
		Path: "/console/terminals", Name: "终端", Sort: "-id",
		Columns: []Column{
			{Key: "id", Label: "编号", Sort: keyset.Int, Number: true}, {Key: "merchant", Label: "商家", Sort: keyset.Text},
			{Key: "outlet", Label: "门店"}, {Key: "status", Label: "状态"}, {Key: "seen", Label: "最近联系", Sort: keyset.Time},
			{Key: "agent", Label: "程序版本"}, {Key: "verified", Label: "今日核验", Number: true},
			{Key: "purchased", Label: "今日成交", Number: true}, {Key: "refused", Label: "今日拒绝", Number: true},
			{Key: "failed", Label: "今日出错", Number: true},
		},
		Filters: []Filter{
			{Name: "q", Label: "商家或门店", Kind: "search"},
			{Name: "status", Label: "状态", Kind: "choice", Choices: terminalStates()},
			{Name: "health", Label: "要关注", Kind: "choice", Choices: []page.Choice{
				{Value: "silent", Label: "7 天没有联系"}, {Value: "failing", Label: "今天多半失败"}}},
		},
	}
}

type terminalListPage struct {
	page.Frame
	List *List
	Rows []fleet.Terminal
}

// TerminalList answers GET /console/terminals.
func (h *Handlers) TerminalList(x *exchange.Exchange) error {
	l := ReadList(x, terminalList())
	rows, err := h.Fleet.List(x.Ctx, fleet.Filter{Path: x.Account.Path, Text: l.Value("q"),
		Status: merchant.TerminalStatus(l.Value("status")), Health: fleet.Health(l.Value("health"))}, l.Page)
	if err != nil {
		return err
	}
	if l.Exporting() {
		return Export(x, l, rows, h.Clock(), func(t fleet.Terminal) []any {
			return []any{t.ID, t.Merchant, outletName(t), page.StateName("terminal_" + string(t.Status)), page.Moment(t.Seen), t.Agent,
				t.Verified, t.Purchased, t.Refused, t.Failed}
		})
	}
	rows = Finish(l, rows, func(t fleet.Terminal, sort string) (any, int64) {
		switch sort {
		case "merchant":
			return t.Merchant, t.ID
		case "seen":
			return t.SeenOrEpoch(), t.ID
		}
		return t.ID, t.ID
	})
	return h.Pages.Page(x, "console/terminal_list", &terminalListPage{
		Frame: page.Frame{Title: "终端", Active: "terminals"}, List: l, Rows: rows})
}

func outletName(t fleet.Terminal) string {
	if t.POSServer {
		return "收银系统服务器（所有门店）"
	}
	return t.Outlet
}

// workTerminals is the terminals that somebody should look after.
func (h *Handlers) workTerminals(ctx context.Context, acct *staff.Account) ([]WorkItem, error) {
	if !acct.May(staff.WriteTerminal) {
		return nil, nil
	}
	silent, failing, err := h.Fleet.Counts(ctx, acct.Path)
	if err != nil {
		return nil, err
	}
	return []WorkItem{
		{Title: "今天多半失败的终端", Count: failing, URL: "/console/terminals?health=failing", Urgent: true},
		{Title: "7 天没有联系的终端", Count: silent, URL: "/console/terminals?health=silent"},
	}, nil
}
