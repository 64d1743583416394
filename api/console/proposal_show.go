package console

import (
	"errors"
	"fmt"
	"net/http"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/exit"
	"unioncard/merchant/intake"
	"unioncard/merchant/signing"
	"unioncard/merchant/terms"
)

// proposalPage shows what is proposed beside what there is.
type proposalPage struct {
	page.Frame
	Proposal  *signing.Proposal
	About     string // what it is about, in words
	AboutURL  string
	Was, Will []string // offers in words, side by side; nil for kinds without Terms
	Changes   []changedOffer
	Facts     []any
	Desk      *signing.Desk
	Fresh     bool
	Stale     string // why it cannot be approved any more
	Own       bool
	MayDecide bool
	Effect    string // what approving will do
	Form      *page.Form
}

// changedOffer is one difference between two versions of Terms.
type changedOffer struct{ What, Was, Will string }

// ProposalShow answers GET /console/proposals/:id.
func (h *Handlers) ProposalShow(x *exchange.Exchange) error { return h.proposalPage(x, page.NewForm()) }

func (h *Handlers) proposalPage(x *exchange.Exchange, form *page.Form) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	p := &proposalPage{Form: form}
	if p.Proposal, err = h.Signing.Get(x.Ctx, id); err != nil {
		return err
	}
	switch p.Proposal.Kind {
	case signing.TermsKind:
		err = h.termsProposal(x, p)
	case signing.FloorKind:
		err = h.floorProposal(x, p)
	default:
		err = h.otherProposal(x, p)
	}
	if err != nil {
		return err
	}
	p.Own = p.Proposal.MakerID == x.Account.ID
	if p.Proposal.State == signing.Waiting {
		if p.Desk, err = h.Signing.Desk(x.Ctx, p.Proposal); err != nil {
			return err
		}
		p.MayDecide = x.Account.May(staff.Decide) && !p.Own && p.Desk.UnionID == x.Account.UnionID
		if p.Fresh, err = h.Signing.Fresh(x.Ctx, p.Proposal); err != nil {
			if p.Stale = refusalSentence(err); p.Stale == "" {
				return err
			}
		}
		if !p.Fresh && p.Stale == "" {
			p.Stale = "提请之后内容有改动，不能再批准。请驳回，由提请人核对后重新提请。"
		}
	}
	p.Frame = page.Frame{Title: p.Proposal.Title, Active: "proposals", Crumbs: []page.Crumb{{Title: "审批", URL: "/console/proposals"}}}
	return h.Pages.Page(x, "console/proposal_show", p)
}

// termsProposal is a proposal to publish a contract's Terms.
func (h *Handlers) termsProposal(x *exchange.Exchange, p *proposalPage) error {
	var payload signing.TermsPayload
	if err := p.Proposal.Decode(&payload); err != nil {
		return err
	}
	will, err := payload.ParseTerms()
	if err != nil {
		return err
	}
	if err := h.aboutContract(x, p, payload.ContractID); err != nil {
		return err
	}
	c, err := h.Merchants.Contract(x.Ctx, payload.ContractID)
	if err != nil {
		return err
	}
	versions, err := h.Contracts.Versions(x.Ctx, payload.ContractID)
	if err != nil {
		return err
	}
	was := &terms.Terms{V: terms.Version}
	if i := versionBefore(versions, payload.SHA256); i < len(versions) {
		was = versions[i].Terms
	}
	from := page.Day(c.ValidFrom)
	if !payload.Effective.IsZero() {
		from = page.Day(payload.Effective)
	} else if c.Status != merchant.ContractDraft {
		from = "发布之时"
	}
	clause := "无"
	if c.FloorClause {
		clause = "有"
	}
	p.Facts = []any{fact("生效", from), fact("有效期", page.Day(c.ValidFrom)+" 至 "+page.Day(lastDay(c.ValidUntil))),
		fact("退货受理至", page.Day(lastDay(c.RefundUntil))), fact("随省条款", clause), fact("条件校验码", payload.SHA256)}
	p.Effect = "批准后打印协议，双方盖章、上传扫描件后才发布；会员现在享受的优惠暂不变。"
	return h.compare(x, p, was, will)
}

// versionBefore is the index of the version that Terms of a hash came after: if
// they are published by now, the one before them.
func versionBefore(versions []signing.TermsVersion, sum string) int {
	for i, v := range versions {
		if v.SHA256 == sum {
			return i + 1
		}
	}
	return 0
}

// aboutContract names the contract that a proposal is about.
func (h *Handlers) aboutContract(x *exchange.Exchange, p *proposalPage, id int64) error {
	c, err := h.Contracts.Show(x.Ctx, id)
	if err != nil {
		return err
	}
	p.About, p.AboutURL = fmt.Sprintf("%s的协议（编号 %d）", outletOf(c.Merchant, c.Outlet), id), contractURL(id)
	return nil
}

// floorProposal is a proposal to publish a floor.
func (h *Handlers) floorProposal(x *exchange.Exchange, p *proposalPage) error {
	var payload signing.FloorPayload
	if err := p.Proposal.Decode(&payload); err != nil {
		return err
	}
	will, err := terms.Parse(payload.Terms)
	if err != nil {
		return err
	}
	f, err := h.floorOf(x, string(payload.Trade), payload.Brand)
	if err != nil {
		return err
	}
	was := &terms.Terms{V: terms.Version}
	for _, v := range f.Versions {
		if v.SHA256 != payload.SHA256 {
			was = v.Terms
			break
		}
	}
	p.About, p.AboutURL = floorName(string(payload.Trade), payload.Brand), floorURL(string(payload.Trade), payload.Brand)
	p.Facts = []any{fact("生效", page.Day(payload.Effective)), fact("重新议价限期", fmt.Sprintf("%d 天", payload.DeadlineDays)),
		map[string]any{"Term": "影响", "Text": fmt.Sprintf("%d 份协议会低于它（查看清单）", payload.Below), "URL": impactURL(payload.Impact)},
		fact("条件校验码", payload.SHA256)}
	p.Effect = fmt.Sprintf("批准后立即发布。测算时有 %d 份协议低于它：有随省条款的从生效日起在收银处按底线优惠，没有的要在 %d 天内重新议价，逾期自动暂停。",
		payload.Below, payload.DeadlineDays)
	if p.Proposal.State == signing.Waiting {
		i, err := h.Impacts.Get(x.Ctx, payload.Impact)
		if err != nil {
			return err
		}
		why, err := h.Impacts.Stale(x.Ctx, i)
		if err != nil {
			return err
		}
		if why != "" {
			p.Facts = append(p.Facts, fact("提醒", why+"，实际影响可能与清单不同"))
		}
	}
	return h.compare(x, p, was, will)
}

// otherProposal is a proposal of another part's kind: suspension, exit.
func (h *Handlers) otherProposal(x *exchange.Exchange, p *proposalPage) error {
	if money, err := h.moneyProposal(x, p); money || err != nil {
		return err
	}
	if id, ok := signing.ObjectID(p.Proposal.Object, "contract"); ok {
		if err := h.aboutContract(x, p, id); err != nil {
			return err
		}
		p.AboutURL += "/exit"
	} else if id, ok := signing.ObjectID(p.Proposal.Object, "importrun"); ok {
		if err := h.aboutImport(x, p, id); err != nil {
			return err
		}
	} else if id, ok := signing.ObjectID(p.Proposal.Object, "outlet"); ok {
		if err := h.aboutOutlet(x, p, id); err != nil {
			return err
		}
	} else if id, ok := signing.ObjectID(p.Proposal.Object, "union"); ok {
		return h.aboutMerger(x, p, id)
	} else if id, ok := signing.ObjectID(p.Proposal.Object, "difference"); ok {
		return h.aboutDifference(x, p, id)
	} else {
		p.About = p.Proposal.Object
	}
	switch p.Proposal.Kind {
	case exit.KindSuspend:
		p.Effect = "批准后立即暂停：会员马上不能享受优惠，门店从公开目录撤下。"
	case exit.KindResume:
		p.Effect = "批准后立即恢复优惠。"
	case exit.KindEnd:
		return h.aboutOrder(p)
	case exit.KindOutletOpen:
		p.Effect = "批准后立即开业：这家门店按商家现行的协议给会员优惠，并进入公开目录。"
	case exit.KindOutletClose:
		p.Effect = "批准后立即停业：这家门店马上停止优惠，从公开目录撤下，以后不能恢复。"
	case intake.KindApply:
		p.Effect = "批准后立即导入：表里的协议马上生效，门店进入公开目录。请先逐行核对清单。"
	default:
		p.Effect = "批准后立即照办，影响见所涉协议的“暂停与终止”页。"
	}
	return nil
}

// aboutOrder says what ending a contract was proposed as: whoever approves answers
// for the cause, the day and the bar.
func (h *Handlers) aboutOrder(p *proposalPage) error {
	var o exit.Order
	if err := p.Proposal.Decode(&o); err != nil {
		return err
	}
	leaves := "不退出"
	if o.Merchant {
		leaves = "退出网络"
	}
	last := "最后优惠日 " + o.LastDay
	p.Effect = "批准后照办：到最后优惠日停止优惠，退款期满后停用终端，它的续签协议一并终止。影响见所涉协议的“暂停与终止”页。"
	if o.Kind == exit.KindCause {
		last = "批准后立即终止"
		p.Effect = "批准后立即终止：会员马上不能享受优惠，商家在限期内不能重新入网，它的续签协议一并终止。影响见所涉协议的“暂停与终止”页。"
	}
	p.Facts = []any{fact("原因", exit.Title(o.Cause)), fact("何时终止", last), fact("通知商家", o.NoticedOn), fact("商家", leaves)}
	if m := exit.BarMonths(o.Cause); m > 0 {
		p.Facts = append(p.Facts, fact("再次受理申请", fmt.Sprintf("%d 个月以后", m)))
	}
	return nil
}

// aboutOutlet names the outlet that is to be opened or closed, and what it is under.
func (h *Handlers) aboutOutlet(x *exchange.Exchange, p *proposalPage, id int64) error {
	o, err := h.Merchants.Outlet(x.Ctx, id)
	if err != nil {
		return err
	}
	p.About, p.AboutURL = o.Merchant+"的门店“"+o.Name+"”", outletURL(id)
	p.Facts = []any{fact("所在地", placeName(o.Territory)), fact("地址", o.Address),
		map[string]any{"Term": "商家", "Text": o.Merchant + "（协议和申请材料）", "URL": merchantURL(o.MerchantID)}}
	return nil
}

// aboutImport names the workbook that is to be taken in.
func (h *Handlers) aboutImport(x *exchange.Exchange, p *proposalPage, id int64) error {
	r, err := h.Intake.Get(x.Ctx, id)
	if err != nil {
		return err
	}
	p.About, p.AboutURL = "导入“"+r.Name+"”（查看清单）", fmt.Sprintf("/console/import/%d", id)
	p.Facts = []any{fact("内容", fmt.Sprintf("%d 个商家，%d 个门店，%d 份协议", r.Report.Merchants, r.Report.Outlets, r.Report.Contracts))}
	return nil
}

// compare puts two versions of Terms side by side.
func (h *Handlers) compare(x *exchange.Exchange, p *proposalPage, was, will *terms.Terms) error {
	names, err := h.termNames(x)
	if err != nil {
		return err
	}
	p.Was, p.Will = inWords(names, was), inWords(names, will)
	p.Changes = changesInWords(names, terms.Diff(was, will))
	return nil
}

// changesInWords is what differs between two versions of Terms.
func changesInWords(names terms.Names, c terms.Changes) []changedOffer {
	say := func(o terms.Offer) string { return offerWords(names, o) }
	var out []changedOffer
	for _, o := range c.Added {
		out = append(out, changedOffer{"新增", "", say(o)})
	}
	for _, ch := range c.Changed {
		out = append(out, changedOffer{"修改", say(ch.Old), say(ch.New)})
	}
	for _, o := range c.Removed {
		out = append(out, changedOffer{"取消", say(o), ""})
	}
	return out
}

func fact(term, text string) any { return map[string]any{"Term": term, "Text": text} }

// ProposalDecide answers POST /console/proposals/:id/decide.
func (h *Handlers) ProposalDecide(x *exchange.Exchange) error {
	return h.proposalMove(x, func(form *exchange.Form, id int64, reason string) (string, error) {
		approve := form.Text("decision") == "approve"
		if !approve && form.Text("decision") != "decline" {
			return "", merchant.FieldErrors{{Field: "decision", Message: "请选择批准或驳回"}}
		}
		if err := h.Signing.Decide(x.Ctx, x.Account, id, approve, reason); err != nil {
			return "", err
		}
		if approve {
			return "已批准。", nil
		}
		return "已驳回，提请人会看到您的理由。", nil
	})
}

// ProposalWithdraw answers POST /console/proposals/:id/withdraw.
func (h *Handlers) ProposalWithdraw(x *exchange.Exchange) error {
	return h.proposalMove(x, func(_ *exchange.Form, id int64, reason string) (string, error) {
		return "已撤回。", h.Signing.Withdraw(x.Ctx, x.Account, id, reason)
	})
}

func (h *Handlers) proposalMove(x *exchange.Exchange, move func(form *exchange.Form, id int64, reason string) (string, error)) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	reason := reasonIn(form, &wrong)
	said := ""
	if err = wrong.Err(); err == nil {
		said, err = move(form, id, reason)
	}
	if err == nil {
		page.Notify(x, said)
		return x.Redirect(fmt.Sprintf("/console/proposals/%d", id))
	}
	var gone *merchant.MoveError
	if errors.As(err, &gone) && gone.Object == fmt.Sprintf("proposal:%d", id) {
		page.Notify(x, "这件事别人已经办过了，结果如下。")
		return x.Redirect(fmt.Sprintf("/console/proposals/%d", id))
	}
	shown, ok := refusal(form.Values, err)
	if !ok {
		return err
	}
	x.Status = http.StatusUnprocessableEntity
	return h.proposalPage(x, shown)
}
