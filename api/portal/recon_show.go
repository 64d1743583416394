package portal

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
	"unioncard/merchant"
	"unioncard/settlement/recon"
)

const reconPageRows = 50

type reconShowPage struct {
	page.Frame
	Case    *recon.Case
	File    *recon.File // the newest
	Badge   page.Badge
	Form    *page.Form
	Percent int
	// Of a file that asks which column is which.
	Fields []reconField
	Sample [][]string
	// Of one that was checked.
	Files   []recon.File
	Tabs    []any
	Rows    []page.Disagreement
	Next    string
	MayDrop bool
}

// reconField is one field of the form that names columns.
type reconField struct {
	Field   recon.Field
	Title   string
	Choices []page.Choice
}

// ReconShow answers GET /portal/recon/:id: how far the check is, what it asks, what it
// found.
func (h *Handlers) ReconShow(x *exchange.Exchange) error { return h.reconShow(x, nil) }

func (h *Handlers) reconShow(x *exchange.Exchange, form *page.Form) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	c, err := h.Recon.Case(x.Ctx, x.Merchant.MerchantID, id)
	if err != nil {
		return err
	}
	title := c.First.String()
	if c.Last != c.First {
		title += " 至 " + c.Last.String()
	}
	p := &reconShowPage{Case: c, File: c.Newest, Badge: reconBadge(c), Form: form,
		Frame: page.Frame{Title: title, Active: "recon", Crumbs: []page.Crumb{{Title: "对账", URL: "/portal/recon"}}}}
	if p.File != nil {
		p.Percent = int(p.File.Part * 100)
	}
	if x.HTMX() && p.File != nil && p.File.State.Working() {
		return h.Pages.Part(x, "portal/recon_show", "progress", p)
	}
	if x.HTMX() {
		x.SetHeader("HX-Refresh", "true")
	}
	if p.File != nil && p.File.State == recon.Asking {
		if err := h.reconAsking(x, p); err != nil {
			return err
		}
	}
	if p.Files, err = h.Recon.Files(x.Ctx, c.ID); err != nil {
		return err
	}
	if c.Current != nil {
		if err := h.reconFound(x, p); err != nil {
			return err
		}
	}
	p.MayDrop = c.DroppedAt.IsZero() && !c.Booked
	return h.Pages.Page(x, "portal/recon_show", p)
}

// reconAsking fills in what helps to say which column is which.
func (h *Handlers) reconAsking(x *exchange.Exchange, p *reconShowPage) error {
	const sampleRows = 5
	lines, guessed, err := h.Recon.Sample(x.Ctx, p.File, sampleRows)
	if err != nil {
		return err
	}
	p.Sample = lines
	if p.Form == nil {
		p.Form = page.NewForm()
		for f, head := range guessed {
			p.Form.Values.Set(string(f), head)
		}
	}
	choices := []page.Choice{{Value: "", Label: "（没有这一列）"}}
	seen := map[string]bool{"": true}
	for _, head := range p.File.Headings {
		if !seen[head] {
			seen[head] = true
			choices = append(choices, page.Choice{Value: head, Label: head})
		}
	}
	for _, f := range recon.Fields() {
		p.Fields = append(p.Fields, reconField{f, f.Title(), choices})
	}
	return nil
}

// reconFound fills in the differences: those that wait, or all.
func (h *Handlers) reconFound(x *exchange.Exchange, p *reconShowPage) error {
	all := x.Query("show") == "all" || p.Case.Open == 0
	f := recon.Filter{Merchant: x.Merchant.MerchantID, Case: p.Case.ID}
	base := reconURL(p.Case.ID)
	if !all {
		f.State = recon.Open
	} else {
		base += "?show=all"
	}
	if p.Case.Open > 0 {
		p.Tabs = []any{
			map[string]any{"Title": fmt.Sprintf("待处理（%d）", p.Case.Open), "URL": reconURL(p.Case.ID), "Current": !all},
			map[string]any{"Title": "全部", "URL": reconURL(p.Case.ID) + "?show=all", "Current": all},
		}
	}
	pg := keyset.Page{Sort: "id", Limit: reconPageRows + 1}
	if after, err := strconv.ParseInt(x.Query("after"), 10, 64); err == nil && after > 0 {
		pg.From = &keyset.Mark{ID: after}
	}
	list, err := h.Recon.Differences(x.Ctx, "", f, pg)
	if err != nil {
		return err
	}
	if len(list) > reconPageRows {
		list = list[:reconPageRows]
		sep := "?"
		if all {
			sep = "&"
		}
		p.Next = fmt.Sprintf("%s%safter=%d", base, sep, list[reconPageRows-1].ID)
	}
	for _, d := range list {
		p.Rows = append(p.Rows, page.NewDisagreement(d))
	}
	return nil
}

// ReconColumns answers POST /portal/recon/:id/columns: which column of the newest file
// is which.
func (h *Handlers) ReconColumns(x *exchange.Exchange) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	file, _ := form.Int("file")
	cols := recon.Columns{}
	for _, f := range recon.Fields() {
		if head := form.Get(string(f)); head != "" {
			cols[f] = head
		}
	}
	err = h.Recon.Name(x.Ctx, x.Merchant.MerchantID, id, file, x.Merchant.Actor(), cols)
	if refused, ok := page.Refuse(form.Values, err); ok {
		refused.Summary = refused.Errors.On("columns")
		refused.Errors = nil
		x.Status = http.StatusUnprocessableEntity
		return h.reconShow(x, refused)
	}
	if errors.Is(err, recon.ErrMovedOn) {
		page.Notify(x, "这份文件已经指明过了，下面是现在的情况。")
	} else if err != nil {
		return err
	}
	return x.Redirect(reconURL(id))
}

// ReconDrop answers POST /portal/recon/:id/drop.
func (h *Handlers) ReconDrop(x *exchange.Exchange) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	switch err := h.Recon.Drop(x.Ctx, x.Merchant.MerchantID, id, x.Merchant.Actor()); {
	case errors.Is(err, recon.ErrMovedOn):
		page.Notify(x, "这份对账已经放弃过，或者有差异已经认可入账，不能放弃。下面是现在的情况。")
		return x.Redirect(reconURL(id))
	case err != nil:
		return err
	}
	page.Notify(x, "已放弃这份对账，这几天可以重新上传。")
	return x.Redirect("/portal/recon")
}

type differencePage struct {
	page.Frame
	D    page.Disagreement
	Form *page.Form
	By   string // who settled it, in words
}

func differenceURL(id int64) string { return "/portal/differences/" + strconv.FormatInt(id, 10) }

// DifferenceShow answers GET /portal/differences/:id.
func (h *Handlers) DifferenceShow(x *exchange.Exchange) error { return h.differenceShow(x, nil) }

func (h *Handlers) differenceShow(x *exchange.Exchange, form *page.Form) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	d, err := h.Recon.Get(x.Ctx, x.Merchant.MerchantID, id)
	if err != nil {
		return err
	}
	if form == nil {
		form = page.NewForm("note", d.Note)
	}
	// The version that was seen: of a form that was refused, the one it was filled in on.
	if form.Values.Get("version") == "" {
		form.Values.Set("version", strconv.FormatInt(d.Version, 10))
	}
	p := &differencePage{D: page.NewDisagreement(*d), Form: form, By: "工会"}
	if strings.HasPrefix(d.SettledBy, "merchant:") {
		p.By = "本商家"
	}
	p.Frame = page.Frame{Title: fmt.Sprintf("差异 %d", d.ID), Active: "recon",
		Crumbs: []page.Crumb{{Title: "对账", URL: "/portal/recon"}, {Title: d.First.String(), URL: reconURL(d.CaseID)}}}
	return h.Pages.Page(x, "portal/recon_difference", p)
}

// DifferenceExplain answers POST /portal/differences/:id/explain.
func (h *Handlers) DifferenceExplain(x *exchange.Exchange) error {
	return h.difference(x, "已经记下，工会处理时看得到。", func(id int64, form *exchange.Form) error {
		return h.Recon.Explain(x.Ctx, x.Merchant.MerchantID, id, x.Merchant.Actor(), form.Text("note"))
	})
}

// DifferenceAgree answers POST /portal/differences/:id/agree: the service's record
// stands.
func (h *Handlers) DifferenceAgree(x *exchange.Exchange) error {
	return h.difference(x, "这条差异已经了结：以系统记录为准。", func(id int64, form *exchange.Form) error {
		version, _ := form.Int("version")
		return h.Recon.Reject(x.Ctx, x.Merchant.MerchantID, id, x.Merchant.Actor(), form.Text("reason"), max(version, 1))
	})
}

// DifferenceUndone answers POST /portal/differences/:id/undone: the sale has been
// undone at the terminal.
func (h *Handlers) DifferenceUndone(x *exchange.Exchange) error {
	return h.difference(x, "这条差异已经了结：这笔已经退款。", func(id int64, form *exchange.Form) error {
		version, _ := form.Int("version")
		return h.Recon.Void(x.Ctx, x.Merchant.MerchantID, id, x.Merchant.Actor(), form.Text("undone_reason"), max(version, 1))
	})
}

// difference does something with a difference and shows it again.
func (h *Handlers) difference(x *exchange.Exchange, done string, do func(id int64, form *exchange.Form) error) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	err = do(id, form)
	var faults merchant.FieldErrors
	switch {
	case errors.As(err, &faults):
		for i := range faults {
			if faults[i].Field == "reason" && form.Has("undone_reason") {
				faults[i].Field = "undone_reason"
			}
		}
		x.Status = http.StatusUnprocessableEntity
		return h.differenceShow(x, &page.Form{Values: form.Values, Errors: faults})
	case errors.Is(err, recon.ErrMovedOn):
		page.Notify(x, "这条差异刚被处理过，或者有新的文件，没有再办理。下面是现在的情况。")
	case errors.Is(err, recon.ErrNotUndone):
		x.Status = http.StatusUnprocessableEntity
		return h.differenceShow(x, &page.Form{Values: form.Values, Summary: "系统里这笔还没有作废，也没有全额退款。请先在收银终端上办理退款，再来确认。"})
	case err != nil:
		return err
	default:
		page.Notify(x, done)
	}
	return x.Redirect(differenceURL(id))
}
