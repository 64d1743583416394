package terms

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"testing"
)

// rounds is how many pairs a random test walks: few in a normal run, the share
// of at least a million with UNIONCARD_LONG=1.
func rounds(few, long int) int {
	if os.Getenv("UNIONCARD_LONG") == "1" {
		return long
	}
	return few
}

func show(t *Terms) string {
	b, _ := json.Marshal(t)
	return string(b)
}

// One scope: every amount up to a bound.
func TestCompareOneScope(t *testing.T) {
	t.Parallel()
	g := gen{rand.New(rand.NewPCG(1, 2))}
	verdicts := map[Verdict]int{}
	for n := range rounds(15_000, 600_000) {
		floor := &Terms{V: 1}
		for i := range 1 + g.IntN(3) {
			floor.Offers = append(floor.Offers, g.offer(i, g.amountBenefit(300)))
		}
		local := &Terms{V: 1}
		if g.IntN(3) > 0 {
			local = g.near(floor)
		}
		for i := range g.IntN(3) {
			local.Offers = append(local.Offers, g.offer(10+i, g.amountBenefit(300)))
		}
		bound := int64(400)
		if n%500 == 0 {
			bound = 30_000
		}
		got := Compare(compiled(t, local), compiled(t, floor))
		verdicts[got.Verdict]++
		want := int64(0)
		for b := int64(1); b <= bound && want == 0; b++ {
			if naiveBest(local, b) < naiveBest(floor, b) {
				want = b
			}
		}
		switch {
		case got.Verdict == Undecided:
			t.Fatalf("undecided: local %s floor %s", show(local), show(floor))
		case want != 0 && (got.Verdict != Worse || got.Counterexample.AmountFen != want):
			t.Fatalf("want worse at %d, got %+v: local %s floor %s", want, got, show(local), show(floor))
		case got.Verdict == Worse && want == 0 && got.Counterexample.AmountFen <= bound:
			t.Fatalf("counterexample %d is none: local %s floor %s", got.Counterexample.AmountFen, show(local), show(floor))
		}
		checkWorse(t, local, floor, &got)
		if got.Verdict == Worse && !got.Smallest {
			t.Fatalf("not said to be the smallest: local %s floor %s", show(local), show(floor))
		}
	}
	t.Log(verdicts)
	if verdicts[NotWorse] == 0 || verdicts[Worse] == 0 {
		t.Error("the pairs decide one way only")
	}
}

// naiveBest is what exclusive offers for everything give on an amount.
func naiveBest(t *Terms, amount int64) int64 {
	var best int64
	for i := range t.Offers {
		o := &t.Offers[i]
		best = max(best, naiveCap(o, naiveAmount(&o.Benefit, amount), amount))
	}
	return best
}

// checkWorse evaluates a counterexample with the oracle.
func checkWorse(t *testing.T, local, floor *Terms, got *Comparison) {
	t.Helper()
	if got.Verdict != Worse {
		return
	}
	b := got.Counterexample
	if err := CheckBasket(b.AmountFen, b.Items); err != nil {
		t.Fatalf("counterexample: %v", err)
	}
	used := func(r []Remaining) map[int]bool {
		m := map[int]bool{}
		for i := range r {
			m[i] = r[i].Uses == 0
		}
		return m
	}
	l, _ := naive(local, b.AmountFen, b.Items, got.At, got.Holder, used(got.LocalUsage))
	f, _ := naive(floor, b.AmountFen, b.Items, got.At, got.Holder, used(got.FloorUsage))
	if l != got.LocalFen || f != got.FloorFen || l >= f {
		t.Fatalf("counterexample %+v: oracle says %d and %d: local %s floor %s", got, l, f, show(local), show(floor))
	}
}
