package purchase

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestSplitBack(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		discount int64
		shares   []Share
		given    []int64
		want     [][]int64
	}{
		{"the merchant alone", 100, nil, []int64{30, 70}, [][]int64{{30}, {70}}},
		{"one budget, odd fen", 3, []Share{{7, 2}}, []int64{1, 1, 1}, [][]int64{{0, 1}, {1, 0}, {1, 0}}},
		{"two budgets and no merchant", 2, []Share{{7, 1}, {8, 1}}, []int64{1, 1}, [][]int64{{1, 0, 0}, {0, 1, 0}}},
		{"all at once", 10, []Share{{7, 3}, {8, 3}}, []int64{10}, [][]int64{{3, 3, 4}}},
		{"nothing", 10, []Share{{7, 5}}, []int64{0, 10, 0}, [][]int64{{0, 0}, {5, 5}, {0, 0}}},
		{"no discount", 0, nil, []int64{0}, [][]int64{{0}}},
	} {
		if diff := cmp.Diff(tt.want, SplitBack(tt.discount, tt.shares, tt.given)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.name, diff)
		}
	}
}

// However a discount is given back: each undoing is split to the fen, nobody gets
// back more than was his, with the last fen everybody has all of it, and one share
// alone follows the plain proportion.
func TestSplitBackProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var shares []Share
		discount := rapid.Int64Range(0, 500).Draw(rt, "merchant")
		for i := range rapid.IntRange(0, 4).Draw(rt, "budgets") {
			s := Share{int64(i), rapid.Int64Range(1, 300).Draw(rt, "share")}
			shares = append(shares, s)
			discount += s.Fen
		}
		var given []int64
		for left := discount; left > 0; {
			fen := rapid.Int64Range(0, left).Draw(rt, "given")
			given = append(given, fen)
			left -= fen
			if len(given) > 12 {
				given = append(given, left)
				break
			}
		}
		had := make([]int64, len(shares)+1)
		var all int64
		for i, row := range SplitBack(discount, shares, given) {
			var sum int64
			for p, fen := range row {
				sum += fen
				had[p] += fen
				if fen < 0 {
					rt.Fatalf("undoing %d gives %d fen", i, fen)
				}
			}
			if sum != given[i] {
				rt.Fatalf("undoing %d of %d fen is split into %d", i, given[i], sum)
			}
			if all += given[i]; len(shares) == 1 && had[0] != floor(shares[0].Fen, all, discount) {
				rt.Fatalf("after %d of %d fen the share of %d has %d", all, discount, shares[0].Fen, had[0])
			}
		}
		own := discount
		for p, s := range shares {
			own -= s.Fen
			if had[p] > s.Fen || all == discount && had[p] != s.Fen {
				rt.Fatalf("share %d of %d fen got %d back", p, s.Fen, had[p])
			}
		}
		if merchant := had[len(shares)]; merchant > own || all == discount && merchant != own {
			rt.Fatalf("the merchant bore %d fen and got %d back", own, merchant)
		}
	})
}
