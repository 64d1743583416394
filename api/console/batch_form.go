package console

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
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
	Reach  int64  // members that it would find
	Whose  string // the union they are of, "" for one not known
	Words  string // what it would do
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
	// The number is told by its name, as is the account's own.
	if named, err := h.Batches.UnionsNamed(x.Ctx, x.Account.Path, unionName); err != nil {
		return err
	} else if len(named) == 1 && strconv.FormatInt(named[0].ID, 10) == unionName {
		unionName = named[0].Name
	}
	expiring := x.Query("expiring")
	if _, ok := month(expiring); !ok {
		expiring = monthText(now)
	}
	form := page.NewForm("kind", kind, "union", unionName, "valid_until", monthText(now+12*cardYears), "expiring", expiring,
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
	found, err := h.Batches.UnionsNamed(x.Ctx, x.Account.Path, form.Values.Get("union"))
	if err != nil {
		return err
	}
	if len(found) == 1 {
		p.Whose = found[0].Name
		if p.Reach, err = h.Batches.Reach(x.Ctx, found[0].Path, p.Kind, expiring); err != nil {
			return err
		}
		p.Words = reachWords(p.Kind, p.Reach, 0, 0)
	}
	if x.HTMX() {
		return h.Pages.Part(x, "console/batch_form", "reach", p)
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
	found, err := h.Batches.UnionsNamed(x.Ctx, x.Account.Path, form.Text("union"))
	if err != nil {
		return err
	}
	var u batch.NamedUnion
	switch len(found) {
	case 0:
		wrong.Add("union", "在您的管辖范围内没有这个工会。请从列表里选，或填名称里的几个字。")
	case 1:
		u = found[0]
	default:
		wrong.Add("union", whichUnion(found))
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
	page.Notify(x, u.Name+"的批次已建好，还没有办理。核对张数后再开始。")
	return x.Redirect(batchURL(id))
}

// whichUnion asks which of several unions is meant.
func whichUnion(found []batch.NamedUnion) string {
	names := make([]string, len(found))
	for i, u := range found {
		names[i] = fmt.Sprintf("%s（编号 %d）", u.Name, u.ID)
	}
	return "符合的工会不止一个，请填全名或编号：" + strings.Join(names, "、") + "。"
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
