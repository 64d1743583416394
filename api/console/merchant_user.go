package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/account"
)

type merchantUsersPage struct {
	page.Frame
	ID     int64
	Rows   []account.Row
	Form   *page.Form
	Writes bool
	Left   bool // the merchant has left
}

func merchantUsersURL(id int64) string { return merchantURL(id) + "/users" }

// MerchantUsers answers GET /console/merchants/:id/users: who of a merchant may use
// its portal.
func (h *Handlers) MerchantUsers(x *exchange.Exchange) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	form := page.NewForm()
	if x.Account.May(staff.WriteApplication) { // whom the office knows already
		d, err := h.Applications.Details(x.Ctx, id)
		if err != nil {
			return err
		}
		form = page.NewForm("name", d.Contact.Name, "phone", d.Contact.Phone)
	}
	return h.merchantUsers(x, id, form)
}

func (h *Handlers) merchantUsers(x *exchange.Exchange, id int64, form *page.Form) error {
	m, err := h.Applications.Merchant(x.Ctx, id)
	if err != nil {
		return err
	}
	rows, err := h.Accounts.List(x.Ctx, id)
	if err != nil {
		return err
	}
	return h.Pages.Page(x, "console/merchant_users", &merchantUsersPage{ID: id, Rows: rows, Form: form,
		Writes: x.Account.May(staff.WriteApplication), Left: m.Status == merchant.MerchantExited,
		Frame: page.Frame{Title: "商家后台人员", Active: "merchants", Crumbs: []page.Crumb{
			{Title: "商家", URL: "/console/merchants"}, {Title: m.Name, URL: merchantURL(id)}}}})
}

// MerchantOwner answers POST /console/merchants/:id/users: the office opens the portal
// to an owner, who adds the others.
func (h *Handlers) MerchantOwner(x *exchange.Exchange) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	_, err = h.Accounts.Add(x.Ctx, byAccount(x, "为商家开通后台"), id, account.Form{
		Name: form.Text("name"), Phone: form.Text("phone"), Roles: []account.Role{account.Owner}})
	if errors.Is(err, merchant.ErrMerchantExited) {
		err = merchant.FieldErrors{{Field: "phone", Message: "商家已退出网络，不能再开通。"}}
	}
	if refused, ok := page.Refuse(form.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.merchantUsers(x, id, refused)
	}
	if err != nil {
		return err
	}
	page.Notify(x, "已开通。请告诉对方：打开本站首页，点“商家登录”，用这个手机号获取验证码。")
	return x.Redirect(merchantUsersURL(id))
}

// MerchantUserReset answers POST /console/merchants/:id/users/:item/reset: whoever
// lost the second factor comes to the office.
func (h *Handlers) MerchantUserReset(x *exchange.Exchange) error {
	return h.merchantUserDo(x, "已重置，对方下次登录时重新设置两步验证。", func(form *exchange.Form, id, user, version int64) error {
		return h.Accounts.ResetFactor(x.Ctx, byAccount(x, form.Text("reason")), id, user, version)
	})
}

// MerchantUserDisable answers POST /console/merchants/:id/users/:item/disable. It may
// be the last owner: the office has the last word on who speaks for a merchant.
func (h *Handlers) MerchantUserDisable(x *exchange.Exchange) error {
	return h.merchantUserDo(x, "已停用，对方马上退出登录。", func(form *exchange.Form, id, user, version int64) error {
		return h.Accounts.Disable(x.Ctx, byAccount(x, form.Text("reason")), id, user, version, true)
	})
}

func (h *Handlers) merchantUserDo(x *exchange.Exchange, done string, do func(form *exchange.Form, id, user, version int64) error) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	user, err := x.ID64("item")
	if err != nil {
		return err
	}
	if _, err := h.Accounts.Get(x.Ctx, id, user); err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	reasonIn(form, &wrong)
	if len(wrong) > 0 {
		x.Status = http.StatusUnprocessableEntity
		return h.merchantUsers(x, id, &page.Form{Values: form.Values, Summary: "没有办理：" + wrong[0].Message})
	}
	version, _ := form.Int("version")
	err = do(form, id, user, max(version, 1))
	if errors.Is(err, account.ErrStale) {
		x.Status = http.StatusConflict
		return h.merchantUsers(x, id, &page.Form{Summary: "您打开以后，有人改过这位人员，没有办理。下面是现在的情况。"})
	}
	if err != nil {
		return err
	}
	page.Notify(x, done)
	return x.Redirect(merchantUsersURL(id))
}

// outletWish is what the merchant wants changed of an outlet and waits; nil if none.
func (h *Handlers) outletWish(ctx context.Context, outlet int64) (*account.Wish, error) {
	all, err := h.Accounts.Wishes(ctx, outlet)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].State == "waiting" {
			return &all[i], nil
		}
	}
	return nil, nil //nolint:nilnil // none waits
}

// OutletAnswer answers POST /console/outlets/:id/request: what the merchant wants
// changed of its outlet.
func (h *Handlers) OutletAnswer(x *exchange.Exchange) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	accept := form.Text("answer_is") == "accept"
	request, _ := form.Int("request") // that the page showed
	if !accept && form.Text("answer_is") != "decline" {
		err = merchant.FieldErrors{{Field: "answer_is", Message: "请选择同意或不同意。"}}
	} else {
		err = h.Accounts.Decide(x.Ctx, byAccount(x, "答复商家的门店变更申请"), id, request, accept, form.Text("answer"))
	}
	if refused, ok := page.Refuse(form.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.outletPage(x, refused, nil)
	}
	switch {
	case errors.Is(err, account.ErrStale):
		page.Notify(x, "您打开以后，商家撤回或改过这份申请，或者同事已经答复，没有办理。下面是现在的情况。")
	case err != nil:
		return err
	default:
		page.Notify(x, either(accept, "已同意，门店资料和公开目录已经更新。", "已答复商家。"))
	}
	return x.Redirect(outletURL(id))
}

// wishesShown bounds the requests that a page looks at.
const wishesShown = 200

type outletRequestsPage struct {
	page.Frame
	Rows []account.Wish
}

// OutletRequests answers GET /console/outlets/requests: what merchants of the
// territory want changed of their outlets.
func (h *Handlers) OutletRequests(x *exchange.Exchange) error {
	rows, err := h.Accounts.WaitingWishes(x.Ctx, x.Account.Path, wishesShown)
	if err != nil {
		return err
	}
	return h.Pages.Page(x, "console/outlet_requests", &outletRequestsPage{Rows: rows,
		Frame: page.Frame{Title: "门店变更申请", Active: "outlets", Crumbs: []page.Crumb{{Title: "门店", URL: "/console/outlets"}}}})
}

// workMerchants is what merchants ask of an office in their portal.
func (h *Handlers) workMerchants(ctx context.Context, acct *staff.Account) ([]WorkItem, error) {
	if !acct.May(staff.WriteApplication) || h.Accounts == nil {
		return nil, nil
	}
	rows, err := h.Accounts.WaitingWishes(ctx, acct.Path, wishesShown)
	if err != nil {
		return nil, fmt.Errorf("console.workMerchants: %w", err)
	}
	return []WorkItem{{Title: "商家申请变更门店资料", Count: len(rows), URL: "/console/outlets/requests"}}, nil
}

// answers are the choices of OutletAnswer.
func answers() []page.Choice {
	return []page.Choice{{Value: "accept", Label: "同意：门店资料和公开目录马上更新"}, {Value: "decline", Label: "不同意"}}
}
