package terms

import (
	"fmt"
	"math/bits"
	"slices"
	"unicode"
	"unicode/utf8"
)

// Compiled is a document ready to evaluate. It is immutable and safe for
// concurrent use.
type Compiled struct {
	doc    []Offer
	offers []offer
	scopes scopes
	views  []CompiledOffer
	stack  []int // stackable offers by ascending stack number
	// excl are the exclusive offers.
	excl mask
	// gated are the offers whose calendar or eligibility may refuse.
	gated mask
	// budgets are the budgets that offers name, ascending.
	budgets []int64
}

// offer is a compiled Offer.
type offer struct {
	calendar  calendar
	benefit   benefit
	eligible  eligibility
	limits    []Limit
	unionBP   int64
	stackable bool
}

// eligibility is a compiled Eligibility.
type eligibility struct {
	everywhere bool
	territory  []int32 // ascending
	anyClass   bool
	classes    [4]uint64
}

// CompiledOffer is the read-only view of one offer of a Compiled.
type CompiledOffer struct{ doc *Offer }

// ID is the offer's stable id.
func (o CompiledOffer) ID() string { return o.doc.ID }

// Title is the offer's title, in Chinese.
func (o CompiledOffer) Title() string { return o.doc.Title }

// FundingBP is the merchant's share of the discount in basis points.
func (o CompiledOffer) FundingBP() int64 { return o.doc.FundingBP }

// Budget is the id of the budget that pays the union's share, 0 for none.
func (o CompiledOffer) Budget() int64 { return o.doc.Budget }

// Limits are the offer's limits by ascending period, at most one a period. They
// must not be changed.
func (o CompiledOffer) Limits() []Limit { return o.doc.Limits }

// Stackable says whether the offer applies on top of others.
func (o CompiledOffer) Stackable() bool { return o.doc.Stack > 0 }

// Text is the offer in plain Chinese, see Explain.
func (o CompiledOffer) Text() string { return o.doc.explain() }

// Offers are the offers in declared order; an offer's index here is what
// Applied, Declined and Remaining mean. It must not be changed.
func (c *Compiled) Offers() []CompiledOffer { return c.views }

// Budgets are the ids of the budgets that offers name, each once, ascending, at
// most MaxBudgets. It must not be changed.
func (c *Compiled) Budgets() []int64 { return c.budgets }

// Compile validates everything and returns the compiled form, or ErrInvalid
// with the offer and field at fault.
func (t *Terms) Compile() (*Compiled, error) {
	if t.V != Version {
		return nil, invalid("v: %d is not %d", t.V, Version)
	}
	if len(t.Offers) > MaxOffers {
		return nil, invalid("offers: more than %d", MaxOffers)
	}
	c := &Compiled{doc: make([]Offer, len(t.Offers)), offers: make([]offer, len(t.Offers))}
	ids, places := map[string]bool{}, map[int]string{}
	for i := range t.Offers {
		c.doc[i] = t.Offers[i]
		d := &c.doc[i]
		d.sort()
		err := d.compile(&c.offers[i])
		switch {
		case err != nil:
		case ids[d.ID]:
			err = fmt.Errorf("id: used twice")
		case d.Stack > 0 && places[d.Stack] != "":
			err = fmt.Errorf("stack: %d is also the place of offer %s", d.Stack, places[d.Stack])
		}
		if err != nil {
			return nil, invalid("offer %d (%.40q): %v", i+1, d.ID, err)
		}
		ids[d.ID] = true
		if at, known := slices.BinarySearch(c.budgets, d.Budget); d.Budget != 0 && !known {
			c.budgets = slices.Insert(c.budgets, at, d.Budget)
		}
		if d.Stack > 0 {
			places[d.Stack] = d.ID
			c.stack = append(c.stack, i)
		} else {
			c.excl |= 1 << i
		}
		if o := &c.offers[i]; !o.calendar.always || !o.eligible.everywhere || !o.eligible.anyClass {
			c.gated |= 1 << i
		}
		c.views = append(c.views, CompiledOffer{d})
	}
	if len(c.budgets) > MaxBudgets {
		return nil, invalid("offers: they name more than %d budgets", MaxBudgets)
	}
	slices.SortFunc(c.stack, func(a, b int) int { return c.doc[a].Stack - c.doc[b].Stack })
	c.scopes = compileScopes(c.doc)
	for i := range c.offers {
		c.offers[i].benefit.number(&c.doc[i].Benefit, &c.scopes.skus)
	}
	if err := c.checkCrossing(); err != nil {
		return nil, err
	}
	return c, nil
}

// maxCrossing bounds the exclusive offers that overlap, directly or by way of
// others, without all of their scopes being nested: choosing the best set among
// them is exponential in their number. Nested scopes have no such bound.
const maxCrossing = 24

func (c *Compiled) checkCrossing() error {
	if count(c.excl) <= maxCrossing {
		return nil
	}
	k := &comparer{local: c, floor: c}
	regions, ok := k.findRegions(false)
	if !ok {
		return invalid("offers: more than %d combinations of differently treated categories and SKUs", maxPairs)
	}
	crossing, nesting := relations(len(c.offers), regions, func(r *region) mask { return r.local })
	for rest := c.excl; rest != 0; {
		group, crossed := rest&-rest, false
		for edge := group; edge != 0; {
			i := bits.TrailingZeros64(edge)
			edge &^= 1 << i
			crossed = crossed || crossing[i]&c.excl != 0
			more := (crossing[i] | nesting[i]) & c.excl &^ group
			group, edge = group|more, edge|more
		}
		if crossed && count(group) > maxCrossing {
			return invalid("offers: more than %d exclusive offers overlap whose scopes are not nested", maxCrossing)
		}
		rest &^= group
	}
	return nil
}

func (o *Offer) compile(to *offer) error {
	if !validID(o.ID) {
		return fmt.Errorf("id: want 1 to 32 of a-z, 0-9, _ and -")
	}
	if !validTitle(o.Title) {
		return fmt.Errorf("title: want 1 to 60 printable characters")
	}
	if err := o.Scope.validate(); err != nil {
		return err
	}
	var err error
	if to.calendar, err = o.Calendar.compile(); err != nil {
		return err
	}
	if to.benefit, err = o.Benefit.compile(); err != nil {
		return err
	}
	if o.Benefit.Kind == KindUnitPrice &&
		len(o.Scope.Categories)+len(o.Scope.SKUs)+len(o.Scope.ExceptCategories)+len(o.Scope.ExceptSKUs) > 0 {
		return fmt.Errorf("scope: a unit price offer's scope is its priced SKUs")
	}
	if o.Caps.PurchaseFen < 0 || o.Caps.PurchaseFen > MaxBasketFen {
		return fmt.Errorf("caps.purchase_fen: want 0 to %d", MaxBasketFen)
	}
	to.benefit.cap = MaxBasketFen
	if o.Caps.PurchaseFen > 0 {
		to.benefit.cap = o.Caps.PurchaseFen
	}
	if err := validateLimits(o.Limits); err != nil {
		return err
	}
	to.limits = o.Limits
	if o.Stack < 0 || o.Stack > 1000 {
		return fmt.Errorf("stack: want 0 to 1000")
	}
	to.stackable = o.Stack > 0
	if o.FundingBP < 0 || o.FundingBP > wholeBP {
		return fmt.Errorf("funding_bp: want 0 to %d", wholeBP)
	}
	to.unionBP = wholeBP - o.FundingBP
	if o.Budget < 0 || o.Budget > maxBudget {
		return fmt.Errorf("budget: want 1 to %d, or none", int64(maxBudget))
	}
	if o.Budget != 0 && to.unionBP == 0 {
		return fmt.Errorf("budget: the merchant bears all of the discount")
	}
	to.eligible, err = o.Eligibility.compile()
	return err
}

// maxBudget is the largest id of a budget: an account of the ledger holds it.
const maxBudget = 1<<56 - 1

func validID(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 32
}

func validTitle(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
	}
	n := utf8.RuneCountInString(s)
	return n >= 1 && n <= 60
}

// maxUses bounds the uses of a limit; more is as good as no limit.
const maxUses = 1_000_000

// maxLimitFen bounds the amount of a limit, in fen: ten million yuan.
const maxLimitFen = 1_000_000_000

func validateLimits(limits []Limit) error {
	for i, l := range limits {
		switch {
		case l.Per < PerDay || l.Per > PerContract:
			return fmt.Errorf("limits.per: missing")
		case i > 0 && limits[i-1].Per == l.Per:
			return fmt.Errorf("limits: %s is there twice", l.Per)
		case l.Uses < 0 || l.Uses > maxUses:
			return fmt.Errorf("limits.uses: want 0 to %d", maxUses)
		case l.Fen < 0 || l.Fen > maxLimitFen:
			return fmt.Errorf("limits.fen: want 0 to %d", maxLimitFen)
		case l.Uses == 0 && l.Fen == 0:
			return fmt.Errorf("limits: %s has neither uses nor fen", l.Per)
		}
	}
	return nil
}

func (e *Eligibility) compile() (eligibility, error) {
	out := eligibility{everywhere: len(e.Territories) == 0, anyClass: len(e.Classes) == 0}
	if len(e.Territories) > MaxListed {
		return out, fmt.Errorf("eligibility.territories: more than %d", MaxListed)
	}
	for i, code := range e.Territories {
		if code < 110000 || code > 659999 || i > 0 && e.Territories[i-1] == code {
			return out, fmt.Errorf("eligibility.territories: %d is no GB/T 2260 code, or is there twice", code)
		}
		if code%10000 == 0 {
			out.everywhere = true
		}
	}
	out.territory = e.Territories
	for i, class := range e.Classes {
		if class < 0 || class > 255 || i > 0 && e.Classes[i-1] == class {
			return out, fmt.Errorf("eligibility.classes: %d is not 0 to 255, or is there twice", class)
		}
		out.classes[class>>6] |= 1 << (class & 63)
	}
	return out, nil
}

// holds says whether a holder is meant. A city's code covers its counties, the
// directly administered ones too, whose City is their own code.
func (e *eligibility) holds(h Holder) bool {
	if !e.anyClass && e.classes[h.Class>>6]>>(h.Class&63)&1 == 0 {
		return false
	}
	return e.everywhere || e.lists(h.County) || e.lists(h.City) || e.lists(h.County/100*100)
}

func (e *eligibility) lists(code int32) bool {
	_, ok := slices.BinarySearch(e.territory, code)
	return ok
}

// count is the number of offers in m.
func count(m mask) int { return bits.OnesCount64(m) }
