package terms

import (
	"container/heap"
	"math"
)

// Several kinds of line at once: a best-first search over boxes of amounts, the
// box with the smallest least total first. The corner of the first box that is
// a counterexample is therefore the smallest one; a box is dropped once it is
// proved to hold none.

// maxBoxes bounds the search of one part, and maxAllBoxes that of a comparison.
const (
	maxBoxes    = 4_000
	maxAllBoxes = 12_000
)

// box is the baskets with lo[i] to hi[i] fen of each kind i.
type box struct {
	lo, hi []int64
	total  int64 // sum of lo
	width  int64 // sum of hi-lo
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
	lines := p.newLines()
	queue := boxHeap{newBox(lo, hi)}
	budget := min(maxBoxes, maxAllBoxes-p.k.boxes)
	for len(queue) > 0 {
		b := heap.Pop(&queue).(*box)
		if b.total >= best.amount {
			break
		}
		if budget--; budget < 0 {
			if best.verdict == NotWorse {
				best.verdict = Undecided
			}
			best.smallest = false
			return best
		}
		p.k.boxes++
		for i := range b.hi {
			b.hi[i] = min(b.hi[i], best.amount-1-b.total+b.lo[i])
		}
		if p.worse(b.lo) {
			best = p.found(b.lo, true)
			break
		}
		if p.noneIn(b, lines) {
			continue
		}
		for _, half := range p.halves(b) {
			if half.total < best.amount {
				heap.Push(&queue, half)
			}
		}
	}
	best.smallest = true
	return best
}

// halves splits a box: first into without and with a kind of line, then near
// the geometric middle of its widest side.
func (p *part) halves(b *box) []*box {
	side, cut, span := -1, int64(0), 0.0
	for i := range b.lo {
		if b.hi[i] == b.lo[i] {
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
	return []*box{low, high}
}

func clone(x []int64) []int64 { return append([]int64(nil), x...) }

func with(x []int64, i int, v int64) []int64 {
	x = clone(x)
	x[i] = v
	return x
}

// noneIn says whether one of three proofs shows that b holds no counterexample.
func (p *part) noneIn(b *box, lines *lines) bool {
	maybe, surely := support(b.hi), support(b.lo)
	// What the floor gives at most, and local terms at least.
	most := p.floorOn(b.hi, surely)
	if most == 0 || p.localOn(b.lo, maybe) >= most {
		return true
	}
	return p.coveredOn(maybe, b.lo, b.hi) || lines.cover(b, maybe, surely)
}
