package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/member"
	"unioncard/card/personal"
	"unioncard/card/union"
	"unioncard/merchant"
)

// memberFormPage is a form about one person: to register, or to correct.
type memberFormPage struct {
	page.Frame
	Union   *union.Union   // that registers, or that a transfer leads to
	Member  *member.Member // whose data is corrected, nil for a new one
	Classes []page.Choice
	Form    *page.Form
	Taken   *takenMember // the person is a member already
}

// takenMember is whom a resident ID or a phone number belongs to.
type takenMember struct {
	URL       string // of the member's page, "" outside the territory
	Elsewhere string // where, by its county
	Left      bool
	Phone     bool // it is the phone number that is taken, by somebody else
}

// classChoices are the classes that have a name, and the one that a member has.
func classChoices(has int) []page.Choice {
	var out []page.Choice
	for c := range merchant.NamedClasses {
		out = append(out, page.Choice{Value: strconv.Itoa(c), Label: merchant.ClassName(c)})
	}
	if has >= merchant.NamedClasses {
		out = append(out, page.Choice{Value: strconv.Itoa(has), Label: merchant.ClassName(has)})
	}
	return out
}

// faultWords is what is wrong with a value and what to do, as two sentences.
func faultWords(f *personal.Fault) string { return f.Message + "。" + f.Fix + "。" }

// memberFault is a refusal of the member store as a form; false for any other error.
func memberFault(typed url.Values, err error) (*page.Form, bool) {
	var invalid *member.InvalidError
	var move *member.MoveError
	form := &page.Form{Values: typed}
	switch {
	case errors.As(err, &invalid):
		for _, f := range invalid.Faults {
			form.Errors.Add(f.Field, faultWords(f))
		}
	case errors.As(err, &move):
		form.Summary = "会员现在是“" + page.StateName(memberBadge(move.From)) + "”，不能这样办理，可能别人刚刚办过。请刷新页面后再看。"
	case errors.Is(err, member.ErrStale):
		form.Summary = "您打开以后，有人改了这位会员的资料，没有保存。请核对现在的资料，仍要改就再次提交。"
	case errors.Is(err, member.ErrUnion):
		form.Summary = "只有在用的基层工会能登记会员，请换一个工会。"
	case errors.Is(err, member.ErrMoving):
		form.Summary = "这位会员有一件还没有办完的转接，请先办完或撤回。"
	case errors.Is(err, member.ErrHere):
		form.Summary = "这位会员已经在这个工会了。"
	case errors.Is(err, member.ErrNoData):
		form.Summary = "没有保存这位会员的个人资料：已经删除，或是启用前登记的。请先补录身份证号。"
	case errors.Is(err, member.ErrDecided):
		form.Summary = "这件转接已经办过了，请刷新页面看结果。"
	default:
		return page.Refuse(typed, err)
	}
	return form, true
}

// memberTaken finds out about a *member.TakenError what the account may know; nil
// for any other error.
func (h *Handlers) memberTaken(x *exchange.Exchange, err error) (*takenMember, error) {
	var taken *member.TakenError
	if !errors.As(err, &taken) {
		return nil, nil
	}
	t := &takenMember{Left: taken.Status == member.StatusLeft, Phone: taken.Field == personal.FieldPhone}
	if taken.MemberID == 0 {
		return t, nil
	}
	// A phone number out of nowhere must not tell where its owner lives.
	if t.Phone && !x.Account.Covers(taken.Path) {
		return t, nil
	}
	if x.Account.Covers(taken.Path) {
		t.URL = memberURL(taken.MemberID)
		return t, nil
	}
	t.Elsewhere, err = h.county(x, taken.UnionID)
	return t, err
}

// MemberNew answers GET /console/unions/:id/register.
func (h *Handlers) MemberNew(x *exchange.Exchange) error {
	return h.memberNew(x, page.NewForm("class", "0"), nil)
}

func (h *Handlers) memberNew(x *exchange.Exchange, form *page.Form, taken *takenMember) error {
	u, err := h.grassroots(x)
	if err != nil {
		return err
	}
	return h.Pages.Page(x, "console/member_new", &memberFormPage{Union: u, Form: form, Taken: taken, Classes: classChoices(0),
		Frame: page.Frame{Title: "登记会员", Active: "members", Crumbs: []page.Crumb{
			{Title: "会员", URL: "/console/members"}, {Title: u.Name, URL: unionURL(u.ID)}}}})
}

// grassroots is the union in the address, if it registers members.
func (h *Handlers) grassroots(x *exchange.Exchange) (*union.Union, error) {
	id, err := idOf(x)
	if err != nil {
		return nil, err
	}
	u, err := union.Get(x.Ctx, h.DB, id)
	if err != nil {
		return nil, err
	}
	if !u.Active || u.Kind != union.Grassroots {
		return nil, member.ErrUnion
	}
	return u, nil
}

// MemberRegister answers POST /console/unions/:id/register.
func (h *Handlers) MemberRegister(x *exchange.Exchange) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	by := byCards(x, reasonIn(form, &wrong))
	class, classErr := strconv.ParseUint(form.Get("class"), 10, 8)
	if classErr != nil || class > 7 {
		wrong.Add("class", "请选择会员类别。")
	}
	var added int64
	if err = wrong.Err(); err == nil {
		added, err = h.Members.Register(x.Ctx, by, id, personal.Person{ResidentID: form.Text("resident_id"),
			Phone: form.Text("phone"), Name: form.Text("name")}, uint8(class))
	}
	if err == nil {
		page.Notify(x, "会员已登记。")
		return x.Redirect(memberURL(added))
	}
	taken, lookErr := h.memberTaken(x, err)
	if lookErr != nil {
		return lookErr
	}
	if refused, ok := memberFault(form.Values, err); ok || taken != nil {
		x.Status = http.StatusUnprocessableEntity
		if !ok {
			refused = &page.Form{Values: form.Values}
		}
		return h.memberNew(x, refused, taken)
	}
	return err
}

// MemberEditForm answers GET /console/members/:id/edit. What is not typed stays: the
// form shows no value in plain.
func (h *Handlers) MemberEditForm(x *exchange.Exchange) error {
	m, err := h.memberOf(x)
	if err != nil {
		return err
	}
	form := page.NewForm("version", strconv.FormatInt(m.Version, 10), "class", strconv.Itoa(int(m.Class)))
	if !m.JoinedOn.IsZero() {
		form.Values.Set("joined_on", m.JoinedOn.Format(time.DateOnly))
	}
	return h.memberEdit(x, &m, form, nil)
}

func (h *Handlers) memberOf(x *exchange.Exchange) (member.Member, error) {
	id, err := idOf(x)
	if err != nil {
		return member.Member{}, err
	}
	return h.Members.Get(x.Ctx, id)
}

func (h *Handlers) memberEdit(x *exchange.Exchange, m *member.Member, form *page.Form, taken *takenMember) error {
	return h.Pages.Page(x, "console/member_edit", &memberFormPage{Member: m, Form: form, Taken: taken, Classes: classChoices(int(m.Class)),
		Frame: memberFrame("修改会员资料", m)})
}

// memberFrame is the frame of a page about a member other than the member's own.
func memberFrame(title string, m *member.Member) page.Frame {
	return page.Frame{Title: title, Active: "members", Crumbs: []page.Crumb{
		{Title: "会员", URL: "/console/members"}, {Title: m.Name, URL: memberURL(m.ID)}}}
}

// MemberEdit answers POST /console/members/:id/edit.
func (h *Handlers) MemberEdit(x *exchange.Exchange) error {
	form, m, err := posted(x, h.memberOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	by := byCards(x, reasonIn(form, &wrong))
	change := memberChange(form, h.Clock(), &wrong)
	version, _ := form.Int("version")
	if err = wrong.Err(); err == nil {
		err = h.Members.Edit(x.Ctx, by, m.ID, version, change)
	}
	if err == nil {
		page.Notify(x, "会员资料已修改。")
		return x.Redirect(memberURL(m.ID))
	}
	taken, lookErr := h.memberTaken(x, err)
	if lookErr != nil {
		return lookErr
	}
	refused, ok := memberFault(form.Values, err)
	if !ok && taken == nil {
		return err
	}
	if !ok {
		refused = &page.Form{Values: form.Values}
	}
	if errors.Is(err, member.ErrStale) {
		now, err := h.memberOf(x)
		if err != nil {
			return err
		}
		m = now
		refused.Values.Set("version", strconv.FormatInt(m.Version, 10))
	}
	x.Status = http.StatusUnprocessableEntity
	return h.memberEdit(x, &m, refused, taken)
}

// memberChange is what the form changes.
func memberChange(form *exchange.Form, now time.Time, wrong *merchant.FieldErrors) (c member.Change) {
	text := func(name string) *string {
		if v := form.Text(name); v != "" {
			return &v
		}
		return nil
	}
	c.ResidentID, c.Name, c.Phone = text("resident_id"), text("name"), text("phone")
	if form.Get("no_phone") == "1" {
		if c.Phone != nil {
			wrong.Add("no_phone", "填了新手机号，又选了“没有手机号”，请只留一样。")
		}
		c.Phone = new(string)
	}
	class, err := strconv.ParseUint(form.Get("class"), 10, 8)
	if err != nil || class > 7 {
		wrong.Add("class", "请选择会员类别。")
	}
	kind := uint8(class)
	c.Class = &kind
	if day := form.Text("joined_on"); day != "" {
		at, err := time.Parse(time.DateOnly, day)
		if err != nil || at.Year() < 1925 || at.After(now.AddDate(0, 0, 1)) {
			wrong.Add("joined_on", "请填写入会日期，如 2020-05-01，不晚于今天。")
		}
		c.JoinedOn = &at
	}
	return c
}
