package budget

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"unioncard/merchant"
	"unioncard/migrations/pgtest"
)

// However money lies in slices and whatever a lane needs: dealing makes and loses
// none, never takes what is spent, keeps the sum of the slices what the budget has
// handed out, and leaves the lane's slice with what it needs if the budget has it.
func TestDeal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		p := &purse{}
		n := rapid.IntRange(1, 8).Draw(rt, "slices")
		for range rapid.IntRange(0, n).Draw(rt, "rows") {
			k := pocket{granted: rapid.Int64Range(0, 2_000_000).Draw(rt, "granted"), uses: 1}
			k.back = rapid.Int64Range(0, 500_000).Draw(rt, "back")
			k.spent = rapid.Int64Range(0, k.granted+k.back).Draw(rt, "spent")
			p.slices = append(p.slices, k)
			p.granted += k.granted
		}
		if p.spent() < 0 { // more given back than was ever spent
			rt.Skip()
		}
		p.allocated, p.returned = rapid.Int64Range(0, 9_000).Draw(rt, "allocated"), rapid.Int64Range(0, 9_000).Draw(rt, "returned")
		p.amount = p.granted + p.allocated + p.returned + rapid.Int64Range(0, 3_000_000).Draw(rt, "unhanded")
		left, spent, rows := p.left(), p.spent(), len(p.slices)
		pick, need := rapid.IntRange(0, 100).Draw(rt, "pick"), rapid.Int64Range(1, 3_000_000).Draw(rt, "need")
		after := p.deal(n, pick, need)
		if p.left() != left || p.spent() != spent {
			rt.Fatalf("left %d and spent %d became %d and %d", left, spent, p.left(), p.spent())
		}
		var granted, uses int64
		for i, k := range p.slices {
			granted, uses = granted+k.granted, uses+k.uses
			if k.granted < 0 || k.rest() < 0 || i >= after && k.rest() > 0 {
				rt.Fatalf("slice %d of %d is %+v", i, after, k)
			}
		}
		if granted != p.granted || p.unhanded() < 0 || uses != int64(rows) || after < 1 || after > n {
			rt.Fatalf("slices hold %d of %d, unhanded %d, %d uses, %d slices", granted, p.granted, p.unhanded(), uses, after)
		}
		if rest := p.slices[pick%after].rest(); rest < min(need, left) {
			rt.Fatalf("the slice has %d of the %d needed and %d left", rest, need, left)
		}
		if left >= need && need < left/int64(n)/worthSlices && left/int64(n) >= minSlice && after != n {
			rt.Fatalf("%d fen are too few for %d slices", left, n)
		}
	})
}

func TestRebalanceOfNothing(t *testing.T) {
	t.Parallel()
	if err := Rebalance(t.Context(), pgtest.Tx(t), 404, 3, 100); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
