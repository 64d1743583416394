package terms

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// withBudget makes an offer's budget and the union's share.
func withBudget(body string, budget, merchantBP int) string {
	return strings.Replace(body, `"funding_bp":10000`, fmt.Sprintf(`"funding_bp":%d,"budget":%d`, merchantBP, budget), 1)
}

const (
	ninety     = `{"id":"n","title":"九折","benefit":{"kind":"percent","rate_bp":9000},"funding_bp":10000}`
	eightyFive = `{"id":"e","title":"八五折","benefit":{"kind":"percent","rate_bp":8500},"funding_bp":10000}`
	topUp      = `{"id":"t","title":"满100减30","stack":1,"benefit":{"kind":"amount_off","at_fen":10000,"off_fen":3000},"funding_bp":10000}`
	behind     = `{"id":"b","title":"满100减5","stack":2,"benefit":{"kind":"amount_off","at_fen":10000,"off_fen":500},"funding_bp":10000}`
)

func docOf(offers ...string) string {
	return `{"v":1,"offers":[` + strings.Join(offers, ",") + `]}`
}

func TestBudgetsAreChecked(t *testing.T) {
	t.Parallel()
	four := make([]string, 4)
	for i := range four {
		four[i] = strings.Replace(withBudget(topUp, i+1, 0), `"id":"t","title":"满100减30","stack":1`,
			fmt.Sprintf(`"id":"t%d","title":"减","stack":%d`, i, i+1), 1)
	}
	for _, tt := range []struct {
		name, doc, want string
	}{
		{"one", docOf(withBudget(ninety, 7, 2500)), ""},
		{"three", docOf(four[:3]...), ""},
		{"four", docOf(four...), "more than 3 budgets"},
		{"nobody pays with it", docOf(withBudget(ninety, 7, 10000)), "the merchant bears all"},
		{"negative", docOf(withBudget(ninety, -1, 0)), "budget: want"},
		{"larger than an account", docOf(strings.Replace(ninety, `10000`, `0,"budget":72057594037927936`, 1)), "budget: want"},
	} {
		_, err := Parse([]byte(tt.doc))
		if got := fmt.Sprint(err); tt.want == "" && err != nil || !strings.Contains(got, tt.want) && tt.want != "" {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	c := mustCompile(t, docOf(four[2], four[0], four[1]))
	if diff := cmp.Diff([]int64{1, 2, 3}, c.Budgets()); diff != "" {
		t.Errorf("budgets: %s", diff)
	}
}

func TestUnfundedOfferIsDeclined(t *testing.T) {
	t.Parallel()
	c := mustCompile(t, docOf(ninety, withBudget(topUp, 4, 0)))
	var r Result
	c.Evaluate(&Input{AmountFen: 20000}, &r)
	if r.DiscountFen != 5000 {
		t.Fatalf("funded: %d fen", r.DiscountFen)
	}
	c.Evaluate(&Input{AmountFen: 20000, Unfunded: 1 << 1}, &r)
	if diff := cmp.Diff([]Declined{{Offer: 1, Reason: ReasonBudget}}, r.Declined); diff != "" || r.DiscountFen != 2000 {
		t.Errorf("unfunded: %d fen, %s", r.DiscountFen, diff)
	}
}

// A floor must hold when the money has run out.
func TestFloorHoldsWithoutTheBudget(t *testing.T) {
	t.Parallel()
	floor := mustCompile(t, docOf(ninety))
	for _, tt := range []struct {
		name  string
		local string
		want  Verdict
	}{
		{"the merchant's own", docOf(eightyFive), NotWorse},
		{"only the union's", docOf(withBudget(eightyFive, 7, 0)), Worse},
		{"partly the union's", docOf(withBudget(eightyFive, 7, 9999)), Worse},
		{"the union's on top", docOf(ninety, withBudget(topUp, 7, 0)), NotWorse},
		{"the union's instead", docOf(ninety, withBudget(eightyFive, 7, 0)), NotWorse},
	} {
		got := Compare(mustCompile(t, tt.local), floor)
		if got.Verdict != tt.want {
			t.Errorf("%s: %v (%s)", tt.name, got.Verdict, got.Reason)
		}
		if got.Verdict == Worse {
			confirmWorse(t, mustCompile(t, tt.local), floor, &got)
			if !strings.HasPrefix(got.Reason, "补贴资金用完以后") {
				t.Errorf("%s: %s", tt.name, got.Reason)
			}
		}
	}
}

// Two versions lose the same budget at the same time.
func TestVersionsWithOneBudgetCompare(t *testing.T) {
	t.Parallel()
	old := mustCompile(t, docOf(withBudget(ninety, 7, 0)))
	better := mustCompile(t, docOf(withBudget(eightyFive, 7, 0)))
	if got := Compare(better, old); got.Verdict != NotWorse {
		t.Errorf("better: %v (%s)", got.Verdict, got.Reason)
	}
	if got := Compare(old, better); got.Verdict != Worse {
		t.Errorf("worse: %v", got.Verdict)
	}
	other := mustCompile(t, docOf(withBudget(ninety, 8, 0)))
	if got := Compare(other, old); got.Verdict != Worse {
		t.Errorf("another budget: %v", got.Verdict)
	}
}

// confirmWorse evaluates a counterexample as a reader of it would.
func confirmWorse(t *testing.T, local, floor *Compiled, c *Comparison) {
	t.Helper()
	in := Input{AmountFen: c.Counterexample.AmountFen, Items: c.Counterexample.Items, At: c.At, Holder: c.Holder, Remaining: c.LocalUsage}
	var r Result
	local.Evaluate(&in, &r)
	localFen := r.DiscountFen
	in.Remaining = c.FloorUsage
	floor.Evaluate(&in, &r)
	if localFen != c.LocalFen || r.DiscountFen != c.FloorFen || localFen >= r.DiscountFen {
		t.Errorf("counterexample gives %d and %d, told %d and %d", localFen, r.DiscountFen, c.LocalFen, c.FloorFen)
	}
}

// Random documents, each subset of their budgets out, random baskets: what is said
// not to be worse never is.
func TestBudgetSubsetsAgainstOracle(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(5, 5))
	said := map[Verdict]int{}
	for range 400 {
		local, floor := randomFunded(rnd, 3), randomFunded(rnd, 0)
		l, f := mustCompile(t, local), mustCompile(t, floor)
		got := Compare(l, f)
		said[got.Verdict]++
		if got.Verdict == Worse {
			confirmWorse(t, l, f, &got)
		}
		if got.Verdict != NotWorse {
			continue
		}
		doc, err := Parse([]byte(local))
		if err != nil {
			t.Fatal(err)
		}
		bound, err := Parse([]byte(floor))
		if err != nil {
			t.Fatal(err)
		}
		for out := range 8 {
			used := map[int]bool{}
			for i := range doc.Offers {
				used[i] = doc.Offers[i].Budget > 0 && out>>(doc.Offers[i].Budget-1)&1 == 1
			}
			for range 20 {
				amount := rnd.Int64N(40000)
				mine, _ := naive(doc, amount, nil, time.Unix(0, 0), Holder{}, used)
				theirs, _ := naive(bound, amount, nil, time.Unix(0, 0), Holder{}, nil)
				if mine < theirs {
					t.Fatalf("%s is worse than %s at %d fen without %v", local, floor, amount, used)
				}
			}
		}
	}
	if said[NotWorse] < 20 || said[Worse] < 20 {
		t.Errorf("verdicts %v show too little", said)
	}
}

// randomFunded is a document of up to three offers for everything, each paid by one
// of n budgets or by the merchant.
func randomFunded(rnd *rand.Rand, n int) string {
	var offers []string
	for i := range 1 + rnd.IntN(3) {
		body := fmt.Sprintf(`{"id":"o%d","title":"减","benefit":{"kind":"percent","rate_bp":%d},"funding_bp":10000}`, i, 8800+100*rnd.IntN(12))
		if rnd.IntN(2) == 0 {
			at := 5000 * (1 + rnd.IntN(4))
			body = fmt.Sprintf(`{"id":"o%d","title":"减","benefit":{"kind":"amount_off","at_fen":%d,"off_fen":%d},"funding_bp":10000}`, i, at, 500*(1+rnd.IntN(8)))
		}
		if rnd.IntN(3) == 0 {
			body = strings.Replace(body, `"benefit"`, fmt.Sprintf(`"stack":%d,"benefit"`, i+1), 1)
		}
		if n > 0 && rnd.IntN(2) == 0 {
			body = withBudget(body, 1+rnd.IntN(n), 0)
		}
		offers = append(offers, body)
	}
	return docOf(offers...)
}
