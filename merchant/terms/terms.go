// Package terms is the discount algebra: what a merchant's offers earn a
// member on a basket, and whether one set of offers is never worse than
// another (policy article 18: local terms never below the province's).
//
// A document (Terms) is parsed strictly, compiled once into an immutable form
// (Compiled) and then evaluated (Evaluate), explained (Explain) or compared
// (Compare). The package is pure: no clock, no randomness, no time zone
// database, no I/O. Same terms, same basket, same moment: same fen.
//
// How offers work together:
//
//   - An offer sees the lines of the basket that are in its scope, at a moment
//     in its calendar, for a holder it is meant for.
//   - Offers without a stack number are exclusive: two of them that share a
//     line of the basket with a positive amount never both apply. Of all the
//     sets of exclusive offers that share no line, the set with the largest
//     total discount applies; among equal sets the one that holds the earliest
//     declared offer at the first place where they differ. So offers with
//     disjoint scopes apply together, among overlapping ones the best one
//     applies, and one more exclusive offer never makes a basket dearer by
//     what the exclusive offers give.
//   - Offers with a stack number apply after the exclusive ones, in ascending
//     stack number, each to what is left payable of its scope after all
//     earlier discounts; its threshold too looks at what is left payable.
//   - Every offer rounds once, on its in-scope sum, up to the next whole fen,
//     in the member's favour. A discount never exceeds the in-scope payable.
package terms

// Bounds of a document and of a basket.
const (
	// Version is the only document version there is.
	Version = 1
	// MaxDocument is the largest document in bytes.
	MaxDocument = 256 << 10
	// MaxDepth is the deepest nesting of objects and arrays.
	MaxDepth = 8
	// MaxOffers is the largest number of offers in a document, and in one
	// evaluation together with the extra offers.
	MaxOffers = 64
	// MaxListed is the longest list inside an offer (scope, prices, days).
	MaxListed = 1000
	// MaxBudgets is how many budgets the offers of a document may name.
	MaxBudgets = 3
	// MaxTiers is the largest number of tiers of a benefit.
	MaxTiers = 16
	// MaxBasketFen is the largest basket, in fen.
	MaxBasketFen = 100_000_000
	// MaxItems is the largest number of lines in a basket.
	MaxItems = 200
	// MinMultipleFen is the smallest step of a per-multiple benefit, in fen.
	MinMultipleFen = 100
	// wholeBP is one whole in basis points.
	wholeBP = 10_000
	// milli is one whole unit in thousandths.
	milli = 1000
)

// Terms is the versioned document that a contract or a floor carries.
type Terms struct {
	V      int     `json:"v"`
	Offers []Offer `json:"offers"`
}

// Offer is one discount.
type Offer struct {
	// ID is stable within the document: [a-z0-9_-], at most 32 characters.
	ID string `json:"id"`
	// Title is what people read, in Chinese, at most 60 characters.
	Title string `json:"title"`
	// Scope says which lines; everything if absent.
	Scope Scope `json:"scope,omitzero"`
	// Calendar says when, in Beijing time; always if absent.
	Calendar Calendar `json:"calendar,omitzero"`
	// Benefit says how much.
	Benefit Benefit `json:"benefit"`
	// Caps bound the discount of one purchase.
	Caps Caps `json:"caps,omitzero"`
	// Limits bound the use by one card over a period, one entry a period.
	Limits []Limit `json:"limits,omitempty"`
	// Stack is 0 for an exclusive offer; otherwise the offer is stackable and
	// this is its place, 1..1000, unique within the document.
	Stack int `json:"stack,omitempty"`
	// FundingBP is the merchant's share in basis points; 10000 is all.
	FundingBP int64 `json:"funding_bp"`
	// Budget is the id of the budget that pays the union's share; 0 for none. Of an
	// offer with a budget the union bears a part. A floor names none, as it binds
	// whether there is money left or not.
	Budget int64 `json:"budget,omitempty"`
	// Eligibility says whose card; all if absent.
	Eligibility Eligibility `json:"eligibility,omitzero"`
}

// Scope selects lines. A line is in if both lists of inclusion are empty or one
// of them names its category or SKU, and no list of exceptions names either.
// What is unknown is never in where it could matter: a line without category is
// out of every scope that excepts categories, one without SKU out of every
// scope that excepts SKUs.
type Scope struct {
	Categories       []string `json:"categories,omitempty"`
	SKUs             []string `json:"skus,omitempty"`
	ExceptCategories []string `json:"except_categories,omitempty"`
	ExceptSKUs       []string `json:"except_skus,omitempty"`
}

// Calendar selects moments, in Beijing time (+8:00, no daylight saving). Every
// part that is present must agree.
type Calendar struct {
	// From and To are the first and the last day, "2006-01-02", both included.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Weekdays are 1 (Monday) to 7 (Sunday).
	Weekdays []int `json:"weekdays,omitempty"`
	// Hours are spans of the day; one over midnight is written as two.
	Hours []Hours `json:"hours,omitempty"`
	// Blackout are days on which the offer rests.
	Blackout []string `json:"blackout,omitempty"`
}

// Hours is a span of a day, "15:04", From included, To excluded; To may be
// "24:00".
type Hours struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Kinds of benefit.
const (
	// KindPercent pays RateBP of the price: 8.8折 is 8800.
	KindPercent = "percent"
	// KindAmountOff takes OffFen off once, from AtFen on: 满158减20.
	KindAmountOff = "amount_off"
	// KindEvery takes OffFen off for every whole AtFen, at most MaxTimes times:
	// 每满100减15.
	KindEvery = "every"
	// KindTiers takes the highest reached tier.
	KindTiers = "tiers"
	// KindUnitPrice sells the listed SKUs at a fixed unit price: 团购价. Its
	// scope is the listed SKUs.
	KindUnitPrice = "unit_price"
	// KindPerUnit takes OffFen off every unit: 每升减0.3元.
	KindPerUnit = "per_unit"
)

// Benefit is how much an offer takes off; Kind says which fields it has.
type Benefit struct {
	Kind     string  `json:"kind"`
	RateBP   int64   `json:"rate_bp,omitempty"`
	AtFen    int64   `json:"at_fen,omitempty"`
	OffFen   int64   `json:"off_fen,omitempty"`
	MaxTimes int64   `json:"max_times,omitempty"`
	Tiers    []Tier  `json:"tiers,omitempty"`
	Prices   []Price `json:"prices,omitempty"`
}

// Tier is a step: from AtFen on either OffFen off or RateBP of the price paid.
// All tiers of a benefit are of one sort, ascending in threshold and in
// generosity.
type Tier struct {
	AtFen  int64 `json:"at_fen"`
	OffFen int64 `json:"off_fen,omitempty"`
	RateBP int64 `json:"rate_bp,omitempty"`
}

// Price is a fixed unit price in fen of one SKU.
type Price struct {
	SKU      string `json:"sku"`
	PriceFen int64  `json:"price_fen"`
}

// Caps bound the discount of one purchase; 0 is no bound.
type Caps struct {
	PurchaseFen int64 `json:"purchase_fen,omitempty"`
}

// Limit bounds the use of an offer by one card in a period: so many uses, or
// so much discount in fen, or both; 0 is no bound.
type Limit struct {
	Per  Period `json:"per"`
	Uses int64  `json:"uses,omitempty"`
	Fen  int64  `json:"fen,omitempty"`
}

// Eligibility says whose card earns. Territories are GB/T 2260 codes; a
// province code (ending in 0000) means everybody, since a deployment is one
// province. Classes are classes of card. Both must agree if both are present.
type Eligibility struct {
	Territories []int32 `json:"territories,omitempty"`
	Classes     []int   `json:"classes,omitempty"`
}

// Holder is what a card says about eligibility. A directly administered county
// has City equal to County.
type Holder struct {
	County, City int32
	Class        uint8
}
