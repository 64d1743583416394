package terms

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// woven are n offers whose scopes tell a number of categories and of SKUs apart:
// each is in two offers, and no two are in the same.
func woven(offers, classes int) *Terms {
	d := &Terms{V: 1}
	for i := range offers {
		d.Offers = append(d.Offers, Offer{ID: fmt.Sprintf("o%d", i), Title: "优惠",
			Benefit: Benefit{Kind: KindPercent, RateBP: 9000 + int64(i)}, FundingBP: 10000})
	}
	n := 0
	for i := range offers {
		for j := i + 1; j < offers && n < classes; j++ {
			for _, o := range []int{i, j} {
				s := &d.Offers[o].Scope
				s.Categories = append(s.Categories, fmt.Sprintf("c%d", n))
				s.SKUs = append(s.SKUs, fmt.Sprintf("s%d", n))
			}
			n++
		}
	}
	return d
}

// Categories and SKUs that are all treated differently would be gone through in
// pairs, a million of them for a document of 100 kB.
func TestTooManyPairs(t *testing.T) {
	t.Parallel()
	if _, err := woven(60, 1000).Compile(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "combinations") {
		t.Errorf("compiled: %v", err)
	}
	// Few enough offers to need no pairs by themselves.
	local := compiled(t, woven(24, 240))
	floor := compiled(t, &Terms{V: 1, Offers: []Offer{{ID: "f", Title: "优惠",
		Benefit: Benefit{Kind: KindPercent, RateBP: 9900}, FundingBP: 10000}}})
	for _, pair := range [][2]*Compiled{{local, floor}, {floor, local}} {
		got := Compare(pair[0], pair[1])
		if got.Verdict != Undecided || len(got.Offers) != 25 || got.Reason == "" {
			t.Errorf("%+v", got)
		}
	}
	if got := Compare(local, local); got.Verdict != NotWorse {
		t.Errorf("against itself: %+v", got)
	}
}
