package console

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/merchant/application"
	"unioncard/merchant/file"
)

// fillForms gives the forms that were not refused their first values.
func (p *applicationPage) fillForms(clock func() time.Time) {
	version := strconv.FormatInt(p.App.Version, 10)
	today := clock().In(beijing)
	if p.Forms.Decide == nil {
		p.Forms.Decide = page.NewForm("version", version)
	}
	if p.Forms.Accept == nil {
		p.Forms.Accept = page.NewForm("version", version, "valid_from", today.AddDate(0, 0, 1).Format(time.DateOnly),
			"valid_until", today.AddDate(1, 0, 0).Format(time.DateOnly), "refund_days", "30", "floor_clause", "1")
	}
	if p.Forms.Visit == nil {
		p.Forms.Visit = page.NewForm("visited_on", today.Format(time.DateOnly))
	}
	if p.Forms.File == nil {
		p.Forms.File = page.NewForm()
	}
}

// conflicted shows the page as it is now, and says what changed meanwhile above
// the form that came too late.
func (h *Handlers) conflicted(x *exchange.Exchange, c *application.ConflictError, form *exchange.Form, forms func(*page.Form) applicationForms) error {
	a, err := h.applicationOf(x)
	if err != nil {
		return err
	}
	summary, _ := conflictSummary(c)
	form.Set("version", strconv.FormatInt(a.Version, 10))
	x.Status = http.StatusConflict
	return h.applicationPage(x, forms(&page.Form{Values: form.Values, Summary: summary}))
}

// refused shows the page again with the form as it was typed; otherwise it
// returns the error.
func (h *Handlers) refused(x *exchange.Exchange, err error, form *exchange.Form, forms func(*page.Form) applicationForms) error {
	var conflict *application.ConflictError
	if errors.As(err, &conflict) {
		return h.conflicted(x, conflict, form, forms)
	}
	var move *merchant.MoveError
	if errors.As(err, &move) {
		x.Status = http.StatusConflict
		return h.applicationPage(x, applicationForms{Decide: &page.Form{Summary: "申请现在是“" +
			applicationStage(merchant.Stage(move.From)) + "”，不能这样办理。下面是现在的情况。"}})
	}
	if again, ok := page.Refuse(form.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.applicationPage(x, forms(again))
	}
	return err
}

func decideForm(f *page.Form) applicationForms { return applicationForms{Decide: f} }

// ApplicationMove answers POST /console/applications/:id/move.
func (h *Handlers) ApplicationMove(x *exchange.Exchange) error {
	form, a, err := posted(x, h.applicationOf)
	if err != nil {
		return err
	}
	version, _ := form.Int("version")
	action, reason := form.Text("action"), form.Text("reason")
	var missing merchant.FieldErrors
	switch action {
	case "":
		missing.Add("action", "请选择怎么处理。")
	case "take", "submit":
		reason = orElse(reason, map[string]string{"take": "开始审核", "submit": "工会代为提交"}[action])
	case "withdraw":
		reasonIn(form, &missing)
	}
	if err = missing.Err(); err == nil {
		err = h.Applications.Move(x.Ctx, byAccount(x, reason), a.ID, version, action, form.Text("fix"), false)
	}
	if err != nil {
		return h.refused(x, err, form, decideForm)
	}
	page.Notify(x, map[string]string{"take": "已开始审核。请逐项完成核对清单。", "submit": "已提交。", "return": "已退回，商家能看到理由和怎么改。",
		"reject": "已办结：不予通过。", "withdraw": "申请已撤销。"}[action])
	return x.Redirect(applicationURL(a.ID))
}

// ApplicationAccept answers POST /console/applications/:id/accept: a merchant, its
// outlets and a draft contract, where the clerk goes on.
func (h *Handlers) ApplicationAccept(x *exchange.Exchange) error {
	form, a, err := posted(x, h.applicationOf)
	if err != nil {
		return err
	}
	version, _ := form.Int("version")
	acc := application.Acceptance{ValidFrom: dayOf(form, "valid_from"), ValidUntil: dayOf(form, "valid_until"),
		FloorClause: form.Text("floor_clause") == "1"}
	if !acc.ValidUntil.IsZero() {
		acc.ValidUntil = acc.ValidUntil.AddDate(0, 0, 1) // the last day counts whole
	}
	var faults merchant.FieldErrors
	const mostDays = 365
	days, ok := form.Int("refund_days")
	if !ok || days < 0 || days > mostDays {
		faults.Add("refund_days", fmt.Sprintf("请填 0 至 %d 之间的天数。", mostDays))
	}
	acc.RefundTail = time.Duration(days) * 24 * time.Hour
	if s := form.Text("merchant_id"); s != "" && s != "0" {
		if acc.MerchantID, ok = form.Int("merchant_id"); !ok || acc.MerchantID < 0 {
			return merchant.ErrNotFound
		}
	}
	var contract int64
	if err = faults.Err(); err == nil {
		contract, err = h.Applications.Accept(x.Ctx, byAccount(x, orElse(form.Text("reason"), "审核通过，进入洽谈")), a.ID, version, acc)
	}
	if err != nil {
		return h.refused(x, err, form, func(f *page.Form) applicationForms { return applicationForms{Accept: f} })
	}
	c, err := h.Merchants.Contract(x.Ctx, contract)
	if err != nil {
		return err
	}
	if c.Status != merchant.ContractDraft {
		page.Notify(x, "已通过，新门店归入商家现行的协议，还没有开业。请打开门店，提请另一位同事批准开业。")
		return x.Redirect(applicationURL(a.ID))
	}
	page.Notify(x, "已通过，商家、门店和协议草稿都建好了。接下来填写优惠条件。")
	return x.Redirect(contractURL(contract))
}

// dayOf is a field as the start of a day in Beijing, zero if it is none.
func dayOf(form *exchange.Form, name string) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, form.Text(name), beijing)
	if err != nil || t.Year() < 2000 || t.Year() > 2200 {
		return time.Time{}
	}
	return t
}

// ApplicationCheck answers POST /console/applications/:id/checks.
func (h *Handlers) ApplicationCheck(x *exchange.Exchange) error {
	form, a, err := posted(x, h.applicationOf)
	if err != nil {
		return err
	}
	version, _ := form.Int("version")
	item, reason := form.Text("item"), "核对清单"
	for _, i := range application.Checklist(a.Doc.Trade) {
		if i.Name == item {
			reason = i.Title
		}
	}
	err = h.Applications.Tick(x.Ctx, byAccount(x, reason), a.ID, version, item, form.Text("on") == "1")
	if err != nil {
		return h.refused(x, err, form, decideForm)
	}
	return x.Redirect(applicationURL(a.ID) + "#checks")
}

// checkFiles makes the files of a form's field harmless, and says at the field
// which one is not taken.
func (h *Handlers) checkFiles(x *exchange.Exchange, form *exchange.Form, field string, most int) ([]*file.Clean, error) {
	var clean []*file.Clean
	var faults merchant.FieldErrors
	for _, f := range form.Files {
		if f.Field != field {
			continue
		}
		c, err := h.Files.Check(x.Ctx, f.Name, f.Data)
		var refused *file.RefusedError
		switch {
		case errors.As(err, &refused):
			faults.Add(field, refused.Message)
		case err != nil:
			return nil, err
		default:
			clean = append(clean, c)
		}
	}
	if len(clean) > most {
		faults.Add(field, fmt.Sprintf("一次最多传 %d 个文件。", most))
	}
	return clean, faults.Err()
}

// fieldFault is a file that could not be stored as a message at its field.
func fieldFault(err error, field string) error {
	var refused *file.RefusedError
	if errors.As(err, &refused) {
		return merchant.FieldErrors{{Field: field, Message: refused.Message}}
	}
	return err
}

// ApplicationVisit answers POST /console/applications/:id/visits.
func (h *Handlers) ApplicationVisit(x *exchange.Exchange) error {
	form, a, err := posted(x, h.applicationOf)
	if err != nil {
		return err
	}
	const mostPhotos = 6
	photos, err := h.checkFiles(x, form, "photos", mostPhotos)
	if err == nil {
		err = h.Applications.AddVisit(x.Ctx, byAccount(x, "记录走访"), a.ID, dayOf(form, "visited_on"), form.Text("note"), photos)
	}
	if err != nil {
		return h.refused(x, fieldFault(err, "photos"), form, func(f *page.Form) applicationForms { return applicationForms{Visit: f} })
	}
	page.Notify(x, "走访已记录。")
	return x.Redirect(applicationURL(a.ID) + "#visits")
}

// ApplicationFile answers POST /console/applications/:id/files.
func (h *Handlers) ApplicationFile(x *exchange.Exchange) error {
	form, a, err := posted(x, h.applicationOf)
	if err != nil {
		return err
	}
	files, err := h.checkFiles(x, form, "file", 1)
	if err == nil && len(files) == 0 {
		err = merchant.FieldErrors{{Field: "file", Message: "请选择要上传的文件。"}}
	}
	if err == nil {
		err = h.Applications.AddFile(x.Ctx, byAccount(x, "上传申请材料"), a.ID, form.Text("kind"), files[0], false)
	}
	if err != nil {
		return h.refused(x, fieldFault(err, "file"), form, func(f *page.Form) applicationForms { return applicationForms{File: f} })
	}
	page.Notify(x, "已上传。")
	return x.Redirect(applicationURL(a.ID) + "#files")
}

// ApplicationFileRemove answers POST /console/applications/:id/files/:item/remove.
func (h *Handlers) ApplicationFileRemove(x *exchange.Exchange) error {
	item, err := x.ID64("item")
	if err != nil {
		return err
	}
	a, err := h.applicationOf(x)
	if err != nil {
		return err
	}
	if err := h.Applications.RemoveFile(x.Ctx, byAccount(x, "删去申请材料"), a.ID, item, false); err != nil {
		return h.refused(x, err, &exchange.Form{}, decideForm)
	}
	page.Notify(x, "已删去，操作日志里仍有记录。")
	return x.Redirect(applicationURL(a.ID) + "#files")
}

type applicationLinkPage struct {
	page.Frame
	App  *application.Application
	Link string
}

// ApplicationLink answers POST /console/applications/:id/link: the secret link is
// shown this once.
func (h *Handlers) ApplicationLink(x *exchange.Exchange) error {
	a, err := h.applicationOf(x)
	if err != nil {
		return err
	}
	r, err := h.Applications.NewLink(x.Ctx, byAccount(x, "为商家生成查询链接"), a.ID)
	if err != nil {
		return h.refused(x, err, &exchange.Form{}, decideForm)
	}
	return h.Pages.Page(x, "console/application_link", &applicationLinkPage{App: a, Link: "/apply/" + r.Number + "/" + r.Token,
		Frame: page.Frame{Title: "商家查询链接", Active: "applications", Crumbs: []page.Crumb{
			{Title: "入网申请", URL: "/console/applications"}, {Title: orElse(a.Doc.LegalName, a.Number), URL: applicationURL(a.ID)}}}})
}
