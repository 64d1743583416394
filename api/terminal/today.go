package terminal

import (
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"unioncard/api/exchange"
	"unioncard/api/strictjson"
	"unioncard/settlement/purchase"
)

// Self answers GET /v1/terminal: what this terminal is, for a screen and a
// receipt that name the shop, and what a till that knows amounts alone must tell
// apart for the offers in force here. Read from memory.
func (h *Handlers) Self(x *exchange.Exchange) error {
	t, view := x.Terminal, h.merchants.Snapshot()
	x.ContentType = exchange.JSON
	x.Out = number(x.Out, `{"terminal":`, t.ID)
	x.Out = number(x.Out, `,"merchant":`, t.MerchantID)
	if m := view.Merchant(t.MerchantID); m != nil {
		x.Out = text(x.Out, `,"merchant_name":`, m.Name)
	}
	if o := view.Outlet(t.OutletID); o != nil {
		x.Out = number(x.Out, `,"outlet":`, o.ID)
		x.Out = text(x.Out, `,"outlet_name":`, o.Name)
		x.Out = h.appendSplit(x.Out, view, o.ID)
	}
	x.Out = append(x.Out, `,"typed_allowed":`...)
	x.Out = strconv.AppendBool(x.Out, t.TypedAllowed)
	x.Out = append(x.Out, `,"server_time":`...)
	x.Out = strictjson.AppendTimeMS(x.Out, h.clock())
	x.Out = append(x.Out, '}')
	return nil
}

// Today answers GET /v1/purchases/today?cursor=: this terminal's own purchases of
// the present business day, newest first.
func (h *Handlers) Today(x *exchange.Exchange) error {
	after, err := todayCursor(x.Gin.Request.URL.RawQuery)
	if err != nil {
		return err
	}
	list, err := h.desk.Today(x.Ctx, client(x), after)
	if err != nil {
		return err
	}
	x.SetHeader("Cache-Control", "no-store")
	x.ContentType = exchange.JSON
	x.Out = text(x.Out, `{"business_day":`, list.Day.Format(time.DateOnly))
	if sum := list.Totals; sum != nil {
		x.Out = appendTotals(x.Out, sum)
	}
	x.Out = append(x.Out, `,"items":[`...)
	for i := range list.Purchases {
		if i > 0 {
			x.Out = append(x.Out, ',')
		}
		x.Out = appendReceipt(x.Out, &list.Purchases[i])
	}
	x.Out = append(x.Out, ']')
	if list.Next != uuid.Nil {
		x.Out = text(x.Out, `,"next":`, list.Next.String())
	}
	x.Out = append(x.Out, '}')
	return nil
}

// todayCursor reads the one parameter there may be; uuid.Nil without it.
func todayCursor(raw string) (uuid.UUID, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return uuid.Nil, exchange.ErrQuery
	}
	if len(query) == 0 {
		return uuid.Nil, nil
	}
	values := query["cursor"]
	if len(query) != 1 || len(values) != 1 || len(values[0]) != 36 {
		return uuid.Nil, exchange.ErrQuery
	}
	id, err := uuid.Parse(values[0])
	if err != nil || id == uuid.Nil {
		return uuid.Nil, exchange.ErrQuery
	}
	return id, nil
}

func appendTotals(dst []byte, sum *purchase.Totals) []byte {
	dst = number(dst, `,"totals":{"count":`, sum.Count)
	dst = number(dst, `,"undone":`, sum.Undone)
	dst = number(dst, `,"amount_fen":`, sum.AmountFen)
	dst = number(dst, `,"paid_fen":`, sum.PaidFen)
	dst = number(dst, `,"saved_fen":`, sum.SavedFen)
	dst = number(dst, `,"returned_fen":`, sum.ReturnedFen)
	return append(dst, '}')
}
