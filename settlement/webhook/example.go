package webhook

import (
	"time"

	"github.com/google/uuid"
)

// Sample is one message as it is sent, for the documentation: whoever writes a
// receiver can hold it to this.
type Sample struct{ Secret, ID, Timestamp, Signature, Body string }

// NewSample makes the documentation's example, always the same.
func NewSample() (Sample, error) {
	secret := []byte("an example, never a real secret!")
	at := time.Date(2026, 11, 20, 12, 31, 7, 0, time.FixedZone("Asia/Shanghai", 8*3600))
	d := purchaseData{PurchaseID: uuid.MustParse("019a9f5c-1b20-7c3e-8a51-3f1d2c4b5a69"), MerchantRef: "20261120-000318", OutletID: 12,
		BusinessDay: "2026-11-20", AmountFen: 21960, DiscountFen: 4000, PayableFen: 17960, UnionShareFen: 4000}
	body, err := bodyOf("purchase.committed", at, d)
	if err != nil {
		return Sample{}, err
	}
	s := Sample{Secret: secretText(secret), ID: "purchase-" + d.PurchaseID.String(), Timestamp: "1795149068", Body: body}
	s.Signature = signature(secret, s.ID, time.Unix(1795149068, 0), body)
	return s, nil
}
