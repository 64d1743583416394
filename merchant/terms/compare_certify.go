package terms

import "math/bits"

// A proof that needs no search: give each floor offer a set of local offers
// whose best covers it on every sum, such that two floor offers that can apply
// together are covered by local offers that can apply together.

// certified says whether every floor offer is covered by local offers around
// it, in that way.
func (p *part) certified() bool {
	return p.coveredOn(p.all, nil)
}

// coveredOn is certified for the baskets of a box whose lines are of the kinds
// of s only; nil is no bound.
func (p *part) coveredOn(s kindSet, b *box) bool {
	var cover [MaxOffers]mask
	p.k.effort += count(p.f) * count(p.l)
	for m := p.f; m != 0; m &= m - 1 {
		j := bits.TrailingZeros64(m)
		from, to := int64(1), int64(MaxBasketFen)
		if b != nil {
			from, to = max(1, sumOf(p.fin[j], b.lo)), b.most(p.fin[j])
			if p.k.f[j].value(to) == 0 {
				continue
			}
		}
		var around mask
		for n := p.l; n != 0; n &= n - 1 {
			i := bits.TrailingZeros64(n)
			if p.fin[j]&s&^p.lin[i] == 0 && p.keepsTo(i, j, s) {
				around |= 1 << i
			}
		}
		if p.k.f[j].benefit.ofQuantity() {
			cover[j] = p.outbidding(around, j, s)
		} else {
			cover[j] = p.tightest(around, p.k.f[j].pieces, s, from, to)
		}
		if cover[j] == 0 {
			return false
		}
	}
	return p.apart(&cover, s)
}

func sumOf(in kindSet, x []int64) int64 {
	var sum int64
	for ; in != 0; in &= in - 1 {
		sum += x[bits.TrailingZeros64(in)]
	}
	return sum
}

// keepsTo says whether local offer i overlaps only those floor offers, of those
// that can apply together with j, where j does.
func (p *part) keepsTo(i, j int, s kindSet) bool {
	for m := p.f &^ (1 << j); m != 0; m &= m - 1 {
		other := p.fin[bits.TrailingZeros64(m)] & s
		if !nested(other, p.fin[j]&s) && p.lin[i]&other&^p.fin[j] != 0 {
			return false
		}
	}
	return true
}

// nested sets belong to offers that never apply together: where the inner one
// gives anything, the outer one overlaps it.
func nested(a, b kindSet) bool { return a&b != 0 && (a&^b == 0 || b&^a == 0) }

// tightest is a set of local offers that covers f on the sums from..to: one
// offer of the smallest scope if there is such, or else all of them, or none.
func (p *part) tightest(around mask, f []piece, s kindSet, from, to int64) mask {
	alone, size := mask(0), maxKinds+1
	for m := around; m != 0; m &= m - 1 {
		i := bits.TrailingZeros64(m)
		if n := bits.OnesCount64(p.lin[i] & s); n < size && firstWorse(p.k.l[i].pieces, f, from, to, &p.k.effort) == never {
			alone, size = 1<<i, n
		}
	}
	if alone != 0 || around == 0 {
		return alone
	}
	if firstAbove(piecesOf(p.k.l, around), f, from, to, &p.k.effort) == never {
		return around
	}
	return 0
}

// outbidding is a local offer of quantities that covers floor offer j whatever
// the quantities, of the smallest scope.
func (p *part) outbidding(around mask, j int, s kindSet) mask {
	alone, size := mask(0), maxKinds+1
	for m := around; m != 0; m &= m - 1 {
		i := bits.TrailingZeros64(m)
		if n := bits.OnesCount64(p.lin[i] & s); n < size && p.k.outbids(i, j) {
			alone, size = 1<<i, n
		}
	}
	return alone
}

// apart says whether the covers of floor offers that can apply together overlap
// only where those do.
func (p *part) apart(cover *[MaxOffers]mask, s kindSet) bool {
	for m := p.f; m != 0; m &= m - 1 {
		a := bits.TrailingZeros64(m)
		for n := m & (m - 1); n != 0; n &= n - 1 {
			b := bits.TrailingZeros64(n)
			if nested(p.fin[a]&s, p.fin[b]&s) {
				continue
			}
			if p.shared(cover[a], cover[b])&s&^(p.fin[a]&p.fin[b]) != 0 {
				return false
			}
		}
	}
	return true
}

// shared are the kinds in which an offer of a and one of b overlap.
func (p *part) shared(a, b mask) kindSet {
	return p.scopeOf(a) & p.scopeOf(b)
}

func (p *part) scopeOf(m mask) kindSet {
	var s kindSet
	for ; m != 0; m &= m - 1 {
		s |= p.lin[bits.TrailingZeros64(m)]
	}
	return s
}

// splits proves each floor offer against the local offers that keep to it,
// partial ones too, by themselves.
func (p *part) splits() bool {
	if count(p.f) == 1 {
		return false
	}
	var cover [MaxOffers]mask
	for m := p.f; m != 0; m &= m - 1 {
		j := bits.TrailingZeros64(m)
		for n := p.l; n != 0; n &= n - 1 {
			i := bits.TrailingZeros64(n)
			if p.lin[i]&p.fin[j] != 0 && p.keepsTo(i, j, p.all) {
				cover[j] |= 1 << i
			}
		}
		if cover[j] == 0 {
			return false
		}
	}
	if !p.apart(&cover, p.all) {
		return false
	}
	for m := p.f; m != 0; m &= m - 1 {
		j := bits.TrailingZeros64(m)
		if p.k.solve(cover[j], 1<<j, MaxBasketFen).verdict != NotWorse {
			return false
		}
	}
	return true
}
