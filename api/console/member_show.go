package console

import (
	"fmt"
	"net/http"
	"slices"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card"
	"unioncard/card/member"
	"unioncard/card/personal"
	"unioncard/card/union/keyset"
	"unioncard/card/union/staff"
	"unioncard/merchant"
)

type memberPage struct {
	page.Frame
	M         member.Member
	State     string
	Class     string
	Cards     []card.Held
	Transfers []member.Transfer
	History   []page.Step
	Form      *page.Form
	// Plain is shown once, to who has just said why; nil otherwise.
	Plain *personal.Person
	// What the account may do.
	Writes, Reveals, MakesCards bool
	own                         int64 // the account's union
}

// CardState is a card's state for its badge.
func (*memberPage) CardState(c card.Held) string { return "card_" + c.Status.String() }

// Number is a card's number, masked.
func (*memberPage) Number(c card.Held) string { return fmt.Sprintf("**** %04d", c.Last4) }

// URL is a card's page.
func (*memberPage) URL(c card.Held) string { return cardURL(c.Serial) }

// TransferState is a transfer's state for its badge.
func (*memberPage) TransferState(t member.Transfer) string { return "transfer_" + string(t.State) }

// Live reports whether the membership has not ended.
func (p *memberPage) Live() bool { return p.M.Status.Live() }

// Left reports whether it has.
func (p *memberPage) Left() bool { return p.M.Status == member.StatusLeft }

// In reports whether the member is in the union and at work.
func (p *memberPage) In() bool { return p.M.Status == member.StatusIn }

// Own reports whether the account answers for the member's union alone: then there is
// no other union that it could send the member to.
func (p *memberPage) Own() bool { return p.own == p.M.UnionID }

// RetireSays and LeaveSays are what an action will do to the card.
func (p *memberPage) RetireSays() string {
	return either(p.NoCard(), "没有会员卡，以后照样可以发卡。", "会员卡照旧。")
}

// LeaveSays is RetireSays for leaving.
func (p *memberPage) LeaveSays() string {
	return either(p.NoCard(), "没有会员卡要注销。", "会员卡立即注销，不能恢复；以后重新入会要发新卡。")
}

// NoCard reports whether there is no card that is in use or may be.
func (p *memberPage) NoCard() bool { return !anyLive(p.Cards) }

// anyLive reports whether one of a member's cards is in use or may be.
func anyLive(cards []card.Held) bool {
	return slices.ContainsFunc(cards, func(c card.Held) bool { return c.Status.Live() })
}

// cardsShown bounds the cards and transfers on a member's page.
const cardsShown = 50

// MemberShow answers GET /console/members/:id.
func (h *Handlers) MemberShow(x *exchange.Exchange) error {
	m, err := h.memberOf(x)
	if err != nil {
		return err
	}
	return h.showMember(x, m, page.NewForm(), nil)
}

func (h *Handlers) showMember(x *exchange.Exchange, m member.Member, form *page.Form, plain *personal.Person) (err error) {
	p := &memberPage{M: m, State: memberBadge(m.Status), Class: merchant.ClassName(int(m.Class)), Form: form, Plain: plain, own: x.Account.UnionID,
		Frame:  page.Frame{Title: m.Name, Active: "members", Crumbs: []page.Crumb{{Title: "会员", URL: "/console/members"}}},
		Writes: x.Account.May(staff.WriteMembers), Reveals: x.Account.May(staff.RevealMembers), MakesCards: x.Account.May(staff.WriteCards)}
	newest := keyset.Page{Sort: "id", Desc: true, Limit: cardsShown}
	if p.Cards, err = h.Cards.List(x.Ctx, x.Account.Path, card.ListFilter{Member: m.ID}, newest); err != nil {
		return err
	}
	if p.Transfers, err = h.Members.Transfers(x.Ctx, x.Account.Path, member.TransferFilter{MemberID: m.ID}, newest); err != nil {
		return err
	}
	if p.History, err = h.history(x, "member", m.ID, "", historyRows); err != nil {
		return err
	}
	return h.Pages.Page(x, "console/member_show", p)
}

// MemberReveal answers POST /console/members/:id/reveal: the data in plain, in this
// one answer, for a reason that is logged.
func (h *Handlers) MemberReveal(x *exchange.Exchange) error {
	form, m, err := posted(x, h.memberOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	by := byCards(x, reasonAs(form, "reveal_reason", &wrong))
	var plain personal.Person
	if err = wrong.Err(); err == nil {
		plain, err = h.Members.Reveal(x.Ctx, by, m.ID)
	}
	if refused, ok := memberFault(form.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.showMember(x, m, refused, nil)
	}
	if err != nil {
		return err
	}
	return h.showMember(x, m, page.NewForm(), &plain)
}

// reasonAs is reasonIn for one of several reasons on a page.
func reasonAs(form *exchange.Form, name string, wrong *merchant.FieldErrors) string {
	var own merchant.FieldErrors
	one := exchange.Form{Values: map[string][]string{"reason": {form.Text(name)}}}
	reason := reasonIn(&one, &own)
	for _, f := range own {
		wrong.Add(name, f.Message)
	}
	return reason
}

// MemberExport answers POST /console/members/:id/export: everything that is kept of
// the member, for the member's own hands (PIPL, article 45).
func (h *Handlers) MemberExport(x *exchange.Exchange) error {
	form, m, err := posted(x, h.memberOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	by := byCards(x, reasonAs(form, "export_reason", &wrong))
	if err := wrong.Err(); err != nil {
		x.Status = http.StatusUnprocessableEntity
		return h.showMember(x, m, &page.Form{Values: form.Values, Errors: wrong}, nil)
	}
	doc, err := h.Members.Export(x.Ctx, by, m.ID)
	if err != nil {
		return err
	}
	file, err := doc.JSON()
	if err != nil {
		return err
	}
	x.SetHeader("Content-Disposition", fmt.Sprintf(`attachment; filename="member-%d.json"`, m.ID))
	x.SetHeader("Cache-Control", "no-store")
	x.ContentType = []string{"application/json; charset=utf-8"}
	x.Out = append(x.Out[:0], file...)
	return nil
}

// MemberMove answers POST /console/members/:id/move: leaving, coming back, retiring,
// and the erasure of the data of who has left (PIPL, article 47).
func (h *Handlers) MemberMove(x *exchange.Exchange) error {
	form, m, err := posted(x, h.memberOf)
	if err != nil {
		return err
	}
	action := form.Text("action")
	var wrong merchant.FieldErrors
	by := byCards(x, reasonAs(form, action+"_reason", &wrong))
	said := ""
	if err = wrong.Err(); err == nil {
		said, err = h.memberMove(x, by, &m, action)
	}
	if refused, ok := memberFault(form.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.showMember(x, m, refused, nil)
	}
	if taken, lookErr := h.memberTaken(x, err); taken != nil || lookErr != nil {
		if lookErr != nil {
			return lookErr
		}
		x.Status = http.StatusUnprocessableEntity
		return h.showMember(x, m, &page.Form{Values: form.Values, Summary: "他退会前的手机号现在是别人的。请先修改他的手机号，再办理重新入会。"}, nil)
	}
	if err != nil {
		return err
	}
	page.Notify(x, said)
	return x.Redirect(memberURL(m.ID))
}

// memberMove does it, and says what has become of the card.
func (h *Handlers) memberMove(x *exchange.Exchange, by card.By, m *member.Member, action string) (string, error) {
	id := m.ID
	cards, err := h.Cards.List(x.Ctx, x.Account.Path, card.ListFilter{Member: id}, keyset.Page{Sort: "id", Desc: true, Limit: cardsShown})
	if err != nil {
		return "", err
	}
	had := anyLive(cards)
	switch action {
	case "leave":
		return either(had, "已办理退会，会员卡已注销。", "已办理退会。"), h.Members.Leave(x.Ctx, by, id)
	case "retire":
		return either(had, "已登记退休，会员卡照旧。", "已登记退休。"), h.Members.Retire(x.Ctx, by, id)
	case "rejoin":
		said := either(had, "已改回在职，会员卡照旧。", "已改回在职。")
		if m.Status == member.StatusLeft {
			said = "已重新入会，可以发新卡了。"
		}
		return said, h.Members.Rejoin(x.Ctx, by, id, 0)
	case "erase":
		if !x.Account.May(staff.RevealMembers) {
			return "", exchange.ErrForbidden
		}
		return "个人资料已删除，不能恢复。", h.Members.Erase(x.Ctx, by, id)
	}
	return "", merchant.FieldErrors{{Field: "action", Message: "请选择要办的事。"}}
}
