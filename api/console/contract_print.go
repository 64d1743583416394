package console

import (
	"encoding/json"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant/signing"
)

// printPage is the agreement as it is printed and stamped. At says whether what it
// shows has been approved.
type printPage struct {
	page.Frame
	*signing.Agreement
	Approved   bool
	ProposalID int64
	Offers     []string // in words
	LastDay    time.Time
	RefundDay  time.Time
	// JSON is the Terms' canonical form, of which TermsSHA256 is the hash.
	JSON string
}

// ContractPrint answers GET /console/contracts/:id/print. What is printed is what
// waits or was approved, never a draft beyond it.
func (h *Handlers) ContractPrint(x *exchange.Exchange) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	at, err := h.Contracts.Standing(x.Ctx, id)
	if err != nil {
		return err
	}
	proposal := at.Approved
	if at.Waiting != nil {
		proposal = at.Waiting
	}
	if proposal == nil {
		return signing.ErrNotApproved
	}
	var payload signing.TermsPayload
	if err := json.Unmarshal(proposal.Payload, &payload); err != nil {
		return err
	}
	doc, err := payload.ParseTerms()
	if err != nil {
		return err
	}
	canonical, err := doc.Canonical()
	if err != nil {
		return err
	}
	names, err := h.termNames(x)
	if err != nil {
		return err
	}
	p := &printPage{Agreement: at.Agreement, Approved: at.Waiting == nil, ProposalID: proposal.ID, Offers: inWords(names, doc),
		LastDay: lastDay(at.Agreement.ValidUntil), RefundDay: lastDay(at.Agreement.RefundUntil), JSON: string(canonical)}
	p.Frame = page.Frame{Title: "打印协议", Active: "contracts", Crumbs: []page.Crumb{
		{Title: "协议", URL: "/console/contracts"}, {Title: at.Agreement.Merchant, URL: contractURL(id)}}}
	return h.Pages.Page(x, "console/contract_print", p)
}
