package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant"
)

// maxTailDays is the longest refund tail that a form takes, in days.
const maxTailDays = 365

// contractEditPage is the form of a contract: a new one, a draft's, or a renewal.
type contractEditPage struct {
	page.Frame
	Form    *page.Form
	Action  string
	Back    string
	Kind    string // "new", "edit", "renew"
	Outlets []page.Choice
	Now     []string // of a draft that somebody else changed: what it says now
	From    string   // of a renewal: its first day
}

// contractFields reads what the forms have in common.
func contractFields(form *exchange.Form, wrong *merchant.FieldErrors) merchant.ContractEdit {
	e := merchant.ContractEdit{ValidFrom: dayField(form, "valid_from", wrong, true), FloorClause: form.Text("floor_clause") == "1"}
	e.ValidUntil = untilIn(form, wrong)
	if !e.ValidFrom.IsZero() && !e.ValidUntil.IsZero() && !e.ValidFrom.Before(e.ValidUntil) {
		wrong.Add("valid_until", "截止日期不能早于开始日期")
	}
	days, ok := form.Int("refund_days")
	if !ok || days < 0 || days > maxTailDays {
		wrong.Add("refund_days", fmt.Sprintf("请填写 0 到 %d 的整数", maxTailDays))
	}
	e.RefundTail = time.Duration(days) * 24 * time.Hour
	return e
}

// untilIn reads the last day of a validity as its exclusive end.
func untilIn(form *exchange.Form, wrong *merchant.FieldErrors) time.Time {
	day := dayField(form, "valid_until", wrong, true)
	if day.IsZero() {
		return day
	}
	return day.AddDate(0, 0, 1)
}

func contractForm(c *merchant.Contract) *page.Form {
	clause := "0"
	if c.FloorClause {
		clause = "1"
	}
	return page.NewForm("valid_from", page.Day(c.ValidFrom), "valid_until", page.Day(lastDay(c.ValidUntil)),
		"refund_days", strconv.Itoa(int(c.RefundUntil.Sub(c.ValidUntil)/(24*time.Hour))), "floor_clause", clause,
		"version", strconv.FormatInt(c.Version, 10))
}

// ContractEditForm answers GET /console/contracts/:id/edit.
func (h *Handlers) ContractEditForm(x *exchange.Exchange) error {
	c, err := h.contractOf(x)
	if err != nil {
		return err
	}
	return h.contractEditPage(x, c, contractForm(c), nil)
}

func (h *Handlers) contractEditPage(x *exchange.Exchange, c *merchant.Contract, form *page.Form, now []string) error {
	name, err := h.Merchants.Name(x.Ctx, c.MerchantID)
	if err != nil {
		return err
	}
	return h.Pages.Page(x, "console/contract_edit", &contractEditPage{
		Frame: page.Frame{Title: "改有效期与条款", Active: "contracts", Crumbs: []page.Crumb{
			{Title: "协议", URL: "/console/contracts"}, {Title: name, URL: contractURL(c.ID)}}},
		Form: form, Kind: "edit", Action: contractURL(c.ID) + "/edit", Back: contractURL(c.ID), Now: now})
}

// ContractEdit answers POST /console/contracts/:id/edit. The version in the form
// tells whether somebody else changed the draft meanwhile; then the second is
// told what it says now.
func (h *Handlers) ContractEdit(x *exchange.Exchange) error {
	form, c, err := posted(x, h.contractOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	e := contractFields(form, &wrong)
	reason := reasonIn(form, &wrong)
	version, _ := form.Int("version") // none is never the present one
	if err = wrong.Err(); err == nil {
		err = h.Merchants.EditContract(x.Ctx, merchant.By{Actor: x.Account.Actor(), Reason: reason}, c.ID, version, e)
	}
	if err == nil {
		page.Notify(x, "已保存。")
		return x.Redirect(contractURL(c.ID))
	}
	shown, ok := refusal(form.Values, err)
	if !ok {
		return err
	}
	var now []string
	if errors.Is(err, merchant.ErrContractChanged) {
		if c, err = h.contractOf(x); err != nil {
			return err
		}
		now = contractSays(c)
		shown.Values = withVersion(form.Values, c.Version)
	}
	x.Status = http.StatusUnprocessableEntity
	return h.contractEditPage(x, c, shown, now)
}

// withVersion is a form as typed, with the version to save over next: who has been
// told what changed and sends it again means it.
func withVersion(typed url.Values, version int64) url.Values {
	out := url.Values{}
	for k, v := range typed {
		out[k] = v
	}
	out.Set("version", strconv.FormatInt(version, 10))
	return out
}

// contractSays is what a draft says now, for who typed over an older one.
func contractSays(c *merchant.Contract) []string {
	clause := "没有随省条款"
	if c.FloorClause {
		clause = "有随省条款"
	}
	return []string{"有效期：" + page.Day(c.ValidFrom) + " 至 " + page.Day(lastDay(c.ValidUntil)),
		"到期后退货受理至：" + page.Day(lastDay(c.RefundUntil)), clause}
}

// ContractNewForm answers GET /console/merchants/:id/contract.
func (h *Handlers) ContractNewForm(x *exchange.Exchange) error {
	today := h.Clock()
	return h.contractNewPage(x, page.NewForm("valid_from", page.Day(today), "valid_until", page.Day(today.AddDate(1, 0, -1)),
		"refund_days", "30", "floor_clause", "1", "outlet", "0"))
}

func (h *Handlers) contractNewPage(x *exchange.Exchange, form *page.Form) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	name, err := h.Merchants.Name(x.Ctx, id)
	if err != nil {
		return err
	}
	outlets, err := h.Contracts.Outlets(x.Ctx, id)
	if err != nil {
		return err
	}
	choices := []page.Choice{{Value: "0", Label: "全部门店"}}
	for _, o := range outlets {
		choices = append(choices, page.Choice{Value: strconv.FormatInt(o.ID, 10), Label: "只管“" + o.Name + "”"})
	}
	back := "/console/merchants/" + strconv.FormatInt(id, 10)
	return h.Pages.Page(x, "console/contract_edit", &contractEditPage{
		Frame: page.Frame{Title: "新签协议", Active: "contracts", Crumbs: []page.Crumb{
			{Title: "商家", URL: "/console/merchants"}, {Title: name, URL: back}}},
		Form: form, Kind: "new", Action: back + "/contract", Back: back, Outlets: choices})
}

// ContractNew answers POST /console/merchants/:id/contract. The office that signs
// is the account's own: it is answerable for whom it signed (article 18).
func (h *Handlers) ContractNew(x *exchange.Exchange) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	e := contractFields(form, &wrong)
	reason := reasonIn(form, &wrong)
	outlet, ok := form.Int("outlet")
	if !ok || outlet < 0 {
		wrong.Add("outlet", "请选择协议管哪些门店")
	}
	if err := h.barred(x, id, "valid_from", &wrong); err != nil {
		return err
	}
	var contract int64
	if err = wrong.Err(); err == nil {
		contract, err = h.Merchants.CreateContract(x.Ctx, merchant.By{Actor: x.Account.Actor(), Reason: reason}, merchant.NewContract{
			MerchantID: id, OutletID: outlet, OfficeID: x.Account.UnionID,
			ValidFrom: e.ValidFrom, ValidUntil: e.ValidUntil, RefundTail: e.RefundTail, FloorClause: e.FloorClause})
	}
	var invalid *merchant.InvalidError
	switch {
	case err == nil:
		page.Notify(x, "协议草稿已建好，请起草优惠条件。")
		return x.Redirect(contractURL(contract))
	case errors.Is(err, merchant.ErrNotFound): // the merchant is there, by the route: a forged or foreign outlet
		err = merchant.FieldErrors{{Field: "outlet", Message: "这个商家没有这家门店，请重新选择"}}
	case errors.As(err, &invalid) && invalid.Field == "OfficeID":
		err = merchant.FieldErrors{{Field: "outlet", Message: "只有省、市、县工会可以签协议，您的账号不在其中"}}
	}
	shown, ok := refusal(form.Values, err)
	if !ok {
		return err
	}
	x.Status = http.StatusUnprocessableEntity
	return h.contractNewPage(x, shown)
}

// barred notes that a merchant that was ended for cause stays out, also where it
// never left the network and has a draft from before.
func (h *Handlers) barred(x *exchange.Exchange, merchantID int64, field string, wrong *merchant.FieldErrors) error {
	until, err := h.Exits.BarredUntil(x.Ctx, merchantID)
	if err == nil && !until.IsZero() {
		wrong.Add(field, "这家商家曾因违约违规被终止协议，"+page.Day(until)+" 以前不能再签。")
	}
	return err
}

// ContractRenewForm answers GET /console/contracts/:id/renew.
func (h *Handlers) ContractRenewForm(x *exchange.Exchange) error {
	c, err := h.contractOf(x)
	if err != nil {
		return err
	}
	return h.contractRenewPage(x, c, page.NewForm("valid_until", page.Day(lastDay(c.ValidUntil.AddDate(1, 0, 0)))))
}

func (h *Handlers) contractRenewPage(x *exchange.Exchange, c *merchant.Contract, form *page.Form) error {
	name, err := h.Merchants.Name(x.Ctx, c.MerchantID)
	if err != nil {
		return err
	}
	return h.Pages.Page(x, "console/contract_edit", &contractEditPage{
		Frame: page.Frame{Title: "续签", Active: "contracts", Crumbs: []page.Crumb{
			{Title: "协议", URL: "/console/contracts"}, {Title: name, URL: contractURL(c.ID)}}},
		Form: form, Kind: "renew", Action: contractURL(c.ID) + "/renew", Back: contractURL(c.ID), From: page.Day(c.ValidUntil)})
}

// ContractRenew answers POST /console/contracts/:id/renew.
func (h *Handlers) ContractRenew(x *exchange.Exchange) error {
	form, c, err := posted(x, h.contractOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	until := untilIn(form, &wrong)
	reason := reasonIn(form, &wrong)
	var id int64
	if err = wrong.Err(); err == nil {
		id, err = h.Contracts.Renew(x.Ctx, x.Account, c.ID, until, reason)
	}
	if err == nil {
		page.Notify(x, "续签协议的草稿已建好，优惠条件照抄了原协议，改好后提请审批。")
		return x.Redirect(contractURL(id))
	}
	shown, ok := refusal(form.Values, err)
	if !ok {
		return err
	}
	x.Status = http.StatusUnprocessableEntity
	return h.contractRenewPage(x, c, shown)
}
