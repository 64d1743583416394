package portal

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/merchant/account"
)

const usersPath = "/portal/users"

type userListPage struct {
	page.Frame
	Rows    []account.Row
	Outlets map[int64]string
	Form    *page.Form // of an action that was refused
}

// Shops are a manager's shops by name.
func (p *userListPage) Shops(r account.Row) string {
	names := make([]string, 0, len(r.OutletIDs))
	for _, id := range r.OutletIDs {
		names = append(names, p.Outlets[id])
	}
	return strings.Join(names, "、")
}

// Self reports whether a row is the user who looks.
func (p *userListPage) Self(r account.Row) bool { return r.ID == p.User.ID }

// UserList answers GET /portal/users.
func (h *Handlers) UserList(x *exchange.Exchange) error { return h.userList(x, page.NewForm()) }

func (h *Handlers) userList(x *exchange.Exchange, form *page.Form) error {
	rows, err := h.Accounts.List(x.Ctx, x.Merchant.MerchantID)
	if err != nil {
		return err
	}
	shops, err := h.Accounts.Shops(x.Ctx, x.Merchant)
	if err != nil {
		return err
	}
	p := &userListPage{Frame: page.Frame{Title: "人员", Active: "users"}, Rows: rows, Outlets: map[int64]string{}, Form: form}
	for _, s := range shops {
		p.Outlets[s.ID] = s.Name
	}
	return h.Pages.Page(x, "portal/user_list", p)
}

type userFormPage struct {
	page.Frame
	ID      int64 // 0: a new one
	Phone   string
	Form    *page.Form
	Roles   []page.Choice
	Outlets []page.Choice
}

func (h *Handlers) userForm(x *exchange.Exchange, id int64, number string, form *page.Form) error {
	shops, err := h.Accounts.Shops(x.Ctx, x.Merchant)
	if err != nil {
		return err
	}
	p := &userFormPage{ID: id, Phone: number, Form: form,
		Frame: page.Frame{Title: either(id == 0, "添加人员", "修改人员"), Active: "users", Crumbs: []page.Crumb{{Title: "人员", URL: usersPath}}},
		Roles: []page.Choice{
			{Value: string(account.Owner), Label: "老板：全部事项，管理人员，签协议"},
			{Value: string(account.Finance), Label: "财务：消费记录、结算单、对账"},
			{Value: string(account.Manager), Label: "店长：只看和管下面所选的门店"},
		}}
	for _, s := range shops {
		p.Outlets = append(p.Outlets, page.Choice{Value: strconv.FormatInt(s.ID, 10), Label: s.Name})
	}
	return h.Pages.Page(x, "portal/user_form", p)
}

func either(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

// byUser says who of the merchant makes a change and why.
func byUser(x *exchange.Exchange, reason string) merchant.By {
	return merchant.By{Actor: x.Merchant.Actor(), Reason: reason}
}

// UserNew answers GET /portal/users/new.
func (h *Handlers) UserNew(x *exchange.Exchange) error { return h.userForm(x, 0, "", page.NewForm()) }

// readUser reads what was filled in of a user. Ids that are none are left out, and
// those of other merchants' shops refused by the store.
func readUser(f *exchange.Form) account.Form {
	form := account.Form{Name: f.Text("name"), Phone: f.Text("phone")}
	for _, r := range f.Values["roles"] {
		form.Roles = append(form.Roles, account.Role(r))
	}
	for _, s := range f.Values["outlets"] {
		if id, err := strconv.ParseInt(s, 10, 64); err == nil {
			form.OutletIDs = append(form.OutletIDs, id)
		}
	}
	return form
}

// UserAdd answers POST /portal/users.
func (h *Handlers) UserAdd(x *exchange.Exchange) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	_, err = h.Accounts.Add(x.Ctx, byUser(x, "老板添加人员"), x.Merchant.MerchantID, readUser(f))
	if refused, ok := page.Refuse(f.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.userForm(x, 0, "", refused)
	}
	if err != nil {
		return err
	}
	page.Notify(x, "已添加。请告诉对方：用这个手机号在“商家登录”页获取验证码登录。")
	return x.Redirect(usersPath)
}

// UserEditForm answers GET /portal/users/:id/edit.
func (h *Handlers) UserEditForm(x *exchange.Exchange) error {
	r, err := h.userOf(x)
	if err != nil {
		return err
	}
	return h.userForm(x, r.ID, r.Phone, &page.Form{Values: userValues(r)})
}

func userValues(r *account.Row) map[string][]string {
	v := map[string][]string{"name": {r.Name}, "version": {strconv.FormatInt(r.Version, 10)}}
	for _, role := range r.Roles {
		v["roles"] = append(v["roles"], string(role))
	}
	for _, id := range r.OutletIDs {
		v["outlets"] = append(v["outlets"], strconv.FormatInt(id, 10))
	}
	return v
}

// userOf is the user in the address, of the merchant that asks.
func (h *Handlers) userOf(x *exchange.Exchange) (*account.Row, error) {
	id, err := x.ID64("id")
	if err != nil {
		return nil, err
	}
	return h.Accounts.Get(x.Ctx, x.Merchant.MerchantID, id)
}

// UserEdit answers POST /portal/users/:id/edit.
func (h *Handlers) UserEdit(x *exchange.Exchange) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	r, err := h.userOf(x)
	if err != nil {
		return err
	}
	version, _ := f.Int("version")
	err = h.Accounts.Edit(x.Ctx, byUser(x, "老板修改人员"), x.Merchant.MerchantID, r.ID, max(version, 1), readUser(f))
	if refused, ok := page.Refuse(f.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.userForm(x, r.ID, r.Phone, refused)
	}
	switch {
	case errors.Is(err, account.ErrStale):
		// What was typed stays; what the other one saved is said.
		x.Status = http.StatusConflict
		f.Set("version", strconv.FormatInt(r.Version, 10))
		return h.userForm(x, r.ID, r.Phone, &page.Form{Values: f.Values, Summary: "您打开以后，有人改过这位人员，现在是：" +
			r.Name + "，" + r.RoleTitles() + either(r.Disabled, "，已停用", "") + "。没有保存，请核对后再提交。"})
	case errors.Is(err, account.ErrLastOwner):
		x.Status = http.StatusUnprocessableEntity
		return h.userForm(x, r.ID, r.Phone, &page.Form{Values: f.Values, Errors: merchant.FieldErrors{{Field: "roles", Message: "这是最后一位老板，请先添加另一位老板。"}}})
	case err != nil:
		return err
	}
	page.Notify(x, "已保存。")
	return x.Redirect(usersPath)
}

// UserDisable answers POST /portal/users/:id/disable.
func (h *Handlers) UserDisable(x *exchange.Exchange) error {
	return h.userDo(x, "已停用，对方马上退出登录。", func(r *account.Row, version int64) error {
		return h.Accounts.Disable(x.Ctx, byUser(x, "老板停用人员"), x.Merchant.MerchantID, r.ID, version, false)
	})
}

// UserReset answers POST /portal/users/:id/reset: the second factor is set up anew.
func (h *Handlers) UserReset(x *exchange.Exchange) error {
	return h.userDo(x, "已重置，对方下次登录时重新设置两步验证。", func(r *account.Row, version int64) error {
		return h.Accounts.ResetFactor(x.Ctx, byUser(x, "老板重置两步验证"), x.Merchant.MerchantID, r.ID, version)
	})
}

func (h *Handlers) userDo(x *exchange.Exchange, done string, do func(r *account.Row, version int64) error) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	r, err := h.userOf(x)
	if err != nil {
		return err
	}
	version, _ := f.Int("version")
	err = do(r, max(version, 1))
	said := ""
	switch {
	case errors.Is(err, account.ErrLastOwner):
		said = "这是最后一位老板，不能停用。请先添加另一位老板。"
	case errors.Is(err, account.ErrStale):
		said = "您打开以后，有人改过" + r.Name + "的资料，没有办理。下面是现在的情况，需要的话请再点一次。"
	case err != nil:
		return err
	default:
		page.Notify(x, done)
		return x.Redirect(usersPath)
	}
	x.Status = http.StatusConflict
	return h.userList(x, &page.Form{Summary: said})
}
