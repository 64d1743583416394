package card

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// paymentLuhn is the check payment systems make (ISO/IEC 7812-1), written apart
// from ours: over digit text, from the right.
func paymentLuhn(s string) bool {
	sum := 0
	for i := range len(s) {
		d := int(s[len(s)-1-i] - '0')
		if i%2 == 1 {
			d = d*2/10 + d*2%10
		}
		sum += d
	}
	return sum%10 == 0
}

// TestNoNumberIsAPaymentCard proves it for all 10^15 payloads. A payload's Luhn
// sum is the sum of one term a digit; the check digit depends on that sum
// modulo 10 alone. So it is enough that (1) our sum is the payment system's for
// every digit in every place, and (2) for each of the ten residues, residue plus
// check digit is never 0 modulo 10.
func TestNoNumberIsAPaymentCard(t *testing.T) {
	t.Parallel()
	for place, pow := 0, int64(1); place < 15; place, pow = place+1, pow*10 {
		for d := int64(0); d < 10; d++ {
			payload := d * pow
			ours := luhnSum(payload)
			if digit := (10 - ours%10) % 10; !paymentLuhn(strconv.FormatInt(payload*10+int64(digit), 10)) {
				t.Fatalf("digit %d in place %d: our Luhn sum %d is not the payment systems'", d, place, ours)
			}
			for e := int64(0); e < 10 && place > 0; e++ {
				if luhnSum(payload+e) != ours+luhnSum(e) {
					t.Fatalf("the sum of %d is not the sum of its digits' terms", payload+e)
				}
			}
		}
	}
	for residue := range 10 {
		if c := checkDigit(residue); c < 0 || c > 9 || (residue+c)%10 != 5 {
			t.Errorf("residue %d gets check digit %d", residue, c)
		}
	}
}

func TestNumberProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n, err := NewNumber(rand.NewChaCha8([32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "seed"))))
		if err != nil {
			t.Fatal(err)
		}
		s := strconv.FormatInt(n, 10)
		if got, err := CheckNumber(s); err != nil || got != n {
			t.Fatalf("CheckNumber(%s) = %d, %v", s, got, err)
		}
		if paymentLuhn(s) {
			t.Fatalf("%s passes for a payment card", s)
		}
		i := rapid.IntRange(0, 15).Draw(t, "digit")
		wrong := []byte(s)
		wrong[i] = '0' + (wrong[i]-'0'+byte(rapid.IntRange(1, 9).Draw(t, "by")))%10
		if _, err := CheckNumber(string(wrong)); !errors.Is(err, ErrCodeFormat) {
			t.Fatalf("%s for %s: %v", wrong, s, err)
		}
		j := rapid.IntRange(2, 14).Draw(t, "swap")
		zeroNine := min(s[j], s[j+1]) == '0' && max(s[j], s[j+1]) == '9' // the one swap Luhn misses
		if s[j] != s[j+1] && !zeroNine {
			swapped := []byte(s)
			swapped[j], swapped[j+1] = s[j+1], s[j]
			if _, err := CheckNumber(string(swapped)); !errors.Is(err, ErrCodeFormat) {
				t.Fatalf("swapped %s for %s: %v", swapped, s, err)
			}
		}
	})
}

func TestNewNumberSpreads(t *testing.T) {
	t.Parallel()
	seen := make(map[int64]bool)
	for range 1000 {
		n, err := NewNumber(nil)
		if err != nil || n/randomPart/10 != 41 || seen[n] {
			t.Fatalf("NewNumber() = %d, %v", n, err)
		}
		seen[n] = true
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		4101234567890123:           "41** **** **** 0123",
		6500000000009999:           "65** **** **** 9999",
		0:                          "**** **** **** ****",
		-1:                         "**** **** **** ****",
		41012345678901234:          "**** **** **** ****",
		-9_223_372_036_854_775_808: "**** **** **** ****",
	} {
		if got := MaskNumber(n); got != want {
			t.Errorf("MaskNumber(%d) = %q, want %q", n, got, want)
		}
	}
	if a, b := MaskNumber(4101234567890007), MaskLast4("41", 7); a != b {
		t.Errorf("the masks of a number and of its last four digits differ: %q, %q", a, b)
	}
}

func TestCheckPrefix(t *testing.T) {
	t.Parallel()
	for prefix, ok := range map[string]bool{"41": true, "10": true, "99": true, "": false, "4": false, "411": false, "01": false, "4a": false, "４": false} {
		if err := CheckPrefix(prefix); (err == nil) != ok {
			t.Errorf("CheckPrefix(%q) = %v", prefix, err)
		}
	}
}

func FuzzCheckNumber(f *testing.F) {
	f.Add("4100000000000006")
	f.Add("4１00000000000000")
	f.Add(strings.Repeat("4", 100_000))
	f.Fuzz(func(t *testing.T, s string) {
		n, err := CheckNumber(s)
		if err != nil {
			if !errors.Is(err, ErrCodeFormat) || n != 0 {
				t.Fatalf("CheckNumber(%q) = %d, %v", s, n, err)
			}
			return
		}
		if strconv.FormatInt(n, 10) != s || paymentLuhn(s) {
			t.Fatalf("CheckNumber(%q) = %d", s, n)
		}
	})
}
