package phone

import (
	"net/http"

	"unioncard/api/exchange"
	"unioncard/card/phone"
	"unioncard/settlement/purchase"
	"unioncard/settlement/report"
)

type purchasesAnswer struct {
	Items []purchasePart `json:"items"`
	// Next is the cursor of the next page, null at the end.
	Next  *string   `json:"next"`
	Saved savedPart `json:"saved_fen"`
}

type purchasePart struct {
	ID          string `json:"id"`
	At          string `json:"at"`
	Merchant    string `json:"merchant"`
	Outlet      string `json:"outlet"`
	AmountFen   int64  `json:"amount_fen"`
	DiscountFen int64  `json:"discount_fen"`
	PayableFen  int64  `json:"payable_fen"`
	State       string `json:"state"`
	ReturnedFen int64  `json:"returned_fen"`
}

type savedPart struct {
	Total int64 `json:"total"`
	Year  int64 `json:"year"`
}

// Purchases answers GET /m/api/purchases.
func (h *Handlers) Purchases(x *exchange.Exchange, se *phone.Session) error {
	serials, err := h.Phones.Serials(x.Ctx, se)
	if err != nil {
		return err
	}
	list, next, err := h.Reports.Bought(x.Ctx, serials, x.Query("cursor"))
	if err != nil {
		return err
	}
	saved, err := h.Reports.Saved(x.Ctx, serials)
	if err != nil {
		return err
	}
	a := purchasesAnswer{Items: make([]purchasePart, 0, len(list)), Saved: savedPart{saved.TotalFen, saved.YearFen}}
	if next != "" {
		a.Next = &next
	}
	for i := range list {
		a.Items = append(a.Items, purchaseOf(&list[i]))
	}
	return send(x, http.StatusOK, &a)
}

func purchaseOf(b *report.Bought) purchasePart {
	return purchasePart{
		ID: b.ID.String(), At: stamp(b.At), Merchant: b.Merchant, Outlet: b.Outlet,
		AmountFen: b.AmountFen, DiscountFen: b.DiscountFen, PayableFen: b.AmountFen - b.DiscountFen,
		State: purchase.State(b.State).String(), ReturnedFen: b.ReturnedFen,
	}
}
