package portal

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/merchant/account"
	"unioncard/merchant/application"
	"unioncard/merchant/file"
	"unioncard/merchant/signing"
	"unioncard/merchant/terms"
)

const contractPath = "/portal/contract"

func contractURL(id int64) string { return "/portal/contracts/" + strconv.FormatInt(id, 10) }

type contractListPage struct {
	page.Frame
	Office string
	Rows   []application.HeldContract
	Stage  map[int64]contractStage
}

// contractStage is where an agreement stands, for the merchant.
type contractStage struct{ Says, Next string }

// stageOf is what a contract's standing means to the merchant. next is what the
// merchant does now: "sign" or "".
func stageOf(at *signing.Standing, stamped bool, now time.Time) (says, next string) {
	c := at.Contract
	ready := at.Approved != nil && at.Waiting == nil && !at.Outdated
	switch {
	case ready && at.Signature == nil && !stamped:
		return "工会已批准，请打印、盖章，把扫描件传回来。", "sign"
	case ready && at.Signature == nil:
		return "您的盖章件已传回，等工会盖章。", ""
	case ready:
		return "双方已盖章，等工会发布。", ""
	case c.Status == merchant.ContractDraft:
		return "工会正在起草、审批，批准后请您盖章。", ""
	case c.Status == merchant.ContractSuspended:
		return "优惠已暂停，请联系签约工会。", ""
	case c.Status == merchant.ContractEnding:
		return "正在办理终止。", ""
	case c.Status == merchant.ContractEnded:
		return "已终止。", ""
	case now.Before(c.ValidFrom):
		return "还没有到生效日。", ""
	}
	return "优惠执行中。", ""
}

// ContractList answers GET /portal/contract.
func (h *Handlers) ContractList(x *exchange.Exchange) error {
	m, err := h.Applications.Merchant(x.Ctx, x.Merchant.MerchantID)
	if err != nil {
		return err
	}
	p := &contractListPage{Frame: page.Frame{Title: "协议与优惠", Active: "contract"}, Office: m.Office, Stage: map[int64]contractStage{}}
	if p.Rows, err = h.contracts(x); err != nil {
		return err
	}
	for _, c := range p.Rows {
		at, err := h.Contracts.Standing(x.Ctx, c.ID)
		if err != nil {
			return err
		}
		stamped, err := h.stamped(x, at)
		if err != nil {
			return err
		}
		s := contractStage{}
		s.Says, s.Next = stageOf(at, len(stamped) > 0, h.Clock())
		p.Stage[c.ID] = s
	}
	return h.Pages.Page(x, "portal/contract_list", p)
}

// contractsShown bounds the contracts that a page looks at, the newest.
const contractsShown = 20

// contracts are the merchant's contracts that the user may see: a manager those of
// the whole merchant and of the own shops.
func (h *Handlers) contracts(x *exchange.Exchange) ([]application.HeldContract, error) {
	holding, err := h.Applications.Holding(x.Ctx, x.Merchant.MerchantID)
	if err != nil {
		return nil, err
	}
	rows := holding.Contracts
	slices.SortFunc(rows, func(a, b application.HeldContract) int { return int(b.ID - a.ID) })
	rows = slices.DeleteFunc(rows, func(c application.HeldContract) bool {
		_, err := h.contractFor(x, c.ID)
		return err != nil
	})
	return rows[:min(len(rows), contractsShown)], nil
}

// contractFor reads a contract that the user may see; merchant.ErrNotFound.
func (h *Handlers) contractFor(x *exchange.Exchange, id int64) (*merchant.Contract, error) {
	c, err := h.Merchants.Contract(x.Ctx, id)
	if err != nil {
		return nil, err
	}
	if c.MerchantID != x.Merchant.MerchantID || c.OutletID != 0 && !x.Merchant.Sees(c.OutletID) {
		return nil, merchant.ErrNotFound
	}
	return c, nil
}

// stamped are the scans that the merchant sent in since the approval that waits.
func (h *Handlers) stamped(x *exchange.Exchange, at *signing.Standing) ([]file.File, error) {
	if at.Approved == nil {
		return nil, nil
	}
	all, err := h.Contracts.Stamped(x.Ctx, at.Contract.ID)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(f file.File) bool { return f.At.Before(at.Approved.DecidedAt) }), nil
}

type contractPage struct {
	page.Frame
	C        *merchant.Contract
	Info     *signing.Contract
	LastDay  time.Time
	Says     string
	Next     string
	Offers   []string // in force, in words
	Approved []string // approved and to be stamped, in words
	Versions []signing.TermsVersion
	Stamped  []file.File
	Form     *page.Form
	Signs    bool // the user may stamp
	Prints   bool
}

// ContractShow answers GET /portal/contracts/:id.
func (h *Handlers) ContractShow(x *exchange.Exchange) error {
	return h.contractPage(x, page.NewForm())
}

func (h *Handlers) contractPage(x *exchange.Exchange, form *page.Form) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	c, err := h.contractFor(x, id)
	if err != nil {
		return err
	}
	p := &contractPage{C: c, LastDay: lastDay(c.ValidUntil), Form: form,
		Frame: page.Frame{Title: strconv.FormatInt(id, 10) + " 号协议", Active: "contract", Crumbs: []page.Crumb{{Title: "协议与优惠", URL: contractPath}}}}
	at, err := h.Contracts.Standing(x.Ctx, id)
	if err != nil {
		return err
	}
	if p.Stamped, err = h.stamped(x, at); err != nil {
		return err
	}
	p.Says, p.Next = stageOf(at, len(p.Stamped) > 0, h.Clock())
	p.Signs = x.Merchant.Is(account.Owner) && !x.Merchant.ReadOnly && at.Approved != nil && at.Waiting == nil && !at.Outdated && at.Signature == nil
	p.Prints = x.Merchant.Is(account.Owner) && at.Approved != nil && !at.Outdated
	if p.Info, err = h.Contracts.Show(x.Ctx, id); err != nil {
		return err
	}
	if p.Versions, err = h.Contracts.Versions(x.Ctx, id); err != nil {
		return err
	}
	naming, err := h.Merchants.Naming(x.Ctx)
	if err != nil {
		return err
	}
	now := h.Clock()
	for _, v := range p.Versions {
		if !v.From.After(now) && (v.Until.IsZero() || v.Until.After(now)) {
			p.Offers = inWords(naming.Names(), v.Terms)
		}
	}
	if at.Approved != nil && !at.Outdated {
		doc, err := approvedTerms(at)
		if err != nil {
			return err
		}
		p.Approved = inWords(naming.Names(), doc)
	}
	return h.Pages.Page(x, "portal/contract_show", p)
}

// approvedTerms are the Terms that were approved.
func approvedTerms(at *signing.Standing) (*terms.Terms, error) {
	var payload signing.TermsPayload
	if err := json.Unmarshal(at.Approved.Payload, &payload); err != nil {
		return nil, err
	}
	return payload.ParseTerms()
}

// inWords is each offer in a sentence.
func inWords(names terms.Names, t *terms.Terms) []string {
	out := make([]string, len(t.Offers))
	for i, o := range t.Offers {
		out[i] = names.DescribeFully(o)
		if !strings.Contains(out[i], o.Title) {
			out[i] = o.Title + "：" + out[i]
		}
	}
	return out
}

// printPage is the agreement as it is printed and stamped.
type printPage struct {
	page.Frame
	*signing.Agreement
	Approved   bool
	ProposalID int64
	Offers     []string // in words
	LastDay    time.Time
	RefundDay  time.Time
	JSON       string // the Terms' canonical form
}

// ContractPrint answers GET /portal/contracts/:id/print: what was approved.
func (h *Handlers) ContractPrint(x *exchange.Exchange) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	if _, err := h.contractFor(x, id); err != nil {
		return err
	}
	at, err := h.Contracts.Standing(x.Ctx, id)
	if err != nil {
		return err
	}
	if at.Approved == nil || at.Outdated || at.Waiting != nil {
		return signing.ErrNotApproved
	}
	doc, err := approvedTerms(at)
	if err != nil {
		return err
	}
	canonical, err := doc.Canonical()
	if err != nil {
		return err
	}
	naming, err := h.Merchants.Naming(x.Ctx)
	if err != nil {
		return err
	}
	return h.Pages.Page(x, "portal/contract_print", &printPage{Agreement: at.Agreement, Approved: true, ProposalID: at.Approved.ID,
		Offers: inWords(naming.Names(), doc), LastDay: lastDay(at.Agreement.ValidUntil), RefundDay: lastDay(at.Agreement.RefundUntil), JSON: string(canonical),
		Frame: page.Frame{Title: "打印协议", Active: "contract", Crumbs: []page.Crumb{
			{Title: "协议与优惠", URL: contractPath}, {Title: strconv.FormatInt(id, 10) + " 号协议", URL: contractURL(id)}}}})
}

// ContractStamp answers POST /portal/contracts/:id/sign, with the stamped scan.
func (h *Handlers) ContractStamp(x *exchange.Exchange) error {
	f, err := x.Form()
	if err != nil {
		return err
	}
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	if _, err := h.contractFor(x, id); err != nil {
		return err
	}
	clean, err := h.uploaded(x, f, "scan", "请选择盖好章的协议扫描件（PDF 或照片）。")
	if err == nil {
		err = h.Contracts.Stamp(x.Ctx, byUser(x, "商家上传盖章协议"), x.Merchant.MerchantID, id, f.Text("code"), clean)
	}
	if refused, ok := page.Refuse(f.Values, err); ok {
		x.Status = http.StatusUnprocessableEntity
		return h.contractPage(x, refused)
	}
	if errors.Is(err, signing.ErrNotApproved) || errors.Is(err, signing.ErrStale) {
		page.Notify(x, "您打开以后这份协议有了变动，没有收下。请看现在的情况。")
		return x.Redirect(contractURL(id))
	}
	if err != nil {
		return err
	}
	page.Notify(x, "扫描件已传给签约工会。")
	return x.Redirect(contractURL(id))
}

// uploaded checks a file of a form; what is wrong with it is merchant.FieldErrors on
// its field.
func (h *Handlers) uploaded(x *exchange.Exchange, f *exchange.Form, field, without string) (*file.Clean, error) {
	if err := h.uploading.take(x.Addr); err != nil {
		return nil, err
	}
	sent := f.File(field)
	if sent == nil {
		return nil, merchant.FieldErrors{{Field: field, Message: without}}
	}
	clean, err := h.Files.Check(x.Ctx, sent.Name, sent.Data)
	var refused *file.RefusedError
	if errors.As(err, &refused) {
		return nil, merchant.FieldErrors{{Field: field, Message: refused.Message}}
	}
	return clean, err
}

// lastDay is a moment of the last day before an exclusive end.
func lastDay(until time.Time) time.Time { return until.Add(-time.Second) }
