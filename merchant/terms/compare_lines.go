package terms

import "math/bits"

// Straight lines under what local offers give and over what floor offers give,
// for boxes that reach far: a set of local offers that never overlap gives at
// least the sum of their lower lines, and a set of floor offers at most the sum
// of their upper lines, up to rounding. All is in ten-thousandths of a fen.

// maxSets bounds the sets of offers that are looked at on either side.
const maxSets = 128

// lines are the sets of offers of a part that may apply together.
type lines struct {
	p            *part
	local, floor []mask
	complete     bool // all of the floor's are there
}

// slope is a line bp*x + base.
type slope struct{ bp, base int64 }

func (p *part) newLines() *lines {
	n := &lines{p: p}
	n.local, _ = independent(p.l, &p.lin)
	// Floor offers that overlap may still apply together in a basket without
	// their common lines, unless one lies within the other.
	n.floor, n.complete = independentBut(p.f, &p.fin)
	return n
}

// independent are sets of offers without a common kind, the largest ones.
func independent(offers mask, in *[MaxOffers]kindSet) ([]mask, bool) {
	return sets(offers, func(i, j int) bool { return in[i]&in[j] != 0 })
}

func independentBut(offers mask, in *[MaxOffers]kindSet) ([]mask, bool) {
	return sets(offers, func(i, j int) bool { return nested(in[i], in[j]) })
}

// sets are the largest sets of offers no two of which clash, at most maxSets of
// them; it reports whether that is all.
func sets(offers mask, clash func(i, j int) bool) ([]mask, bool) {
	var against [MaxOffers]mask
	for m := offers; m != 0; m &= m - 1 {
		i := bits.TrailingZeros64(m)
		for n := offers &^ (1 << i); n != 0; n &= n - 1 {
			if j := bits.TrailingZeros64(n); clash(i, j) {
				against[i] |= 1 << j
			}
		}
	}
	var out []mask
	steps := 0
	var grow func(set, may, done mask)
	grow = func(set, may, done mask) { // Bron and Kerbosch
		if steps++; steps > 4*maxSets || len(out) == maxSets {
			return
		}
		if may|done == 0 {
			out = append(out, set)
			return
		}
		// A pivot: every largest set holds it or something against it.
		pivot := bits.TrailingZeros64(may | done)
		for m := may & (against[pivot] | 1<<pivot); m != 0; m &= m - 1 {
			i := bits.TrailingZeros64(m)
			grow(set|1<<i, may&^against[i]&^(1<<i), done&^against[i])
			may &^= 1 << i
			done |= 1 << i
		}
	}
	grow(0, offers, 0)
	return out, steps <= 4*maxSets && len(out) < maxSets
}

// cover says whether for every set of floor offers some set of local offers
// gives at least as much all over the box.
func (n *lines) cover(b *box) bool {
	if !n.complete {
		return false
	}
	p := n.p
	var under, over [MaxOffers]slope
	for m := p.l; m != 0; m &= m - 1 {
		i := bits.TrailingZeros64(m)
		under[i] = p.k.l[i].under(sumOf(p.lin[i], b.lo), b.most(p.lin[i]))
	}
	for m := p.f; m != 0; m &= m - 1 {
		j := bits.TrailingZeros64(m)
		over[j] = p.k.f[j].over(b.most(p.fin[j]))
	}
	for _, f := range n.floor {
		if !n.coveredBy(b, f, &under, &over) {
			return false
		}
	}
	return true
}

func (n *lines) coveredBy(b *box, f mask, under, over *[MaxOffers]slope) bool {
	p := n.p
	// With whole fen on the local side, rounding adds less than one fen for each
	// floor offer after the first that gives anything.
	base := int64(0)
	var live int64
	for m := f; m != 0; m &= m - 1 {
		j := bits.TrailingZeros64(m)
		base += over[j].base
		if over[j].bp > 0 && sumOf(p.fin[j], b.hi) > 0 {
			live++
		}
	}
	base += max(0, live-1) * wholeBP
	for _, l := range n.local {
		p.k.effort += len(p.kinds)
		gap := -base
		for m := l; m != 0; m &= m - 1 {
			gap += under[bits.TrailingZeros64(m)].base
		}
		// Above the lower corner, the least is at the upper one or where all the
		// room is used on the steepest loss.
		var steepest, loss int64
		for i := range b.lo {
			bp := rate(p.kinds[i].l&l, under) - rate(p.kinds[i].f&f, over)
			gap += bp * b.lo[i]
			if bp < 0 {
				steepest = min(steepest, bp)
				loss += bp * (b.hi[i] - b.lo[i])
			}
		}
		gap += max(loss, steepest*(b.limit-b.total))
		if gap >= 0 {
			return true
		}
	}
	return false
}

func rate(m mask, s *[MaxOffers]slope) int64 {
	var bp int64
	for ; m != 0; m &= m - 1 {
		bp += s[bits.TrailingZeros64(m)].bp
	}
	return bp
}

// under is a line that the benefit is never below on the sums from..to.
func (g *function) under(from, to int64) slope {
	flat := slope{base: g.value(from) * wholeBP}
	i := pieceAt(g.pieces, max(from, 1))
	if i >= len(g.pieces) || g.pieces[i].to < to {
		return flat
	}
	switch q := &g.pieces[i]; {
	case q.bp > 0 && q.from <= max(from, 1):
		return slope{bp: q.bp}
	case q.step > 0 && to > 2*from:
		// off*floor(x/step) >= off/step*x - off.
		return slope{bp: q.off * wholeBP / q.step, base: -q.off * wholeBP}
	}
	return flat
}

// over is a line that the benefit, before its last rounding, is never above on
// the sums up to to.
func (g *function) over(to int64) slope {
	steep := g.steepest(to)
	flat := g.value(to) * wholeBP
	// The line through zero if it stays below the greatest value, else flat.
	if steep*to <= flat || to > 1<<20 && g.pieces[pieceAt(g.pieces, to)].bp > 0 {
		return slope{bp: steep}
	}
	return slope{base: flat}
}

// steepest is a bound of the benefit's share of the sum in basis points,
// rounding up apart.
func (g *function) steepest(to int64) int64 {
	var bp int64
	for i := range g.benefit.rules {
		if r := &g.benefit.rules[i]; r.at <= to {
			bp = max(bp, r.bp, ceilDiv(r.off*wholeBP, r.at))
		}
	}
	return bp
}
