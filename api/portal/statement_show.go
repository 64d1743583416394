package portal

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/personal"
	"unioncard/merchant"
	"unioncard/settlement"
	"unioncard/settlement/paper"
)

// shownAdjustments bounds what a page lists; the files have the rest.
const shownAdjustments = 200

// printing is how many PDFs a node writes at once: each takes 50 MB for its font.
const printing = 4

type statementPage struct {
	page.Frame
	S        *settlement.Statement
	B        *settlement.Body
	Names    map[int64]string // of outlets
	Disputes []settlement.Dispute
	Form     *page.Form // of the dispute
	Sum      string
	More     int // adjustments not shown
	Day      string
}

func (p *statementPage) Badge() page.Badge { return statementBadge(p.S.State) }

// Outlet is an outlet's name.
func (p *statementPage) Outlet(id int64) string { return p.Names[id] }

// Adjusted is what an adjustment is, in words.
func (p *statementPage) Adjusted(a settlement.Adjustment) string { return paper.AdjustmentName(a) }

// Undone reports whether an adjustment is the undoing of an earlier day's purchase.
func (p *statementPage) Undone(a settlement.Adjustment) bool { return a.Kind != settlement.KindPosted }

// Batch is a payment's number.
func (p *statementPage) Batch(id int64) string { return settlement.PaymentNumber(id) }

// Settled is who confirmed it, in words.
func (p *statementPage) Settled() string {
	switch kind, _, _ := strings.Cut(p.S.SettledBy, ":"); kind {
	case "merchant":
		return "商家确认"
	case "staff":
		return "工会办理"
	case "system":
		return "到期自动确认"
	}
	return p.S.SettledBy
}

// MayConfirm and MayDispute say whether the statement takes that now.
func (p *statementPage) MayConfirm() bool { return p.S.State.May("confirm") }

// MayDispute: see MayConfirm.
func (p *statementPage) MayDispute() bool { return p.S.State.May("dispute") }

// ownStatement reads the statement that the address names, inside the merchant.
func (h *Handlers) ownStatement(x *exchange.Exchange) (*settlement.Statement, paper.Names, error) {
	id, err := x.ID64("id")
	if err != nil {
		return nil, paper.Names{}, err
	}
	s, err := h.Statements.Get(x.Ctx, x.Merchant.MerchantID, id)
	if err != nil {
		return nil, paper.Names{}, err
	}
	_, names, err := h.Sales.OutletNames(x.Ctx, x.Merchant.MerchantID, nil)
	if err != nil {
		return nil, paper.Names{}, err
	}
	return s, paper.Names{Merchant: s.Merchant, Office: s.Office, Outlets: names}, nil
}

// StatementShow answers GET /portal/statements/:id.
func (h *Handlers) StatementShow(x *exchange.Exchange) error {
	return h.statementPage(x, page.NewForm())
}

func (h *Handlers) statementPage(x *exchange.Exchange, form *page.Form) error {
	s, names, err := h.ownStatement(x)
	if err != nil {
		return err
	}
	p := &statementPage{S: s, Names: names.Outlets, Form: form, Day: s.Day.String(),
		Frame: page.Frame{Title: "结算单 " + s.Number, Active: "statements", Crumbs: []page.Crumb{{Title: "结算单", URL: statementsPath}}}}
	if p.B, err = s.Content(); err != nil {
		return err
	}
	if n := len(p.B.Adjustments); n > shownAdjustments {
		p.More, p.B.Adjustments = n-shownAdjustments, p.B.Adjustments[:shownAdjustments]
	}
	if p.Disputes, err = h.Statements.Disputes(x.Ctx, s.ID); err != nil {
		return err
	}
	return h.Pages.Page(x, "portal/statement_show", p)
}

// StatementConfirm answers POST /portal/statements/:id/confirm.
func (h *Handlers) StatementConfirm(x *exchange.Exchange) error {
	return h.settle(x, func(id, version int64, _ *exchange.Form) error {
		return h.Statements.Confirm(x.Ctx, merchant.By{Actor: x.Merchant.Actor(), Reason: "商家确认结算单"}, x.Merchant.MerchantID, id, version)
	}, "已确认。工会会按付款安排把款付到登记的账户。")
}

// StatementDispute answers POST /portal/statements/:id/dispute.
func (h *Handlers) StatementDispute(x *exchange.Exchange) error {
	return h.settle(x, func(id, version int64, form *exchange.Form) error {
		if personal.Mentioned(form.Text("reason")) { // it is kept in plain
			return merchant.FieldErrors{{Field: "reason", Message: "不要写身份证号或手机号，写交易编号或商家单号就能查到。"}}
		}
		return h.Statements.Dispute(x.Ctx, merchant.By{Actor: x.Merchant.Actor(), Reason: form.Text("reason")}, x.Merchant.MerchantID, id, version)
	}, "申诉已提交，工会核查后会在这里答复。答复以前不会付款。")
}

// settle makes a move of a statement and leads back to it.
func (h *Handlers) settle(x *exchange.Exchange, do func(id, version int64, form *exchange.Form) error, done string) error {
	form, err := x.Form()
	if err != nil {
		return err
	}
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	version, _ := form.Int("version")
	if version == 0 {
		version = -1 // of no statement: one that nobody has seen is not confirmed
	}
	err = do(id, version, form)
	var move *merchant.MoveError
	if errors.Is(err, settlement.ErrChanged) || errors.As(err, &move) {
		page.Notify(x, "您打开以后，这张结算单有了变动，没有办理。请看现在的情况再办。")
		return x.Redirect(statementURL(id))
	}
	if refused, ok := page.Refuse(form.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.statementPage(x, refused)
	}
	if err != nil {
		return err
	}
	page.Notify(x, done)
	return x.Redirect(statementURL(id))
}

// StatementPDF answers GET /portal/statements/:id/pdf.
func (h *Handlers) StatementPDF(x *exchange.Exchange) error {
	s, names, err := h.ownStatement(x)
	if err != nil {
		return err
	}
	select {
	case h.papers <- struct{}{}:
		defer func() { <-h.papers }()
	case <-x.Ctx.Done():
		return x.Ctx.Err()
	}
	font, err := paper.Font()
	if err != nil {
		return err
	}
	out, err := paper.PDF(font, s, names)
	if err != nil {
		return err
	}
	sendFile(x, out, "application/pdf", "statement.pdf", "结算单-"+s.Number+".pdf")
	return nil
}

// StatementXLSX answers GET /portal/statements/:id/xlsx.
func (h *Handlers) StatementXLSX(x *exchange.Exchange) error {
	s, names, err := h.ownStatement(x)
	if err != nil {
		return err
	}
	out, err := paper.XLSX(s, names)
	if err != nil {
		return err
	}
	sendFile(x, out, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "statement.xlsx", "结算单-"+s.Number+".xlsx")
	return nil
}

// sendFile answers with a file to keep; plain is its name for programs that know
// ASCII only.
func sendFile(x *exchange.Exchange, data []byte, media, plain, name string) {
	x.ContentType = []string{media}
	x.SetHeader("Content-Disposition", `attachment; filename="`+plain+`"; filename*=UTF-8''`+url.PathEscape(name))
	x.SetHeader("X-Content-Type-Options", "nosniff")
	x.SetHeader("Cache-Control", "no-store")
	x.Out = append(x.Out[:0], data...)
}
