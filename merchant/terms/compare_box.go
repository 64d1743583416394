package terms

import (
	"container/heap"
	"math"
	"math/bits"
)

// Several kinds of line at once: a best-first search over boxes of amounts, the
// box with the smallest least total first. The corner of the first box that is
// a counterexample is therefore the smallest one; a box is dropped once it is
// proved to hold none.

// box is the baskets with lo[i] to hi[i] fen of each kind i.
type box struct {
	lo, hi []int64
	total  int64 // sum of lo
	width  int64 // sum of hi-lo
	limit  int64 // the largest total of interest
	depth  int
}

// most is the largest sum of the kinds of in.
func (b *box) most(in kindSet) int64 {
	return min(sumOf(in, b.hi), b.limit-b.total+sumOf(in, b.lo), MaxBasketFen)
}

type boxHeap []*box

func (h boxHeap) Len() int { return len(h) }
func (h boxHeap) Less(a, b int) bool {
	if h[a].total != h[b].total {
		return h[a].total < h[b].total
	}
	return h[a].width < h[b].width
}
func (h boxHeap) Swap(a, b int) { h[a], h[b] = h[b], h[a] }
func (h *boxHeap) Push(x any)   { *h = append(*h, x.(*box)) }
func (h *boxHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

func newBox(lo, hi []int64) *box {
	b := &box{lo: lo, hi: hi}
	for i := range lo {
		b.total += lo[i]
		b.width += hi[i] - lo[i]
	}
	return b
}

// search improves best, the smallest counterexample so far, or proves it the
// smallest, or proves that there is none.
func (p *part) search(best answer) answer {
	n := len(p.kinds)
	lo, hi := make([]int64, n), make([]int64, n)
	for i := range hi {
		hi[i] = MaxBasketFen
	}
	tree := p.newGroup()
	queue := boxHeap{newBox(lo, hi)}
	until := p.k.share(partShare)
	for len(queue) > 0 {
		b := heap.Pop(&queue).(*box)
		if b.total >= best.amount {
			break
		}
		if p.k.effort > until {
			if best.verdict == NotWorse {
				best.verdict = Undecided
			}
			best.smallest = false
			return best
		}
		p.k.boxes++
		p.k.effort += len(p.kinds)
		b.limit = best.amount - 1
		for i := range b.hi {
			b.hi[i] = min(b.hi[i], b.limit-b.total+b.lo[i])
		}
		if !p.tighten(b) || b.total > b.limit {
			continue
		}
		if len(queue) > 0 && b.total > queue[0].total {
			// Tightened past another box: that one first.
			heap.Push(&queue, b)
			continue
		}
		if p.worse(b.lo) {
			best = p.found(b.lo, true)
			break
		}
		open := tree.open(b, support(b.hi), support(b.lo))
		if open == 0 {
			continue
		}
		for _, half := range p.halves(b, open) {
			if half.total < best.amount {
				heap.Push(&queue, half)
			}
		}
	}
	best.smallest = true
	return best
}

// tighten moves the sides of a box to where it can hold a smallest
// counterexample: there, one fen less in scope of a floor offer that gives
// anything would lose a fen of what it gives, or the counterexample would not be
// the smallest. It reports false if there is no such place. That takes a floor
// offer whose lines touch no other one, and lines without which local offers
// give no more: of two that cross, a line in common keeps one from applying, so
// the last fen of it may be what the counterexample needs.
func (p *part) tighten(b *box) bool {
	for m := p.lone; m != 0; m &= m - 1 {
		j := bits.TrailingZeros64(m)
		g, in := &p.k.f[j], p.fin[j]
		lo, hi := sumOf(in, b.lo), b.most(in)
		if lo == 0 {
			continue
		}
		if g.value(hi) == g.value(lo-1) {
			return false
		}
		if in&(in-1) != 0 {
			continue
		}
		i := bits.TrailingZeros64(in)
		if g.value(lo) == g.value(lo-1) {
			up := g.reaches(g.value(lo)+1, lo, hi)
			b.total += up - lo
			b.width -= up - lo
			b.lo[i] = up
		}
		down := g.reaches(g.value(hi), lo, hi)
		b.width -= b.hi[i] - down
		b.hi[i] = down
	}
	return true
}

// reaches is the first sum in lo..hi at which the benefit gives v, which it does
// at hi.
func (g *function) reaches(v, lo, hi int64) int64 {
	for lo < hi {
		if mid := lo + (hi-lo)/2; g.value(mid) >= v {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// halves splits a box: first into without and with a kind of line, then near the
// geometric middle of the widest side. Every other time only the kinds of open
// are split, if they can be: that is often where the matter lies, not always.
func (p *part) halves(b *box, open kindSet) []*box {
	if wide := support(b.hi) &^ fixed(b); wide&open != 0 && b.depth%2 == 0 {
		open &= wide
	} else {
		open = wide
	}
	side, cut, span := -1, int64(0), 0.0
	for i := range b.lo {
		if open>>i&1 == 0 {
			continue
		}
		if b.lo[i] == 0 {
			side, cut = i, 0
			break
		}
		if w := float64(b.hi[i]) / float64(b.lo[i]); w > span {
			side, span = i, w
			cut = int64(math.Sqrt(float64(b.lo[i]) * float64(b.hi[i])))
			cut = min(max(cut, b.lo[i]), b.hi[i]-1)
		}
	}
	if side < 0 {
		return nil
	}
	low := newBox(clone(b.lo), with(b.hi, side, cut))
	high := newBox(with(b.lo, side, cut+1), clone(b.hi))
	low.depth, high.depth = b.depth+1, b.depth+1
	return []*box{low, high}
}

func clone(x []int64) []int64 { return append([]int64(nil), x...) }

func with(x []int64, i int, v int64) []int64 {
	x = clone(x)
	x[i] = v
	return x
}

// fixed are the kinds of which a box has one amount only.
func fixed(b *box) kindSet {
	var s kindSet
	for i := range b.lo {
		if b.lo[i] == b.hi[i] {
			s |= 1 << i
		}
	}
	return s
}

// group is a part with the proofs that can rule a box out: its own, or those of
// the groups into which it falls when its widest local offers are left aside,
// which only makes local terms worse.
type group struct {
	part   *part
	lines  *lines
	kinds  kindSet
	pieces []*group
}

func (p *part) newGroup() *group {
	g := &group{part: p, lines: p.newLines()}
	for m := p.f; m != 0; m &= m - 1 {
		g.kinds |= p.fin[bits.TrailingZeros64(m)]
	}
	g.kinds |= p.scopeOf(p.l)
	if count(p.f) < 2 {
		return g
	}
	for local := p.l; local != 0; {
		local &^= 1 << p.widest(local)
		if split := p.connected(local); len(split) > 1 {
			for _, s := range split {
				sub := *p
				sub.l, sub.f = s.l, s.f
				g.pieces = append(g.pieces, sub.newGroup())
			}
			break
		}
	}
	return g
}

// widest is the local offer of m with the most floor offers in its scope.
func (p *part) widest(m mask) int {
	best, most := 0, -1
	for ; m != 0; m &= m - 1 {
		i := bits.TrailingZeros64(m)
		n := 0
		for f := p.f; f != 0; f &= f - 1 {
			if p.fin[bits.TrailingZeros64(f)]&p.lin[i] != 0 {
				n += maxKinds
			}
		}
		if n += bits.OnesCount64(p.lin[i]); n > most {
			best, most = i, n
		}
	}
	return best
}

// connected are the floor offers with the given local ones, by groups that share
// no kind.
func (p *part) connected(local mask) []kind {
	var out []kind
	for rest := p.f; rest != 0; {
		s := kind{f: rest & -rest}
		in := p.fin[bits.TrailingZeros64(rest)]
		for grown := true; grown; {
			grown = false
			for m := local &^ s.l; m != 0; m &= m - 1 {
				if i := bits.TrailingZeros64(m); p.lin[i]&in != 0 {
					s.l, in, grown = s.l|1<<i, in|p.lin[i], true
				}
			}
			for m := rest &^ s.f; m != 0; m &= m - 1 {
				if j := bits.TrailingZeros64(m); p.fin[j]&in != 0 {
					s.f, in, grown = s.f|1<<j, in|p.fin[j], true
				}
			}
		}
		rest &^= s.f
		out = append(out, s)
	}
	return out
}

// open is empty if the box holds no counterexample for sure, and otherwise the
// kinds on which that is open.
func (g *group) open(b *box, maybe, surely kindSet) kindSet {
	p := g.part
	// What the floor gives at most, and local terms at least.
	most := p.value(p.k.f, &p.fin, p.f, b.hi, surely, b)
	if most == 0 || p.localOn(b.lo, maybe) >= most || p.coveredOn(maybe, b) || g.lines.cover(b) {
		return 0
	}
	if len(g.pieces) == 0 {
		return g.kinds
	}
	for _, s := range g.pieces {
		if open := s.open(b, maybe, surely); open != 0 {
			return open
		}
	}
	return 0
}
