package console

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/member"
	"unioncard/card/personal"
	"unioncard/card/union"
	"unioncard/card/union/keyset"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/territory"
)

func transferList() *ListSpec {
	return &ListSpec{
		Path: "/console/transfers", Name: "转接", Sort: "-id",
		Columns: []Column{
			{Key: "id", Label: "编号", Sort: keyset.Int, Number: true}, {Key: "member", Label: "会员"}, {Key: "from", Label: "转出"},
			{Key: "to", Label: "转入"}, {Key: "state", Label: "状态"}, {Key: "requested", Label: "申请"}, {Key: "due", Label: "答复期限"}, {Key: "act", Label: "办理"},
		},
		Filters: []Filter{
			{Name: "side", Label: "方向", Kind: "choice", Choices: []page.Choice{{Value: "in", Label: "转入本辖区"}, {Value: "out", Label: "转出本辖区"}}},
			{Name: "state", Label: "状态", Kind: "choice", Choices: []page.Choice{
				{Value: "requested", Label: "等转出方答复"}, {Value: "done", Label: "已转接"}, {Value: "declined", Label: "未同意"},
				{Value: "withdrawn", Label: "已撤回"}, {Value: "void", Label: "已失效"}}},
		},
	}
}

// transferRow is a transfer as one of its sides sees it: of a union outside the
// territory only the county is told, as the union would name the employer.
type transferRow struct {
	member.Transfer
	FromHere, ToHere bool
	FromName, ToName string
}

// State is its state for the badge.
func (r transferRow) Badge() string { return "transfer_" + string(r.State) }

func (h *Handlers) transferRow(x *exchange.Exchange, t member.Transfer) (r transferRow, err error) {
	r = transferRow{Transfer: t, FromHere: x.Account.Covers(t.From.Path), ToHere: x.Account.Covers(t.To.Path),
		FromName: t.From.Name, ToName: t.To.Name}
	if !r.FromHere {
		if r.FromName, err = h.county(x, t.From.UnionID); err != nil {
			return r, err
		}
		r.FromName += "的工会"
	}
	if !r.ToHere {
		if r.ToName, err = h.county(x, t.To.UnionID); err != nil {
			return r, err
		}
		r.ToName += "的工会"
	}
	return r, nil
}

type transferListPage struct {
	page.Frame
	List   *List
	Rows   []transferRow
	Writes bool
	Own    int64 // the account's union where it takes members itself, else 0
}

// TransferList answers GET /console/transfers: those that begin or end in the
// account's territory.
func (h *Handlers) TransferList(x *exchange.Exchange) error {
	l := ReadList(x, transferList())
	found, err := h.Members.Transfers(x.Ctx, x.Account.Path, member.TransferFilter{
		State: member.TransferState(l.Value("state")), Side: l.Value("side")}, l.Page)
	if err != nil {
		return err
	}
	p := &transferListPage{Frame: page.Frame{Title: "转接", Active: "transfers"}, List: l, Writes: x.Account.May(staff.WriteMembers)}
	if l.Exporting() {
		return Export(x, l, found, h.Clock(), func(t member.Transfer) []any {
			r, err := h.transferRow(x, t)
			if err != nil {
				r.FromName, r.ToName = "", ""
			}
			return []any{t.ID, t.Member, r.FromName, r.ToName, page.StateName(r.Badge()), page.Moment(t.RequestedAt), page.Day(t.DueAt), t.Reason}
		})
	}
	for _, t := range Finish(l, found, func(t member.Transfer, _ string) (any, int64) { return t.ID, t.ID }) {
		r, err := h.transferRow(x, t)
		if err != nil {
			return err
		}
		p.Rows = append(p.Rows, r)
	}
	if p.Writes {
		own, err := union.Get(x.Ctx, h.DB, x.Account.UnionID)
		if err != nil {
			return err
		}
		if own.Kind == union.Grassroots {
			p.Own = own.ID
		}
	}
	return h.Pages.Page(x, "console/transfer_list", p)
}

type transferPage struct {
	page.Frame
	Row       transferRow
	Decides   bool // the releasing side's answer; else the receiving side takes it back
	Form      *page.Form
	Requested bool
}

// TransferDecideForm answers GET /console/transfers/:id/decide, for the union that the
// member is to leave.
func (h *Handlers) TransferDecideForm(x *exchange.Exchange) error {
	return h.transferPage(x, true, page.NewForm())
}

// TransferWithdrawForm answers GET /console/transfers/:id/withdraw, for the union that
// asked.
func (h *Handlers) TransferWithdrawForm(x *exchange.Exchange) error {
	return h.transferPage(x, false, page.NewForm())
}

func (h *Handlers) transferPage(x *exchange.Exchange, decides bool, form *page.Form) error {
	id, err := idOf(x)
	if err != nil {
		return err
	}
	t, err := h.Members.GetTransfer(x.Ctx, id)
	if err != nil {
		return err
	}
	r, err := h.transferRow(x, t)
	if err != nil {
		return err
	}
	title := "撤回转接申请"
	if decides {
		title = "答复转接申请"
	}
	return h.Pages.Page(x, "console/transfer_show", &transferPage{Row: r, Decides: decides, Form: form, Requested: t.State == member.Requested,
		Frame: page.Frame{Title: title, Active: "transfers", Crumbs: []page.Crumb{{Title: "转接", URL: "/console/transfers"}}}})
}

// TransferDecide answers POST /console/transfers/:id/decide.
func (h *Handlers) TransferDecide(x *exchange.Exchange) error {
	return h.transferMove(x, true, func(form *exchange.Form, id int64, reason string) (string, error) {
		agree := form.Text("answer") == "agree"
		if !agree && form.Text("answer") != "decline" {
			return "", merchant.FieldErrors{{Field: "answer", Message: "请选择同意或不同意。"}}
		}
		said := "已答复不同意，转入方会看到您的理由。"
		if agree {
			said = "已同意，会员和他的卡已转到对方工会。"
		}
		return said, h.Members.DecideTransfer(x.Ctx, byCards(x, reason), id, agree)
	})
}

// TransferWithdraw answers POST /console/transfers/:id/withdraw.
func (h *Handlers) TransferWithdraw(x *exchange.Exchange) error {
	return h.transferMove(x, false, func(_ *exchange.Form, id int64, reason string) (string, error) {
		return "申请已撤回。", h.Members.WithdrawTransfer(x.Ctx, byCards(x, reason), id)
	})
}

func (h *Handlers) transferMove(x *exchange.Exchange, decides bool, do func(form *exchange.Form, id int64, reason string) (string, error)) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	if decides && form.Text("answer") == "agree" && form.Text("reason") == "" { // who agrees need not say why
		form.Set("reason", "同意转接")
	}
	reason := reasonIn(form, &wrong)
	said := ""
	if err = wrong.Err(); err == nil {
		said, err = do(form, id, reason)
	}
	if refused, ok := memberFault(form.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.transferPage(x, decides, refused)
	}
	if err != nil {
		return err
	}
	page.Notify(x, said)
	return x.Redirect("/console/transfers")
}

// TransferNew answers GET /console/unions/:id/transfer: a union asks for a member of
// another one.
func (h *Handlers) TransferNew(x *exchange.Exchange) error { return h.transferNew(x, page.NewForm()) }

func (h *Handlers) transferNew(x *exchange.Exchange, form *page.Form) error {
	u, err := h.grassroots(x)
	if err != nil {
		return err
	}
	return h.Pages.Page(x, "console/transfer_new", &memberFormPage{Union: u, Form: form,
		Frame: page.Frame{Title: "申请转入会员", Active: "transfers", Crumbs: []page.Crumb{
			{Title: "转接", URL: "/console/transfers"}, {Title: u.Name, URL: unionURL(u.ID)}}}})
}

// TransferCreate answers POST /console/unions/:id/transfer. The person is named by the
// resident ID that the worker has shown: ids of members outside the territory are
// nobody's business.
func (h *Handlers) TransferCreate(x *exchange.Exchange) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	by := byCards(x, reasonIn(form, &wrong))
	var found member.Found
	if err = wrong.Err(); err == nil {
		found, err = h.Members.Search(x.Ctx, by, x.Account.Path, x.Account.UnionID, form.Text("resident_id"))
	}
	var fault *personal.Fault
	switch {
	case errors.As(err, &fault):
		err = merchant.FieldErrors{{Field: "resident_id", Message: faultWords(fault)}}
	case err == nil && found.By != personal.FieldResidentID:
		err = merchant.FieldErrors{{Field: "resident_id", Message: "请填写 18 位身份证号。"}}
	case err == nil && found.Member.ID == 0:
		err = merchant.FieldErrors{{Field: "resident_id", Message: "全省都没有这位会员，请直接登记。"}}
	case err == nil && found.Member.Status == member.StatusLeft:
		err = merchant.FieldErrors{{Field: "resident_id", Message: "他已经退会，不用转接：请到原工会所在的区县总工会办理重新入会，或用名册导入到本工会。"}}
	}
	said := "已申请，等转出方答复；15 天没有答复，自动转接。"
	if err == nil {
		if found.Here { // one account answers for both unions
			said = "已转接，会员和他的卡已到本工会。"
			err = h.Members.TransferNow(x.Ctx, by, found.Member.ID, id)
		} else {
			_, err = h.Members.RequestTransfer(x.Ctx, by, found.Member.ID, id)
		}
	}
	if refused, ok := memberFault(form.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.transferNew(x, refused)
	}
	if err != nil {
		return err
	}
	page.Notify(x, said)
	if found.Here {
		return x.Redirect(memberURL(found.Member.ID))
	}
	return x.Redirect("/console/transfers?state=requested")
}

type memberTransferPage struct {
	page.Frame
	M          member.Member
	Query      string
	Candidates []territory.Row
	More       bool // there are more than are listed
	Form       *page.Form
}

// Choices are the unions to choose from.
func (p *memberTransferPage) Choices() []page.Choice {
	out := make([]page.Choice, len(p.Candidates))
	for i, r := range p.Candidates {
		out[i] = page.Choice{Value: strconv.FormatInt(r.ID, 10), Label: r.Name + "（" + r.Parent + "）"}
	}
	return out
}

// MemberTransferForm answers GET /console/members/:id/transfer: to another union of
// the territory, at once.
func (h *Handlers) MemberTransferForm(x *exchange.Exchange) error {
	return h.memberTransfer(x, page.NewForm())
}

func (h *Handlers) memberTransfer(x *exchange.Exchange, form *page.Form) error {
	m, err := h.memberOf(x)
	if err != nil {
		return err
	}
	p := &memberTransferPage{M: m, Query: x.Query("q"), Form: form, Frame: memberFrame("转到别的工会", &m)}
	f := territory.Filter{Scope: x.Account.Path, Text: strings.TrimSpace(p.Query), Kind: union.Grassroots, State: "active"}
	if f.Text == "" { // most move nearby
		now, err := union.Get(x.Ctx, h.DB, m.UnionID)
		if err != nil {
			return err
		}
		if f.Parent = now.ParentID; now.ID == x.Account.UnionID {
			f.Parent = 0
		}
	}
	found, err := territory.List(x.Ctx, h.DB, f, keyset.Page{Sort: "id", Limit: candidateRows + 2})
	if err != nil {
		return err
	}
	for _, r := range found {
		if r.ID != m.UnionID {
			p.Candidates = append(p.Candidates, r)
		}
	}
	if p.More = len(p.Candidates) > candidateRows; p.More {
		p.Candidates = p.Candidates[:candidateRows]
	}
	return h.Pages.Page(x, "console/member_transfer", p)
}

// MemberTransfer answers POST /console/members/:id/transfer.
func (h *Handlers) MemberTransfer(x *exchange.Exchange) error {
	form, m, err := posted(x, h.memberOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	by := byCards(x, reasonIn(form, &wrong))
	to, _ := form.Int("to_union") // 0 is nobody's
	if to == 0 {
		wrong.Add("to_union", "请选择转到哪个工会。")
	} else if _, err := h.within(x, to); err != nil {
		return err
	}
	if err = wrong.Err(); err == nil {
		err = h.Members.TransferNow(x.Ctx, by, m.ID, to)
	}
	if refused, ok := memberFault(form.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.memberTransfer(x, refused)
	}
	if err != nil {
		return err
	}
	page.Notify(x, "已转接，会员和他的卡已到新的工会。")
	return x.Redirect(memberURL(m.ID))
}
