package console

import (
	"fmt"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
	"unioncard/merchant/signing"
)

type renegotiationListPage struct {
	page.Frame
	List *List
	Rows []renegotiationRow
}

type renegotiationRow struct {
	signing.Renegotiation
	Floor string
	Todo  string // what holds now and what to do, in words
	Look  string // of the badge
}

func renegotiationList() *ListSpec {
	return &ListSpec{
		Path: "/console/renegotiations", Name: "限期改约", Sort: "deadline",
		Columns: []Column{{Key: "merchant", Label: "商家", Sort: keyset.Text}, {Key: "office", Label: "签约工会"}, {Key: "floor", Label: "低于哪条底线"},
			{Key: "why", Label: "差在哪里"}, {Key: "deadline", Label: "期限", Sort: keyset.Time}, {Key: "todo", Label: "怎么办"}},
		Filters: []Filter{{Name: "q", Label: "商家或协议编号", Kind: "search"},
			{Name: "situation", Label: "情形", Kind: "choice", Choices: []page.Choice{{Value: "due", Label: "限期内"}, {Value: "overdue", Label: "已逾期"},
				{Value: "lifted", Label: "收银处按底线"}, {Value: "announced", Label: "底线未生效"}, {Value: "settled", Label: "已谈妥"}}}},
	}
}

// RenegotiationList answers GET /console/renegotiations.
func (h *Handlers) RenegotiationList(x *exchange.Exchange) error {
	l := ReadList(x, renegotiationList())
	f := signing.RenegotiationFilter{Text: l.Value("q"), Situation: l.Value("situation")}
	if f.Situation == "" {
		f.Situation = "open"
	}
	all, err := h.Contracts.Renegotiations(x.Ctx, x.Account.Path, f, l.Page)
	if err != nil {
		return err
	}
	rows := make([]renegotiationRow, len(all))
	for i, r := range all {
		rows[i] = renegotiationRow{Renegotiation: r, Floor: fmt.Sprintf("%s（第 %d 版）", floorName(r.Trade, r.Brand), r.FloorVersion)}
		rows[i].Todo, rows[i].Look = todo(r)
	}
	if l.Exporting() {
		return Export(x, l, rows, h.Clock(), func(r renegotiationRow) []any {
			return []any{r.Merchant, r.Office, r.Floor, r.Comparison.Reason, page.Day(r.Deadline), r.Todo}
		})
	}
	rows = Finish(l, rows, func(r renegotiationRow, sort string) (any, int64) {
		switch sort {
		case "merchant":
			return r.Merchant, r.ContractID
		case "deadline":
			if r.Deadline.IsZero() {
				return noDeadline, r.ContractID
			}
			return r.Deadline, r.ContractID
		}
		return r.ContractID, r.ContractID
	})
	return h.Pages.Page(x, "console/renegotiation_list", &renegotiationListPage{
		Frame: page.Frame{Title: "限期改约", Active: "renegotiations"}, List: l, Rows: rows})
}

// noDeadline stands where there is none, as the store orders it.
var noDeadline = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// todo is what a renegotiation's situation means, and how its badge looks.
func todo(r signing.Renegotiation) (words, look string) {
	switch r.Situation {
	case signing.Lifted:
		return "有随省条款：收银处已按底线给优惠。请与商家改约，让协议与实际一致。", "busy"
	case signing.Due:
		if r.Days == 0 {
			return "今天到期：不改约，到期自动暂停优惠。", "bad"
		}
		return fmt.Sprintf("还剩 %d 天：请与商家谈到不低于底线，逾期自动暂停优惠。", r.Days), "wait"
	case signing.Overdue:
		return "已逾期，优惠已自动暂停。谈妥并发布新条件后提请恢复，谈不拢的办理终止。", "bad"
	case signing.BeginsDue:
		return "底线从 " + page.Day(r.FloorFrom) + " 起生效，请提前与商家改约。", "busy"
	}
	return "已谈妥，新条件从 " + page.Day(r.Resolved) + " 起生效。", "good"
}
