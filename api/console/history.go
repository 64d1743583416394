package console

import (
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/event"
)

// history is what was done to one object of the account's territory, the latest
// first, and with what was done a moment ago: who has just done something must not
// read that nothing was done. action narrows it as event.Filter.Action does.
func (h *Handlers) history(x *exchange.Exchange, kind string, id int64, action string, limit int) ([]page.Step, error) {
	events, err := event.Search(x.Ctx, h.DB, event.Filter{Scope: x.Account.Path, All: wholeTree(x.Account), Unlinked: true,
		Kind: kind, ObjectID: strconv.FormatInt(id, 10), Action: action, Limit: limit})
	if err != nil {
		return nil, err
	}
	if err := h.nameReasons(x.Ctx, reasonsOf(events, func(e *event.Found) *string { return &e.Reason })); err != nil {
		return nil, err
	}
	var steps []page.Step
	for i := range events {
		e := &events[i]
		steps = append(steps, page.Step{At: e.At, Who: whoDid(e), What: actionName(e.Action), Why: e.Reason})
	}
	return steps, nil
}
