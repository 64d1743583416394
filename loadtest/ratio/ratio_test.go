package ratio

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		before := append([]float64(nil), c.in...)
		if got := Median(c.in); got != c.want {
			t.Errorf("Median(%v) = %v, want %v", c.in, got, c.want)
		}
		for i := range before {
			if before[i] != c.in[i] {
				t.Fatalf("Median reordered its argument: %v", c.in)
			}
		}
	}
	if !math.IsNaN(Median(nil)) {
		t.Error("the median of nothing is a number")
	}
}

// TestOfPairs: a slow phase of the machine hits both sides of a pair and cancels,
// where a ratio of medians would not.
func TestOfPairs(t *testing.T) {
	t.Parallel()
	got, err := OfPairs([]float64{40, 20, 44}, []float64{20, 10, 11})
	if err != nil || got != 2 {
		t.Errorf("OfPairs = %v, %v; want 2", got, err)
	}
	if _, err := OfPairs(nil, nil); !errors.Is(err, ErrNoPairs) {
		t.Errorf("no pairs: %v", err)
	}
	for _, bad := range [][2][]float64{{{1}, {1, 2}}, {{0}, {1}}, {{1}, {0}}, {{math.NaN()}, {1}}} {
		if _, err := OfPairs(bad[0], bad[1]); err == nil {
			t.Errorf("OfPairs(%v, %v): no error", bad[0], bad[1])
		}
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		target Target
		ratio  float64
		want   string
	}{
		{Target{"verify/gin-json", AtLeast, 1.1}, 1.1, "verify/gin-json 1.10 >=1.1 PASS"},
		{Target{"verify/gin-json", AtLeast, 1.1}, 1.0999, "verify/gin-json 1.10 >=1.1 below"},
		{Target{"p99", AtMost, 1.2}, 0.9, "p99 0.90 <=1.2 PASS"},
		{Target{"p99", AtMost, 1.2}, 1.21, "p99 1.21 <=1.2 above"},
		{Target{"select", AtLeast, 0}, 3, "select 3.00 -"},
		{Target{"batch", AtLeast, 8}, math.NaN(), "batch NaN >=8 below"},
	} {
		if got := strings.Join(strings.Fields(c.target.Line(c.ratio)), " "); got != c.want {
			t.Errorf("Line = %q, want %q", got, c.want)
		}
	}
}
