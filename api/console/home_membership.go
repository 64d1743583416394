package console

import (
	"context"
	"time"

	"unioncard/card/batch"
	"unioncard/card/union/keyset"
	"unioncard/card/union/staff"
)

const (
	// transferSoon is how long before a transfer goes through by itself it is urgent.
	transferSoon = 3 * 24 * time.Hour
	// overdueShown is how many overdue batches are counted on the start page.
	overdueShown = 200
)

// workMembers is what waits for who keeps members: transfers to be answered, and
// rosters that were checked.
func (h *Handlers) workMembers(ctx context.Context, acct *staff.Account) ([]WorkItem, error) {
	if !acct.May(staff.WriteMembers) {
		return nil, nil
	}
	transfers, soon, err := h.Members.Waiting(ctx, acct.Path, transferSoon)
	if err != nil {
		return nil, err
	}
	rosters, err := h.Rosters.Waiting(ctx, acct.Path)
	if err != nil {
		return nil, err
	}
	return []WorkItem{
		{Title: "三天内不答复就自动转出的会员", Count: soon, URL: "/console/transfers?side=out&state=requested", Urgent: true},
		{Title: "等转出方答复的转接", Count: transfers - soon, URL: "/console/transfers?side=out&state=requested"},
		{Title: "检查完、等确认导入的名册", Count: rosters, URL: "/console/rosters"},
	}, nil
}

// workBatches is what waits for who issues cards: batches past their dates.
func (h *Handlers) workBatches(ctx context.Context, acct *staff.Account) ([]WorkItem, error) {
	if !acct.May(staff.WriteCards) {
		return nil, nil
	}
	late, err := h.Batches.List(ctx, acct.Path, batch.Filter{Overdue: true}, keyset.Page{Sort: "id", Limit: overdueShown})
	if err != nil {
		return nil, err
	}
	return []WorkItem{{Title: "过了期限还没发完的批次", Count: len(late), URL: "/console/batches?late=1", Urgent: true}}, nil
}
