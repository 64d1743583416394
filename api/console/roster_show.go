package console

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/roster"
	"unioncard/card/union/staff"
	"unioncard/merchant"
)

// escapePath is a name as a header's extended parameter takes it (RFC 8187).
func escapePath(name string) string { return url.PathEscape(name) }

const rosterPageRows = 50

type rosterShowPage struct {
	page.Frame
	Run     *roster.Run
	Form    *page.Form
	Badge   page.Badge
	Writes  bool
	Percent int
	Left    string // time left, in words
	Step    int    // of steps
	Lines   []rosterLine
	Faults  []roster.FaultCount
	// What the table below shows.
	Shown    roster.Outcome
	ShownAs  string
	Rows     []rosterRow
	Next     string
	FileRows int
	Swapped  bool // two columns stand in each other's place in most rows
}

// rosterLine is one outcome with how many rows have it.
type rosterLine struct {
	Outcome      roster.Outcome
	Title, About string
	Rows         int
	URL          string
	Current      bool
}

type rosterRow struct {
	roster.Row
	Change string
}

// outcomeWords are the outcomes in the order in which a clerk wants to know, and what
// applying does. done: it has been done.
func outcomeWords(done bool) []rosterLine {
	if done {
		return []rosterLine{
			{Outcome: roster.New, Title: "新登记", About: "已经登记为会员，可以发卡了"},
			{Outcome: roster.Changed, Title: "信息有变", About: "已经改成名册里的；持卡的，卡上的姓名跟着改"},
			{Outcome: roster.Moved, Title: "本单位内调动", About: "已经转到名册里写的工会，卡不用换"},
			{Outcome: roster.Transfer, Title: "需要转接", About: "已经向原工会提出转接，在“转接”里等答复，15 天不答复自动转入"},
			{Outcome: roster.Rejoin, Title: "重新入会", About: "已经恢复会籍，需要另发新卡"},
			{Outcome: roster.Unchanged, Title: "没有变化", About: "与登记的一样，没有改动"},
			{Outcome: roster.Faulty, Title: "有问题", About: "没有导入，改好后再上传"},
		}
	}
	return []rosterLine{
		{Outcome: roster.New, Title: "新登记", About: "登记为会员"},
		{Outcome: roster.Changed, Title: "信息有变", About: "已是本工会会员，姓名、手机号或入会日期改成名册里的"},
		{Outcome: roster.Moved, Title: "本单位内调动", About: "现在在本单位管辖的另一个工会，直接转过来"},
		{Outcome: roster.Transfer, Title: "需要转接", About: "现在是别处工会的会员，向原工会提出转接"},
		{Outcome: roster.Rejoin, Title: "重新入会", About: "以前退过会，恢复会籍"},
		{Outcome: roster.Unchanged, Title: "没有变化", About: "与登记的一样，不用导入"},
		{Outcome: roster.Faulty, Title: "有问题", About: "不导入，改好后再上传"},
	}
}

// rosterReason is why rosters are applied, mostly.
const rosterReason = "按名册登记会员"

// RosterShow answers GET /console/rosters/:id: how far the check is, what it found,
// what came of it.
func (h *Handlers) RosterShow(x *exchange.Exchange) error {
	return h.rosterShow(x, page.NewForm("reason", rosterReason))
}

func (h *Handlers) rosterShow(x *exchange.Exchange, form *page.Form) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	r, err := h.Rosters.Get(x.Ctx, id)
	if err != nil {
		return err
	}
	p := &rosterShowPage{Run: r, Form: form, Badge: rosterBadge(r.State), Writes: x.Account.May(staff.WriteMembers),
		Percent: int(r.Part * 100), Left: timeLeft(r.Left), Step: rosterStep(r.State), FileRows: roster.FaultFileRows,
		Frame: page.Frame{Title: r.Name, Active: "rosters", Crumbs: []page.Crumb{{Title: "名册导入", URL: "/console/rosters"}}}}
	if x.HTMX() && r.State.Working() {
		return h.Pages.Part(x, "console/roster_show", "progress", p)
	}
	if x.HTMX() {
		x.SetHeader("HX-Refresh", "true")
	}
	if (r.State == roster.Checked || r.State == roster.Applied) && !r.Purged {
		if err := h.rosterFound(x, p); err != nil {
			return err
		}
	}
	return h.Pages.Page(x, "console/roster_show", p)
}

// rosterFound fills in what a check found.
func (h *Handlers) rosterFound(x *exchange.Exchange, p *rosterShowPage) error {
	done := p.Run.State == roster.Applied
	wish, _ := strconv.Atoi(x.Query("show")) // nonsense: the faults, or the first there are
	p.Shown = roster.Faulty
	if p.Run.Faulty == 0 {
		p.Shown = 0
	}
	for _, l := range outcomeWords(done) {
		l.Rows = p.Run.Of(l.Outcome)
		// Of an applied run only the faulty rows are kept.
		if l.Rows > 0 && (!done || l.Outcome == roster.Faulty) {
			l.URL = fmt.Sprintf("%s?show=%d#rows", rosterURL(p.Run.ID), l.Outcome)
			if int(l.Outcome) == wish || p.Shown == 0 {
				p.Shown = l.Outcome
			}
		}
		p.Lines = append(p.Lines, l)
	}
	for i := range p.Lines {
		if l := &p.Lines[i]; l.Outcome == p.Shown {
			l.Current, p.ShownAs = true, l.Title
		}
	}
	var err error
	if p.Run.Faulty > 0 {
		if p.Faults, err = h.Rosters.FaultCounts(x.Ctx, p.Run.ID); err != nil {
			return err
		}
		p.Swapped = slices.ContainsFunc(p.Faults, func(f roster.FaultCount) bool {
			return f.Code == roster.CodeSwapped && 2*f.Rows > p.Run.Rows()
		})
	}
	if done && p.Shown != roster.Faulty || p.Shown == 0 {
		return nil
	}
	after, _ := strconv.Atoi(x.Query("after"))
	rows, err := h.Rosters.Rows(x.Ctx, p.Run.ID, p.Shown, max(after, 0), rosterPageRows+1)
	if err != nil {
		return err
	}
	if len(rows) > rosterPageRows {
		rows = rows[:rosterPageRows]
		p.Next = fmt.Sprintf("%s?show=%d&after=%d#rows", rosterURL(p.Run.ID), p.Shown, rows[rosterPageRows-1].Number)
	}
	for _, r := range rows {
		p.Rows = append(p.Rows, rosterRow{r, changeWords(r.Fields)})
	}
	return nil
}

func changeWords(fields []string) (out string) {
	words := map[string]string{"name": "姓名", "phone": "手机号", "joined_on": "入会日期"}
	for _, f := range fields {
		if out != "" {
			out += "、"
		}
		out += words[f]
	}
	return out
}

func rosterStep(s roster.State) int {
	switch s {
	case roster.Checked:
		return 2
	case roster.Confirmed, roster.Applying:
		return 3
	case roster.Applied:
		return 4
	}
	return 1
}

// timeLeft is a duration as people say it, "" for none.
func timeLeft(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < time.Minute:
		return fmt.Sprintf("约 %d 秒", max(1, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("约 %d 分钟", int(d.Minutes())+1)
	}
	return fmt.Sprintf("约 %d 小时", int(d.Hours())+1)
}

// RosterApply answers POST /console/rosters/:id/apply: the rows without a fault are
// to be applied.
func (h *Handlers) RosterApply(x *exchange.Exchange) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	reason := reasonIn(form, &wrong)
	if len(wrong) > 0 {
		x.Status = http.StatusUnprocessableEntity
		return h.rosterShow(x, &page.Form{Values: form.Values, Errors: wrong})
	}
	switch err := h.Rosters.Confirm(x.Ctx, x.Account, id, reason); {
	case errors.Is(err, roster.ErrState), errors.Is(err, roster.ErrNothing):
		page.Notify(x, "这份名册已经处理过了，没有再导入一次。下面是现在的情况。")
	case err != nil:
		return err
	}
	return x.Redirect(rosterURL(id))
}

// RosterDiscard answers POST /console/rosters/:id/discard.
func (h *Handlers) RosterDiscard(x *exchange.Exchange) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	switch err := h.Rosters.Discard(x.Ctx, x.Account, id); {
	case errors.Is(err, roster.ErrState):
		page.Notify(x, "这份名册已经处理过了，不能再放弃。下面是现在的情况。")
		return x.Redirect(rosterURL(id))
	case err != nil:
		return err
	}
	page.Notify(x, "已放弃这份名册，会员数据没有改动。")
	return x.Redirect("/console/rosters")
}

// RosterFaults answers POST /console/rosters/:id/faults: the faulty rows, as a file to
// be corrected, with resident IDs in full; for a reason, as print files are.
func (h *Handlers) RosterFaults(x *exchange.Exchange) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	reason := reasonAs(form, "faults_reason", &wrong)
	if len(wrong) > 0 {
		x.Status = http.StatusUnprocessableEntity
		form.Set("reason", rosterReason) // of the other form on the page
		return h.rosterShow(x, &page.Form{Values: form.Values, Errors: wrong})
	}
	format := "xlsx"
	if form.Get("format") == "csv" {
		format = "csv"
	}
	var out bytes.Buffer
	if err := h.Rosters.FaultFile(x.Ctx, x.Account, id, reason, format, &out); err != nil {
		return err
	}
	return sendSheet(x, format, fmt.Sprintf("问题名册-%d", id), "roster-faults", out.Bytes())
}
