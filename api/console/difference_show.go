package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/signing"
	"unioncard/settlement/recon"
)

// differenceHistory is how many steps of a difference its page shows.
const differenceHistory = 50

type differencePage struct {
	page.Frame
	D       page.Disagreement
	Days    string
	Form    *page.Form
	Writes  bool
	Accepts bool // it may be accepted as an offline sale
	By      string
	Hint    string // what an accepted sale may cost
	History []page.Step
}

// DifferenceShow answers GET /console/differences/:id.
func (h *Handlers) DifferenceShow(x *exchange.Exchange) error { return h.differenceShow(x, nil) }

func (h *Handlers) differenceShow(x *exchange.Exchange, form *page.Form) error {
	id, err := idOf(x)
	if err != nil {
		return err
	}
	d, err := h.Recon.Get(x.Ctx, 0, id)
	if err != nil {
		return err
	}
	p := &differencePage{D: page.NewDisagreement(*d), Days: differenceDays(d), Form: form, Writes: x.Account.May(staff.WriteMoney),
		Accepts: d.Kind == recon.Theirs && d.Why != recon.Booked && d.Why != recon.Duplicate && d.Why != recon.WrongDay && d.Their.Fen >= 0 && d.Their.Paid >= 0}
	if p.Form == nil {
		p.Form = page.NewForm("accept_fen", page.Yuan(d.Their.Discount))
	}
	if p.Form.Values.Get("version") == "" {
		p.Form.Values.Set("version", strconv.FormatInt(d.Version, 10))
	}
	p.Hint = "优惠全由商家承担的填 0"
	if d.Their.Has&recon.HasDiscount != 0 {
		p.Hint = "这笔的优惠是 " + page.Yuan(d.Their.Discount) + " 元；" + p.Hint
	}
	if p.By = "商家"; !strings.HasPrefix(d.SettledBy, "merchant:") {
		names, err := h.Merchants.ActorNames(x.Ctx, []string{d.SettledBy})
		if err != nil {
			return err
		}
		p.By = names[d.SettledBy]
	}
	if p.History, err = h.history(x, "difference", d.ID, "", differenceHistory); err != nil {
		return err
	}
	p.Frame = page.Frame{Title: fmt.Sprintf("对账差异 %d", d.ID), Active: "differences", Crumbs: []page.Crumb{{Title: "对账差异", URL: "/console/differences"}}}
	return h.Pages.Page(x, "console/difference_show", p)
}

// DifferenceAccept answers POST /console/differences/:id/accept: finance proposes that
// an offline sale be accepted.
func (h *Handlers) DifferenceAccept(x *exchange.Exchange) error {
	return h.proposeDifference(x, recon.Accepted, "accept_fen", "accept_reason")
}

// DifferenceAdjust answers POST /console/differences/:id/adjust: finance proposes that
// an amount be put right.
func (h *Handlers) DifferenceAdjust(x *exchange.Exchange) error {
	return h.proposeDifference(x, recon.Adjusted, "adjust_fen", "adjust_reason")
}

func (h *Handlers) proposeDifference(x *exchange.Exchange, to recon.State, amount, why string) error {
	return h.settleDifference(x, amount, why, "已提请，等另一位同事审批；批准后入账。", func(form *exchange.Form, d *recon.Difference, wrong *merchant.FieldErrors) error {
		fen, ok := recon.ParseFen(form.Text(amount))
		if !ok {
			wrong.Add(amount, "请填写金额（元），最多两位小数")
		}
		reason := reasonAs(form, why, wrong)
		if err := wrong.Err(); err != nil {
			return err
		}
		if d.State != recon.Open || form.Text("version") != strconv.FormatInt(d.Version, 10) {
			return recon.ErrMovedOn
		}
		_, err := h.Signing.Propose(x.Ctx, x.Account, recon.KindAccept, recon.Object(d.ID), d.OfficeID, recon.Settlement{To: to, Fen: fen}, reason)
		return err
	})
}

// DifferenceReject answers POST /console/differences/:id/reject: the service's record
// stands.
func (h *Handlers) DifferenceReject(x *exchange.Exchange) error {
	return h.settleDifference(x, "", "reject_reason", "已了结：以系统记录为准，商家会看到理由。", func(form *exchange.Form, d *recon.Difference, _ *merchant.FieldErrors) error {
		version, _ := form.Int("version")
		return h.Recon.Reject(x.Ctx, 0, d.ID, x.Account.Actor(), form.Text("reject_reason"), max(version, 1))
	})
}

// DifferenceVoid answers POST /console/differences/:id/void: the sale has been undone.
func (h *Handlers) DifferenceVoid(x *exchange.Exchange) error {
	return h.settleDifference(x, "", "void_reason", "已了结：这笔已经退款。", func(form *exchange.Form, d *recon.Difference, _ *merchant.FieldErrors) error {
		version, _ := form.Int("version")
		return h.Recon.Void(x.Ctx, 0, d.ID, x.Account.Actor(), form.Text("void_reason"), max(version, 1))
	})
}

// settleDifference does something with a difference and shows it again. amount and why
// are the fields that faults of the store belong to.
func (h *Handlers) settleDifference(x *exchange.Exchange, amount, why, done string, do func(*exchange.Form, *recon.Difference, *merchant.FieldErrors) error) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	d, err := h.Recon.Get(x.Ctx, 0, id)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	err = do(form, d, &wrong)
	if err == nil {
		page.Notify(x, done)
		return x.Redirect(differenceURL(id))
	}
	shown, ok := differenceRefusal(form.Values, err, amount, why)
	if !ok {
		return err
	}
	x.Status = http.StatusUnprocessableEntity
	return h.differenceShow(x, shown)
}

func differenceRefusal(typed url.Values, err error, amount, why string) (*page.Form, bool) {
	var faults merchant.FieldErrors
	switch {
	case errors.As(err, &faults):
		for i := range faults {
			switch faults[i].Field {
			case "fen", "to":
				faults[i].Field = amount
			case "reason":
				faults[i].Field = why
			}
		}
		return &page.Form{Values: typed, Errors: faults}, true
	case errors.Is(err, recon.ErrMovedOn):
		typed.Del("version") // the page shows it as it is now
		return &page.Form{Values: typed, Summary: "这条差异刚被处理过，或者商家传了新的文件、补了说明。下面已经是现在的内容，请核对后再办。"}, true
	case errors.Is(err, recon.ErrNotUndone):
		return &page.Form{Values: typed, Summary: "系统里这笔还没有作废，也没有全额退款。请商家先在收银终端上办理退款。"}, true
	case errors.Is(err, recon.ErrBookedElsewhere):
		return &page.Form{Values: typed, Summary: "同一笔线下销售已经在另一份对账里认可过。请驳回这一条。"}, true
	case errors.Is(err, signing.ErrAlreadyWaiting):
		return &page.Form{Values: typed, Summary: "这条差异已经提请过，正等审批；要改内容请先撤回。"}, true
	case errors.Is(err, signing.ErrNotYours):
		return &page.Form{Values: typed, Summary: "您现在没有办理资金的权限，请联系系统管理员。"}, true
	}
	return nil, false
}

// aboutDifference says what a difference is proposed to be settled by.
func (h *Handlers) aboutDifference(x *exchange.Exchange, p *proposalPage, id int64) error {
	d, err := h.Recon.Get(x.Ctx, 0, id)
	if err != nil {
		return err
	}
	var s recon.Settlement
	if err := p.Proposal.Decode(&s); err != nil {
		return err
	}
	w := page.NewDisagreement(*d)
	p.About, p.AboutURL = fmt.Sprintf("%s的对账差异 %d", d.Merchant, id), differenceURL(id)
	p.Facts = []any{fact("对账日期", differenceDays(d)), fact("差异", w.KindName+"："+w.Short), fact("商家（元）", orDash(w.TheirFen)), fact("系统（元）", orDash(w.OurFen)),
		fact("商家说明", orDash(d.Note))}
	switch {
	case s.To == recon.Accepted && s.Fen == 0:
		p.Effect = "批准后认可这笔线下销售；优惠由商家承担，不动钱。"
	case s.To == recon.Accepted:
		p.Effect = "批准后认可这笔线下销售，工会补给商家 " + page.Yuan(s.Fen) + " 元，记入今天的结算单。"
	case s.Fen > 0:
		p.Effect = "批准后补给商家 " + page.Yuan(s.Fen) + " 元，记入今天的结算单。"
	default:
		p.Effect = "批准后从商家扣回 " + page.Yuan(-s.Fen) + " 元，记入今天的结算单。"
	}
	return nil
}

func orDash(s string) string {
	if s == "" {
		return "—"
	}
	return s
}
