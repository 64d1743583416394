package console

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/file"
	"unioncard/merchant/signing"
	"unioncard/merchant/terms"
)

// contractPage shows where a contract stands, and the one thing to do next.
type contractPage struct {
	page.Frame
	*signing.Contract
	At       *signing.Standing
	Stage    merchant.StageRow
	Steps    []string
	Step     int // the present one, counted from 0
	Next     string
	Checkers *signing.Desk
	Mine     bool // the account proposed what waits
	LastDay  time.Time
	Offers   []string // of the Terms in force or last published, in words
	Drafted  []string // of the draft, in words
	Current  *signing.TermsVersion
	Versions []signing.TermsVersion
	History  []page.Step
	Scans    []signing.Signature // of what was stamped, the newest first
	Stamped  []file.File         // sent in by the merchant, stamped by it alone
	Open     []signing.Renegotiation
	Form     *page.Form
	May      bool // the account may work on the contract
}

// Begun reports whether the contract's validity has begun.
func (p *contractPage) Begun() bool { return !p.At.Contract.ValidFrom.After(p.Now) }

// Dropping reports whether giving the draft up was refused, so that its form shows.
func (p *contractPage) Dropping() bool { return p.Form.Errors.On("drop_reason") != "" }

// Sentence says what publishing will do, for the question before it.
func (p *contractPage) Sentence() string {
	if p.At.Contract.Status == merchant.ContractDraft {
		return "将发布与“" + p.Merchant + "”的协议：从 " + page.Day(p.At.Contract.ValidFrom) + " 起会员可享优惠，门店进入公开目录。"
	}
	return "将发布与“" + p.Merchant + "”协议的新优惠条件，到生效日代替现在的条件。"
}

// ContractShow answers GET /console/contracts/:id.
func (h *Handlers) ContractShow(x *exchange.Exchange) error { return h.contractPage(x, nil) }

func (h *Handlers) contractPage(x *exchange.Exchange, form *page.Form) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	p := &contractPage{Form: form, May: x.Account.May(staff.WriteContract)}
	if p.At, err = h.Contracts.Standing(x.Ctx, id); err != nil {
		return err
	}
	if p.Contract, err = h.Contracts.Show(x.Ctx, id); err != nil {
		return err
	}
	if p.Versions, err = h.Contracts.Versions(x.Ctx, id); err != nil {
		return err
	}
	if p.Open, err = h.Contracts.RenegotiationsOf(x.Ctx, id); err != nil {
		return err
	}
	if p.Scans, err = h.Contracts.Scans(x.Ctx, id); err != nil {
		return err
	}
	if p.Stamped, err = h.Contracts.Stamped(x.Ctx, id); err != nil {
		return err
	}
	if err := h.contractWords(x, p); err != nil {
		return err
	}
	if err := h.contractHistory(x, p); err != nil {
		return err
	}
	c := p.At.Contract
	p.Stage, p.LastDay = p.At.Stage.Row(), lastDay(c.ValidUntil)
	p.Steps = []string{"洽谈条件", "审批", "签署", "履行"}
	p.Step, p.Next = nextStep(p, h.Clock())
	if p.At.Waiting != nil {
		p.Mine = p.At.Waiting.MakerID == x.Account.ID
		if p.Checkers, err = h.Signing.Desk(x.Ctx, p.At.Waiting); err != nil {
			return err
		}
	}
	if p.Form == nil {
		p.Form = page.NewForm()
	}
	p.Frame = page.Frame{Title: outletOf(p.Merchant, p.Outlet) + "的协议", Active: "contracts",
		Crumbs: []page.Crumb{{Title: "协议", URL: "/console/contracts"}}}
	return h.Pages.Page(x, "console/contract_show", p)
}

// nextStep is how far a contract is, and the one thing to do next: a draft is
// written, proposed, decided, signed and published; a contract in force is
// renegotiated, renewed, or left alone.
func nextStep(p *contractPage, now time.Time) (step int, next string) {
	c, at := p.At.Contract, p.At
	switch {
	case c.Status == merchant.ContractEnded:
		return len(p.Steps), "ended"
	case at.Waiting != nil:
		return 1, "wait"
	case at.Approved != nil && at.Signature == nil:
		return 2, "sign"
	case at.Approved != nil:
		return 2, "publish"
	case at.Draft != nil:
		return 0, "propose"
	case c.Status == merchant.ContractDraft:
		return 0, "write"
	case len(p.Open) > 0:
		return 3, "renegotiate"
	case c.Status == merchant.ContractSuspended:
		return 3, "suspended"
	case c.Status == merchant.ContractEnding:
		return 3, "ending"
	case p.FollowedBy == 0 && c.ValidUntil.Sub(now) <= 60*24*time.Hour:
		return 3, "renew"
	}
	return 3, "none"
}

// contractWords puts the Terms in words.
func (h *Handlers) contractWords(x *exchange.Exchange, p *contractPage) error {
	names, err := h.termNames(x)
	if err != nil {
		return err
	}
	now := h.Clock()
	for i := range p.Versions {
		v := &p.Versions[i]
		if !v.From.After(now) && (v.Until.IsZero() || v.Until.After(now)) || p.Current == nil && i == len(p.Versions)-1 {
			p.Current = v
		}
	}
	if p.Current != nil {
		p.Offers = inWords(names, p.Current.Terms)
	}
	if p.At.Draft != nil {
		p.Drafted = inWords(names, p.At.Draft.Terms)
	}
	return nil
}

// termNames is what people call the things that Terms have codes for.
func (h *Handlers) termNames(x *exchange.Exchange) (terms.Names, error) {
	n, err := h.Merchants.Naming(x.Ctx)
	if err != nil {
		return terms.Names{}, err
	}
	return n.Names(), nil
}

// inWords is each offer in a sentence.
func inWords(names terms.Names, t *terms.Terms) []string {
	out := make([]string, len(t.Offers))
	for i, o := range t.Offers {
		out[i] = offerWords(names, o)
	}
	return out
}

// offerWords is an offer's title and what it says; a title that only repeats the
// words is left out.
func offerWords(names terms.Names, o terms.Offer) string {
	words := names.DescribeFully(o)
	if strings.Contains(words, o.Title) {
		return words
	}
	return o.Title + "：" + words
}

// contractHistory is what was proposed about a contract and what became of it.
func (h *Handlers) contractHistory(x *exchange.Exchange, p *contractPage) error {
	proposals, err := h.Signing.Of(x.Ctx, contractObject(p.At.Contract.ID))
	if err != nil {
		return err
	}
	for i := range proposals {
		q := &proposals[i]
		if !q.CarriedAt.IsZero() {
			p.History = append(p.History, page.Step{At: q.CarriedAt, Who: "", What: q.Title + "：已发布"})
		}
		if !q.DecidedAt.IsZero() {
			p.History = append(p.History, page.Step{At: q.DecidedAt, Who: q.Checker, What: q.Title + "：" + decisionWord(q.State), Why: q.Decision})
		}
		p.History = append(p.History, page.Step{At: q.MadeAt, Who: q.Maker, What: q.Title + "：提请", Why: q.Reason})
	}
	return nil
}

// decisionWord is what became of a proposal, in a word.
func decisionWord(s signing.State) string {
	switch s {
	case signing.Waiting:
		return "待审批"
	case signing.Approved:
		return "批准"
	case signing.Declined:
		return "驳回"
	case signing.Withdrawn:
		return "撤回"
	}
	return string(s)
}

// contractRefused shows the contract again with the form as it was typed.
func (h *Handlers) contractRefused(x *exchange.Exchange, form *exchange.Form, err error) error {
	shown, ok := refusal(form.Values, err)
	if !ok {
		return err
	}
	x.Status = http.StatusUnprocessableEntity
	return h.contractPage(x, shown)
}

// contractSaid shows the contract again with why nothing was done.
func (h *Handlers) contractSaid(x *exchange.Exchange, form *exchange.Form, why string) error {
	x.Status = http.StatusUnprocessableEntity
	return h.contractPage(x, &page.Form{Values: form.Values, Summary: why})
}

// barredDraft is barred for a contract that would be the merchant's coming back.
func (h *Handlers) barredDraft(x *exchange.Exchange, field string, wrong *merchant.FieldErrors) error {
	c, err := h.contractOf(x)
	if err != nil || c.Status != merchant.ContractDraft {
		return err
	}
	return h.barred(x, c.MerchantID, field, wrong)
}

// ContractPropose answers POST /console/contracts/:id/propose.
func (h *Handlers) ContractPropose(x *exchange.Exchange) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	reason := reasonIn(form, &wrong)
	effective := dayField(form, "effective", &wrong, false)
	if err := h.barredDraft(x, "reason", &wrong); err != nil {
		return err
	}
	if err := wrong.Err(); err != nil {
		return h.contractRefused(x, form, err)
	}
	proposal, err := h.Contracts.ProposeTerms(x.Ctx, x.Account, id, effective, reason)
	if err != nil {
		return h.contractRefused(x, form, err)
	}
	page.Notify(x, "已提请审批，等另一位同事核对。")
	return x.Redirect("/console/proposals/" + strconv.FormatInt(proposal, 10))
}

// ContractSign answers POST /console/contracts/:id/sign, with the stamped scan.
func (h *Handlers) ContractSign(x *exchange.Exchange) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	upload := form.File("scan")
	if upload == nil {
		return h.contractRefused(x, form, merchant.FieldErrors{{Field: "scan", Message: "请选择盖好章的协议扫描件（PDF 或照片）"}})
	}
	clean, err := h.Files.Check(x.Ctx, upload.Name, upload.Data)
	if err == nil {
		err = h.Contracts.Sign(x.Ctx, x.Account, id, form.Text("code"), clean)
	}
	if err != nil {
		return h.contractRefused(x, form, err)
	}
	page.Notify(x, "扫描件已收下，与批准的条件核对一致。可以发布了。")
	return x.Redirect(contractURL(id))
}

// ContractPublish answers POST /console/contracts/:id/publish.
func (h *Handlers) ContractPublish(x *exchange.Exchange) error {
	form, id, err := posted(x, idOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	if err := h.barredDraft(x, "publish", &wrong); err != nil {
		return err
	}
	if len(wrong) > 0 {
		return h.contractSaid(x, form, wrong[0].Message)
	}
	out, err := h.Contracts.Publish(x.Ctx, x.Account, id)
	if errors.Is(err, signing.ErrNotApproved) {
		done, lookErr := h.justPublished(x, id)
		if lookErr != nil {
			return lookErr
		}
		if done { // a second click, or a colleague's
			page.Notify(x, "已经发布，不用再点。")
			return x.Redirect(contractURL(id))
		}
	}
	if err != nil {
		return h.contractRefused(x, form, err)
	}
	said := "已发布，从 " + page.Moment(out.Effective) + " 起生效。"
	if n := len(out.Below); n > 0 {
		said += "有 " + strconv.Itoa(n) + " 份门店协议低于这次的条件，请通知相关工会。"
	}
	page.Notify(x, said)
	return x.Redirect(contractURL(id))
}

// publishedLately is how long ago a publishing may be for another click to mean the
// same one.
const publishedLately = 10 * time.Minute

// justPublished reports whether the newest proposal to publish a contract's Terms
// has just been carried out.
func (h *Handlers) justPublished(x *exchange.Exchange, id int64) (bool, error) {
	all, err := h.Signing.Of(x.Ctx, contractObject(id))
	if err != nil {
		return false, err
	}
	var last *signing.Proposal
	for i := range all {
		if p := &all[i]; p.Kind == signing.TermsKind && (last == nil || p.ID > last.ID) {
			last = p
		}
	}
	return last != nil && !last.CarriedAt.IsZero() && h.Clock().Sub(last.CarriedAt) < publishedLately, nil
}

// ContractDrop answers POST /console/contracts/:id/drop: a draft is given up.
func (h *Handlers) ContractDrop(x *exchange.Exchange) error {
	form, c, err := posted(x, h.contractOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	form.Set("reason", form.Text("drop_reason"))
	reason := reasonIn(form, &wrong)
	form.Del("reason")
	switch {
	case len(wrong) > 0:
		return h.contractRefused(x, form, merchant.FieldErrors{{Field: "drop_reason", Message: wrong[0].Message}})
	case c.Status != merchant.ContractDraft:
		return h.contractRefused(x, form, &merchant.MoveError{Object: contractObject(c.ID), From: string(c.Status), Action: "drop"})
	}
	err = h.Merchants.EndContract(x.Ctx, merchant.By{Actor: x.Account.Actor(), Reason: reason}, c.ID, time.Time{})
	if err != nil {
		return h.contractRefused(x, form, err)
	}
	page.Notify(x, "这份协议草稿已放弃。")
	return x.Redirect("/console/contracts")
}

// dayField reads a day from a form as its start in Beijing; zero if it was left empty
// and need not be given.
func dayField(form *exchange.Form, field string, wrong *merchant.FieldErrors, required bool) time.Time {
	text := form.Text(field)
	if text == "" && !required {
		return time.Time{}
	}
	day, err := time.ParseInLocation(time.DateOnly, text, beijing)
	if err != nil || day.Year() < 2000 || day.Year() > 2999 {
		wrong.Add(field, "请填写日期，例如 2026-12-31")
		return time.Time{}
	}
	return day
}
