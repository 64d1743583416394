package console

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/merchant/signing"
	"unioncard/settlement"
)

type statementPage struct {
	page.Frame
	S        *settlement.Statement
	State    string
	Facts    []any
	Outlets  []statementOutlet
	Adjusted []statementAdjustment
	Payments []statementPayment
	Disputes []statementDispute
	Waiting  *signing.Proposal // an adjustment that waits; nil for none
	Write    bool
	Confirms bool // it may be confirmed for the merchant
	Disputed bool
	SHA256   string
	Settled  string // who settled it and when
	History  []page.Step
	Form     *page.Form
	Resolve  *page.Form
	Adjust   *page.Form
}

type statementOutlet struct {
	Name string
	settlement.Figures
}

type statementAdjustment struct {
	What, Why string
	Fen       int64
}

type statementPayment struct {
	What, URL string
	Fen       int64
}

type statementDispute struct {
	settlement.Dispute
	By, AnsweredByName string
}

// statementOf is the statement of the address.
func (h *Handlers) statementOf(x *exchange.Exchange) (*settlement.Statement, error) {
	id, err := idOf(x)
	if err != nil {
		return nil, err
	}
	return h.Statements.Get(x.Ctx, 0, id)
}

// StatementShow answers GET /console/statements/:id.
func (h *Handlers) StatementShow(x *exchange.Exchange) error {
	return h.statementShow(x, &statementPage{})
}

func (h *Handlers) statementShow(x *exchange.Exchange, p *statementPage) error {
	s, err := h.statementOf(x)
	if err != nil {
		return err
	}
	body, err := s.Content()
	if err != nil {
		return err
	}
	p.Frame = page.Frame{Title: "结算单 " + s.Number, Active: "statements", Crumbs: []page.Crumb{{Title: "结算单", URL: "/console/statements"}}}
	p.S, p.State, p.SHA256, p.Write = s, "statement_"+string(s.State), fmt.Sprintf("%x", s.SHA256), mayMoney(x)
	p.Confirms, p.Disputed = s.State.May("confirm"), s.State.May("resolve")
	for _, f := range []**page.Form{&p.Form, &p.Resolve, &p.Adjust} {
		if *f == nil {
			*f = page.NewForm("version", strconv.FormatInt(s.Version, 10))
		} else {
			(*f).Values.Set("version", strconv.FormatInt(s.Version, 10))
		}
	}
	if err := h.statementBody(x, p, body); err != nil {
		return err
	}
	if err := h.statementPeople(x, p); err != nil {
		return err
	}
	if p.Waiting, err = h.waitingFor(x, settlement.KindAdjust, statementObject(s.ID)); err != nil {
		return err
	}
	if p.History, err = h.history(x, "statement", s.ID, "", moneyHistory); err != nil {
		return err
	}
	return h.Pages.Page(x, "console/statement_show", p)
}

// statementBody puts what the statement says into words.
func (h *Handlers) statementBody(x *exchange.Exchange, p *statementPage, body *settlement.Body) error {
	s := p.S
	p.Facts = []any{factLink("商家", s.Merchant, merchantURL(s.MerchantID)), fact("归口工会", s.Office), fact("营业日", s.Day.String()),
		fact("关账时间", page.Moment(s.ClosedAt)), fact("确认期限", s.ConfirmBy.String()+"，到期没有异议自动确认")}
	holding, err := h.Applications.Holding(x.Ctx, s.MerchantID)
	if err != nil {
		return err
	}
	names := map[int64]string{}
	for _, o := range holding.Outlets {
		names[o.ID] = o.Name
	}
	for _, o := range body.Outlets {
		name := names[o.Outlet]
		if name == "" {
			name = "门店 " + strconv.FormatInt(o.Outlet, 10)
		}
		p.Outlets = append(p.Outlets, statementOutlet{name, o.Figures})
	}
	for i := range body.Adjustments {
		p.Adjusted = append(p.Adjusted, adjustmentWords(&body.Adjustments[i]))
	}
	for _, pay := range body.Payments {
		line := statementPayment{What: "付款 " + settlement.PaymentNumber(pay.Payment), URL: paymentURL(pay.Payment), Fen: pay.Fen}
		if pay.Fen < 0 {
			line.What = "付款被银行退回 " + settlement.PaymentNumber(pay.Payment)
		}
		p.Payments = append(p.Payments, line)
	}
	return nil
}

// adjustmentWords says what a correction is.
func adjustmentWords(a *settlement.Adjustment) statementAdjustment {
	words := map[string]string{settlement.KindVoid: "撤销", settlement.KindReversal: "冲正", settlement.KindRefund: "退货"}
	if word := words[a.Kind]; word != "" {
		return statementAdjustment{word, fmt.Sprintf("%s 的消费 %s，退给会员 %s，收回优惠 %s", a.PurchaseDay, a.Purchase, yuanWords(a.ReturnedFen), yuanWords(a.GivenBackFen)), a.Fen}
	}
	return statementAdjustment{causeWord(a.Cause), a.Reason, a.Fen}
}

// causeWord is what led to an adjustment, in a word.
func causeWord(cause string) string {
	switch cause {
	case "difference":
		return "对账差异"
	case "dispute":
		return "申诉成立"
	case "compensation":
		return "补偿"
	}
	return "调整"
}

// statementPeople reads the disputes and names who acted.
func (h *Handlers) statementPeople(x *exchange.Exchange, p *statementPage) error {
	disputes, err := h.Statements.Disputes(x.Ctx, p.S.ID)
	if err != nil {
		return err
	}
	actors := []string{p.S.SettledBy}
	for _, d := range disputes {
		actors = append(actors, d.OpenedBy, d.AnsweredBy)
	}
	name, err := h.actorWords(x.Ctx, actors...)
	if err != nil {
		return err
	}
	if p.S.SettledBy != "" {
		p.Settled = page.Moment(p.S.SettledAt) + "，" + name(p.S.SettledBy)
	}
	for _, d := range disputes {
		p.Disputes = append(p.Disputes, statementDispute{d, name(d.OpenedBy), name(d.AnsweredBy)})
	}
	return nil
}

func (h *Handlers) statementRefused(x *exchange.Exchange, p *statementPage) error {
	x.Status = http.StatusUnprocessableEntity
	return h.statementShow(x, p)
}

// StatementConfirm answers POST /console/statements/:id/confirm: for a merchant that
// has said on paper or by telephone that the statement is right.
func (h *Handlers) StatementConfirm(x *exchange.Exchange) error {
	form, s, err := posted(x, h.statementOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	reason := reasonIn(form, &wrong)
	version, _ := form.Int("version")
	dispute := form.Text("do") == "dispute"
	if err = wrong.Err(); err == nil && dispute {
		err = h.Statements.Dispute(x.Ctx, byMoney(x, reason), 0, s.ID, max(version, 1))
	} else if err == nil {
		err = h.Statements.Confirm(x.Ctx, byMoney(x, reason), 0, s.ID, max(version, 1))
	}
	if err == nil {
		page.Notify(x, map[bool]string{false: "已代商家确认，可以付款了。", true: "已代商家登记申诉，核查答复前不付款。"}[dispute])
		return x.Redirect(statementURL(s.ID))
	}
	shown, ok := moneyRefusal(form.Values, err)
	if !ok {
		return err
	}
	return h.statementRefused(x, &statementPage{Form: shown})
}

// StatementResolve answers POST /console/statements/:id/resolve: a dispute answered
// without moving money.
func (h *Handlers) StatementResolve(x *exchange.Exchange) error {
	form, s, err := posted(x, h.statementOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	answer := reasonAs(form, "answer", &wrong)
	version, _ := form.Int("version")
	accepted := form.Text("accepted")
	if accepted != "0" && accepted != "1" {
		wrong.Add("accepted", "请选择核查的结果")
	}
	if err = wrong.Err(); err == nil {
		err = h.Statements.Resolve(x.Ctx, byMoney(x, answer), s.ID, max(version, 1), settlement.Resolution{Accepted: accepted == "1", Answer: answer})
	}
	if err == nil {
		page.Notify(x, "已答复，商家看得到；结算单按原来的金额付款。")
		return x.Redirect(statementURL(s.ID))
	}
	shown, ok := moneyRefusal(form.Values, err)
	if !ok {
		return err
	}
	return h.statementRefused(x, &statementPage{Resolve: shown})
}

// StatementAdjust answers POST /console/statements/:id/adjust: proposes to post a
// correction, which answers an open dispute.
func (h *Handlers) StatementAdjust(x *exchange.Exchange) error {
	form, s, err := posted(x, h.statementOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	fen := moneyIn(form, "fen", &wrong)
	switch {
	case fen <= 0 && wrong.On("fen") == "":
		wrong.Add("fen", "请填写调整多少钱，要大于 0")
	case strings.TrimSpace(form.Get("way")) == "less":
		fen = -fen
	case form.Text("way") != "more":
		wrong.Add("way", "请选择补给商家还是从商家扣回")
	}
	answer := reasonAs(form, "adjust_answer", &wrong)
	cause := "compensation"
	if s.State == settlement.StateDisputed {
		cause = "dispute"
	}
	if err = wrong.Err(); err == nil {
		err = h.propose(x, settlement.KindAdjust, statementObject(s.ID), s.OfficeID, settlement.AdjustPayload{Fen: fen, Cause: cause, Answer: answer}, answer, "已提请调整，")
	}
	if err == nil {
		return x.Redirect(statementURL(s.ID))
	}
	shown, ok := moneyRefusal(form.Values, err)
	if !ok {
		return err
	}
	return h.statementRefused(x, &statementPage{Adjust: shown})
}
