package purchase

import (
	"unioncard/merchant/terms"
	"unioncard/settlement/budget"
	"unioncard/settlement/budget/voucher"
)

// Funds is a node's view of union money; nil means that there is none.
type Funds struct {
	Budgets  *budget.State
	Vouchers *voucher.State
}

// spent is what a purchase that was refused has learnt of union money.
type spent struct {
	budgets map[int64]bool // pay nothing more here
	// vouchers is which voucher of a series the card really holds; nil: as the memory
	// has it.
	vouchers map[int64]int16
}

// unfunded has a bit for each offer whose budget does not pay here and now.
func (p *pricer) unfunded(b *basket, form *terms.Compiled) (out uint64) {
	for _, id := range form.Budgets() {
		if p.pays(b, id) {
			continue
		}
		for i, o := range form.Offers() {
			if o.Budget() == id {
				out |= 1 << i
			}
		}
	}
	return out
}

// short says whether what is picked draws more on a budget than it is known to have,
// which then pays nothing here: each call that says so takes one budget out.
func (p *pricer) short(s *pricing, b *basket) bool {
	if p.funds.Budgets == nil {
		return false
	}
	for i, a := range s.result().Applied {
		if a.UnionFen == 0 {
			continue
		}
		id, _ := s.picked.payer(a.Offer)
		most := p.funds.Budgets.Short(id, b.at)
		if most == 0 {
			continue
		}
		var fen int64 // of the same budget, up to here
		for _, other := range s.result().Applied[:i+1] {
			if payer, _ := s.picked.payer(other.Offer); payer == id {
				fen += other.UnionFen
			}
		}
		if fen < most {
			continue
		}
		if b.spent == nil {
			b.spent = &spent{budgets: map[int64]bool{}}
		}
		b.spent.budgets[id] = true
		return true
	}
	return false
}

func (p *pricer) pays(b *basket, id int64) bool {
	if p.funds.Budgets == nil || b.spent != nil && b.spent.budgets[id] {
		return false
	}
	return p.funds.Budgets.Pays(id, b.at, b.terminal.MerchantID, string(b.contract.Trade))
}

// held appends the vouchers that the card may use here and now, one a series, the
// soonest to expire first.
func (p *pricer) held(dst []voucher.Held, b *basket) []voucher.Held {
	if p.funds.Vouchers == nil {
		return dst
	}
	dst = p.funds.Vouchers.Held(dst, b.serial, b.at, b.terminal.MerchantID, string(b.contract.Trade))
	if b.spent == nil {
		return dst
	}
	kept := dst[:0]
	for _, h := range dst {
		if b.spent.vouchers != nil {
			h.No = b.spent.vouchers[h.Series.ID]
		}
		if h.No != 0 && !b.spent.budgets[h.Series.ID] {
			kept = append(kept, h)
		}
	}
	return kept
}

// nearVoucher is the first voucher that only a larger basket could use.
type nearVoucher struct {
	offer   terms.CompiledOffer
	needFen int64
}

// voucherWhole says whether an option's voucher applies with its whole face.
func (s *pricing) voucherWhole(o option, r *terms.Result) bool {
	at := len(o.form.Offers())
	for _, a := range r.Applied {
		if a.Offer == at {
			return a.DiscountFen == o.held.Series.FaceFen
		}
	}
	for _, d := range r.Declined {
		if d.Offer == at && d.Reason == terms.ReasonThreshold && s.near.needFen == 0 {
			s.near = nearVoucher{o.offer(at), d.NeedFen}
		}
	}
	return false
}

// offer is the offer that an evaluation calls i.
func (o *option) offer(i int) terms.CompiledOffer {
	own := o.form.Offers()
	if i < len(own) {
		return own[i]
	}
	return o.held.Series.Offer.Offers()[i-len(own)]
}

// payer is the budget that pays the union's share of offer i, and the voucher's
// number if it is one.
func (o *option) payer(i int) (budget int64, no int16) {
	if own := o.form.Offers(); i < len(own) {
		return own[i].Budget(), 0
	}
	return o.held.Series.ID, o.held.No
}
