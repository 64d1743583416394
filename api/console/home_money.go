package console

import (
	"context"
	"fmt"

	"unioncard/card/union/keyset"
	"unioncard/card/union/staff"
	"unioncard/settlement"
	"unioncard/settlement/budget"
	"unioncard/settlement/recon"
)

// workShown is how many are counted at most of what has no count of its own.
const workShown = 1000

// workMoney is what waits for finance: merchants that dispute a statement or explain a
// difference, payments half done, budgets nearly spent.
func (h *Handlers) workMoney(ctx context.Context, acct *staff.Account) (items []WorkItem, err error) {
	if !acct.May(staff.WriteMoney) || h.Statements == nil {
		return nil, nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("console.workMoney: %w", err)
		}
	}()
	all := keyset.Page{Sort: "id", Desc: true, Limit: workShown}
	disputed, err := h.Statements.Total(ctx, acct.Path, settlement.Filter{State: settlement.StateDisputed})
	if err != nil {
		return nil, err
	}
	items = append(items, WorkItem{Title: "商家申诉的结算单", Count: int(disputed.Statements), URL: "/console/statements?state=disputed", Urgent: true})
	for _, s := range []struct {
		state settlement.PaymentState
		title string
	}{{settlement.PaymentDraft, "制了单、还没有批准的付款"}, {settlement.PaymentSent, "等银行结果的付款"}} {
		rows, err := h.Statements.Payments(ctx, acct.Path, s.state, all)
		if err != nil {
			return nil, err
		}
		items = append(items, WorkItem{Title: s.title, Count: len(rows), URL: "/console/payments?state=" + string(s.state)})
	}
	if h.Recon != nil {
		rows, err := h.Recon.Differences(ctx, acct.Path, recon.Filter{State: recon.Open}, all)
		if err != nil {
			return nil, err
		}
		items = append(items, WorkItem{Title: "待处理的对账差异", Count: len(rows), URL: "/console/differences?state=open"})
	}
	if h.Budgets != nil {
		rows, err := h.Budgets.List(ctx, acct.Path, budget.Filter{Kind: budget.KindBudget, Status: budget.Open, NearlySpent: true}, all)
		if err != nil {
			return nil, err
		}
		items = append(items, WorkItem{Title: "快用完的补贴预算", Count: len(rows), URL: "/console/budgets?low=1", Urgent: true})
	}
	return items, nil
}
