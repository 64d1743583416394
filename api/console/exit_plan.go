package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/personal"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/exit"
	"unioncard/merchant/signing"
)

// exitPage shows what ending a contract will do, and the ways to stop it.
type exitPage struct {
	page.Frame
	Contract *merchant.Contract
	Merchant string
	Effect   *exit.Effect
	Waiting  []signing.Proposal // about this contract, not decided yet
	Plan     *exit.Plan         // nil: none
	Cause    string             // the plan's, in Chinese
	LastDay  time.Time          // the plan's last day with discount
	Form     *page.Form
	Causes   []page.Choice
	Soonest  string // the first day that may be the last
	// What may be proposed now.
	MayEnd, MaySuspend, MayResume bool
}

// Sentence says in one line what ending will do, for the question before it.
func (p *exitPage) Sentence() string {
	lost := 0
	for _, o := range p.Effect.Outlets {
		if o.Falls == 0 {
			lost++
		}
	}
	s := fmt.Sprintf("将提请终止与“%s”的协议：%d 家门店停止优惠", p.Merchant, lost)
	if p.Effect.Terminals > 0 {
		s += fmt.Sprintf("，退款期满后停用 %d 台终端", p.Effect.Terminals)
	}
	renewals := 0
	for _, o := range p.Effect.Others {
		if o.Follows {
			renewals++
		}
	}
	if renewals > 0 {
		s += fmt.Sprintf("，%d 份续签协议一并终止", renewals)
	}
	return s + "。另一位同事批准后执行。"
}

// ExitForm answers GET /console/contracts/:id/exit.
func (h *Handlers) ExitForm(x *exchange.Exchange) error {
	return h.exitPage(x, page.NewForm("kind", string(exit.KindNotice), "noticed_on", page.Day(h.Clock())))
}

func (h *Handlers) exitPage(x *exchange.Exchange, form *page.Form) error {
	c, err := h.contractOf(x)
	if err != nil {
		return err
	}
	p := &exitPage{Contract: c, Form: form, Soonest: page.Day(h.Clock().AddDate(0, 0, exit.MinNotice))}
	if p.Effect, err = h.Exits.Effect(x.Ctx, c.ID, h.Clock()); err != nil {
		return err
	}
	if p.Merchant, err = h.Merchants.Name(x.Ctx, c.MerchantID); err != nil {
		return err
	}
	switch p.Plan, err = h.Exits.Latest(x.Ctx, c.ID); {
	case errors.Is(err, merchant.ErrNotFound):
		p.Plan = nil
	case err != nil:
		return err
	default:
		p.Cause, p.LastDay = exit.Title(p.Plan.Cause), p.Plan.LastPurchase.Add(-time.Second)
	}
	all, err := h.Signing.Of(x.Ctx, contractObject(c.ID))
	if err != nil {
		return err
	}
	for _, q := range all {
		if q.State == signing.Waiting {
			p.Waiting = append(p.Waiting, q)
		}
	}
	for _, cause := range exit.Causes() {
		group := "一般原因（提前通知）"
		if cause.ForCause {
			group = "违约违规（可立即终止，一段时间内不再受理）"
		}
		p.Causes = append(p.Causes, page.Choice{Value: cause.Code, Label: cause.Title, Group: group})
	}
	for _, m := range merchant.StageMoves(merchant.ContractStage(c.Status, false, false)) {
		if c.Status == merchant.ContractDraft || !x.Account.May(m.Right) {
			continue
		}
		p.MayEnd = p.MayEnd || m.Action == "end"
		p.MaySuspend = p.MaySuspend || m.Action == "suspend"
		p.MayResume = p.MayResume || m.Action == "resume"
	}
	p.Frame = page.Frame{Title: "暂停与终止", Active: "contracts", Crumbs: []page.Crumb{
		{Title: "协议", URL: "/console/contracts"}, {Title: p.Merchant, URL: contractURL(c.ID)}}}
	return h.Pages.Page(x, "console/exit_form", p)
}

// Exit answers POST /console/contracts/:id/exit: it proposes the ending.
func (h *Handlers) Exit(x *exchange.Exchange) error {
	form, c, err := posted(x, h.contractOf)
	if err != nil {
		return err
	}
	o := exit.Order{Kind: exit.Kind(form.Text("kind")), Cause: form.Text("cause"), NoticedOn: form.Text("noticed_on"),
		LastDay: form.Text("last_day"), Merchant: form.Text("merchant_leaves") == "1"}
	var wrong merchant.FieldErrors
	if err := o.Check(c, h.Clock()); err != nil && !errors.As(err, &wrong) {
		return err
	}
	if err := h.mayLeave(x, c, o, &wrong); err != nil {
		return err
	}
	reason := reasonIn(form, &wrong)
	if len(wrong) == 0 {
		_, err = h.Signing.Propose(x.Ctx, x.Account, exit.KindEnd, contractObject(c.ID), c.OfficeID, o, reason)
		if err == nil {
			page.Notify(x, "已提请终止，等另一位同事批准。")
			return x.Redirect(contractURL(c.ID) + "/exit")
		}
		if summary, ok := proposalFault(err); ok {
			return h.exitRefused(x, &page.Form{Values: form.Values, Summary: summary})
		}
		return err
	}
	return h.exitRefused(x, &page.Form{Values: form.Values, Errors: wrong})
}

// mayLeave refuses to take a merchant out of the network that has moved away with
// its union: the office still ends the contract that it signed, no more.
func (h *Handlers) mayLeave(x *exchange.Exchange, c *merchant.Contract, o exit.Order, wrong *merchant.FieldErrors) error {
	if !o.Merchant {
		return nil
	}
	path, err := merchant.Locate(x.Ctx, h.DB, "merchant", c.MerchantID)
	if err != nil {
		return err
	}
	if !x.Account.Covers(path) {
		wrong.Add("merchant_leaves", "商家已不归本单位管辖，只能终止本单位签的协议；要退出网络，请商家现在的签约工会办理。")
	}
	return nil
}

func (h *Handlers) exitRefused(x *exchange.Exchange, form *page.Form) error {
	x.Status = http.StatusUnprocessableEntity
	return h.exitPage(x, form)
}

// reasonMax is the longest reason taken, in characters.
const reasonMax = 500

// reasonIn reads the field "reason", which every change needs. It goes into the event
// log, which holds no personal values and from which nothing is ever erased.
func reasonIn(form *exchange.Form, wrong *merchant.FieldErrors) string {
	reason := form.Text("reason")
	switch n := len([]rune(reason)); {
	case n == 0:
		wrong.Add("reason", "请写明理由，会记入操作日志。")
	case n > reasonMax:
		wrong.Add("reason", fmt.Sprintf("理由不超过 %d 字。", reasonMax))
	case personal.Mentioned(reason):
		wrong.Add("reason", "理由会长期留在操作日志里，请不要写身份证号或手机号。")
	}
	return reason
}

// proposalFault is what a clerk reads of a proposal that could not be made.
func proposalFault(err error) (string, bool) {
	var move *merchant.MoveError
	switch {
	case errors.Is(err, signing.ErrAlreadyWaiting):
		return "同样的事项已经提请过，正等审批；要改内容请先撤回。", true
	case errors.As(err, &move):
		return "协议现在的状态不能这样办理，请刷新页面后再看。", true
	}
	return "", false
}

// Suspend answers POST /console/contracts/:id/suspend.
func (h *Handlers) SuspendContract(x *exchange.Exchange) error {
	return h.proposeMove(x, exit.KindSuspend, "已提请暂停，等另一位同事批准。", "suspend_reason")
}

// ResumeContract answers POST /console/contracts/:id/resume.
func (h *Handlers) ResumeContract(x *exchange.Exchange) error {
	return h.proposeMove(x, exit.KindResume, "已提请恢复，等另一位同事批准。", "resume_reason")
}

func (h *Handlers) proposeMove(x *exchange.Exchange, kind, done, field string) error {
	form, c, err := posted(x, h.contractOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	form.Values.Set("reason", form.Text(field))
	reason := reasonIn(form, &wrong)
	if len(wrong) > 0 {
		return h.exitRefused(x, &page.Form{Values: form.Values, Errors: merchant.FieldErrors{{Field: field, Message: wrong[0].Message}}})
	}
	_, err = h.Signing.Propose(x.Ctx, x.Account, kind, contractObject(c.ID), c.OfficeID, struct{}{}, reason)
	if summary, ok := proposalFault(err); ok {
		return h.exitRefused(x, &page.Form{Values: form.Values, Summary: summary})
	}
	if err != nil {
		return err
	}
	page.Notify(x, done)
	return x.Redirect(contractURL(c.ID) + "/exit")
}

func (h *Handlers) contractOf(x *exchange.Exchange) (*merchant.Contract, error) {
	id, err := x.ID64("id")
	if err != nil {
		return nil, err
	}
	return h.Merchants.Contract(x.Ctx, id)
}

func contractObject(id int64) string { return fmt.Sprintf("contract:%d", id) }
func contractURL(id int64) string    { return fmt.Sprintf("/console/contracts/%d", id) }

type exitListPage struct {
	page.Frame
	Plans []exitRow
}

type exitRow struct {
	exit.Listed
	Cause   string
	LastDay time.Time
	Open    []merchant.Blocker
	URL     string
}

// exitsShown bounds the list of plans under way.
const exitsShown = 500

// ExitList answers GET /console/exits: the plans under way, and what holds them.
func (h *Handlers) ExitList(x *exchange.Exchange) error {
	plans, err := h.Exits.UnderWay(x.Ctx, x.Account.Path, exitsShown)
	if err != nil {
		return err
	}
	p := &exitListPage{Frame: page.Frame{Title: "正在退出的协议", Active: "exits"}}
	for _, l := range plans {
		row := exitRow{Listed: l, Cause: exit.Title(l.Plan.Cause), LastDay: l.Plan.LastPurchase.Add(-time.Second),
			URL: contractURL(l.Plan.ContractID) + "/exit"}
		if l.Plan.State == exit.StateSettling {
			if row.Open, err = h.Exits.Open(x.Ctx, l.Plan.ContractID); err != nil {
				return err
			}
		}
		p.Plans = append(p.Plans, row)
	}
	return h.Pages.Page(x, "console/exit_list", p)
}

// workExits is what waits in exits: plans whose refund tail is over and that
// something holds open.
func (h *Handlers) workExits(ctx context.Context, acct *staff.Account) ([]WorkItem, error) {
	if !acct.May(staff.WriteExit) {
		return nil, nil
	}
	plans, err := h.Exits.UnderWay(ctx, acct.Path, exitsShown)
	if err != nil {
		return nil, err
	}
	late := 0
	for _, l := range plans {
		if l.Plan.State == exit.StateSettling && l.Plan.RefundUntil.Before(h.Clock()) {
			late++
		}
	}
	if late == 0 {
		return nil, nil
	}
	return []WorkItem{{Title: "退款期已满、尚有未了事项的退出", Count: late, URL: "/console/exits", Urgent: true}}, nil
}
