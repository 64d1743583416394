package card

import (
	"strconv"
	"testing"
	"time"
)

// BenchmarkResolve measures a check by kind and outcome. A wrong phone code
// costs most: two weeks, three steps each.
func BenchmarkResolve(b *testing.B) {
	c, _ := newTestCodes(b, noon)
	good := c.PhoneCode(7, testGeneration(7), testEpoch(7), 1, noon)
	for _, bm := range []struct{ name, code string }{
		{"phone", good},
		{"phone_last_step", c.PhoneCode(7, testGeneration(7), testEpoch(7), 1, noon.Add(-30*time.Second))},
		{"phone_wrong", flip(good, 19)},
		{"printed", c.PrintedCode(7, testGeneration(7), noon)},
		{"typed", "41" + "0000000000000" + strconv.Itoa(checkDigit(luhnSum(410000000000000)))},
		{"format", good[:19]},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = c.Resolve(bm.code, noon)
			}
		})
	}
}

func BenchmarkFF1Open(b *testing.B) {
	f, err := newFF1(make([]byte, 32), 10, aliasLen, aliasTweakLen)
	if err != nil {
		b.Fatal(err)
	}
	sc := new(ff1Scratch)
	b.ReportAllocs()
	for b.Loop() {
		openAlias(sc, f, 1234567890, 2900)
	}
}

// BenchmarkTOTPWindows is one derivation and three windows.
func BenchmarkTOTPWindows(b *testing.B) {
	var prk [32]byte
	b.ReportAllocs()
	for b.Loop() {
		key := deriveTOTP(&prk, 7, 1, 0, 2900, 0)
		for off := range int64(3) {
			totp(&key, 59_000_000+off)
		}
	}
}

// flip changes the digit at i by one.
func flip(code string, i int) string {
	b := []byte(code)
	b[i] = '0' + (b[i]-'0'+1)%10
	return string(b)
}
