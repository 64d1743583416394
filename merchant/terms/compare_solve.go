package terms

import (
	"math/bits"
	"slices"
)

// comparer holds what one comparison shares between its scenarios.
type comparer struct {
	local, floor *Compiled
	l, f         []function // by offer
	regions      []region
	crossing     []mask // by local offer: those it overlaps without nesting
	nesting      []mask // by floor offer: those within it or around it
	memo         map[[2]mask]answer
	work         []work
	result       Result
	bareLocal    *Compiled // the same without calendars and eligibility
	bareFloor    *Compiled
	boxes        int // boxes looked at so far
	effort       int // what was spent so far, see maxEffort
}

// maxEffort bounds a comparison, in units of about 25 ns: offers valued, pairs
// and lines looked at; one evaluation is evaluationEffort. One part's search may take partShare of what is left, and
// the guesses before it guessShare, in percent.
const (
	maxEffort  = 2_000_000
	partShare  = 70
	guessShare = 15

	evaluationEffort = 20
)

// share is the effort at which a task with a share of what is left has to stop.
func (k *comparer) share(percent int) int {
	return k.effort + max(0, maxEffort-k.effort)*percent/100
}

// function is what an offer gives on an in-scope sum, its limits in fen taken
// as caps.
type function struct {
	benefit *benefit
	cap     int64
	pieces  []piece
}

func (g *function) value(sum int64) int64 { return min(g.benefit.ofAmount(sum), g.cap) }

// newComparer reports false if there are too many kinds of line.
func newComparer(local, floor *Compiled) (*comparer, bool) {
	k := &comparer{local: local, floor: floor, memo: map[[2]mask]answer{}, work: make([]work, MaxOffers)}
	k.l, k.f = functionsOf(local), functionsOf(floor)
	var ok bool
	k.regions, ok = k.findRegions(true)
	k.crossing, _ = relations(len(local.offers), k.regions, func(r *region) mask { return r.local })
	_, k.nesting = relations(len(floor.offers), k.regions, func(r *region) mask { return r.floor })
	return k, ok
}

func functionsOf(c *Compiled) []function {
	out := make([]function, len(c.offers))
	for i := range c.offers {
		b := &c.offers[i].benefit
		capFen := b.cap
		for _, l := range c.offers[i].limits {
			if l.Fen > 0 {
				capFen = min(capFen, l.Fen)
			}
		}
		out[i] = function{b, capFen, b.pieces(capFen)}
	}
	return out
}

// solve compares the given offers at a moment at which all of them are
// available; limit is the largest amount of a counterexample that is of use.
func (k *comparer) solve(local, floor mask, limit int64) answer {
	key := [2]mask{local, floor}
	if a, ok := k.memo[key]; ok {
		return a
	}
	var a answer
	switch {
	case floor&^k.floor.excl != 0 || local&^k.local.excl != 0:
		a = k.solveStacked(local, floor)
	case anyOfQuantity(k.floor, floor) || anyOfQuantity(k.local, local):
		a = k.solveQuantities(local, floor, limit)
	default:
		a = k.solveAmounts(local, floor, limit)
	}
	k.memo[key] = a
	return a
}

func anyOfQuantity(c *Compiled, m mask) bool {
	for ; m != 0; m &= m - 1 {
		if c.offers[bits.TrailingZeros64(m)].benefit.ofQuantity() {
			return true
		}
	}
	return false
}

// kind is a region as far as the offers at hand tell regions apart.
type kind struct {
	l, f   mask
	region *region
}

// allKinds are the regions as far as the given offers tell them apart.
func (k *comparer) allKinds(local, floor mask) []kind {
	var out []kind
	seen := map[[2]mask]bool{}
	k.effort += len(k.regions)
	for i := range k.regions {
		r := &k.regions[i]
		d := kind{r.local & local, r.floor & floor, r}
		if d.l|d.f != 0 && !seen[[2]mask{d.l, d.f}] {
			seen[[2]mask{d.l, d.f}] = true
			out = append(out, d)
		}
	}
	return out
}

// kinds are the regions that a smallest counterexample may need: those a floor
// offer has in scope, and those in which two local offers overlap that do not
// nest, where a line would keep both from applying. A region is left out if
// another one has the same floor offers and fewer local ones: moving its lines
// there changes nothing for the floor and gives no more locally.
func (k *comparer) kinds(local, floor mask) []kind {
	all := k.allKinds(local, floor)
	return slices.DeleteFunc(slices.Clone(all), func(d kind) bool {
		if d.f == 0 {
			return !k.anyCrossing(d.l)
		}
		return slices.ContainsFunc(all, func(e kind) bool {
			gone := d.l &^ e.l
			return e.f == d.f && e.l&^d.l == 0 && gone != 0 && !k.crossingAny(gone, d.l)
		})
	})
}

// crossingAny says whether an offer of a crosses one of b.
func (k *comparer) crossingAny(a, b mask) bool {
	for ; a != 0; a &= a - 1 {
		if k.crossing[bits.TrailingZeros64(a)]&b != 0 {
			return true
		}
	}
	return false
}

func (k *comparer) anyCrossing(m mask) bool { return k.crossingAny(m, m) }

// solveAmounts compares exclusive benefits of amounts, for each largest set of
// floor offers that can apply together by itself: the floor gives what the best
// of them gives.
func (k *comparer) solveAmounts(local, floor mask, limit int64) answer {
	together, complete := sets(floor, func(i, j int) bool { return k.nesting[i]>>j&1 == 1 })
	if !complete {
		return k.solveTogether(local, floor, limit)
	}
	out := answer{verdict: NotWorse, smallest: true}
	for _, set := range together {
		out = out.and(k.solveTogether(local, set, limit))
		if out.verdict == Worse {
			limit = min(limit, out.amount-1)
		}
	}
	return out
}

// solveTogether compares with one set of floor offers. Offers that share no
// region, even by way of others, do not touch each other: each part is compared
// by itself, and the smallest counterexample lies within one part.
func (k *comparer) solveTogether(local, floor mask, limit int64) answer {
	out := answer{verdict: NotWorse, smallest: true}
	rest := k.kinds(local, floor)
	for len(rest) > 0 {
		l, f := rest[0].l, rest[0].f
		var part []kind
		for grown := true; grown; {
			grown = false
			rest = slices.DeleteFunc(rest, func(d kind) bool {
				if d.l&l == 0 && d.f&f == 0 && len(part) > 0 {
					return false
				}
				l, f = l|d.l, f|d.f
				part = append(part, d)
				grown = true
				return true
			})
		}
		if f == 0 {
			continue
		}
		p := k.newPart(part, l, f)
		out = out.and(p.solve(limit))
		if out.verdict == Worse {
			limit = min(limit, out.amount-1)
		}
	}
	return out
}

// and is the answer for two parts together.
func (a answer) and(b answer) answer {
	switch {
	case a.verdict == Worse && b.verdict == Worse:
		small := a
		if b.amount < a.amount {
			small = b
		}
		small.smallest = a.smallest && b.smallest
		return small
	case a.verdict == Worse || b.verdict == NotWorse:
		a.smallest = a.smallest && b.verdict != Undecided
		return a
	case a.verdict == Undecided && b.verdict == Worse:
		b.smallest = false
		return b
	default:
		return b
	}
}

// part is a set of kinds that offers connect.
type part struct {
	k     *comparer
	kinds []kind
	l, f  mask
	// lin and fin are the kinds in each offer's scope.
	lin, fin [MaxOffers]kindSet
	all      kindSet
	// lone are the floor offers that share no kind with another one and have none
	// in which two local offers cross, see tighten.
	lone mask
}

// kindSet is a set of kinds of a part; a part of more kinds is not decided by
// search.
type kindSet = uint64

const maxKinds = 64

func (k *comparer) newPart(kinds []kind, l, f mask) *part {
	p := &part{k: k, kinds: kinds, l: l, f: f, lone: f}
	for i := range min(len(kinds), maxKinds) {
		p.all |= 1 << i
		for m := kinds[i].l; m != 0; m &= m - 1 {
			p.lin[bits.TrailingZeros64(m)] |= 1 << i
		}
		if count(kinds[i].f) > 1 || k.anyCrossing(kinds[i].l) {
			p.lone &^= kinds[i].f
		}
		for m := kinds[i].f; m != 0; m &= m - 1 {
			p.fin[bits.TrailingZeros64(m)] |= 1 << i
		}
	}
	return p
}

// solve looks for a counterexample up to limit, or proves that there is none.
func (p *part) solve(limit int64) answer {
	best := answer{verdict: NotWorse, amount: limit + 1, smallest: true}
	for i := range p.kinds {
		d := &p.kinds[i]
		if b := p.k.oneKind(d.l, d.f, best.amount-1); b < best.amount {
			best = answer{verdict: Worse, amount: b, lines: []place{{region: d.region, amount: b}}, smallest: true}
		}
	}
	if len(p.kinds) == 1 {
		return best
	}
	if len(p.kinds) > maxKinds {
		if best.verdict == NotWorse {
			best.verdict = Undecided
		}
		best.smallest = false
		return best
	}
	if best.verdict == NotWorse && (p.certified() || p.splits()) {
		return best
	}
	if found := p.spreadOut(best.amount - 1); found.verdict == Worse {
		best = found
	}
	return p.search(best)
}

// oneKind is the smallest amount up to limit, all in one kind of line, on which
// a floor offer gives more than every local one; never if there is none.
func (k *comparer) oneKind(local, floor mask, limit int64) int64 {
	ls := piecesOf(k.l, local)
	first := never
	for m := floor; m != 0; m &= m - 1 {
		f := k.f[bits.TrailingZeros64(m)].pieces
		first = min(first, firstAbove(ls, f, 1, min(first-1, limit), &k.effort))
	}
	return first
}

func piecesOf(g []function, m mask) [][]piece {
	var out [][]piece
	for ; m != 0; m &= m - 1 {
		out = append(out, g[bits.TrailingZeros64(m)].pieces)
	}
	return out
}

// value is what offers give on x, their overlaps being those on the kinds of
// touching. With a box, x is its upper corner and no sum is taken to be above
// what the box allows.
func (p *part) value(g []function, in *[MaxOffers]kindSet, offers mask, x []int64, touching kindSet, b *box) int64 {
	w := p.k.work
	p.k.effort += count(offers)
	var rivals mask
	for m := offers; m != 0; m &= m - 1 {
		i := bits.TrailingZeros64(m)
		sum := sumOf(in[i], x)
		if b != nil {
			sum = b.most(in[i])
		}
		w[i] = work{sum: sum, discount: g[i].value(sum)}
		if w[i].discount > 0 {
			rivals |= 1 << i
		}
	}
	if rivals&(rivals-1) == 0 {
		if rivals == 0 {
			return 0
		}
		return w[bits.TrailingZeros64(rivals)].discount
	}
	p.k.effort += count(rivals) * count(rivals) / 4
	for m := rivals; m != 0; m &= m - 1 {
		i := bits.TrailingZeros64(m)
		for n := rivals; n != 0; n &= n - 1 {
			if j := bits.TrailingZeros64(n); in[i]&in[j]&touching != 0 {
				w[i].overlaps |= 1 << j
			}
		}
	}
	fen, _ := heaviest(rivals, w)
	return fen
}

func (p *part) localOn(x []int64, touching kindSet) int64 {
	return p.value(p.k.l, &p.lin, p.l, x, touching, nil)
}

func (p *part) floorOn(x []int64, touching kindSet) int64 {
	return p.value(p.k.f, &p.fin, p.f, x, touching, nil)
}

func support(x []int64) kindSet {
	var s kindSet
	for i, v := range x {
		if v > 0 {
			s |= 1 << i
		}
	}
	return s
}

// worse says whether x is a counterexample.
func (p *part) worse(x []int64) bool {
	s := support(x)
	return p.localOn(x, s) < p.floorOn(x, s)
}

func (p *part) found(x []int64, smallest bool) answer {
	a := answer{verdict: Worse, smallest: smallest}
	for i, v := range x {
		if v > 0 {
			a.lines = append(a.lines, place{region: p.kinds[i].region, amount: v})
			a.amount += v
		}
	}
	return a
}
