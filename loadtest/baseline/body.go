package main

// The bodies of the Terminal API, as a struct-and-tags program sees them.

type item struct {
	SKU          string `json:"sku"`
	Category     string `json:"category"`
	QtyMilli     int64  `json:"qty_milli"`
	UnitPriceFen int64  `json:"unit_price_fen"`
	AmountFen    int64  `json:"amount_fen"`
}

type verifyRequest struct {
	Code      string `json:"code"`
	Outlet    string `json:"outlet"`
	AmountFen int64  `json:"amount_fen"`
	Items     []item `json:"items"`
}

type verifyAnswer struct {
	Card struct {
		NumberMasked string `json:"number_masked"`
		HolderMasked string `json:"holder_masked"`
		Union        string `json:"union"`
		ValidUntil   string `json:"valid_until"`
		CheckHolder  *bool  `json:"check_holder,omitempty"`
	} `json:"card"`
	Quote struct {
		Token       string     `json:"token"`
		ExpiresAt   string     `json:"expires_at"`
		AmountFen   int64      `json:"amount_fen"`
		DiscountFen int64      `json:"discount_fen"`
		PayableFen  int64      `json:"payable_fen"`
		Lifted      *bool      `json:"lifted,omitempty"`
		Applied     []applied  `json:"applied"`
		Declined    []declined `json:"declined"`
	} `json:"quote"`
	AsOf struct {
		AgeMS        int64 `json:"age_ms"`
		TermsVersion int64 `json:"terms_version"`
		Stale        *bool `json:"stale,omitempty"`
	} `json:"as_of"`
}

type applied struct {
	Offer       string `json:"offer"`
	Title       string `json:"title,omitempty"`
	DiscountFen int64  `json:"discount_fen"`
}

type declined struct {
	Offer   string `json:"offer"`
	Title   string `json:"title,omitempty"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	NeedFen *int64 `json:"need_fen,omitempty"`
}

type purchaseRequest struct {
	Quote       string `json:"quote"`
	Items       []item `json:"items"`
	MerchantRef string `json:"merchant_ref"`
	Operator    string `json:"operator"`
}

type purchaseAnswer struct {
	ID               string `json:"id"`
	State            string `json:"state"`
	AmountFen        int64  `json:"amount_fen"`
	DiscountFen      int64  `json:"discount_fen"`
	PayableFen       int64  `json:"payable_fen"`
	MerchantShareFen int64  `json:"merchant_share_fen"`
	UnionShareFen    int64  `json:"union_share_fen"`
	CommittedAt      string `json:"committed_at"`
}

// builtinAnswer has the fields and about the length of a real verification answer.
const builtinAnswer = `{
 "card":{"number_masked":"41** **** **** 4821","holder_masked":"张**","union":"郑州市总工会","valid_until":"2028-12-31"},
 "quote":{"token":"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4_QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl9gYWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1-f4CBgoOEhYaHiImKi4yNjo-QkZKTlJWWl5iZmpucnZ6foKGio6Slpqeo",
  "expires_at":"2026-01-05T10:33:00+08:00","amount_fen":21580,"discount_fen":2000,"payable_fen":19580,
  "applied":[{"offer":"m158","title":"满158减20","discount_fen":2000}],
  "declined":[{"offer":"p88","title":"8.8折","reason":"better_offer","message":"已享受更优惠的“满158减20”"}]},
 "as_of":{"age_ms":12,"terms_version":3}}`
