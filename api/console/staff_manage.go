package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
	"unioncard/card/union/staff"
)

func roleChoices() []page.Choice {
	work := map[staff.Role]string{
		staff.Negotiator: "受理申请，起草、变更、续签协议，办理暂停和退出", staff.Approver: "审批别人提请的事项",
		staff.TerminalManager: "开通、暂停、更换终端", staff.ComplaintHandler: "办理投诉", staff.Finance: "对账、结算",
		staff.Assessor: "考核评价", staff.Registrar: "登记会员、导入名册、办理转接，维护基层工会",
		staff.CardManager: "建批次、制卡、发放、挂失补换、续期",
		staff.Auditor:     "查看全部内容和操作日志，不办理业务；不能兼任", staff.Operator: "管理账号和设置，不接触业务数据；不能兼任",
	}
	var out []page.Choice
	for _, r := range staff.Roles() {
		out = append(out, page.Choice{Value: string(r), Label: page.RoleName(r) + "：" + work[r]})
	}
	return out
}

func staffList() *ListSpec {
	roles := make([]page.Choice, 0, len(staff.Roles()))
	for _, r := range staff.Roles() {
		roles = append(roles, page.Choice{Value: string(r), Label: page.RoleName(r)})
	}
	return &ListSpec{
		Path: "/console/staff", Name: "人员账号", Sort: "login",
		Columns: []Column{
			{Key: "login", Label: "登录名", Sort: keyset.Text}, {Key: "name", Label: "姓名"}, {Key: "union", Label: "单位"},
			{Key: "roles", Label: "角色"}, {Key: "status", Label: "状态"}, {Key: "factor", Label: "两步验证"}, {Key: "last", Label: "最近登录"},
		},
		Filters: []Filter{
			{Name: "q", Label: "登录名、姓名或单位", Kind: "search"}, {Name: "role", Label: "角色", Kind: "choice", Choices: roles},
			{Name: "state", Label: "状态", Kind: "choice", Choices: []page.Choice{
				{Value: "active", Label: "在用"}, {Value: "waiting", Label: "未改一次性密码"}, {Value: "disabled", Label: "已停用"}}},
		},
	}
}

type staffListPage struct {
	page.Frame
	List *List
	Rows []staff.Row
}

// StaffList answers GET /console/staff.
func (h *Handlers) StaffList(x *exchange.Exchange) error {
	l := ReadList(x, staffList())
	rows, err := h.Staff.List(x.Ctx, x.Account.Path, staff.ListFilter{Text: l.Value("q"), Role: staff.Role(l.Value("role")), State: l.Value("state")}, l.Page)
	if err != nil {
		return err
	}
	if l.Exporting() {
		return Export(x, l, rows, h.Clock(), func(r staff.Row) []any {
			return []any{r.Login, r.Name, r.Union, roleNames(r.Roles), page.StateName(staffState(&r)), yesNo(r.HasFactor), lastSignIn(&r)}
		})
	}
	rows = Finish(l, rows, func(r staff.Row, sort string) (any, int64) { return r.Login, r.ID })
	return h.Pages.Page(x, "console/staff_list", &staffListPage{Frame: page.Frame{Title: "人员账号", Active: "staff"}, List: l, Rows: rows})
}

// State is an account's state for a badge.
func (*staffListPage) State(r staff.Row) string { return staffState(&r) }

func staffState(r *staff.Row) string {
	if r.Disabled {
		return "disabled"
	}
	return "active"
}

func lastSignIn(r *staff.Row) string {
	if r.LastSignIn == nil {
		return "从未"
	}
	return page.Moment(*r.LastSignIn)
}

func yesNo(b bool) string {
	if b {
		return "已设置"
	}
	return "未设置"
}

func roleNames(roles []staff.Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = page.RoleName(r)
	}
	return strings.Join(names, "、")
}

type staffFormPage struct {
	page.Frame
	Form    *page.Form
	ID      int64 // 0: a new account
	Roles   []page.Choice
	Offices []page.Choice
	Office  string // what the offices were looked for by
	More    bool   // there are more than are listed
}

// maxOffices bounds the select; further ones are found by name.
const maxOffices = 400

func (h *Handlers) showStaffForm(x *exchange.Exchange, p *staffFormPage) error {
	p.Roles, p.Office = roleChoices(), x.Query("office")
	offices, err := h.Staff.Offices(x.Ctx, x.Account.Path, p.Office, maxOffices+1)
	if err != nil {
		return err
	}
	if p.More = len(offices) > maxOffices; p.More {
		offices = offices[:maxOffices]
	}
	for _, o := range offices {
		p.Offices = append(p.Offices, page.Choice{Value: strconv.FormatInt(o.ID, 10), Label: strings.Repeat("　", max(o.Depth, 0)) + o.Name})
	}
	if p.ID != 0 { // where the account is now, whatever was looked for
		row, err := h.Staff.Get(x.Ctx, p.ID)
		if err != nil {
			return err
		}
		now := page.Choice{Value: strconv.FormatInt(row.UnionID, 10), Label: row.Union}
		if !slices.ContainsFunc(p.Offices, func(c page.Choice) bool { return c.Value == now.Value }) {
			p.Offices = append([]page.Choice{now}, p.Offices...)
		}
	}
	return h.Pages.Page(x, "console/staff_edit", p)
}

func staffFrame(title string) page.Frame {
	return page.Frame{Title: title, Active: "staff", Crumbs: []page.Crumb{{Title: "人员账号", URL: "/console/staff"}}}
}

// StaffNew answers GET /console/staff/new.
func (h *Handlers) StaffNew(x *exchange.Exchange) error {
	form := page.NewForm("union_id", strconv.FormatInt(x.Account.UnionID, 10))
	return h.showStaffForm(x, &staffFormPage{Frame: staffFrame("新建账号"), Form: form})
}

func rolesOf(typed url.Values) []staff.Role {
	var roles []staff.Role
	for _, r := range typed["roles"] {
		roles = append(roles, staff.Role(r))
	}
	return roles
}

// StaffCreate answers POST /console/staff. The one-time password is in this one
// answer and nowhere else.
func (h *Handlers) StaffCreate(x *exchange.Exchange) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	unionID, _ := f.Int("union_id") // 0 is nobody's
	id, once, err := h.Staff.Add(x.Ctx, x.Account, staff.NewAccount{
		Login: f.Text("login"), Name: f.Text("name"), UnionID: unionID, Roles: rolesOf(f.Values),
	}, f.Text("reason"))
	if faults := staffFaults(err); faults != nil {
		x.Status = http.StatusUnprocessableEntity
		return h.showStaffForm(x, &staffFormPage{Frame: staffFrame("新建账号"), Form: &page.Form{Values: f.Values, Errors: faults}})
	}
	if err != nil {
		return err
	}
	return h.showOneTime(x, id, once)
}

type oneTimePage struct {
	page.Frame
	Row  *staff.Row
	Once staff.OneTime
}

func (h *Handlers) showOneTime(x *exchange.Exchange, id int64, once staff.OneTime) error {
	row, err := h.Staff.Get(x.Ctx, id)
	if err != nil {
		return err
	}
	return h.Pages.Page(x, "console/staff_password", &oneTimePage{Frame: staffFrame("一次性密码"), Row: row, Once: once})
}

type staffShowPage struct {
	page.Frame
	Row     *staff.Row
	Own     bool // the operator's own: others change it
	State   string
	History []page.Step
	Form    *page.Form // of a refused reset or disabling
}

// StaffShow answers GET /console/staff/:id.
func (h *Handlers) StaffShow(x *exchange.Exchange) error { return h.showStaff(x, &page.Form{}) }

// historyRows is how much of an account's history its page shows.
const historyRows = 30

func (h *Handlers) showStaff(x *exchange.Exchange, form *page.Form) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	row, err := h.Staff.Get(x.Ctx, id)
	if err != nil {
		return err
	}
	p := &staffShowPage{Frame: staffFrame(row.Name), Row: row, Own: id == x.Account.ID, State: staffState(row), Form: form}
	if p.History, err = h.history(x, "staff", id, "", historyRows); err != nil {
		return err
	}
	return h.Pages.Page(x, "console/staff_show", p)
}

// StaffEditForm answers GET /console/staff/:id/edit.
func (h *Handlers) StaffEditForm(x *exchange.Exchange) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	row, err := h.Staff.Get(x.Ctx, id)
	if err != nil {
		return err
	}
	form := page.NewForm("name", row.Name, "union_id", strconv.FormatInt(row.UnionID, 10), "version", strconv.FormatInt(row.Version, 10))
	for _, r := range row.Roles {
		form.Values.Add("roles", string(r))
	}
	return h.showStaffForm(x, &staffFormPage{Frame: staffFrame("修改账号 " + row.Login), Form: form, ID: id})
}

// StaffEdit answers POST /console/staff/:id/edit.
func (h *Handlers) StaffEdit(x *exchange.Exchange) error {
	f, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	unionID, _ := f.Int("union_id")
	version, _ := f.Int("version")
	err = h.Staff.Edit(x.Ctx, x.Account, id, staff.Edited{
		Name: f.Text("name"), UnionID: unionID, Roles: rolesOf(f.Values), Version: version, Reason: f.Text("reason"),
	})
	form := &page.Form{Values: f.Values, Errors: staffFaults(err)}
	if form.Summary, err = h.staffRefusal(x, form, id, err); err != nil {
		return err
	}
	if form.Summary != "" || form.Errors != nil {
		x.Status = http.StatusUnprocessableEntity
		return h.showStaffForm(x, &staffFormPage{Frame: staffFrame("修改账号"), Form: form, ID: id})
	}
	page.Notify(x, "账号已修改，他的下一次操作就按新的角色和单位办理。")
	return x.Redirect("/console/staff/" + strconv.FormatInt(id, 10))
}

// staffRefusal is what to say over a form about an account that is refused; a
// form that is stale gets the present version, so that it can be sent again.
func (h *Handlers) staffRefusal(x *exchange.Exchange, form *page.Form, id int64, err error) (string, error) {
	switch {
	case err == nil || form.Errors != nil:
		return "", nil
	case errors.Is(err, staff.ErrLastOperator):
		return "他是最后一位省级系统管理员，停用、调走或取消角色后就没有人能管理账号了。请先为另一位同事开通省级系统管理员。", nil
	case errors.Is(err, staff.ErrStale):
		row, err := h.Staff.Get(x.Ctx, id)
		if err != nil {
			return "", err
		}
		form.Values.Set("version", strconv.FormatInt(row.Version, 10))
		state := "在用"
		if row.Disabled {
			state = "已停用"
		}
		return "您打开以后，这个账号有了改动。现在是：" + row.Name + "，" + row.Union + "，" + roleNames(row.Roles) + "，" + state +
			"。核对后如仍要改，请再次提交。", nil
	}
	return "", err
}

// StaffReset answers POST /console/staff/:id/reset.
func (h *Handlers) StaffReset(x *exchange.Exchange) error {
	f, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	version, _ := f.Int("version")
	once, err := h.Staff.Reset(x.Ctx, x.Account, id, version, f.Text("factor") == "1", f.Text("reason"))
	form := &page.Form{Values: f.Values, Errors: staffFaults(err)}
	if form.Summary, err = h.staffRefusal(x, form, id, err); err != nil {
		return err
	}
	if form.Summary != "" || form.Errors != nil {
		x.Status = http.StatusUnprocessableEntity
		return h.showStaff(x, form)
	}
	return h.showOneTime(x, id, once)
}

// StaffDisable answers POST /console/staff/:id/disable.
func (h *Handlers) StaffDisable(x *exchange.Exchange) error { return h.staffSwitch(x, true) }

// StaffEnable answers POST /console/staff/:id/enable.
func (h *Handlers) StaffEnable(x *exchange.Exchange) error { return h.staffSwitch(x, false) }

func (h *Handlers) staffSwitch(x *exchange.Exchange, off bool) error {
	f, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	version, _ := f.Int("version")
	err = h.Staff.Disable(x.Ctx, x.Account, id, version, off, f.Text("reason"))
	form := &page.Form{Values: f.Values, Errors: staffFaults(err)}
	if form.Summary, err = h.staffRefusal(x, form, id, err); err != nil {
		return err
	}
	if form.Summary != "" || form.Errors != nil {
		x.Status = http.StatusUnprocessableEntity
		return h.showStaff(x, form)
	}
	said := "账号已启用。"
	if off {
		said = "账号已停用，他的登录都已退出。"
	}
	page.Notify(x, said)
	return x.Redirect("/console/staff/" + strconv.FormatInt(id, 10))
}

// wholeTree reports whether an account's territory is everything.
func wholeTree(a *staff.Account) bool { return strings.Count(a.Path, "/") == 2 }
