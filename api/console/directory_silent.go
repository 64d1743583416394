package console

import (
	"context"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
	"unioncard/card/union/staff"
	"unioncard/merchant/directory"
)

func silentList() *ListSpec {
	return &ListSpec{
		Path: "/console/silent", Name: "久无优惠的商家", Sort: "last",
		Columns: []Column{
			{Key: "id", Label: "编号", Sort: keyset.Int, Number: true}, {Key: "name", Label: "商家", Sort: keyset.Text},
			{Key: "office", Label: "负责单位"}, {Key: "outlets", Label: "营业门店", Number: true},
			{Key: "last", Label: "最近一次优惠", Sort: keyset.Time},
		},
		Filters: []Filter{{Name: "q", Label: "商家名称", Kind: "search"}},
	}
}

type silentListPage struct {
	page.Frame
	List *List
	Rows []directory.SilentMerchant
}

// SilentList answers GET /console/silent: merchants in the directory that have given
// no discount for 30 days.
func (h *Handlers) SilentList(x *exchange.Exchange) error {
	l := ReadList(x, silentList())
	rows, err := h.Signs.Silents(x.Ctx, x.Account.Path, l.Value("q"), l.Page)
	if err != nil {
		return err
	}
	if l.Exporting() {
		return Export(x, l, rows, h.Clock(), func(m directory.SilentMerchant) []any {
			return []any{m.ID, m.Name, m.Office, m.Outlets, page.Moment(m.Last)}
		})
	}
	rows = Finish(l, rows, func(m directory.SilentMerchant, sort string) (any, int64) {
		switch sort {
		case "name":
			return m.Name, m.ID
		case "last":
			return m.LastOrEpoch(), m.ID
		}
		return m.ID, m.ID
	})
	return h.Pages.Page(x, "console/silent_list", &silentListPage{
		Frame: page.Frame{Title: "久无优惠的商家", Active: "merchants", Crumbs: []page.Crumb{{Title: "商家", URL: "/console/merchants"}}},
		List:  l, Rows: rows})
}

// workSilent is the silent merchants that an office should ask what is wrong.
func (h *Handlers) workSilent(ctx context.Context, acct *staff.Account) ([]WorkItem, error) {
	if h.Signs == nil || !acct.May(staff.WriteContract) && !acct.May(staff.WriteTerminal) {
		return nil, nil
	}
	n, err := h.Signs.CountSilent(ctx, acct.Path)
	if err != nil {
		return nil, err
	}
	return []WorkItem{{Title: "30 天没有给过优惠的商家", Count: n, URL: "/console/silent"}}, nil
}
