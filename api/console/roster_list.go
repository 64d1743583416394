package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/roster"
	"unioncard/card/union"
	"unioncard/card/union/staff"
	"unioncard/merchant"
)

// RosterBody is the largest upload of a roster in bytes, with the form round it.
const RosterBody = roster.MaxBytes + 64<<10

const (
	rosterPageRuns = 30
	// rosterUnions is how many grassroots unions the form offers; where there are more,
	// the file names them.
	rosterUnions = 300
)

type rosterListPage struct {
	page.Frame
	Form    *page.Form
	Runs    []rosterRun
	Next    string
	Uploads bool
	// Unions are whose roster it may be, where there is a choice; Mixed: the file may
	// name unions itself.
	Unions []page.Choice
	Mixed  bool
}

// rosterRun is a run with its state in words.
type rosterRun struct {
	roster.Run
	Badge page.Badge
}

func rosterBadge(s roster.State) page.Badge {
	switch s {
	case roster.Queued, roster.Checking:
		return page.Badge{Label: "正在检查", Look: "busy"}
	case roster.Checked:
		return page.Badge{Label: "等您确认", Look: "wait"}
	case roster.Refused:
		return page.Badge{Label: "读不了", Look: "bad"}
	case roster.Confirmed, roster.Applying:
		return page.Badge{Label: "正在导入", Look: "busy"}
	case roster.Applied:
		return page.Badge{Label: "已导入", Look: "good"}
	case roster.Discarded:
		return page.Badge{Label: "已放弃", Look: "off"}
	case roster.Expired:
		return page.Badge{Label: "已过期", Look: "off"}
	case roster.Broken:
		return page.Badge{Label: "没有办完", Look: "bad"}
	}
	return page.Badge{Label: string(s), Look: "off"}
}

func rosterURL(id int64) string { return "/console/rosters/" + strconv.FormatInt(id, 10) }

// RosterList answers GET /console/rosters: upload a roster, and those before.
func (h *Handlers) RosterList(x *exchange.Exchange) error {
	return h.rosterList(x, page.NewForm("union_id", strconv.FormatInt(x.Account.UnionID, 10)))
}

func (h *Handlers) rosterList(x *exchange.Exchange, form *page.Form) error {
	before, _ := strconv.ParseInt(x.Query("before"), 10, 64) // nonsense: from the newest
	runs, err := h.Rosters.List(x.Ctx, x.Account.Path, max(before, 0), rosterPageRuns+1)
	if err != nil {
		return err
	}
	p := &rosterListPage{Frame: page.Frame{Title: "名册导入", Active: "rosters"}, Form: form, Uploads: x.Account.May(staff.WriteMembers)}
	if len(runs) > rosterPageRuns {
		runs = runs[:rosterPageRuns]
		p.Next = fmt.Sprintf("/console/rosters?before=%d", runs[rosterPageRuns-1].ID)
	}
	for _, r := range runs {
		p.Runs = append(p.Runs, rosterRun{r, rosterBadge(r.State)})
	}
	own, err := union.Get(x.Ctx, h.DB, x.Account.UnionID)
	if err != nil {
		return err
	}
	if p.Mixed = own.Kind != union.Grassroots; p.Mixed {
		takers, err := h.Rosters.Takers(x.Ctx, x.Account.Path, rosterUnions+1)
		if err != nil {
			return err
		}
		p.Unions = append(p.Unions, page.Choice{Value: strconv.FormatInt(own.ID, 10), Label: "文件里有“工会”一列，按它登记"})
		if len(takers) <= rosterUnions {
			for _, u := range takers {
				p.Unions = append(p.Unions, page.Choice{Value: strconv.FormatInt(u.ID, 10), Label: u.Name, Group: "整个文件都是一个基层工会的"})
			}
		}
	}
	return h.Pages.Page(x, "console/roster_list", p)
}

// RosterTemplate answers GET /console/rosters/template: an empty roster.
func (h *Handlers) RosterTemplate(x *exchange.Exchange) error {
	own, err := union.Get(x.Ctx, h.DB, x.Account.UnionID)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := roster.Template(&out, own.Kind != union.Grassroots); err != nil {
		return err
	}
	return sendSheet(x, "xlsx", "会员名册模板", "roster", out.Bytes())
}

// sendSheet answers with a file of a table.
func sendSheet(x *exchange.Exchange, format, name, plain string, data []byte) error {
	x.ContentType = []string{"text/csv; charset=utf-8"}
	if format == "xlsx" {
		x.ContentType = []string{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
	}
	x.SetHeader("Content-Disposition", fmt.Sprintf(`attachment; filename="%s.%s"; filename*=UTF-8''%s`, plain, format, escapePath(name+"."+format)))
	x.SetHeader("X-Content-Type-Options", "nosniff")
	x.SetHeader("Cache-Control", "no-store")
	x.Out = append(x.Out[:0], data...)
	return nil
}

// RosterUpload answers POST /console/rosters: it takes a roster as it arrives, to be
// checked.
func (h *Handlers) RosterUpload(x *exchange.Exchange) error {
	form := page.NewForm("union_id", strconv.FormatInt(x.Account.UnionID, 10))
	id, err := h.takeRoster(x, form)
	var refused *roster.RefusedError
	var same *roster.SameFileError
	switch {
	case errors.As(err, &refused):
		form.Errors = merchant.FieldErrors{{Field: refused.Field, Message: refused.Message}}
	case errors.As(err, &same) && same.AppliedAt.IsZero():
		page.Notify(x, "这个文件已经上传检查过，没有再收一份。要重新检查，请先在这里放弃它。")
		return x.Redirect(rosterURL(same.RunID))
	case errors.As(err, &same):
		page.Notify(x, "这个文件已经在 "+page.Moment(same.AppliedAt)+" 导入过，没有再导入一次。下面是那次的结果。")
		return x.Redirect(rosterURL(same.RunID))
	case err != nil:
		return err
	default:
		return x.Redirect(rosterURL(id))
	}
	x.Status = http.StatusUnprocessableEntity
	return h.rosterList(x, form)
}

// takeRoster reads the form: whose roster it is, then the file. What was typed is
// put into form.
func (h *Handlers) takeRoster(x *exchange.Exchange, form *page.Form) (int64, error) {
	parts, err := x.Parts(RosterBody)
	if err != nil {
		return 0, err
	}
	unionID := x.Account.UnionID
	for {
		part, err := parts.Next()
		if errors.Is(err, io.EOF) {
			return 0, &roster.RefusedError{Field: "file", Message: "请选择填好的名册。"}
		}
		if err != nil {
			return 0, err
		}
		switch part.FormName() {
		case "union_id":
			text, err := parts.Text(part, 40)
			if err != nil {
				return 0, err
			}
			form.Values.Set("union_id", text)
			if unionID, err = strconv.ParseInt(text, 10, 64); err != nil {
				unionID = 0 // refused as one elsewhere is
			}
		case "file":
			if part.FileName() == "" {
				return 0, &roster.RefusedError{Field: "file", Message: "请选择填好的名册。"}
			}
			id, err := h.Rosters.Upload(x.Ctx, x.Account, unionID, part.FileName(), part)
			if lost := parts.Failed(); lost != nil {
				return 0, lost
			}
			return id, err
		}
	}
}
