package console

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card"
	"unioncard/card/member"
	"unioncard/card/personal"
	"unioncard/card/union"
	"unioncard/card/union/keyset"
	"unioncard/card/union/staff"
	"unioncard/merchant"
)

func memberURL(id int64) string { return "/console/members/" + strconv.FormatInt(id, 10) }

func memberStates() []page.Choice {
	return []page.Choice{{Value: "in", Label: "在会"}, {Value: "retired", Label: "退休"}, {Value: "left", Label: "已退会"}}
}

func memberStatus(word string) member.Status {
	return map[string]member.Status{"in": member.StatusIn, "retired": member.StatusRetired, "left": member.StatusLeft}[word]
}

// memberBadge is a membership's state for its badge.
func memberBadge(s member.Status) string {
	switch s {
	case member.StatusIn:
		return "member_in"
	case member.StatusRetired:
		return "member_retired"
	}
	return "member_left"
}

// memberList is the members of a territory; under, if not nil, is the union that they
// are narrowed to. surname: they can be narrowed by it.
func memberList(under *union.Union, surname bool) *ListSpec {
	s := &ListSpec{
		Path: "/console/members", Name: "会员", Sort: "-id", NoExport: true,
		Columns: []Column{
			{Key: "id", Label: "会员编号", Sort: keyset.Int, Number: true}, {Key: "name", Label: "姓名"}, {Key: "resident_id", Label: "身份证号"},
			{Key: "phone", Label: "手机号"}, {Key: "union", Label: "工会"}, {Key: "status", Label: "状态"}, {Key: "joined", Label: "入会"},
		},
		Filters: []Filter{
			{Name: "status", Label: "状态", Kind: "choice", Choices: memberStates()},
			{Name: "moving", Label: "转接", Kind: "choice", Choices: []page.Choice{{Value: "1", Label: "有未办的转接"}}},
		},
	}
	if surname {
		s.Filters = append([]Filter{{Name: "surname", Label: "姓（如“王”）", Kind: "search"}}, s.Filters...)
	}
	if under != nil {
		s.Filters = append([]Filter{{Name: "union", Label: "工会", Kind: "choice",
			Choices: []page.Choice{{Value: strconv.FormatInt(under.ID, 10), Label: under.Name + "（含下级）"}}}}, s.Filters...)
	}
	return s
}

type memberListPage struct {
	page.Frame
	List   *List
	Rows   []member.Member
	Form   *page.Form // of the search for one person
	Own    int64      // the account's union, where it registers members itself; else 0
	Writes bool
	Asked  *notFound // a search that found nobody
}

// notFound is a search that found nobody in the territory.
type notFound struct {
	Elsewhere string // where the person is a member, by its county; "" if nowhere
	ID        string // the resident ID as typed, to go on with
}

// State is a membership's state for its badge.
func (*memberListPage) State(m member.Member) string { return memberBadge(m.Status) }

// MemberList answers GET /console/members.
func (h *Handlers) MemberList(x *exchange.Exchange) error {
	return h.memberPage(x, page.NewForm(), nil)
}

func (h *Handlers) memberPage(x *exchange.Exchange, form *page.Form, asked *notFound) error {
	path, under := x.Account.Path, (*union.Union)(nil)
	if id, err := strconv.ParseInt(x.Query("union"), 10, 64); err == nil {
		u, err := union.Get(x.Ctx, h.DB, id)
		if err != nil && !errors.Is(err, union.ErrNotFound) {
			return err
		}
		if err == nil && x.Account.Covers(u.Path) { // another one's is as if not asked for
			path, under = u.Path, u
		}
	}
	own, err := union.Get(x.Ctx, h.DB, x.Account.UnionID)
	if err != nil {
		return err
	}
	shown := own
	if under != nil {
		shown = under
	}
	l := ReadList(x, memberList(under, shown.Kind == union.Grassroots || shown.Kind == union.County))
	rows, err := h.Members.List(x.Ctx, path, member.ListFilter{Status: memberStatus(l.Value("status")), Moving: l.Value("moving") != "",
		Surname: surnameOf(l)}, l.Page)
	if err != nil {
		return err
	}
	rows = Finish(l, rows, func(m member.Member, _ string) (any, int64) { return m.ID, m.ID })
	p := &memberListPage{Frame: page.Frame{Title: "会员", Active: "members"}, List: l, Rows: rows, Form: form,
		Writes: x.Account.May(staff.WriteMembers), Asked: asked}
	if p.Writes && own.Kind == union.Grassroots {
		p.Own = own.ID
	}
	return h.Pages.Page(x, "console/member_list", p)
}

// surnameOf is the surname that a list is narrowed to: as much of what was typed as
// the list shows of names. No more of it is carried on from page to page.
func surnameOf(l *List) string {
	typed := strings.TrimSpace(l.Value("surname"))
	if typed == "" {
		return ""
	}
	if !strings.ContainsFunc(typed, unicode.IsLetter) {
		l.Said = append(l.Said, "姓要写文字，未按它筛选。")
		delete(l.values, "surname")
		return ""
	}
	surname := strings.TrimRight(card.Mask(typed+"某某"), "*") // 欧阳 alone would be masked as 欧*
	if surname != typed {
		l.Said = append(l.Said, "名单里只有姓，按“"+surname+"”筛选；查一位会员，请用身份证号或手机号。")
	}
	l.values["surname"] = surname
	return surname
}

// MemberSearch answers POST /console/members/search: one person by resident ID or
// phone number, who is found in the territory or not at all. What was looked for is
// neither in the address nor in the event.
func (h *Handlers) MemberSearch(x *exchange.Exchange) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	text := form.Text("q")
	found, err := h.Members.Search(x.Ctx, byCards(x, "按身份证号或手机号查找会员"), x.Account.Path, x.Account.UnionID, text)
	var fault *personal.Fault
	if errors.As(err, &fault) {
		x.Status = http.StatusUnprocessableEntity
		said := faultWords(fault)
		switch {
		case text == "":
			said = "请填写身份证号或手机号。"
		case !strings.ContainsFunc(text, unicode.IsDigit):
			said = "只能按身份证号或手机号查，不能按姓名查。"
		}
		wrong := merchant.FieldErrors{{Field: "q", Message: said}}
		return h.memberPage(x, &page.Form{Values: form.Values, Errors: wrong}, nil)
	}
	if err != nil {
		return err
	}
	if found.Here {
		return x.Redirect(memberURL(found.Member.ID))
	}
	asked := &notFound{}
	if found.By == personal.FieldResidentID && x.Account.May(staff.WriteMembers) {
		// Who has the person's resident ID before them may take the person in: by
		// registering, or by asking for a transfer. The union itself is not told, which
		// would name the employer.
		asked.ID = text
		if found.Member.ID != 0 {
			if asked.Elsewhere, err = h.county(x, found.Member.UnionID); err != nil {
				return err
			}
		}
	}
	return h.memberPage(x, &page.Form{Values: form.Values}, asked)
}

// county is where a union lies, in words.
func (h *Handlers) county(x *exchange.Exchange, id int64) (string, error) {
	u, err := union.Get(x.Ctx, h.DB, id)
	if err != nil {
		return "", err
	}
	return orElse(placeName(u.Territory), "别处"), nil
}
