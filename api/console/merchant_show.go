package console

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/staff"
	"unioncard/merchant/application"
)

type merchantPage struct {
	page.Frame
	Merchant  *application.MerchantRow
	Facts     []map[string]any
	Holding   *application.Holding
	Files     []fileRow
	History   []page.Step
	Writes    bool
	Terminals bool // may open terminals
}

// Place is a division in words.
func (merchantPage) Place(code int32) string { return placeName(code) }

func merchantURL(id int64) string { return fmt.Sprintf("/console/merchants/%d", id) }

// MerchantShow answers GET /console/merchants/:id.
func (h *Handlers) MerchantShow(x *exchange.Exchange) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	m, err := h.Applications.Merchant(x.Ctx, id)
	if err != nil {
		return err
	}
	p := &merchantPage{Merchant: m, Writes: x.Account.May(staff.WriteApplication), Terminals: x.Account.May(staff.WriteTerminal),
		Frame: page.Frame{Title: m.Name, Active: "merchants", Crumbs: []page.Crumb{{Title: "商家", URL: "/console/merchants"}}}}
	details, err := h.Applications.Details(x.Ctx, id)
	if err != nil {
		return err
	}
	p.Facts = append([]map[string]any{
		{"Term": "编号", "Text": strconv.FormatInt(m.ID, 10)}, {"Term": "签约工会", "Text": m.Office},
		{"Term": "统一社会信用代码", "Text": m.Code}, {"Term": "行业", "Text": page.TradeName(string(m.Trade))}, {"Term": "品牌", "Text": m.Brand},
	}, contactFacts(details.Contact, details.Bank, details.Unreadable, p.Writes)...)
	if m.ApplicationID != 0 {
		p.Facts = append(p.Facts, map[string]any{"Term": "入网申请", "Text": m.ApplicationNumber, "URL": applicationURL(m.ApplicationID)})
	}
	p.Facts = append(p.Facts, map[string]any{"Term": "登记时间", "Text": page.Moment(m.CreatedAt)})
	if p.Holding, err = h.Applications.Holding(x.Ctx, id); err != nil {
		return err
	}
	if err := h.merchantFiles(x, p); err != nil {
		return err
	}
	changes, err := h.Applications.MerchantHistory(x.Ctx, id)
	if err != nil {
		return err
	}
	if err := h.nameReasons(x.Ctx, reasonsOf(changes, func(c *application.Change) *string { return &c.Reason })); err != nil {
		return err
	}
	p.History = steps(changes)
	return h.Pages.Page(x, "console/merchant_show", p)
}

// merchantFiles lists the merchant's own files and those of its application.
func (h *Handlers) merchantFiles(x *exchange.Exchange, p *merchantPage) error {
	objects := []string{fmt.Sprintf("merchant:%d", p.Merchant.ID)}
	if p.Merchant.ApplicationID != 0 {
		objects = append(objects, fmt.Sprintf("application:%d", p.Merchant.ApplicationID))
	}
	for _, object := range objects {
		files, err := h.Files.List(x.Ctx, object)
		if err != nil {
			return err
		}
		for _, f := range files {
			p.Files = append(p.Files, fileOf(p.Merchant.Trade, f, false, x.Account))
		}
	}
	return nil
}

type merchantDetailsPage struct {
	page.Frame
	ID       int64
	Form     *page.Form
	Conflict []conflictRow
}

func detailsForm(d application.Details) *page.Form {
	doc := application.Document{Code: d.Code, Contact: d.Contact, Bank: d.Bank}
	values := doc.Form()
	values.Set("version", strconv.FormatInt(d.Version, 10))
	return &page.Form{Values: values}
}

// MerchantDetailsForm answers GET /console/merchants/:id/details.
func (h *Handlers) MerchantDetailsForm(x *exchange.Exchange) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	d, err := h.Applications.Details(x.Ctx, id)
	if err != nil {
		return err
	}
	return h.detailsPage(x, id, detailsForm(d), nil)
}

// MerchantDetails answers POST /console/merchants/:id/details.
func (h *Handlers) MerchantDetails(x *exchange.Exchange) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	version, _ := form.Int("version")
	doc, _, _ := application.ReadForm(form.Values)
	err = h.Applications.SetDetails(x.Ctx, byAccount(x, orElse(form.Text("why"), "修改联系资料")), id, version,
		application.Details{Code: doc.Code, Contact: doc.Contact, Bank: doc.Bank})
	var conflict *application.ConflictError
	if errors.As(err, &conflict) {
		return h.detailsConflict(x, id, conflict, form)
	}
	if refused, ok := page.Refuse(form.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.detailsPage(x, id, refused, nil)
	}
	if err != nil {
		return err
	}
	page.Notify(x, "联系资料已保存。")
	return x.Redirect(merchantURL(id))
}

func (h *Handlers) detailsConflict(x *exchange.Exchange, id int64, c *application.ConflictError, form *exchange.Form) error {
	now, err := h.Applications.Details(x.Ctx, id)
	if err != nil {
		return err
	}
	summary, fields := conflictSummary(c)
	form.Set("version", strconv.FormatInt(now.Version, 10))
	values := detailsForm(now).Values
	var rows []conflictRow
	seen := map[string]bool{}
	for _, f := range fields {
		if !seen[f] {
			seen[f] = true
			rows = append(rows, conflictRow{application.FieldTitle(f), values.Get(f)})
		}
	}
	x.Status = http.StatusConflict
	return h.detailsPage(x, id, &page.Form{Values: form.Values, Summary: summary}, rows)
}

func (h *Handlers) detailsPage(x *exchange.Exchange, id int64, form *page.Form, conflict []conflictRow) error {
	m, err := h.Applications.Merchant(x.Ctx, id)
	if err != nil {
		return err
	}
	return h.Pages.Page(x, "console/merchant_details", &merchantDetailsPage{ID: id, Form: form, Conflict: conflict,
		Frame: page.Frame{Title: "修改联系资料", Active: "merchants", Crumbs: []page.Crumb{
			{Title: "商家", URL: "/console/merchants"}, {Title: m.Name, URL: merchantURL(id)}}}})
}
