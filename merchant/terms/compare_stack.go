package terms

import "math/bits"

// Stackable offers break what the rest relies on: a larger discount before a
// threshold may cost the discount behind it. So they are compared by themselves:
// by proofs that need no search, and over one scope by intervals of the sum.

func (k *comparer) solveStacked(local, floor mask) answer {
	// What is left of a limit in fen may be any part of it, and only chained holds
	// for each.
	partly := local&limitedFen(k.local) != 0 || floor&limitedFen(k.floor) != 0
	if !partly && k.same(local, floor) || k.chained(local, floor) {
		return answer{verdict: NotWorse, smallest: true}
	}
	kinds := k.allKinds(local, floor)
	out := answer{verdict: Undecided}
	if anyOfQuantity(k.local, local) || anyOfQuantity(k.floor, floor) {
		return out
	}
	for i := range kinds {
		d := &kinds[i]
		s := chainScan{l: k.chain(k.local, k.l, d.l), f: k.chain(k.floor, k.f, d.f), effort: &k.effort, until: k.share(partShare)}
		b := s.first(1, MaxBasketFen)
		switch {
		case b <= MaxBasketFen && (out.verdict != Worse || b < out.amount):
			out = answer{verdict: Worse, amount: b, lines: []place{{region: d.region, amount: b}}, smallest: len(kinds) == 1}
		case b > MaxBasketFen && !s.spent() && len(kinds) == 1 && !partly:
			out = answer{verdict: NotWorse, smallest: true}
		}
	}
	return out
}

// same says whether both sides have the same offers in the same order.
func (k *comparer) same(local, floor mask) bool {
	ls, fs := indices(local), indices(floor)
	if len(ls) != len(fs) {
		return false
	}
	for n, i := range ls {
		j := fs[n]
		a, b := &k.local.doc[i], &k.floor.doc[j]
		if a.Stack == 0 != (b.Stack == 0) || k.l[i].cap != k.f[j].cap || !k.sameScope(i, j) ||
			!sameBenefit(k, i, j) {
			return false
		}
	}
	return sameOrder(k.local, ls, k.floor, fs)
}

// sameOrder says whether the stackable offers come in the same order.
func sameOrder(a *Compiled, as []int, b *Compiled, bs []int) bool {
	for x := range as {
		for y := range as {
			if (a.doc[as[x]].Stack < a.doc[as[y]].Stack) != (b.doc[bs[x]].Stack < b.doc[bs[y]].Stack) {
				return false
			}
		}
	}
	return true
}

func indices(m mask) []int {
	var out []int
	for ; m != 0; m &= m - 1 {
		out = append(out, bits.TrailingZeros64(m))
	}
	return out
}

func (k *comparer) sameScope(i, j int) bool {
	for r := range k.regions {
		if k.regions[r].local>>i&1 != k.regions[r].floor>>j&1 {
			return false
		}
	}
	return true
}

func sameBenefit(k *comparer, i, j int) bool {
	a, b := k.l[i].benefit, k.f[j].benefit
	if a.ofQuantity() || b.ofQuantity() {
		return k.outbids(i, j) && k.underbids(i, j)
	}
	return firstWorse(k.l[i].pieces, k.f[j].pieces, 1, MaxBasketFen, &k.effort) == never &&
		firstWorse(k.f[j].pieces, k.l[i].pieces, 1, MaxBasketFen, &k.effort) == never
}

// chained proves local offers with stackable ones for everything: exclusive
// ones not worse than the floor's, and behind them, for each stackable offer of
// the floor, in order, a local one that gives no less. A sum left payable that
// is smaller must stay so, which holds if of each pair one offer leaves more
// payable the more there was.
func (k *comparer) chained(local, floor mask) bool {
	ls, fs := k.stackOf(k.local, local), k.stackOf(k.floor, floor)
	exclusive := k.solve(local&k.local.excl, floor&k.floor.excl, MaxBasketFen)
	if floor&k.floor.excl == 0 {
		exclusive.verdict = NotWorse
	}
	if exclusive.verdict != NotWorse {
		return false
	}
	if len(fs) == 0 {
		return true
	}
	for _, d := range k.allKinds(local, floor) {
		if d.l&local&^k.local.excl != local&^k.local.excl || d.f&^k.floor.excl != floor&^k.floor.excl {
			return false
		}
	}
	next := 0
	for _, i := range ls {
		if k.l[i].benefit.ofQuantity() {
			return false
		}
		if next == len(fs) {
			break
		}
		f := &k.f[fs[next]]
		steady := k.l[i].steady() || f.steady()
		if !f.benefit.ofQuantity() && steady && firstWorse(k.l[i].pieces, f.pieces, 1, MaxBasketFen, &k.effort) == never {
			next++
		}
	}
	return next == len(fs)
}

// stackOf are the stackable offers of m in their order.
func (k *comparer) stackOf(c *Compiled, m mask) []int {
	var out []int
	for _, i := range c.stack {
		if m>>i&1 == 1 {
			out = append(out, i)
		}
	}
	return out
}

// steady says that what the benefit leaves payable never shrinks as the sum
// grows, as with percentages.
func (g *function) steady() bool {
	return len(g.benefit.rules) == 1 && g.benefit.rules[0].bp > 0 && g.benefit.rules[0].at == 1
}
