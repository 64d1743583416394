package console

import (
	"context"
	"fmt"
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
	"unioncard/settlement/budget"
	"unioncard/settlement/budget/voucher"
)

func seriesURL(id int64) string { return "/console/series/" + strconv.FormatInt(id, 10) }

func seriesList() *ListSpec {
	return &ListSpec{
		Path: "/console/series", Name: "消费券", Sort: "-id",
		Columns: []Column{
			{Key: "name", Label: "消费券", Sort: keyset.Text}, {Key: "office", Label: "单位"}, {Key: "status", Label: "状态"},
			{Key: "offer", Label: "面额"}, {Key: "claim", Label: "开抢"}, {Key: "last_day", Label: "用到", Sort: keyset.Int},
			{Key: "packs", Label: "份数", Number: true}, {Key: "claimed", Label: "已领", Number: true},
			{Key: "amount", Label: "总额（元）", Sort: keyset.Int, Number: true}, {Key: "spent", Label: "已用（元）", Number: true},
			{Key: "left", Label: "还剩（元）", Number: true},
		},
		Filters: []Filter{
			{Name: "q", Label: "消费券名称", Kind: "search"},
			{Name: "status", Label: "状态", Kind: "choice", Choices: budgetStatuses()},
			{Name: "parent", Label: "出钱的预算编号", Kind: "search"},
		},
	}
}

// seriesRow is a series with what its list and page say of it.
type seriesRow struct {
	budgetRow
	Offer   string // 满50减40
	Claim   string // when, in words
	Packs   int32
	PerPack int16
	Claimed int32
}

// offerWordsOf is what a voucher gives, in words.
func seriesOffer(need, face int64) string {
	return fmt.Sprintf("满 %s 减 %s", decimalText(need, 2), decimalText(face, 2))
}

// claimWords is when packs can be claimed.
func (h *Handlers) claimWords(v *voucher.Row) string {
	if v.ClaimFrom.IsZero() {
		return "只由工会发放"
	}
	now := h.Clock()
	switch {
	case now.After(v.ClaimUntil) || v.Status == budget.Closed:
		return "领取已截止"
	case v.Status == budget.Frozen:
		return "已冻结，暂停领取"
	case now.Before(v.ClaimFrom) || v.Status == budget.Draft: // a draft is nobody's to claim
		return page.Moment(v.ClaimFrom) + " 开抢"
	case v.Claimed >= v.Packs:
		return "已领完"
	}
	return "领取中，到 " + page.Moment(v.ClaimUntil)
}

// ClaimedPercent is how many of the packs are given out, in per cent.
func (r seriesRow) ClaimedPercent() int { return percentOf(int64(r.Claimed), int64(r.Packs)) }

// seriesRows adds to budgets what they have as series.
func (h *Handlers) seriesRows(ctx context.Context, list []budget.Row) ([]seriesRow, error) {
	if len(list) == 0 {
		return nil, nil
	}
	ids := make([]int64, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	counts, err := h.Vouchers.Counts(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]seriesRow, len(list))
	for i := range list {
		v := counts[list[i].ID]
		out[i] = seriesRow{budgetRow: h.budgetRow(&list[i]), Offer: seriesOffer(v.NeedFen, v.FaceFen), Claim: h.claimWords(&v),
			Packs: v.Packs, PerPack: v.PerPack, Claimed: v.Claimed}
	}
	return out, nil
}

type seriesListPage struct {
	page.Frame
	List *List
	Rows []seriesRow
}

// SeriesList answers GET /console/series.
func (h *Handlers) SeriesList(x *exchange.Exchange) error {
	l := ReadList(x, seriesList())
	f := budget.Filter{Kind: budget.KindSeries, Status: budget.Status(l.Value("status")), Text: l.Value("q")}
	if text := l.Value("parent"); text != "" {
		var err error
		if f.Parent, err = strconv.ParseInt(text, 10, 64); err != nil || f.Parent < 1 {
			f.Parent = -1 // no budget has it
		}
	}
	found, err := h.Budgets.List(x.Ctx, x.Account.Path, f, l.Page)
	if err != nil {
		return err
	}
	if l.Exporting() {
		rows, err := h.seriesRows(x.Ctx, found)
		if err != nil {
			return err
		}
		return Export(x, l, rows, h.Clock(), func(r seriesRow) []any {
			return []any{r.Name, r.Office, page.StateName(r.State), r.Offer, r.Claim, r.LastDay.String(), int64(r.Packs), int64(r.Claimed),
				Fen(r.AmountFen), Fen(r.SpentFen), leftOf(&r.Row)}
		})
	}
	p := &seriesListPage{Frame: page.Frame{Title: "消费券", Active: "series"}, List: l}
	if p.Rows, err = h.seriesRows(x.Ctx, Finish(l, found, budgetMark)); err != nil {
		return err
	}
	return h.Pages.Page(x, "console/series_list", p)
}
