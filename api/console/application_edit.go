package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/merchant/application"
)

// conflictRow is a field that somebody else changed, with what it is now.
type conflictRow struct{ Title, Now string }

type applicationFormPage struct {
	page.Frame
	ID       int64 // 0: a new one
	Form     *page.Form
	Rows     []int
	Places   []page.Choice
	Trades   []page.Choice
	Masked   struct{ Phone, Account string }
	Conflict []conflictRow
	Union    string
}

// ApplicationNew answers GET /console/applications/new.
func (h *Handlers) ApplicationNew(x *exchange.Exchange) error {
	return h.applicationForm(x, nil, page.NewForm(), 1, nil)
}

// ApplicationCreate answers POST /console/applications.
func (h *Handlers) ApplicationCreate(x *exchange.Exchange) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	d, typed, faults := application.ReadForm(form.Values)
	if form.Text("more") != "" {
		return h.applicationForm(x, nil, &page.Form{Values: typed}, len(d.Outlets)+1, nil)
	}
	var id int64
	if err = faults.Err(); err == nil {
		id, err = h.Applications.Enter(x.Ctx, x.Account, orElse(form.Text("why"), "工会录入申请"), d)
	}
	if refused, ok := page.Refuse(typed, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.applicationForm(x, nil, refused, max(1, len(d.Outlets)), nil)
	}
	if err != nil {
		return err
	}
	page.Notify(x, "申请已录入，还是草稿。上传材料后点“提交”。")
	return x.Redirect(applicationURL(id))
}

func applicationURL(id int64) string { return fmt.Sprintf("/console/applications/%d", id) }

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// ApplicationEditForm answers GET /console/applications/:id/edit.
func (h *Handlers) ApplicationEditForm(x *exchange.Exchange) error {
	a, err := h.applicationOf(x)
	if err != nil {
		return err
	}
	if !a.Editable(false) {
		page.Notify(x, "申请现在是“"+applicationStage(a.Stage)+"”，资料不能再改。")
		return x.Redirect(applicationURL(a.ID))
	}
	values := a.Doc.Form()
	values.Set("version", strconv.FormatInt(a.Version, 10))
	return h.applicationForm(x, a, &page.Form{Values: values}, max(1, len(a.Doc.Outlets)), nil)
}

// ApplicationEdit answers POST /console/applications/:id/edit.
func (h *Handlers) ApplicationEdit(x *exchange.Exchange) error {
	form, a, err := posted(x, h.applicationOf)
	if err != nil {
		return err
	}
	d, typed, faults := application.ReadForm(form.Values)
	if form.Text("more") != "" {
		return h.applicationForm(x, a, &page.Form{Values: typed}, len(d.Outlets)+1, nil)
	}
	version, _ := form.Int("version")
	if err = faults.Err(); err == nil {
		err = h.Applications.Save(x.Ctx, byAccount(x, orElse(form.Text("why"), "修改申请资料")), a.ID, version, d, false)
	}
	var conflict *application.ConflictError
	if errors.As(err, &conflict) {
		return h.applicationConflict(x, a.ID, conflict, d, typed)
	}
	var move *merchant.MoveError
	if errors.As(err, &move) {
		return h.refused(x, err, form, decideForm)
	}
	if refused, ok := page.Refuse(typed, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.applicationForm(x, a, refused, max(1, len(d.Outlets)), nil)
	}
	if err != nil {
		return err
	}
	page.Notify(x, "已保存。")
	return x.Redirect(applicationURL(a.ID))
}

// applicationOf reads the application of the address; the route has checked that
// it lies in the territory.
func (h *Handlers) applicationOf(x *exchange.Exchange) (*application.Application, error) {
	id, err := x.ID64("id")
	if err != nil {
		return nil, err
	}
	return h.Applications.Get(x.Ctx, id)
}

// conflictSummary says who changed what meanwhile, in one sentence.
func conflictSummary(c *application.ConflictError) (summary string, fields []string) {
	var said []string
	for _, change := range c.Changes {
		who := orElse(change.Who, "商家")
		what := change.Title()
		if len(change.Fields) > 0 {
			titles := make([]string, len(change.Fields))
			for i, f := range change.Fields {
				titles[i] = application.FieldTitle(f)
			}
			what += "（" + strings.Join(titles, "、") + "）"
			fields = append(fields, change.Fields...)
		}
		said = append(said, page.Moment(change.At)+" "+who+" "+what)
	}
	return "您打开以后有了变动，没有保存：" + strings.Join(said, "；") + "。请核对后再提交。", fields
}

// applicationConflict shows what was typed, what others changed, and lets the
// clerk send it again knowing that.
func (h *Handlers) applicationConflict(x *exchange.Exchange, id int64, c *application.ConflictError, d application.Document, typed url.Values) error {
	now, err := h.Applications.Get(x.Ctx, id)
	if err != nil {
		return err
	}
	summary, fields := conflictSummary(c)
	typed.Set("version", strconv.FormatInt(now.Version, 10))
	form := &page.Form{Values: typed, Summary: summary}
	values := now.Doc.Form()
	var rows []conflictRow
	seen := map[string]bool{}
	for _, f := range fields {
		if seen[f] {
			continue
		}
		seen[f] = true
		row := conflictRow{application.FieldTitle(f), values.Get(f)}
		switch f {
		case "trade":
			row.Now = page.TradeName(row.Now)
		case "outlets":
			var names []string
			for _, o := range now.Doc.Outlets {
				names = append(names, o.Name+"（"+application.PlaceName(o.Territory)+o.Address+"）")
			}
			row.Now = strings.Join(names, "；")
		}
		rows = append(rows, row)
	}
	x.Status = http.StatusConflict
	return h.applicationForm(x, now, form, max(1, len(d.Outlets)), rows)
}

func (h *Handlers) applicationForm(x *exchange.Exchange, a *application.Application, form *page.Form, rows int, conflict []conflictRow) error {
	places, err := h.Applications.Places(x.Ctx, x.Account.Path)
	if err != nil {
		return err
	}
	p := &applicationFormPage{Form: form, Trades: page.Trades(), Conflict: conflict, Union: x.Account.Union,
		Frame: page.Frame{Title: "录入申请", Active: "applications", Crumbs: []page.Crumb{{Title: "入网申请", URL: "/console/applications"}}}}
	if a != nil {
		p.ID, p.Title = a.ID, "修改申请资料"
		p.Crumbs = append(p.Crumbs, page.Crumb{Title: orElse(a.Doc.LegalName, a.Number), URL: applicationURL(a.ID)})
	}
	for i := range rows {
		p.Rows = append(p.Rows, i)
	}
	for _, place := range places {
		p.Places = append(p.Places, page.Choice{Value: strconv.Itoa(int(place.Code)), Label: place.Name, Group: place.City})
	}
	return h.Pages.Page(x, "console/application_form", p)
}
