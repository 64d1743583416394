package terms

import (
	"math/rand/v2"
	"testing"
)

// The proofs that Compare relies on, each against a plain walk: a proof that is
// rarely the deciding one would not be missed by the tests of whole comparisons.

func (g gen) function(most int64) function {
	o := g.offer(0, g.amountBenefit(most))
	var to offer
	if err := o.compile(&to); err != nil {
		panic(err)
	}
	capFen := to.benefit.cap
	return function{&to.benefit, capFen, to.benefit.pieces(capFen)}
}

func TestPieces(t *testing.T) {
	t.Parallel()
	g := gen{rand.New(rand.NewPCG(21, 1))}
	for range rounds(400, 5_000) {
		f := g.function(700)
		p := f.pieces
		for b := int64(1); b <= 3000; b++ {
			for p[0].to < b {
				p = p[1:]
			}
			if p[0].from > b || p[0].value(b) != f.value(b) {
				t.Fatalf("%+v at %d: %+v", *f.benefit, b, p[0])
			}
		}
		if f.pieces[len(f.pieces)-1].to != MaxBasketFen {
			t.Fatalf("pieces end early: %+v", f.pieces)
		}
	}
}

func TestFirstWorse(t *testing.T) {
	t.Parallel()
	g := gen{rand.New(rand.NewPCG(22, 1))}
	for range rounds(4_000, 100_000) {
		l, f := g.function(900), g.function(900)
		if g.IntN(3) == 0 {
			// Parallel stairs, where the order of remainders decides.
			n := 1 + g.Int64N(4)
			f = stairs(100*n, 7*n)
			l = stairs(100*n+g.Int64N(160), 7*n+g.Int64N(12))
		}
		from := 1 + g.Int64N(1500)
		to := from + g.Int64N(6000)
		want := never
		for b := from; b <= to; b++ {
			if l.value(b) < f.value(b) {
				want = b
				break
			}
		}
		if got := firstWorse(l.pieces, f.pieces, from, to, new(int)); got != want {
			t.Fatalf("%d, want %d: local %+v floor %+v from %d to %d", got, want, l.pieces, f.pieces, from, to)
		}
	}
}

// Steps that are walked are charged for.
func TestWalksAreCharged(t *testing.T) {
	t.Parallel()
	effort := 0
	firstWorse(stairs(99_991, 9_999).pieces, stairs(100_000, 9_999).pieces, 1, MaxBasketFen, &effort)
	if effort < 100 {
		t.Errorf("%d steps", effort)
	}
}

func stairs(step, off int64) function {
	b := &benefit{rules: []rule{{at: step, off: off, step: step, times: MaxBasketFen}}, cap: MaxBasketFen}
	return function{b, MaxBasketFen, b.pieces(MaxBasketFen)}
}

func TestFirstAbove(t *testing.T) {
	t.Parallel()
	g := gen{rand.New(rand.NewPCG(23, 1))}
	for range rounds(1_500, 50_000) {
		f := g.function(900)
		var ls []function
		var pieces [][]piece
		for range g.IntN(4) {
			l := g.function(900)
			ls, pieces = append(ls, l), append(pieces, l.pieces)
		}
		from, want := 1+g.Int64N(500), never
	walk:
		for b := from; b <= from+4000; b++ {
			for i := range ls {
				if ls[i].value(b) >= f.value(b) {
					continue walk
				}
			}
			if f.value(b) > 0 {
				want = b
				break
			}
		}
		if got := firstAbove(pieces, f.pieces, from, from+4000, new(int)); got != want {
			t.Fatalf("%d, want %d: local %+v floor %+v", got, want, pieces, f.pieces)
		}
	}
}

// The lines under and over a benefit stay there.
func TestLines(t *testing.T) {
	t.Parallel()
	g := gen{rand.New(rand.NewPCG(24, 1))}
	for range rounds(3_000, 50_000) {
		f := g.function(900)
		if g.IntN(2) == 0 {
			f = stairs(100+g.Int64N(300), 1+g.Int64N(90))
		}
		from := g.Int64N(1500)
		to := from + g.Int64N(5000)
		under, over := f.under(from, to), f.over(to)
		for x := from; x <= to; x++ {
			v := int64(0)
			if x > 0 {
				v = f.value(x)
			}
			if under.bp*x+under.base > v*wholeBP {
				t.Fatalf("under %+v at %d: %+v gives %d", under, x, f.pieces, v)
			}
			if v > ceilDiv(over.bp*x+over.base, wholeBP) {
				t.Fatalf("over %+v at %d: %+v gives %d", over, x, f.pieces, v)
			}
		}
	}
}

// A box that is ruled out holds no counterexample, over crossing scopes too.
func TestBoxes(t *testing.T) {
	t.Parallel()
	g := gen{rand.New(rand.NewPCG(25, 1))}
	ruledOut, held := 0, 0
	for range rounds(10_000, 100_000) {
		crossing := g.IntN(2) == 0
		side := func() *Terms {
			d := &Terms{V: 1}
			for i := range 1 + g.IntN(4) {
				b := g.amountBenefit(20)
				if g.IntN(3) == 0 {
					b = Benefit{Kind: KindEvery, AtFen: 100, OffFen: 1 + g.Int64N(60)}
				}
				o := g.offer(i, b)
				o.Scope.Categories = g.some("a", "b", "c")
				if crossing {
					o.Benefit, o.Caps = Benefit{Kind: KindPercent, RateBP: g.pick(9000, 8000, 5000, 2000)}, Caps{}
					o.Scope.Categories = [][]string{{"a", "b"}, {"b", "c"}, {"a", "c"}, {"a", "b", "c"}}[g.IntN(4)]
				}
				d.Offers = append(d.Offers, o)
			}
			return d
		}
		floor, local := side(), side()
		if g.IntN(2) == 0 {
			local.Offers = append(local.Offers, g.near(floor).Offers...)
			for i := range local.Offers {
				local.Offers[i].ID = string(rune('a' + i))
			}
		}
		k, _ := newComparer(compiled(t, local), compiled(t, floor))
		kinds := k.allKinds(k.local.excl, k.floor.excl)
		p := k.newPart(kinds, k.local.excl, k.floor.excl)
		lo, hi := make([]int64, len(kinds)), make([]int64, len(kinds))
		base := g.pick(0, 0, 3, 95)
		for i := range kinds {
			lo[i] = g.Int64N(2) * (base + g.Int64N(3))
			hi[i] = lo[i] + g.Int64N(3)
		}
		b := newBox(lo, hi)
		b.limit = b.total + g.pick(2, 4, MaxBasketFen)
		bad := p.anyWorse(b, clone(lo), 0)
		out := p.newGroup().open(b, support(hi), support(lo)) == 0
		if out && bad != nil {
			t.Fatalf("ruled out, but %v is worse: box %v to %v kinds %v local %s floor %s", bad, lo, hi, kinds, show(local), show(floor))
		}
		if out {
			ruledOut++
		}
		if bad != nil {
			held++
		}
	}
	if ruledOut < 100 || held < 100 {
		t.Errorf("%d ruled out, %d hold a counterexample", ruledOut, held)
	}
}

// anyWorse walks a box for a counterexample.
func (p *part) anyWorse(b *box, x []int64, from int) []int64 {
	if from == len(x) {
		var total int64
		for _, v := range x {
			total += v
		}
		if total <= b.limit && p.worse(x) {
			return clone(x)
		}
		return nil
	}
	for x[from] = b.lo[from]; x[from] <= b.hi[from]; x[from]++ {
		if bad := p.anyWorse(b, x, from+1); bad != nil {
			return bad
		}
	}
	return nil
}

// A counterexample that tightening a box leaves out has one fen too much.
func TestTighten(t *testing.T) {
	t.Parallel()
	g := gen{rand.New(rand.NewPCG(27, 1))}
	cut := 0
	for range rounds(10_000, 100_000) {
		side := func() *Terms {
			d := &Terms{V: 1}
			for i := range 1 + g.IntN(3) {
				o := g.offer(i, g.amountBenefit(8))
				o.Scope.Categories = g.some("a", "b", "c")
				d.Offers = append(d.Offers, o)
			}
			return d
		}
		floor, local := side(), side()
		if g.IntN(3) == 0 {
			floor, local = g.crossed()
		}
		k, _ := newComparer(compiled(t, local), compiled(t, floor))
		kinds := k.allKinds(k.local.excl, k.floor.excl)
		p := k.newPart(kinds, k.local.excl, k.floor.excl)
		lo, hi := make([]int64, len(kinds)), make([]int64, len(kinds))
		for i := range kinds {
			lo[i] = g.Int64N(3)
			hi[i] = lo[i] + g.Int64N(4)
		}
		b := newBox(clone(lo), clone(hi))
		b.limit = MaxBasketFen
		held := p.tighten(b)
		p.everyWorse(lo, hi, clone(lo), 0, func(x []int64) {
			in := held
			for i := range x {
				in = in && x[i] >= b.lo[i] && x[i] <= b.hi[i]
			}
			if in {
				return
			}
			cut++
			for i := range x {
				if x[i] > 0 && p.worse(with(x, i, x[i]-1)) {
					return
				}
			}
			t.Fatalf("%v left out: box %v to %v kinds %v local %s floor %s", x, lo, hi, kinds, show(local), show(floor))
		})
	}
	if cut < 1000 {
		t.Errorf("only %d left out", cut)
	}
}

// everyWorse walks the counterexamples from lo to hi.
func (p *part) everyWorse(lo, hi, x []int64, from int, do func([]int64)) {
	if from == len(x) {
		if p.worse(x) {
			do(x)
		}
		return
	}
	for x[from] = lo[from]; x[from] <= hi[from]; x[from]++ {
		p.everyWorse(lo, hi, x, from+1, do)
	}
}

// Chains of steps that are said to leave no more payable leave no more.
func TestChains(t *testing.T) {
	t.Parallel()
	g := gen{rand.New(rand.NewPCG(26, 1))}
	proved := 0
	step := func() form {
		switch g.IntN(3) {
		case 0:
			return form{bp: g.pick(500, 1000, 1001, 1010)}
		case 1:
			return form{off: g.pick(1, 2, 20, 30)}
		default:
			return form{off: g.pick(20, 30), step: g.pick(100, 120)}
		}
	}
	for range rounds(20_000, 200_000) {
		var l, f []form
		for range 1 + g.IntN(3) {
			s := step()
			f = append(f, s)
			if g.IntN(4) > 0 {
				l = append(l, s)
			} else {
				l = append(l, step())
			}
		}
		a := 200 + g.Int64N(3000)
		b := a + g.Int64N(2000)
		above := outdoes(l, f)
		near := below(l, f, a, b)
		if !above && !near {
			continue
		}
		proved++
		for x := a; x <= b; x++ {
			left, right := x, x
			for _, s := range l {
				left -= s.value(left)
			}
			for _, s := range f {
				right -= s.value(right)
			}
			if left > right {
				t.Fatalf("%v leaves %d and %v leaves %d of %d (%v, %v)", l, left, f, right, x, above, near)
			}
		}
	}
	if proved < 1000 {
		t.Errorf("only %d proved", proved)
	}
}
