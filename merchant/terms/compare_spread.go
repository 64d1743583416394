package terms

import "math/bits"

// spreadOut looks for a basket spread over several kinds of line such that a
// floor offer reaches its threshold while the local ones stay below theirs.
// What it finds need not be the smallest.
func (p *part) spreadOut(limit int64) answer {
	best := answer{verdict: NotWorse, amount: limit + 1}
	until := p.k.share(guessShare)
	for m := p.f; m != 0; m &= m - 1 {
		j := bits.TrailingZeros64(m)
		for _, sum := range p.k.f[j].telling() {
			if sum >= best.amount || p.k.effort > until {
				break
			}
			if x := p.spreadSum(j, sum); x != nil && p.worse(x) {
				best = p.found(x, false)
			}
		}
	}
	if n := len(p.kinds); n <= 12 {
		for r := range n {
			for c := range n {
				if p.k.effort > until {
					return best
				}
				if x := p.weighDown(r, c, best.amount-1); x != nil {
					best = p.found(x, false)
				}
			}
		}
	}
	return best
}

// weighDown looks for a basket with a sum of kind r at which the local offers
// for it alone fall behind, and so much of kind c that no wider local offer makes
// up for it.
func (p *part) weighDown(r, c int, limit int64) []int64 {
	if r == c || p.kinds[r].f == 0 || p.kinds[c].f&^p.kinds[r].f == 0 {
		return nil
	}
	narrow := p.kinds[r].l &^ p.kinds[c].l
	x := make([]int64, len(p.kinds))
	x[r] = p.k.oneKind(narrow, p.kinds[r].f&^p.kinds[c].f, limit)
	if x[r] > limit {
		return nil
	}
	other := &p.k.f[bits.TrailingZeros64(p.kinds[c].f&^p.kinds[r].f)]
	for most := int64(1); most <= limit-x[r]; most *= 2 {
		// The first sum that gives as much.
		x[c] = other.reaches(other.value(most), 1, most)
		if p.worse(x) {
			return x
		}
	}
	return nil
}

// telling are sums at which the benefit may be far above others: where its
// pieces start, and its first steps.
func (g *function) telling() []int64 {
	var out []int64
	for _, q := range g.pieces {
		if q.bp == 0 && q.step == 0 && q.off == 0 {
			continue
		}
		out = append(out, q.from)
		for n := int64(2); q.step > 0 && n <= 3 && q.from*n <= q.to; n++ {
			out = append(out, q.from*n)
		}
	}
	return out
}

// spreadSum spreads a sum over the kinds of floor offer j, each kind as full as
// keeps the local discount below what j gives; nil if that fails.
func (p *part) spreadSum(j int, sum int64) []int64 {
	gives := p.k.f[j].value(sum)
	n := len(p.kinds)
	for first := range min(n, 8) {
		for _, most := range []int64{gives - 1, 0} {
			x, left := make([]int64, n), sum
			for step := range n {
				r := (first + step) % n
				if p.fin[j]>>r&1 == 0 || left == 0 {
					continue
				}
				x[r] = p.fill(x, r, left, most)
				left -= x[r]
			}
			if left == 0 {
				return x
			}
		}
	}
	return nil
}

// fill is the most of kind r, up to left, with which local terms give at most
// most.
func (p *part) fill(x []int64, r int, left, most int64) int64 {
	lo, hi := int64(0), left
	for lo < hi {
		x[r] = (lo + hi + 1) / 2
		if p.localOn(x, support(x)) <= most {
			lo = x[r]
		} else {
			hi = x[r] - 1
		}
	}
	return lo
}
