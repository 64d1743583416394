package console

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/keyset"
	"unioncard/merchant"
	"unioncard/settlement"
)

func paymentURL(id int64) string    { return "/console/payments/" + strconv.FormatInt(id, 10) }
func paymentObject(id int64) string { return "payment:" + strconv.FormatInt(id, 10) }

func paymentStates() []settlement.PaymentState {
	return []settlement.PaymentState{settlement.PaymentDraft, settlement.PaymentSent, settlement.PaymentDone, settlement.PaymentDropped}
}

func paymentList() *ListSpec {
	var states []page.Choice
	for _, s := range paymentStates() {
		states = append(states, page.Choice{Value: string(s), Label: page.StateName("payment_" + string(s))})
	}
	return &ListSpec{
		Path: "/console/payments", Name: "付款批次", Sort: "-id",
		Columns: []Column{
			{Key: "id", Label: "付款批次", Sort: keyset.Int}, {Key: "office", Label: "单位"}, {Key: "days", Label: "结算日期"}, {Key: "state", Label: "状态"},
			{Key: "lines", Label: "商家", Number: true}, {Key: "fen", Label: "金额（元）", Number: true}, {Key: "paid", Label: "已到账（元）", Number: true},
			{Key: "returned", Label: "被退回（元）", Number: true}, {Key: "made", Label: "制单时间"}, {Key: "sent", Label: "批准时间"},
		},
		Filters: []Filter{{Name: "state", Label: "状态", Kind: "choice", Choices: states}},
	}
}

type paymentListPage struct {
	page.Frame
	List *List
	Rows []settlement.Payment
}

// State is a payment's badge.
func (*paymentListPage) State(s settlement.PaymentState) string { return "payment_" + string(s) }

// PaymentList answers GET /console/payments.
func (h *Handlers) PaymentList(x *exchange.Exchange) error {
	l := ReadList(x, paymentList())
	rows, err := h.Statements.Payments(x.Ctx, x.Account.Path, settlement.PaymentState(l.Value("state")), l.Page)
	if err != nil {
		return err
	}
	if l.Exporting() {
		return Export(x, l, rows, h.Clock(), func(p settlement.Payment) []any {
			return []any{p.Number(), p.Office, p.From.String() + " 至 " + p.Until.String(), page.StateName("payment_" + string(p.State)), p.Lines, Fen(p.Fen),
				Fen(p.PaidFen), Fen(p.ReturnedFen), page.Moment(p.MadeAt), page.Moment(p.SentAt)}
		})
	}
	rows = Finish(l, rows, func(p settlement.Payment, _ string) (any, int64) { return p.ID, p.ID })
	return h.Pages.Page(x, "console/payment_list", &paymentListPage{Frame: page.Frame{Title: "付款", Active: "payments"}, List: l, Rows: rows})
}

type paymentNewPage struct {
	page.Frame
	Form    *page.Form
	Preview *settlement.PaymentPreview // nil: not asked for yet, or refused
	Shown   []settlement.Payable       // the first lines of it
	Total   string
	Reason  *page.Form
}

// maxPreview is how many lines of a payment the page shows before it is made.
const maxPreview = 100

// PaymentNew answers GET /console/payments/new?from=&until=: what a payment would be.
func (h *Handlers) PaymentNew(x *exchange.Exchange) error {
	from, until := x.Query("from"), x.Query("until")
	if from == "" && until == "" {
		yesterday := h.today() - 1
		first := yesterday.Date().AddDate(0, -1, 0)
		from, until = time.Date(first.Year(), first.Month(), 1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), yesterday.String()
	}
	return h.paymentNew(x, page.NewForm("from", from, "until", until), page.NewForm())
}

// periodIn reads the days of a payment.
func periodIn(form *exchange.Form) (n settlement.NewPayment, wrong merchant.FieldErrors) {
	n.From = dayIn(form, "from", "起始日期", &wrong)
	n.Until = dayIn(form, "until", "截止日期", &wrong)
	return n, wrong
}

func (h *Handlers) paymentNew(x *exchange.Exchange, form, reason *page.Form) error {
	p := &paymentNewPage{Form: form, Reason: reason, Frame: page.Frame{Title: "新建付款", Active: "payments", Crumbs: []page.Crumb{{Title: "付款", URL: "/console/payments"}}}}
	n, wrong := periodIn(&exchange.Form{Values: form.Values})
	n.OfficeID = x.Account.UnionID
	err := wrong.Err()
	if err == nil {
		p.Preview, err = h.Statements.PreviewPayment(x.Ctx, n)
	}
	if faults, ok := errors.AsType[merchant.FieldErrors](err); ok {
		p.Form.Errors = faults
		x.Status = http.StatusUnprocessableEntity
	} else if err != nil {
		return err
	}
	if p.Preview != nil {
		p.Shown, p.Total = p.Preview.Lines[:min(len(p.Preview.Lines), maxPreview)], yuanWords(p.Preview.Fen)
	}
	return h.Pages.Page(x, "console/payment_new", p)
}

// PaymentCreate answers POST /console/payments.
func (h *Handlers) PaymentCreate(x *exchange.Exchange) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	n, wrong := periodIn(form)
	n.OfficeID = x.Account.UnionID // never the form's
	reason := reasonIn(form, &wrong)
	var id int64
	if err = wrong.Err(); err == nil {
		id, err = h.Statements.MakePayment(x.Ctx, byMoney(x, reason), n)
	}
	if err == nil {
		page.Notify(x, "付款已制单，还没有付。核对后请提请付款，由另一位同事批准。")
		return x.Redirect(paymentURL(id))
	}
	shown, ok := moneyRefusal(form.Values, err)
	if !ok {
		return err
	}
	x.Status = http.StatusUnprocessableEntity
	return h.paymentNew(x, &page.Form{Values: form.Values}, shown)
}
