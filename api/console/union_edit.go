package console

import (
	"errors"
	"net/http"
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union"
	"unioncard/merchant"
)

// unionFormPage is a form about a union: a new one below it, or its name.
type unionFormPage struct {
	page.Frame
	Union  *union.Union
	Form   *page.Form
	Effect string // what the change will do, for the question before
}

// UnionAddForm answers GET /console/unions/:id/add.
func (h *Handlers) UnionAddForm(x *exchange.Exchange) error {
	id, err := idOf(x)
	if err != nil {
		return err
	}
	return h.unionForm(x, id, "console/union_add", "新建基层工会", page.NewForm())
}

// UnionAdd answers POST /console/unions/:id/add: a grassroots union below it.
func (h *Handlers) UnionAdd(x *exchange.Exchange) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	by := byAccount(x, reasonIn(form, &wrong))
	var added int64
	if err = wrong.Err(); err == nil {
		added, err = h.Territory.Add(x.Ctx, by, id, form.Text("name"))
	}
	if refused, ok := page.Refuse(form.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.unionForm(x, id, "console/union_add", "新建基层工会", refused)
	}
	if err != nil {
		return err
	}
	page.Notify(x, "基层工会已建立，可以登记会员、导入名册了。")
	return x.Redirect(unionURL(added))
}

// UnionRenameForm answers GET /console/unions/:id/rename.
func (h *Handlers) UnionRenameForm(x *exchange.Exchange) error {
	id, err := idOf(x)
	if err != nil {
		return err
	}
	u, err := union.Get(x.Ctx, h.DB, id)
	if err != nil {
		return err
	}
	return h.unionForm(x, id, "console/union_rename", "改名", page.NewForm("name", u.Name, "version", strconv.FormatInt(u.Version, 10)))
}

// ownUnion refuses what the union above decides about one's own.
func ownUnion(x *exchange.Exchange, u *union.Union, field string, wrong *merchant.FieldErrors) {
	if u.ID == x.Account.UnionID && u.ParentID != 0 {
		wrong.Add(field, "本单位的名称和合并由上级工会办理，请联系上级工会的会籍管理员。")
	}
}

// UnionRename answers POST /console/unions/:id/rename.
func (h *Handlers) UnionRename(x *exchange.Exchange) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	u, err := union.Get(x.Ctx, h.DB, id)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	ownUnion(x, u, "name", &wrong)
	by := byAccount(x, reasonIn(form, &wrong))
	version, _ := form.Int("version")
	if err = wrong.Err(); err == nil {
		err = h.Territory.Rename(x.Ctx, by, id, version, form.Text("name"))
	}
	refused, ok := page.Refuse(form.Values, err)
	if errors.Is(err, union.ErrStale) {
		form.Set("version", strconv.FormatInt(u.Version, 10))
		refused, ok = &page.Form{Values: form.Values, Summary: "您打开以后，这个工会有了改动，现在叫“" + u.Name + "”。核对后如仍要改，请再次提交。"}, true
	}
	if ok {
		x.Status = http.StatusUnprocessableEntity
		return h.unionForm(x, id, "console/union_rename", "改名", refused)
	}
	if err != nil {
		return err
	}
	page.Notify(x, "名称已改，原来的名称记入曾用名，查找时两个都能查到。")
	return x.Redirect(unionURL(id))
}

func (h *Handlers) unionForm(x *exchange.Exchange, id int64, template, title string, form *page.Form) error {
	u, err := union.Get(x.Ctx, h.DB, id)
	if err != nil {
		return err
	}
	if !u.Active {
		return union.ErrInactive
	}
	p := &unionFormPage{Union: u, Form: form, Effect: "将给“" + u.Name + "”改名：名称立即生效，原名记入曾用名。"}
	if u.Division != 0 {
		p.Effect += "这个地区的会员卡在收银处、手机上马上显示新名称；还没有发布的协议要重新提请审批。"
	}
	if p.Frame, err = h.unionFrame(x, u, title); err != nil {
		return err
	}
	return h.Pages.Page(x, template, p)
}
