package terms

import (
	"math/rand/v2"
	"testing"
)

const (
	off1    = `"benefit":{"kind":"percent","rate_bp":9900}`
	perDay5 = `"limits":[{"per":"day","uses":5}],`
	fenDay  = `"limits":[{"per":"day","fen":500}],`
	more100 = `"benefit":{"kind":"amount_off","at_fen":10000,"off_fen":2100}`
	onTop   = `"stack":1,`
)

func TestCompareStackedLimits(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		local, floor string
		want         Verdict
	}{
		// The second basket of ¥100 of a day: ¥1 off, and no longer ¥20.
		"looser limit before a threshold": {doc(perDay5+off1, onTop+man100), doc(perDay1+off1, onTop+man100), Undecided},
		"no limit before a threshold":     {doc(off1, onTop+man100), doc(perDay1+off1, onTop+man100), Worse},
		"the same":                        {doc(perDay1+off1, onTop+man100), doc(perDay1+off1, onTop+man100), NotWorse},
		"the same in fen":                 {doc(fenDay+off1, onTop+man100), doc(fenDay+off1, onTop+man100), NotWorse},
		"in fen, more on top":             {doc(fenDay+off1, onTop+more100), doc(fenDay+off1, onTop+man100), Undecided},
		"looser limit before a percentage": {doc(perDay5+off12, onTop+off10), doc(perDay1+off10, onTop+off10),
			NotWorse},
		"tighter limit": {doc(perDay1+off1, onTop+man100), doc(perDay5+off1, onTop+man100), Worse},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			local, floor := mustParse(t, tc.local), mustParse(t, tc.floor)
			got := Compare(compiled(t, local), compiled(t, floor))
			if got.Verdict != tc.want {
				t.Fatalf("%v, want %v: %+v", got.Verdict, tc.want, got)
			}
			checkWorse(t, local, floor, &got)
			if got.Verdict == Undecided && len(got.Offers) == 0 {
				t.Error("names no offers")
			}
		})
	}
}

// Limits and stacked offers over one scope: every amount up to a bound in every
// state of usage, those of limits in fen in part too.
func TestCompareUsage(t *testing.T) {
	t.Parallel()
	g := gen{rand.New(rand.NewPCG(17, 18))}
	verdicts := map[Verdict]int{}
	for range rounds(1_500, 40_000) {
		floor := &Terms{V: 1}
		for i := range 1 + g.IntN(3) {
			o := g.offer(i, g.amountBenefit(30))
			if g.IntN(2) == 0 {
				o.Stack = 1 + i
			}
			o.Limits = g.limits()
			floor.Offers = append(floor.Offers, o)
		}
		local := g.near(floor)
		for i := range local.Offers {
			if g.IntN(4) == 0 {
				local.Offers[i].Limits = g.limits()
			}
		}
		if g.IntN(4) == 0 {
			o := g.offer(9, g.amountBenefit(30))
			o.Stack, o.Limits = 9*g.IntN(2), g.limits()
			local.Offers = append(local.Offers, o)
		}
		l, f := compiled(t, local), compiled(t, floor)
		got := Compare(l, f)
		verdicts[got.Verdict]++
		checkWorse(t, local, floor, &got)
		if got.Verdict == NotWorse && show(local) != show(floor) {
			walkUsage(t, l, f)
		}
	}
	t.Log(verdicts)
	if verdicts[NotWorse] < 100 || verdicts[Worse] < 100 {
		t.Error("the pairs decide one way only")
	}
}

// limits is one limit a day at most: with one period alone, which implies which
// is plain.
func (g gen) limits() []Limit {
	switch g.IntN(4) {
	case 0:
		return []Limit{{Per: PerDay, Uses: 1 + g.Int64N(3)}}
	case 1:
		return []Limit{{Per: PerDay, Fen: 1 + g.Int64N(9)}}
	default:
		return nil
	}
}

// walkUsage fails on a state and an amount on which the local terms are worse.
func walkUsage(t *testing.T, local, floor *Compiled) {
	t.Helper()
	var r Result
	gives := func(c *Compiled, amount int64, left []Remaining) int64 {
		c.Evaluate(&Input{AmountFen: amount, At: plainDay, Remaining: left}, &r)
		return r.DiscountFen
	}
	for _, f := range leftOf(floor.doc, true, func(int) bool { return false }) {
		implied := func(i int) bool {
			want := local.doc[i].Limits[0]
			for j := range floor.doc {
				for _, have := range floor.doc[j].Limits {
					if f[j].Uses != 0 && (want.Uses == 0 || have.Uses > 0 && have.Uses <= want.Uses) &&
						(want.Fen == 0 || have.Fen > 0 && have.Fen <= want.Fen) {
						return true
					}
				}
			}
			return false
		}
		for _, l := range leftOf(local.doc, false, implied) {
			for amount := int64(1); amount <= 70; amount++ {
				if have, want := gives(local, amount, l), gives(floor, amount, f); have < want {
					t.Fatalf("said to be not worse, but is on %d (%d, %d) with %v and %v left: local %s floor %s",
						amount, have, want, l, f, show(&Terms{V: 1, Offers: local.doc}), show(&Terms{V: 1, Offers: floor.doc}))
				}
			}
		}
	}
}

// leftOf are the states in which usage can leave offers: used up, unless sure
// says that it is not, or all there, and if partly some of a limit in fen.
func leftOf(offers []Offer, partly bool, sure func(int) bool) [][]Remaining {
	out := [][]Remaining{nil}
	for i := range offers {
		choices := []Remaining{{Unlimited, Unlimited}}
		for _, limit := range offers[i].Limits {
			choices = choices[:0]
			if !sure(i) {
				choices = append(choices, Remaining{0, Unlimited})
			}
			if limit.Fen == 0 {
				choices = append(choices, Remaining{limit.Uses, Unlimited})
				continue
			}
			for fen := limit.Fen; fen > 0 && (partly || fen == limit.Fen); fen-- {
				choices = append(choices, Remaining{Unlimited, fen})
			}
		}
		var longer [][]Remaining
		for _, s := range out {
			for _, c := range choices {
				longer = append(longer, append(s[:len(s):len(s)], c))
			}
		}
		out = longer
	}
	return out
}
