package directory

import (
	"strings"
	"sync"
	"time"

	"unioncard/card/union"
	"unioncard/merchant"
	"unioncard/merchant/terms"
)

// Entry is one listed outlet. It is immutable.
type Entry struct {
	ID         int64
	MerchantID int64
	ContractID int64
	OfficeID   int64 // the union whose office signed the contract
	Name       string
	Merchant   string
	Brand      string
	Address    string
	Trade      merchant.Trade
	Territory  int32 // GB/T 2260 division it stands in: a county, or a city without one
	City       int32 // the city around it
	// Place is where it stands, in GCJ-02; Placed says whether that is known.
	Place  Point
	Placed bool
	// From and Until are the contract's validity, until exclusive.
	From, Until time.Time
	// Offers are those of the contract's Terms; Lifting those of the floors that
	// lift it now, of which the larger discount counts.
	Offers  *Offers
	Lifting []*Offers

	brand   string // folded
	text    string // folded: name, merchant and brand; then address, offers' titles, city, county and trade
	nameEnd int
	// next is when the listing may change by the clock, zero never; stays says
	// that it is still listed then.
	next  time.Time
	stays bool
}

// Offers are one document's offers as people read them. Equal documents share one.
type Offers struct {
	List []Offer
	of   *terms.Compiled
}

// Offer is one offer in words.
type Offer struct {
	ID, Title string
	// Text is made from the rules, so that what a member reads is what is computed.
	Text string
	// Terms are the conditions alone: how often, when, for whom; "" without any.
	Terms string
	// Doc is the offer itself. It must not be changed.
	Doc *terms.Offer
}

// place is what the tills' view does not hold of an outlet.
type place struct {
	address string
	at      Point
	placed  bool
}

// newEntry makes the entry of a listing that has a contract.
func newEntry(l *merchant.Listing, p place, offers func(*terms.Compiled) *Offers) *Entry {
	e := &Entry{
		ID: l.Outlet.ID, MerchantID: l.Merchant.ID, ContractID: l.Contract.ID, OfficeID: l.Contract.OfficeID,
		Name: l.Outlet.Name, Merchant: l.Merchant.Name, Brand: l.Merchant.Brand, Address: p.address,
		Trade: l.Contract.Trade, Territory: l.Outlet.Territory, City: cityOf(l.Outlet.Territory),
		Place: p.at, Placed: p.placed, From: l.Contract.ValidFrom, Until: l.Contract.ValidUntil,
		Offers: offers(l.Terms.Terms), brand: fold(l.Merchant.Brand), next: l.Next, stays: l.Stays,
	}
	for _, f := range l.Lifts {
		e.Lifting = append(e.Lifting, offers(f.Terms))
	}
	e.setText()
	return e
}

// divisionNames is the real divisions' names by GB/T 2260 code.
var divisionNames = sync.OnceValue(func() map[int32]string {
	names := map[int32]string{}
	for _, d := range union.Divisions() {
		names[d.Code] = d.Name
	}
	return names
})

func (e *Entry) setText() {
	var b strings.Builder
	b.WriteString(fold(e.Name))
	for _, s := range []string{e.Merchant, e.Brand} {
		b.WriteByte(separator)
		b.WriteString(fold(s))
	}
	e.nameEnd = b.Len()
	b.WriteByte(separator)
	b.WriteString(fold(e.Address))
	for i := range e.Offers.List {
		b.WriteByte(separator)
		b.WriteString(fold(e.Offers.List[i].Title))
	}
	// People type where and what for as words of the search, too: 郑州 花园路 餐饮.
	for _, s := range []string{divisionNames()[e.City], divisionNames()[e.Territory], e.Trade.Title()} {
		b.WriteByte(separator)
		b.WriteString(fold(s))
	}
	e.text = b.String()
}

// keys calls f with every key of the entry, some several times.
func (e *Entry) keys(f func(key)) {
	grams(e.text[:e.nameEnd], func(v key) {
		f(keyName | v)
		f(keyText | v)
	})
	grams(e.text[e.nameEnd:], func(v key) { f(keyText | v) })
	f(number(keyCity, e.City))
	f(number(keyCounty, e.Territory))
	f(named(keyTrade, string(e.Trade)))
	if e.brand != "" {
		f(named(keyBrand, e.brand))
	}
}

// sameKeys says whether posting lists made of o serve e too.
func (e *Entry) sameKeys(o *Entry) bool {
	return e.text == o.text && e.nameEnd == o.nameEnd && e.City == o.City && e.Territory == o.Territory &&
		e.Trade == o.Trade && e.brand == o.brand
}

// same says whether nothing of the entry differs, but for when it may change.
func (e *Entry) same(o *Entry) bool {
	if !e.sameKeys(o) || e.Name != o.Name || e.Merchant != o.Merchant || e.Brand != o.Brand || e.Address != o.Address ||
		e.MerchantID != o.MerchantID || e.ContractID != o.ContractID || e.OfficeID != o.OfficeID ||
		e.Placed != o.Placed || e.Place != o.Place || !e.From.Equal(o.From) || !e.Until.Equal(o.Until) ||
		e.Offers != o.Offers || len(e.Lifting) != len(o.Lifting) {
		return false
	}
	for i := range e.Lifting {
		if e.Lifting[i] != o.Lifting[i] {
			return false
		}
	}
	return true
}

// over says whether the listing has ended by the clock, before Run has come by.
func (e *Entry) over(now time.Time) bool {
	return !e.next.IsZero() && !e.stays && !now.Before(e.next)
}
