package console

import (
	"unioncard/api/exchange"
	"unioncard/card/union/staff"
	"unioncard/merchant/signing"
	"unioncard/settlement"
	"unioncard/settlement/budget"
	"unioncard/settlement/budget/voucher"
)

// moneyProposal shows what is proposed about money: who approves has to see how much
// goes where. false for another kind. Who may not read money sees its subject only.
func (h *Handlers) moneyProposal(x *exchange.Exchange, p *proposalPage) (bool, error) {
	reads := x.Account.May(staff.ReadMoney)
	switch p.Proposal.Kind {
	case budget.ProposeOpen, budget.ProposeTopUp, budget.ProposeClose, voucher.ProposeOpen:
		return true, h.aboutBudget(x, p, reads)
	case settlement.KindSend:
		return true, h.aboutPayment(x, p, reads)
	case settlement.KindAdjust:
		return true, h.aboutStatement(x, p, reads)
	}
	return false, nil
}

// aboutBudget is a proposal to open, top up or end a budget or a series.
func (h *Handlers) aboutBudget(x *exchange.Exchange, p *proposalPage, reads bool) error {
	id, _ := signing.ObjectID(p.Proposal.Object, "budget")
	b, err := h.Budgets.Get(x.Ctx, id)
	if err != nil {
		return err
	}
	what := "补贴预算"
	if b.Kind == budget.KindSeries {
		what = "消费券"
	}
	p.About = what + "“" + b.Name + "”"
	if !reads {
		return nil
	}
	if p.AboutURL = budgetURL(id); b.Kind == budget.KindSeries {
		p.AboutURL = seriesURL(id)
		v, err := h.Vouchers.Get(x.Ctx, id)
		if err != nil {
			return err
		}
		shown := &seriesPage{V: seriesRow{Offer: seriesOffer(v.NeedFen, v.FaceFen)}}
		if err := h.seriesFacts(x, shown, v); err != nil {
			return err
		}
		p.Facts = shown.Facts
	} else if p.Facts, err = h.budgetFacts(x, b); err != nil {
		return err
	}
	switch p.Proposal.Kind {
	case budget.ProposeOpen:
		p.Facts = append([]any{fact("金额", yuanWords(b.AmountFen))}, p.Facts...)
		p.Effect = "批准后从" + b.Office + "的经费划入 " + yuanWords(b.AmountFen) + "，从 " + b.FirstDay.String() + " 起可以使用。"
	case voucher.ProposeOpen:
		p.Facts = append([]any{fact("要用钱", yuanWords(b.AmountFen))}, p.Facts...)
		p.Effect = "批准后从预算“" + b.Parent + "”划出 " + yuanWords(b.AmountFen) + " 专用，会员到时间就能领；以后内容不能再改。"
	case budget.ProposeTopUp:
		var t budget.TopUp
		if err := p.Proposal.Decode(&t); err != nil {
			return err
		}
		p.Facts = append([]any{fact("追加", yuanWords(t.Fen)), fact("现在总额", yuanWords(b.AmountFen)), fact("现在还剩", yuanWords(b.LeftFen))}, p.Facts...)
		p.Effect = "批准后从" + b.Office + "的经费再划入 " + yuanWords(t.Fen) + "，马上可以使用。"
	case budget.ProposeClose:
		p.Facts = append([]any{fact("现在还剩", yuanWords(b.LeftFen))}, p.Facts...)
		to := b.Office + "的经费"
		if b.Kind == budget.KindSeries {
			to = "预算“" + b.Parent + "”，会员手里没用的券作废"
		}
		p.Effect = "批准后这个" + what + "不再付钱，不能恢复；剩下的钱退回" + to + "。"
	}
	return nil
}

// aboutPayment is a proposal to pay.
func (h *Handlers) aboutPayment(x *exchange.Exchange, p *proposalPage, reads bool) error {
	id, _ := signing.ObjectID(p.Proposal.Object, "payment")
	var seen settlement.SendPayload
	if err := p.Proposal.Decode(&seen); err != nil {
		return err
	}
	p.About = "付款 " + settlement.PaymentNumber(id)
	if !reads {
		return nil
	}
	p.AboutURL = paymentURL(id)
	p.Facts = []any{fact("金额", yuanWords(seen.Fen)), fact("商家", figure(seen.Lines)+" 家"), fact("结算日期", seen.From+" 至 "+seen.Until)}
	p.Effect = "批准后付给 " + figure(seen.Lines) + " 家商家共 " + yuanWords(seen.Fen) + "：金额和账户就定下来，财务可以下载银行文件去付。请先打开明细核对。"
	return nil
}

// aboutStatement is a proposal to post a correction.
func (h *Handlers) aboutStatement(x *exchange.Exchange, p *proposalPage, reads bool) error {
	id, _ := signing.ObjectID(p.Proposal.Object, "statement")
	var a settlement.AdjustPayload
	if err := p.Proposal.Decode(&a); err != nil {
		return err
	}
	s, err := h.Statements.Get(x.Ctx, 0, id)
	if err != nil {
		return err
	}
	p.About = s.Merchant + "的结算单 " + s.Number
	if !reads {
		return nil
	}
	p.AboutURL = statementURL(id)
	way, fen := "补给商家", a.Fen
	if fen < 0 {
		way, fen = "从商家扣回", -fen
	}
	p.Facts = []any{fact(way, yuanWords(fen)), fact("起因", causeWord(a.Cause)), fact("给商家的说明", a.Answer)}
	p.Effect = "批准后" + way + " " + yuanWords(fen) + "，记进商家下一张结算单；原来的结算单不变。商家看得到说明。"
	return nil
}
