package console

import (
	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
	"unioncard/merchant"
	"unioncard/merchant/application"
)

func merchantList(offices []page.Choice) *ListSpec {
	return &ListSpec{
		Path: "/console/merchants", Name: "商家", Sort: "-id",
		Columns: []Column{
			{Key: "name", Label: "商家", Sort: keyset.Text}, {Key: "code", Label: "统一社会信用代码"}, {Key: "trade", Label: "行业"},
			{Key: "office", Label: "签约工会"}, {Key: "status", Label: "状态"}, {Key: "outlets", Label: "门店", Number: true},
			{Key: "contracts", Label: "生效协议", Number: true}, {Key: "id", Label: "编号", Sort: keyset.Int, Number: true},
		},
		Filters: []Filter{
			{Name: "q", Label: "商家、品牌、门店或信用代码", Kind: "search"},
			{Name: "state", Label: "状态", Kind: "choice", Choices: []page.Choice{
				{Value: "active", Label: "有效"}, {Value: "suspended", Label: "已暂停"}, {Value: "exited", Label: "已退出"}}},
			{Name: "trade", Label: "行业", Kind: "choice", Choices: page.Trades()},
			{Name: "office", Label: "签约工会", Kind: "choice", Choices: offices},
		},
	}
}

type merchantListPage struct {
	page.Frame
	List *List
	Rows []application.MerchantRow
}

// MerchantList answers GET /console/merchants.
func (h *Handlers) MerchantList(x *exchange.Exchange) error {
	offices, err := h.officeChoices(x.Ctx, x.Account)
	if err != nil {
		return err
	}
	l := ReadList(x, merchantList(offices))
	rows, err := h.Applications.Merchants(x.Ctx, x.Account.Path, application.MerchantFilter{Text: l.Value("q"),
		Status: merchant.MerchantStatus(l.Value("state")), Trade: merchant.Trade(l.Value("trade")), Territory: divisionOf(l.Value("office"))}, l.Page)
	if err != nil {
		return err
	}
	if l.Exporting() {
		return Export(x, l, rows, h.Clock(), func(r application.MerchantRow) []any {
			return []any{r.Name, r.Code, page.TradeName(string(r.Trade)), r.Office, page.StateName(string(r.Status)), r.Outlets, r.Contracts, r.ID}
		})
	}
	rows = Finish(l, rows, func(r application.MerchantRow, sort string) (any, int64) {
		if sort == "name" {
			return r.Name, r.ID
		}
		return r.ID, r.ID
	})
	return h.Pages.Page(x, "console/merchant_list", &merchantListPage{
		Frame: page.Frame{Title: "商家", Active: "merchants"}, List: l, Rows: rows})
}
