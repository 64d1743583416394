package purchase

import (
	"time"

	"github.com/google/uuid"

	"unioncard/card"
)

// Sale is what CommitterOptions.Sold hears of a purchase: enough to tell the
// member's phone that its code was used, and nothing of the basket.
type Sale struct {
	MerchantID, OutletID int64
	PurchaseID           uuid.UUID
	CardSerial           int64
	Kind                 card.CodeKind
	Slot                 uint8 // of a phone code, else 0
	AmountFen            int64 // before the discount
	DiscountFen          int64
	At                   time.Time
}

// sale is the row's Sale; its receipt is final.
func (r *row) sale() Sale {
	return Sale{
		MerchantID: r.merchant, OutletID: r.receipt.OutletID, PurchaseID: r.receipt.ID, CardSerial: r.q.serial,
		Kind: r.q.kind, Slot: r.slot(), AmountFen: r.receipt.AmountFen, DiscountFen: r.receipt.DiscountFen, At: r.receipt.CommittedAt,
	}
}

func (r *row) slot() uint8 {
	if r.q.kind != card.KindPhone {
		return 0
	}
	return r.q.code().Slot
}
