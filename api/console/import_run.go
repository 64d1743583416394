package console

import (
	"fmt"
	"net/http"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/intake"
	"unioncard/merchant/signing"
)

type importPage struct {
	page.Frame
	Form    *page.Form
	Runs    []*intake.Run
	Uploads bool // who reads may upload
}

// runsShown bounds the list of workbooks.
const runsShown = 100

// Import answers GET /console/import: upload a workbook, and those before.
func (h *Handlers) Import(x *exchange.Exchange) error { return h.importPage(x, page.NewForm()) }

func (h *Handlers) importPage(x *exchange.Exchange, form *page.Form) error {
	runs, err := h.Intake.Runs(x.Ctx, x.Account.Path, runsShown)
	if err != nil {
		return err
	}
	return h.Pages.Page(x, "console/import_list", &importPage{Frame: page.Frame{Title: "批量导入", Active: "import"}, Form: form, Runs: runs,
		Uploads: x.Account.May(staff.ImportBusiness)})
}

// ImportTemplate answers GET /console/import/template: an empty workbook.
func (h *Handlers) ImportTemplate(x *exchange.Exchange) error {
	data, err := intake.Template()
	if err != nil {
		return err
	}
	x.SetHeader("Content-Disposition", `attachment; filename="import.xlsx"; filename*=UTF-8''%E5%AF%BC%E5%85%A5%E6%A8%A1%E6%9D%BF.xlsx`)
	x.SetHeader("X-Content-Type-Options", "nosniff")
	x.SetHeader("Cache-Control", "no-store")
	x.ContentType = []string{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
	x.Out = append(x.Out, data...)
	return nil
}

// ImportCheck answers POST /console/import: it checks a workbook and takes nothing in.
func (h *Handlers) ImportCheck(x *exchange.Exchange) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	refuse := func(err error) error {
		if f, ok := page.Refuse(form.Values, err); ok {
			x.Status = http.StatusUnprocessableEntity
			return h.importPage(x, f)
		}
		return err
	}
	file := form.File("file")
	if file == nil {
		return refuse(merchant.FieldErrors{{Field: "file", Message: "请选择填好的 xlsx 文件。"}})
	}
	r, err := h.Intake.Check(x.Ctx, x.Account, file.Name, file.Data)
	if err != nil {
		return refuse(err)
	}
	return x.Redirect(fmt.Sprintf("/console/import/%d", r.ID))
}

type importRunPage struct {
	page.Frame
	Run     *intake.Run
	Form    *page.Form
	Uploads bool
	Waiting *signing.Proposal // nil: none
	Last    *signing.Proposal // the last one decided, nil: none
}

// ImportShow answers GET /console/import/:id: what the check found.
func (h *Handlers) ImportShow(x *exchange.Exchange) error { return h.importRunPage(x, page.NewForm()) }

func (h *Handlers) importRunPage(x *exchange.Exchange, form *page.Form) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	r, err := h.Intake.Get(x.Ctx, id)
	if err != nil {
		return err
	}
	p := &importRunPage{Run: r, Form: form, Uploads: x.Account.May(staff.ImportBusiness), Frame: page.Frame{Title: r.Name, Active: "import",
		Crumbs: []page.Crumb{{Title: "批量导入", URL: "/console/import"}}}}
	all, err := h.Signing.Of(x.Ctx, r.Object())
	if err != nil {
		return err
	}
	for i := range all {
		switch q := &all[i]; {
		case q.State == signing.Waiting:
			p.Waiting = q
		case p.Last == nil || q.ID > p.Last.ID:
			p.Last = q
		}
	}
	return h.Pages.Page(x, "console/import_show", p)
}

// ImportPropose answers POST /console/import/:id: it proposes to take the workbook in.
func (h *Handlers) ImportPropose(x *exchange.Exchange) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	r, err := h.Intake.Get(x.Ctx, id)
	if err != nil {
		return err
	}
	refuse := func(f *page.Form) error {
		x.Status = http.StatusUnprocessableEntity
		return h.importRunPage(x, f)
	}
	var wrong merchant.FieldErrors
	reason := reasonIn(form, &wrong)
	if len(wrong) > 0 {
		return refuse(&page.Form{Values: form.Values, Errors: wrong})
	}
	_, err = h.Signing.Propose(x.Ctx, x.Account, intake.KindApply, r.Object(), r.OfficeID, struct{}{}, reason)
	if summary, ok := proposalFault(err); ok {
		return refuse(&page.Form{Values: form.Values, Summary: summary})
	}
	if err != nil {
		return err
	}
	page.Notify(x, "已提请导入，等另一位同事批准。")
	return x.Redirect(fmt.Sprintf("/console/import/%d", r.ID))
}
