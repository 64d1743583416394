package purchase

import (
	"math/rand/v2"
	"sync"
	"time"

	"unioncard/card"
	"unioncard/merchant"
	"unioncard/merchant/terms"
	"unioncard/settlement/budget/voucher"
)

// Caps are the daily caps on the discount that one card earns with codes that
// can be copied, in fen. Zero values take the defaults.
type Caps struct {
	PrintedFen int64 // default 50,000: after the PBOC's ¥500 limit for static codes
	TypedFen   int64 // default 20,000
}

func (c Caps) of(kind card.CodeKind) (fen int64, capped bool) {
	switch kind {
	case card.KindPrinted:
		if c.PrintedFen == 0 {
			return 50_000, true
		}
		return c.PrintedFen, true
	case card.KindTyped:
		if c.TypedFen == 0 {
			return 20_000, true
		}
		return c.TypedFen, true
	}
	return 0, false
}

// pricer evaluates a basket under a contract and signs the result.
type pricer struct {
	signer *signer
	caps   Caps
	funds  Funds
	pool   sync.Pool
}

func newPricer(ring *card.Keyring, caps Caps, funds Funds) *pricer {
	return &pricer{signer: newSigner(ring), caps: caps, funds: funds, pool: sync.Pool{New: func() any { return new(pricing) }}}
}

// pricing is the memory of one evaluation.
type pricing struct {
	in      terms.Input
	results [2]terms.Result
	best    int    // which of results is what picked earns
	picked  option // so far
	held    []voucher.Held
	near    nearVoucher
	limits  []quotedLimit
	q       quote
	buf     []byte
}

// basket is what is to be priced, for whom and where.
type basket struct {
	terminal *merchant.Terminal
	outlet   int64
	contract *merchant.Contract
	terms    *merchant.TermsVersion
	holder   terms.Holder

	serial     int64
	generation uint16
	kind       card.CodeKind
	useKey     int64 // of a phone code, else 0
	epoch      uint8 // of a phone code, else 0

	amount int64 // fen
	items  []terms.Item
	at     time.Time
	// used tells what of a limit is used up; nil before anything is known.
	used *usedUp
	// spent tells of budgets and vouchers what the memory does not know; nil before
	// anything is known.
	spent *spent
}

// usedUp is what a card has used of a contract's limits and its daily cap.
type usedUp struct {
	cap    int64 // fen of the cap for this kind of code
	limits map[limitKey]used
}

// limitKey names a limit of one card under one contract in the present periods.
type limitKey struct {
	source int64 // 0: the contract's Terms, else the floor
	offer  string
	period terms.Period
}

// used counts uses and fen.
type used struct{ uses, fen int64 }

// quote fills the answer's quote. The larger of what the contract's own Terms
// and each lifting floor earn applies whole (DESIGN, "Lifted"), with the one voucher
// that makes the most of it, if one makes more of it.
func (p *pricer) quote(b *basket, ans *VerifyAnswer) {
	s := p.pool.Get().(*pricing)
	defer p.pool.Put(s)
	s.in.AmountFen, s.in.Items, s.in.At, s.in.Holder = b.amount, b.items, b.at, b.holder
	s.in.CapFen, s.in.Capped = p.caps.of(b.kind)
	if b.used != nil && s.in.Capped {
		s.in.CapFen = max(s.in.CapFen-b.used.cap, 0)
	}
	known := b.spent != nil // what the database has
	for p.price(s, b); !known && p.short(s, b); {
		p.price(s, b)
	}
	s.in.Items, s.in.Extra = nil, nil // the caller's
	p.sign(s, b, ans)
}

// price tries every option and leaves the best one picked.
func (p *pricer) price(s *pricing, b *basket) {
	s.begin()
	lifts := b.contract.Lifts(b.at)
	p.evaluate(s, b, option{form: b.terms.Terms})
	for _, f := range lifts {
		p.evaluate(s, b, option{form: f.Terms, floor: f.ID})
	}
	s.held = p.held(s.held[:0], b)
	for i := range s.held {
		p.evaluate(s, b, option{form: b.terms.Terms, held: &s.held[i]})
		for _, f := range lifts {
			p.evaluate(s, b, option{form: f.Terms, floor: f.ID, held: &s.held[i]})
		}
	}
}

// option is one way to price a basket: a set of Terms, and a voucher or none.
type option struct {
	form  *terms.Compiled
	floor int64         // whose Terms they are, 0: the contract's
	held  *voucher.Held // nil for none
}

// begin forgets the last basket.
func (s *pricing) begin() { s.best, s.picked, s.near = 0, option{}, nearVoucher{} }

// result is what the option picked earns.
func (s *pricing) result() *terms.Result { return &s.results[s.best] }

// evaluate tries an option, held to what its limits leave: a limit that allows 10
// yuan a day bounds a single purchase too. It is picked if it earns more than those
// before, so that among equals the one without a voucher stays, and then the voucher
// that expires first. A voucher is never part-paid: an option that leaves less room
// than its face is none.
func (p *pricer) evaluate(s *pricing, b *basket, o option) {
	s.in.Remaining = s.in.Remaining[:0]
	for _, offer := range o.form.Offers() {
		s.in.Remaining = append(s.in.Remaining, b.used.left(o.floor, offer))
	}
	s.in.Unfunded = p.unfunded(b, o.form)
	s.in.Extra = nil
	if o.held != nil {
		s.in.Extra = o.held.Series.Offer
	}
	to := s.best
	if s.picked.form != nil {
		to = 1 - to
	}
	r := &s.results[to]
	o.form.Evaluate(&s.in, r)
	if o.held != nil && !s.voucherWhole(o, r) {
		return
	}
	if s.picked.form == nil || r.DiscountFen > s.result().DiscountFen {
		s.best, s.picked = to, o
	}
}

// left is what an offer's limits leave to the card; of all of them before anything
// is known.
func (u *usedUp) left(source int64, o terms.CompiledOffer) terms.Remaining {
	left := terms.Remaining{Uses: terms.Unlimited, Fen: terms.Unlimited}
	for _, l := range o.Limits() {
		var was used
		if u != nil {
			was = u.limits[limitKey{source, o.ID(), l.Per}]
		}
		if l.Uses > 0 {
			left.Uses = least(left.Uses, l.Uses-was.uses)
		}
		if l.Fen > 0 {
			left.Fen = least(left.Fen, l.Fen-was.fen)
		}
	}
	return left
}

// least is the tighter of two bounds, the first of which may be Unlimited.
func least(a, b int64) int64 {
	b = max(b, 0)
	if a == terms.Unlimited {
		return b
	}
	return min(a, b)
}

// sign pins the option picked.
func (p *pricer) sign(s *pricing, b *basket, ans *VerifyAnswer) {
	q, r := &s.q, s.result()
	*q = quote{
		id: rand.Int64N(1<<63-1) + 1, issuedAt: b.at.UnixMilli(),
		terminal: b.terminal.ID, outlet: b.outlet, merchant: b.terminal.MerchantID,
		contract: b.contract.ID, terms: b.terms.Version, floor: s.picked.floor,
		serial: b.serial, generation: b.generation, kind: b.kind, codeKey: b.useKey, epoch: b.epoch,
		amount: b.amount, discount: r.DiscountFen, applied: q.applied[:0], lines: r.Lines,
	}
	if q.codeKey == 0 {
		q.codeKey = -q.id
	}
	s.limits = s.limits[:0]
	ans.Applied, ans.Declined = ans.Applied[:0], ans.Declined[:0]
	for _, a := range r.Applied {
		o := s.picked.offer(a.Offer)
		from := len(s.limits)
		for _, l := range o.Limits() {
			s.limits = append(s.limits, quotedLimit{period: l.Per, maxUses: bound(l.Uses), maxFen: bound(l.Fen)})
		}
		quoted := quotedOffer{id: o.ID(), fen: a.DiscountFen, unionFen: a.UnionFen, limits: s.limits[from:len(s.limits):len(s.limits)]}
		if a.UnionFen > 0 {
			quoted.budget, quoted.voucher = s.picked.payer(a.Offer)
		}
		q.applied = append(q.applied, quoted)
		q.unionShare += a.UnionFen
		ans.Applied = append(ans.Applied, AppliedOffer{o.ID(), o.Title(), a.DiscountFen})
	}
	for _, d := range r.Declined {
		o := s.picked.offer(d.Offer)
		ans.Declined = append(ans.Declined, DeclinedOffer{o.ID(), o.Title(), d.Reason, d.NeedFen})
	}
	if n := s.near; s.picked.held == nil && n.needFen > 0 {
		ans.Declined = append(ans.Declined, DeclinedOffer{n.offer.ID(), n.offer.Title(), terms.ReasonThreshold, n.needFen})
	}
	q.items, s.buf = hashItems(s.buf, b.items)
	ans.HasQuote = true
	ans.Token = p.signer.appendQuote(ans.Token[:0], q, b.at)
	ans.ExpiresAt = q.expires()
	ans.AmountFen, ans.DiscountFen, ans.PayableFen = q.amount, q.discount, q.amount-q.discount
	ans.Lifted = q.floor != 0
	ans.TermsVersion = b.terms.Version
}

// bound turns a limit's 0, no bound, into noLimit.
func bound(n int64) int64 {
	if n == 0 {
		return noLimit
	}
	return n
}
