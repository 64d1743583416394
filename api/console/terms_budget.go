package console

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/merchant/terms"
	"unioncard/settlement/budget"
)

// unknownBudget is said of a budget that an offer cannot name, whether it is another
// office's or none at all.
const unknownBudget = "没有这个补贴预算，或它不能用在这个商家，请重新选择"

// budgetChoices are the budgets that an offer of the contract may name: those that pay
// at its merchant, and those that its Terms name already.
func (h *Handlers) budgetChoices(ctx context.Context, s *termsSubject) ([]page.Choice, error) {
	if h.Budgets == nil {
		return nil, nil
	}
	offered, err := h.Budgets.Offered(ctx, s.Facts.ID)
	if err != nil {
		return nil, err
	}
	var out []page.Choice
	for i := range offered {
		out = append(out, budgetChoice(&offered[i]))
	}
	named := s.Terms().Offers
	if len(s.Published) > 0 {
		named = slices.Concat(named, s.Published[0].Terms.Offers)
	}
	for _, o := range named {
		if o.Budget == 0 || slices.ContainsFunc(out, func(c page.Choice) bool { return c.Value == strconv.FormatInt(o.Budget, 10) }) {
			continue
		}
		b, err := h.Budgets.Get(ctx, o.Budget)
		if err != nil {
			return nil, err
		}
		out = append(out, budgetChoice(b))
	}
	return out, nil
}

func budgetChoice(b *budget.Row) page.Choice {
	label := b.Name + "（" + b.Office + "，到 " + b.LastDay.String() + "，还剩 " + yuanWords(b.LeftFen)
	if b.Status != budget.Open {
		label += "，" + page.StateName("budget_"+string(b.Status))
	}
	return page.Choice{Value: strconv.FormatInt(b.ID, 10), Label: label + "）"}
}

// mayFund refuses an offer that nobody pays the rest of, or a budget that is not among
// the choices: FieldErrors on "budget".
func (s *termsSubject) mayFund(o *terms.Offer) error {
	if o.Budget == 0 && o.FundingBP < 10000 && !s.Floor() {
		return merchant.FieldErrors{{Field: "budget", Message: "商家不全承担的，请选择其余由哪个补贴预算出"}}
	}
	return s.mayName(o.Budget)
}

// mayName refuses a budget that is not among the choices: FieldErrors on "budget".
func (s *termsSubject) mayName(id int64) error {
	if id == 0 || slices.ContainsFunc(s.budgets, func(c page.Choice) bool { return c.Value == strconv.FormatInt(id, 10) }) {
		return nil
	}
	return merchant.FieldErrors{{Field: "budget", Message: unknownBudget}}
}

// budget reads which budget pays the union's share; merchantBP is what the merchant
// bears.
func (r *offerReader) budget(merchantBP int64) int64 {
	text := strings.TrimSpace(r.Get("budget"))
	if text == "" {
		return 0
	}
	id, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil || id < 1:
		r.faults.Add("budget", unknownBudget)
		return 0
	case merchantBP == 10000:
		r.faults.Add("funding", "选了补贴预算，商家承担的就要少于 100")
	}
	return id
}
