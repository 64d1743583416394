package console

import (
	"context"
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/application"
)

func applicationList(offices []page.Choice) *ListSpec {
	var stages []page.Choice
	for _, s := range merchant.Stages() {
		switch s.Stage {
		case merchant.StageDraft, merchant.StageSubmitted, merchant.StageReturned, merchant.StageInReview,
			merchant.StageNegotiating, merchant.StageRejected, merchant.StageEnded:
			stages = append(stages, page.Choice{Value: string(s.Stage), Label: applicationStage(s.Stage)})
		}
	}
	return &ListSpec{
		Path: "/console/applications", Name: "入网申请", Sort: "-updated",
		Columns: []Column{
			{Key: "name", Label: "商家", Sort: keyset.Text}, {Key: "number", Label: "申请编号"}, {Key: "trade", Label: "行业"},
			{Key: "office", Label: "受理工会"}, {Key: "status", Label: "状态"}, {Key: "outlets", Label: "门店", Number: true},
			{Key: "source", Label: "来源"}, {Key: "updated", Label: "最近变动", Sort: keyset.Time},
		},
		Filters: []Filter{
			{Name: "q", Label: "商家、编号或信用代码", Kind: "search"},
			{Name: "state", Label: "状态", Kind: "choice", Choices: stages},
			{Name: "trade", Label: "行业", Kind: "choice", Choices: page.Trades()},
			{Name: "office", Label: "受理工会", Kind: "choice", Choices: offices},
			{Name: "source", Label: "来源", Kind: "choice", Choices: []page.Choice{{Value: "public", Label: "网上申请"}, {Value: "staff", Label: "工会录入"}}},
		},
	}
}

// applicationStage is a stage as it reads of an application: what went on to a
// contract has passed.
func applicationStage(s merchant.Stage) string {
	switch s {
	case merchant.StageNegotiating:
		return "已通过"
	case merchant.StageEnded:
		return "已撤销"
	}
	return page.StateName(string(s))
}

// applicationBadge is the state to badge an application with.
func applicationBadge(s merchant.Stage) string {
	switch s {
	case merchant.StageNegotiating:
		return "accepted"
	case merchant.StageEnded:
		return "withdrawn"
	}
	return string(s)
}

func sourceName(s application.Source) string {
	if s == application.FromPublic {
		return "网上申请"
	}
	return "工会录入"
}

// officeChoices lists the divisions whose unions lie in an account's territory,
// to narrow a list by; none where there is but one.
func (h *Handlers) officeChoices(ctx context.Context, acct *staff.Account) ([]page.Choice, error) {
	offices, err := h.Applications.Offices(ctx, acct.Path)
	if err != nil || len(offices) < 2 {
		return nil, err
	}
	choices := make([]page.Choice, len(offices))
	for i, o := range offices {
		choices[i] = page.Choice{Value: strconv.Itoa(int(o.Code)), Label: o.Name}
	}
	return choices, nil
}

type applicationListPage struct {
	page.Frame
	List *List
	Rows []application.Row
}

// Source is where an application came from, in words.
func (applicationListPage) Source(s application.Source) string { return sourceName(s) }

// Stage is an application's state for its badge.
func (applicationListPage) Stage(s merchant.Stage) string { return applicationBadge(s) }

// ApplicationList answers GET /console/applications.
func (h *Handlers) ApplicationList(x *exchange.Exchange) error {
	offices, err := h.officeChoices(x.Ctx, x.Account)
	if err != nil {
		return err
	}
	l := ReadList(x, applicationList(offices))
	rows, err := h.Applications.List(x.Ctx, x.Account.Path, application.Filter{Text: l.Value("q"), Stage: merchant.Stage(l.Value("state")),
		Trade: merchant.Trade(l.Value("trade")), Territory: divisionOf(l.Value("office")), Source: application.Source(l.Value("source"))}, l.Page)
	if err != nil {
		return err
	}
	if l.Exporting() {
		return Export(x, l, rows, h.Clock(), func(r application.Row) []any {
			return []any{r.Name, r.Number, page.TradeName(string(r.Trade)), r.Office, applicationStage(r.Stage), r.Outlets, sourceName(r.Source), page.Moment(r.UpdatedAt)}
		})
	}
	rows = Finish(l, rows, func(r application.Row, sort string) (any, int64) {
		switch sort {
		case "name":
			return r.Name, r.ID
		case "updated":
			return r.UpdatedAt, r.ID
		}
		return r.ID, r.ID
	})
	return h.Pages.Page(x, "console/application_list", &applicationListPage{
		Frame: page.Frame{Title: "入网申请", Active: "applications"}, List: l, Rows: rows})
}

// divisionOf is a division code from a form, 0 for none.
func divisionOf(s string) int32 {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0
	}
	return int32(n)
}

// workApplications is what waits in the account's own office.
func (h *Handlers) workApplications(ctx context.Context, acct *staff.Account) ([]WorkItem, error) {
	if !acct.May(staff.WriteApplication) {
		return nil, nil
	}
	w, err := h.Applications.Waiting(ctx, acct.UnionID)
	if err != nil {
		return nil, err
	}
	return []WorkItem{
		{Title: "待受理的入网申请", Count: w.Submitted, URL: "/console/applications?state=submitted", Urgent: w.Old > 0},
		{Title: "审核中的入网申请", Count: w.InReview, URL: "/console/applications?state=in_review"},
	}, nil
}
