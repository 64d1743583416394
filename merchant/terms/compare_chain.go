package terms

// One scope with stackable offers: what is left payable of a sum is a chain of
// steps, the best exclusive offer first. The sums are searched by intervals; on
// one in which every step has a single form, both chains are nearly straight
// and can be compared outright.

// chain is what a set of offers gives on lines of one kind.
type chain struct {
	exclusive []function
	stacked   []function
}

func (k *comparer) chain(c *Compiled, g []function, m mask) chain {
	var out chain
	for _, i := range indices(m & c.excl) {
		out.exclusive = append(out.exclusive, g[i])
	}
	for _, i := range k.stackOf(c, m) {
		out.stacked = append(out.stacked, g[i])
	}
	return out
}

// payable is what is left payable of a sum between a and b, at least and at
// most; exact if a equals b.
func (c *chain) payable(a, b int64) (lo, hi int64) {
	var offA, offB int64
	straight := true
	for i := range c.exclusive {
		g := &c.exclusive[i]
		offA, offB = max(offA, g.value(a)), max(offB, g.value(b))
		straight = straight && g.steady()
	}
	if straight {
		lo, hi = a-offA, b-offB
	} else {
		lo, hi = max(0, a-offB), b-offA
	}
	for i := range c.stacked {
		lo, hi = c.stacked[i].leaves(lo, hi)
	}
	return lo, hi
}

// leaves bounds what the benefit leaves payable of a sum between lo and hi.
func (g *function) leaves(lo, hi int64) (int64, int64) {
	if g.steady() {
		return lo - g.value(lo), hi - g.value(hi)
	}
	return max(0, lo-g.value(hi)), hi - g.value(lo)
}

// form is the single form that a step has on an interval: a piece without its
// ends.
type form struct{ bp, off, step int64 }

// forms are the forms of the chain's steps on the sums a..b, those that give
// nothing left out; false if some step has more than one.
func (c *chain) forms(a, b int64, out []form, effort *int) ([]form, bool) {
	var first form
	if len(c.exclusive) > 0 {
		i := c.leader(a, b, effort)
		if i < 0 {
			return nil, false
		}
		var ok bool
		if first, ok = c.exclusive[i].form(a, b); !ok {
			return nil, false
		}
	}
	if first != (form{}) {
		out = append(out, first)
	}
	lo, hi := first.leaves(a, b)
	for i := range c.stacked {
		f, ok := c.stacked[i].form(lo, hi)
		if !ok {
			return nil, false
		}
		if f != (form{}) {
			out = append(out, f)
		}
		lo, hi = f.leaves(lo, hi)
	}
	return out, true
}

// leader is the exclusive offer that gives most all over a..b, or -1.
func (c *chain) leader(a, b int64, effort *int) int {
	best := 0
	for i := range c.exclusive {
		if c.exclusive[i].value(b) > c.exclusive[best].value(b) {
			best = i
		}
	}
	for i := range c.exclusive {
		if i != best && firstWorse(c.exclusive[best].pieces, c.exclusive[i].pieces, a, b, effort) != never {
			return -1
		}
	}
	return best
}

// form is the benefit's only form on lo..hi, if it has one there.
func (g *function) form(lo, hi int64) (form, bool) {
	if hi <= 0 {
		return form{}, true
	}
	p := &g.pieces[pieceAt(g.pieces, max(lo, 1))]
	if p.to < hi || lo < 1 && p.off != 0 {
		return form{}, false
	}
	if p.step > 0 && lo/p.step == hi/p.step {
		return form{off: p.value(hi)}, true
	}
	return form{p.bp, p.off, p.step}, true
}

func (f form) value(x int64) int64 {
	p := piece{bp: f.bp, off: f.off, step: f.step}
	return p.value(x)
}

func (f form) leaves(lo, hi int64) (int64, int64) {
	if f.step > 0 {
		return max(0, lo-f.value(hi)), hi - f.value(lo)
	}
	return lo - f.value(lo), hi - f.value(hi)
}

// outdoes says whether steps l never leave more payable than steps f: each of f
// is matched in order by one of l that gives no less. Once what the two start
// from may differ, a match needs a form that leaves more of more, which steps
// by multiples do not.
func outdoes(l, f []form) bool {
	same := true
	for len(f) > 0 {
		if len(l) == 0 {
			return false
		}
		a, b := l[0], f[0]
		match := a == b || a.step == b.step && (a.bp > 0) == (b.bp > 0) && a.bp >= b.bp && a.off >= b.off
		if match && !same && a.step > 0 {
			return false
		}
		if match {
			f = f[1:]
		}
		same = same && a == b
		l = l[1:]
	}
	return true
}

// straight are the lines slope*x + low and + high between which the steps leave
// a sum x payable. float64 holds it: sums are below 2^27 and slopes below 1, so
// the error is far below the margin that below allows for.
func straight(steps []form) (slope, low, high float64) {
	slope = 1
	for _, s := range steps {
		switch {
		case s.bp > 0:
			keep := 1 - float64(s.bp)/wholeBP
			slope, low, high = slope*keep, low*keep-1, high*keep
		case s.step > 0:
			keep := 1 - float64(s.off)/float64(s.step)
			slope, low, high = slope*keep, low*keep, high*keep+float64(s.off)
		default:
			low, high = low-float64(s.off), high-float64(s.off)
		}
	}
	return slope, low, high
}

// below says whether steps l leave less than one fen more than steps f on all
// of a..b; in whole fen, no more.
func below(l, f []form, a, b int64) bool {
	slopeL, _, high := straight(l)
	slopeF, low, _ := straight(f)
	const margin = 1e-4
	gap := func(x int64) float64 { return (slopeL-slopeF)*float64(x) + high - low }
	return gap(a) < 1-margin && gap(b) < 1-margin
}

// chainScan finds the first sum at which the local chain leaves more payable.
type chainScan struct {
	l, f   chain
	lf, ff []form
	// effort grows until it passes until.
	effort *int
	until  int
}

func (s *chainScan) spent() bool { return *s.effort > s.until }

func (s *chainScan) first(a, b int64) int64 {
	if *s.effort += 2 * (len(s.l.stacked) + len(s.f.stacked) + len(s.l.exclusive) + len(s.f.exclusive)); s.spent() {
		return never
	}
	_, most := s.l.payable(a, b)
	least, _ := s.f.payable(a, b)
	if most <= least {
		return never
	}
	if a == b {
		return a
	}
	var okL, okF bool
	if s.lf, okL = s.l.forms(a, b, s.lf[:0], s.effort); okL {
		if s.ff, okF = s.f.forms(a, b, s.ff[:0], s.effort); okF && (outdoes(s.lf, s.ff) || below(s.lf, s.ff, a, b)) {
			return never
		}
	}
	mid := min(a+(b-a)/2, 2*a)
	if first := s.first(a, mid); first != never || s.spent() {
		return first
	}
	return s.first(mid+1, b)
}
