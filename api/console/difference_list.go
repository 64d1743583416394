package console

import (
	"fmt"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
	"unioncard/settlement/ledger"
	"unioncard/settlement/recon"
)

func differenceList() *ListSpec {
	return &ListSpec{
		Path: "/console/differences", Name: "对账差异", Sort: "-id",
		Columns: []Column{{Key: "id", Label: "编号", Sort: keyset.Int}, {Key: "merchant", Label: "商家"}, {Key: "days", Label: "对账日期"},
			{Key: "kind", Label: "差异"}, {Key: "ref", Label: "收银单号"}, {Key: "at", Label: "交易时间"}, {Key: "their", Label: "商家（元）", Number: true},
			{Key: "our", Label: "系统（元）", Number: true}, {Key: "state", Label: "情况"}, {Key: "note", Label: "商家说明"}},
		Filters: []Filter{{Name: "q", Label: "商家名称或差异编号", Kind: "search"}, {Name: "state", Label: "情况", Kind: "choice", Choices: page.DifferenceStates()},
			{Name: "kind", Label: "差异", Kind: "choice", Choices: page.DifferenceKinds()}, {Name: "day", Label: "对账日期", Kind: "day"}},
	}
}

type differenceListPage struct {
	page.Frame
	List *List
	Rows []page.Disagreement
	Open bool // only those that wait are shown
}

func differenceURL(id int64) string { return fmt.Sprintf("/console/differences/%d", id) }

// differenceDays are the days of the reconciliation that a difference is of.
func differenceDays(d *recon.Difference) string {
	if d.First == d.Last {
		return d.First.String()
	}
	return d.First.String() + " 至 " + d.Last.String()
}

// DifferenceList answers GET /console/differences: what merchants' till files and the
// service's records differ in.
func (h *Handlers) DifferenceList(x *exchange.Exchange) error {
	l := ReadList(x, differenceList())
	f := recon.Filter{Text: l.Value("q"), Kind: recon.Kind(l.Value("kind")), State: recon.State(l.Value("state"))}
	if day := l.Day("day"); !day.IsZero() {
		f.Day = ledger.DayOf(day)
	}
	found, err := h.Recon.Differences(x.Ctx, x.Account.Path, f, l.Page)
	if err != nil {
		return err
	}
	rows := make([]page.Disagreement, len(found))
	for i, d := range found {
		rows[i] = page.NewDisagreement(d)
	}
	if l.Exporting() {
		return Export(x, l, rows, h.Clock(), func(d page.Disagreement) []any {
			ref, at := d.TheirRef, page.Moment(d.TheirAt)
			if ref == "" {
				ref = d.OurRef
			}
			if d.TheirAt.IsZero() {
				at = page.Moment(d.OurAt)
			}
			return []any{d.ID, d.Merchant, differenceDays(&d.Difference), d.KindName + "：" + d.Short, ref, at, d.TheirFen, d.OurFen, d.Badge.Label, d.Note}
		})
	}
	rows = Finish(l, rows, func(d page.Disagreement, _ string) (any, int64) { return d.ID, d.ID })
	return h.Pages.Page(x, "console/difference_list", &differenceListPage{Frame: page.Frame{Title: "对账差异", Active: "differences"}, List: l, Rows: rows,
		Open: f.State == recon.Open})
}
