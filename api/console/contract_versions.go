package console

import (
	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant/signing"
	"unioncard/merchant/terms"
)

type contractVersionsPage struct {
	page.Frame
	Rows []versionRow
}

type versionRow struct {
	signing.TermsVersion
	Offers  []string
	Changes []changedOffer // since the version before
}

// ContractVersions answers GET /console/contracts/:id/versions: every published
// version with what it changed.
func (h *Handlers) ContractVersions(x *exchange.Exchange) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	c, err := h.Contracts.Show(x.Ctx, id)
	if err != nil {
		return err
	}
	versions, err := h.Contracts.Versions(x.Ctx, id)
	if err != nil {
		return err
	}
	names, err := h.termNames(x)
	if err != nil {
		return err
	}
	p := &contractVersionsPage{Frame: page.Frame{Title: "历次优惠条件", Active: "contracts", Crumbs: []page.Crumb{
		{Title: "协议", URL: "/console/contracts"}, {Title: outletOf(c.Merchant, c.Outlet), URL: contractURL(id)}}}}
	for i, v := range versions {
		row := versionRow{TermsVersion: v, Offers: inWords(names, v.Terms)}
		if i+1 < len(versions) {
			row.Changes = changesInWords(names, terms.Diff(versions[i+1].Terms, v.Terms))
		}
		p.Rows = append(p.Rows, row)
	}
	return h.Pages.Page(x, "console/contract_versions", p)
}
