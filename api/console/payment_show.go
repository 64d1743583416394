package console

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/sheet"
	"unioncard/merchant"
	"unioncard/merchant/signing"
	"unioncard/settlement"
)

// linesShown is how many lines of a payment a page shows.
const linesShown = 100

type paymentPage struct {
	page.Frame
	P         *settlement.Payment
	State     string
	Facts     []any
	Lines     []paymentLine
	Next      string // the next page of lines, "" for none
	First     string // the first page, "" on it
	Waiting   *signing.Proposal
	Write     bool
	Total     string
	LeftLines int64 // not answered yet
	SHA256    string
	History   []page.Step
	Form      *page.Form
	File      *page.Form
	Answer    *page.Form
	Line      *page.Form
}

type paymentLine struct {
	settlement.PaymentLine
	Badge string
}

func (h *Handlers) paymentOf(x *exchange.Exchange) (*settlement.Payment, error) {
	id, err := idOf(x)
	if err != nil {
		return nil, err
	}
	return h.Statements.Payment(x.Ctx, id)
}

// PaymentShow answers GET /console/payments/:id.
func (h *Handlers) PaymentShow(x *exchange.Exchange) error { return h.paymentShow(x, &paymentPage{}) }

func (h *Handlers) paymentShow(x *exchange.Exchange, p *paymentPage) error {
	pay, err := h.paymentOf(x)
	if err != nil {
		return err
	}
	p.Frame = page.Frame{Title: "付款 " + pay.Number(), Active: "payments", Crumbs: []page.Crumb{{Title: "付款", URL: "/console/payments"}}}
	p.P, p.State, p.Write, p.Total, p.LeftLines = pay, "payment_"+string(pay.State), mayMoney(x), yuanWords(pay.Fen), pay.Lines-pay.Paid-pay.Returned
	if len(pay.FileSHA256) > 0 {
		p.SHA256 = fmt.Sprintf("%x", pay.FileSHA256)
	}
	for _, f := range []**page.Form{&p.Form, &p.File, &p.Answer, &p.Line} {
		if *f == nil {
			*f = page.NewForm()
		}
		if (*f).Values == nil {
			(*f).Values = url.Values{}
		}
		(*f).Values.Set("version", strconv.FormatInt(pay.Version, 10))
	}
	name, err := h.actorWords(x.Ctx, pay.MadeBy, pay.SentBy)
	if err != nil {
		return err
	}
	p.Facts = []any{fact("单位", pay.Office), fact("结算日期", payingPeriod(pay.From, pay.Until)), fact("商家", figure(pay.Lines)+" 家"), fact("金额", p.Total),
		fact("制单", page.Moment(pay.MadeAt)+" "+name(pay.MadeBy))}
	if !pay.SentAt.IsZero() {
		p.Facts = append(p.Facts, fact("批准", page.Moment(pay.SentAt)+" "+name(pay.SentBy)), fact("银行文件校验码", p.SHA256))
	}
	if err := h.paymentLines(x, p, pay.ID); err != nil {
		return err
	}
	if p.Waiting, err = h.waitingFor(x, settlement.KindSend, paymentObject(pay.ID)); err != nil {
		return err
	}
	if p.History, err = h.history(x, "payment", pay.ID, "", moneyHistory); err != nil {
		return err
	}
	return h.Pages.Page(x, "console/payment_show", p)
}

// paymentLines reads one page of lines, those after ?after=.
func (h *Handlers) paymentLines(x *exchange.Exchange, p *paymentPage, id int64) error {
	after, err := strconv.ParseInt(x.Query("after"), 10, 32)
	if err != nil || after < 0 {
		after = 0
	}
	lines, err := h.Statements.Lines(x.Ctx, id, int32(after), linesShown+1)
	if err != nil {
		return err
	}
	if len(lines) > linesShown {
		lines = lines[:linesShown]
		p.Next = paymentURL(id) + "?after=" + strconv.Itoa(int(lines[linesShown-1].No))
	}
	if after > 0 {
		p.First = paymentURL(id)
	}
	for _, l := range lines {
		p.Lines = append(p.Lines, paymentLine{l, "line_" + string(l.State)})
	}
	return nil
}

func (h *Handlers) paymentRefused(x *exchange.Exchange, p *paymentPage) error {
	x.Status = http.StatusUnprocessableEntity
	return h.paymentShow(x, p)
}

// PaymentMove answers POST /console/payments/:id/move: propose, drop.
func (h *Handlers) PaymentMove(x *exchange.Exchange) error {
	form, pay, err := posted(x, h.paymentOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	reason := reasonIn(form, &wrong)
	version, _ := form.Int("version")
	if err = wrong.Err(); err == nil {
		switch form.Text("action") {
		case "send":
			if version != pay.Version { // the checker is asked about what was seen
				err = settlement.ErrChanged
				break
			}
			err = h.propose(x, settlement.KindSend, paymentObject(pay.ID), pay.OfficeID, pay.SendPayload(), reason, "已提请付款，")
		case "drop":
			if err = h.Statements.DropPayment(x.Ctx, byMoney(x, reason), pay.ID, max(version, 1)); err == nil {
				page.Notify(x, "付款已作废，里面的结算单可以另外制单。")
			}
		default:
			err = merchant.FieldErrors{{Field: "action", Message: "请选择要办的事。"}}
		}
	}
	if err == nil {
		return x.Redirect(paymentURL(pay.ID))
	}
	shown, ok := moneyRefusal(form.Values, err)
	if !ok {
		return err
	}
	return h.paymentRefused(x, &paymentPage{Form: shown})
}

// PaymentFile answers POST /console/payments/:id/file: the bank file, for a reason. It
// holds accounts, so it is taken out by POST and each time recorded.
func (h *Handlers) PaymentFile(x *exchange.Exchange) error {
	form, pay, err := posted(x, h.paymentOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	reason := reasonAs(form, "file_reason", &wrong)
	var file []byte
	if err = wrong.Err(); err == nil {
		file, _, err = h.Statements.File(x.Ctx, byMoney(x, reason), pay.ID)
	}
	if err != nil {
		shown, ok := moneyRefusal(form.Values, err)
		if !ok {
			return err
		}
		return h.paymentRefused(x, &paymentPage{File: shown})
	}
	x.ContentType = []string{"text/csv; charset=utf-8"}
	x.SetHeader("Content-Disposition", `attachment; filename="payment.csv"; filename*=UTF-8''`+url.PathEscape("付款"+pay.Number()+".csv"))
	x.SetHeader("X-Content-Type-Options", "nosniff")
	x.SetHeader("Cache-Control", "no-store")
	x.Out = append(x.Out[:0], file...)
	return nil
}

// PaymentAnswer answers POST /console/payments/:id/answer: the bank's answer as a
// file, or that all has arrived, or what became of one line.
func (h *Handlers) PaymentAnswer(x *exchange.Exchange) error {
	form, pay, err := posted(x, h.paymentOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	reason := reasonAs(form, "answer_reason", &wrong)
	var done settlement.Answered
	if err = wrong.Err(); err == nil {
		done, err = h.answer(x, form, pay, reason)
	}
	if fault, ok := errors.AsType[*sheet.Error](err); ok {
		err = merchant.FieldErrors{{Field: "answer", Message: fault.Message}}
	}
	if err == nil {
		page.Notify(x, answerWords(done))
		return x.Redirect(paymentURL(pay.ID))
	}
	shown, ok := moneyRefusal(form.Values, err)
	if !ok {
		return err
	}
	return h.paymentRefused(x, &paymentPage{Answer: shown})
}

func (h *Handlers) answer(x *exchange.Exchange, form *exchange.Form, pay *settlement.Payment, reason string) (settlement.Answered, error) {
	by := byMoney(x, reason)
	switch form.Text("how") {
	case "all":
		return h.Statements.AnswerAll(x.Ctx, by, pay.ID, form.Text("ref"))
	case "line":
		answer, err := h.lineAnswer(x, form, pay.ID)
		if err != nil {
			return settlement.Answered{}, err
		}
		return h.Statements.Answer(x.Ctx, by, pay.ID, []settlement.LineAnswer{answer})
	case "file":
		f := form.File("answer")
		if f == nil {
			return settlement.Answered{}, merchant.FieldErrors{{Field: "answer", Message: "请选择银行的回盘文件（Excel 或 CSV）"}}
		}
		answers, err := readAnswers(bytes.NewReader(f.Data), int64(len(f.Data)), pay.Number())
		if err != nil {
			return settlement.Answered{}, err
		}
		return h.Statements.Answer(x.Ctx, by, pay.ID, answers)
	}
	return settlement.Answered{}, merchant.FieldErrors{{Field: "how", Message: "请选择怎样登记"}}
}

// lineAnswer is what the form says of one line; its amount is the line's own.
func (h *Handlers) lineAnswer(x *exchange.Exchange, form *exchange.Form, payment int64) (a settlement.LineAnswer, err error) {
	var wrong merchant.FieldErrors
	no, ok := form.Int("no")
	if !ok || no < 1 || no > settlement.MaxLines {
		wrong.Add("no", "请填写序号，是下面明细里的第几笔")
		return a, wrong.Err()
	}
	lines, err := h.Statements.Lines(x.Ctx, payment, int32(no)-1, 1)
	if err != nil {
		return a, err
	}
	if len(lines) == 0 || int64(lines[0].No) != no {
		wrong.Add("no", fmt.Sprintf("这个批次没有第 %d 笔", no))
	} else {
		a = settlement.LineAnswer{No: lines[0].No, Fen: lines[0].Fen, Ref: form.Text("ref"), Note: form.Text("note")}
	}
	switch form.Text("result") {
	case "paid":
		a.Paid = true
	case "returned":
		if a.Note == "" {
			wrong.Add("note", "请写明银行为什么退回，例如：账号户名不符")
		}
	default:
		wrong.Add("result", "请选择到账还是退回")
	}
	return a, wrong.Err()
}

// answerWords is what an answer did.
func answerWords(done settlement.Answered) string {
	s := fmt.Sprintf("已登记到账 %s 笔、退回 %s 笔", figure(int64(done.Paid)), figure(int64(done.Returned)))
	if done.Known > 0 {
		s += fmt.Sprintf("；%s 笔以前登记过，没有重复办", figure(int64(done.Known)))
	}
	if done.Done {
		s += "。这个批次已全部有结果"
	}
	return s + "。"
}
