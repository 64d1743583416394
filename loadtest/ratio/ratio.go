// Package ratio compares interleaved measurements: pair by pair, then the median,
// so that what the machine does meanwhile hits both sides of a pair alike.
package ratio

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// ErrNoPairs means that there is nothing to compare.
var ErrNoPairs = errors.New("ratio: no pairs")

// Bound says on which side of the target a ratio is good.
type Bound int

// Bounds.
const (
	AtLeast Bound = iota
	AtMost
)

func (b Bound) String() string {
	if b == AtMost {
		return "<="
	}
	return ">="
}

// Target is one line of the bench: what is compared and how good it has to be.
type Target struct {
	Name  string
	Bound Bound
	Want  float64 // 0: no target, the ratio is only told
}

// Median of xs; NaN of nothing.
func Median(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(xs))
	mid := len(s) / 2
	if len(s)%2 == 1 {
		return s[mid]
	}
	return (s[mid-1] + s[mid]) / 2
}

// OfPairs is the median of ours[i]/theirs[i].
func OfPairs(ours, theirs []float64) (float64, error) {
	if len(ours) != len(theirs) {
		return 0, fmt.Errorf("ratio: %d measurements against %d", len(ours), len(theirs))
	}
	if len(ours) == 0 {
		return 0, ErrNoPairs
	}
	ratios := make([]float64, len(ours))
	for i := range ours {
		if !(ours[i] > 0) || !(theirs[i] > 0) {
			return 0, fmt.Errorf("ratio: pair %d is %v and %v", i, ours[i], theirs[i])
		}
		ratios[i] = ours[i] / theirs[i]
	}
	return Median(ratios), nil
}

// Met says whether a ratio reaches the target. It is not rounded before.
func (t Target) Met(ratio float64) bool {
	if t.Bound == AtMost {
		return ratio <= t.Want
	}
	return ratio >= t.Want
}

// Line is "NAME ratio target PASS", or "below" ("above" for an upper bound), or
// "NAME ratio -" without a target.
func (t Target) Line(ratio float64) string {
	verdict := "PASS"
	switch {
	case t.Want == 0:
		return fmt.Sprintf("%-34s %8.2f  -", t.Name, ratio)
	case t.Met(ratio):
	case t.Bound == AtMost:
		verdict = "above"
	default:
		verdict = "below"
	}
	return fmt.Sprintf("%-34s %8.2f  %s%-5s %s", t.Name, ratio, t.Bound, strconv.FormatFloat(t.Want, 'f', -1, 64), verdict)
}
