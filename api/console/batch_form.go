package console

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card"
	"unioncard/card/batch"
	"unioncard/merchant"
)

type batchFormPage struct {
	page.Frame
	Kind   batch.Kind
	Reach  int64 // members that it would find in the account's territory
	Unions []string
	Form   *page.Form
}

// BatchNew answers GET /console/batches/new: ?kind=renew for a renewal.
func (h *Handlers) BatchNew(x *exchange.Exchange) error {
	now := card.MonthOf(h.Clock())
	kind := x.Query("kind")
	if kind != "renew" {
		kind = "issue"
	}
	unionName := x.Query("union")
	if unionName == "" {
		unionName = strconv.FormatInt(x.Account.UnionID, 10)
	}
	form := page.NewForm("kind", kind, "union", unionName, "valid_until", monthText(now+12*cardYears), "expiring", monthText(now),
		"due_on", h.Clock().AddDate(0, 3, 0).Format(time.DateOnly))
	return h.batchForm(x, form)
}

func (h *Handlers) batchForm(x *exchange.Exchange, form *page.Form) error {
	p := &batchFormPage{Frame: page.Frame{Title: "新建发卡批次", Active: "batches",
		Crumbs: []page.Crumb{{Title: "发卡批次", URL: "/console/batches"}}}, Kind: kindOfBatch(form.Values.Get("kind")), Form: form}
	if p.Kind == batch.Renew {
		p.Title = "新建续期批次"
	}
	expiring, ok := month(form.Values.Get("expiring"))
	if !ok {
		expiring = card.MonthOf(h.Clock())
	}
	path := x.Account.Path
	if u, err := h.Batches.UnionNamed(x.Ctx, x.Account.Path, form.Values.Get("union")); err == nil {
		path = u.Path
	} else if !errors.Is(err, batch.ErrNotFound) {
		return err
	}
	var err error
	if p.Reach, err = h.Batches.Reach(x.Ctx, path, p.Kind, expiring); err != nil {
		return err
	}
	if p.Unions, err = h.Batches.UnionNames(x.Ctx, x.Account.Path); err != nil {
		return err
	}
	return h.Pages.Page(x, "console/batch_form", p)
}

// BatchCreate answers POST /console/batches.
func (h *Handlers) BatchCreate(x *exchange.Exchange) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	by := byCards(x, reasonIn(form, &wrong))
	u, err := h.Batches.UnionNamed(x.Ctx, x.Account.Path, form.Text("union"))
	if errors.Is(err, batch.ErrNotFound) {
		wrong.Add("union", "在您的管辖范围内没有这个工会，或有重名。请从列表里选，或填工会编号。")
	} else if err != nil {
		return err
	}
	d := batch.Draft{Kind: kindOfBatch(form.Text("kind")), UnionID: u.ID}
	batchFields(form, &d)
	d.ValidUntil, _ = month(form.Text("valid_until"))
	if d.Kind == batch.Renew {
		d.Expiring, _ = month(form.Text("expiring"))
	}
	for _, f := range d.Check(batch.Today(h.Clock())) {
		wrong.Add(f.Field, f.Message)
	}
	if len(wrong) > 0 {
		x.Status = http.StatusUnprocessableEntity
		return h.batchForm(x, &page.Form{Values: form.Values, Errors: wrong})
	}
	id, err := h.Batches.Create(x.Ctx, by, d)
	if err != nil {
		return err
	}
	page.Notify(x, "批次已建好。核对后点“开始”，系统就给会员办。")
	return x.Redirect(batchURL(id))
}

// batchFields reads what may be changed later, too; what is missing or silly stays
// zero, for Check to find.
func batchFields(form *exchange.Form, d *batch.Draft) {
	d.Title = form.Text("title")
	if n, ok := form.Int("target"); ok && n > 0 && n <= 1<<30 {
		d.Target = int(n)
	}
	if day, err := time.Parse(time.DateOnly, form.Text("due_on")); err == nil {
		d.DueOn = day
	}
}
