package card

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// ff1Text enciphers or deciphers a numeral string the way NIST writes samples.
func ff1Text(t interface{ Fatalf(string, ...any) }, f *ff1, radix int, text string, tweak []byte, open bool) string {
	read := func(s string) uint64 {
		n, err := strconv.ParseUint(s, radix, 64)
		if err != nil {
			t.Fatalf("numeral string %q: %v", s, err)
		}
		return n
	}
	run := f.encrypt
	if open {
		run = f.decrypt
	}
	a, b := run(new(ff1Scratch), read(text[:f.u]), read(text[f.u:]), tweak)
	pad := func(n uint64, width int) string {
		s := strconv.FormatUint(n, radix)
		return strings.Repeat("0", width-len(s)) + s
	}
	return pad(a, f.u) + pad(b, f.v)
}

// The nine FF1 samples of NIST's "Examples with Intermediate Values" for
// SP 800-38G.
func TestFF1NISTSamples(t *testing.T) {
	t.Parallel()
	const (
		k128 = "2B7E151628AED2A6ABF7158809CF4F3C"
		k192 = k128 + "EF4359D8D580AA4F"
		k256 = k192 + "7F036D6F04FC6A94"
		t10  = "39383736353433323130"
		t11  = "3737373770717273373737"
		p10  = "0123456789"
		p19  = "0123456789abcdefghi"
	)
	for i, s := range []struct {
		key, tweak    string
		radix         int
		plain, cipher string
	}{
		{k128, "", 10, p10, "2433477484"},
		{k128, t10, 10, p10, "6124200773"},
		{k128, t11, 36, p19, "a9tv40mll9kdu509eum"},
		{k192, "", 10, p10, "2830668132"},
		{k192, t10, 10, p10, "2496655549"},
		{k192, t11, 36, p19, "xbj3kv35jrawxv32ysr"},
		{k256, "", 10, p10, "6657667009"},
		{k256, t10, 10, p10, "1001623463"},
		{k256, t11, 36, p19, "xs8a0azh2avyalyzuwd"},
	} {
		key, _ := hex.DecodeString(s.key)
		tweak, _ := hex.DecodeString(s.tweak)
		f, err := newFF1(key, uint32(s.radix), len(s.plain), len(tweak))
		if err != nil {
			t.Fatalf("sample %d: %v", i+1, err)
		}
		if got := ff1Text(t, f, s.radix, s.plain, tweak, false); got != s.cipher {
			t.Errorf("sample %d: encrypt gives %s, want %s", i+1, got, s.cipher)
		}
		if got := ff1Text(t, f, s.radix, s.cipher, tweak, true); got != s.plain {
			t.Errorf("sample %d: decrypt gives %s, want %s", i+1, got, s.plain)
		}
	}
}

func TestFF1RoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		radix := rapid.IntRange(2, 36).Draw(t, "radix")
		tweak := rapid.SliceOfN(rapid.Byte(), 0, ff1MaxTweak).Draw(t, "tweak")
		least, most := 2, 2
		for math.Pow(float64(radix), float64(least)) < ff1MinSpace {
			least++
		}
		for half := 2; math.Pow(float64(radix), float64(half)) < 1<<62; half++ {
			most = 2 * half
		}
		n := rapid.IntRange(least, most).Draw(t, "n")
		f, err := newFF1(make([]byte, 32), uint32(radix), n, len(tweak))
		if err != nil {
			t.Fatal(err)
		}
		digits := rapid.SliceOfN(rapid.IntRange(0, radix-1), n, n).Draw(t, "digits")
		var b strings.Builder
		for _, d := range digits {
			b.WriteString(strconv.FormatInt(int64(d), radix))
		}
		sealed := ff1Text(t, f, radix, b.String(), tweak, false)
		if got := ff1Text(t, f, radix, sealed, tweak, true); got != b.String() {
			t.Fatalf("%s comes back as %s", b.String(), got)
		}
	})
}

// TestFF1Permutes walks a whole domain: no two numbers share an image.
func TestFF1Permutes(t *testing.T) {
	t.Parallel()
	f, err := newFF1(make([]byte, 16), 10, 6, 8)
	if err != nil {
		t.Fatal(err)
	}
	seen := make([]bool, 1_000_000)
	sc, tweak := new(ff1Scratch), make([]byte, 8)
	for i := range uint64(len(seen)) {
		a, b := f.encrypt(sc, i/1000, i%1000, tweak)
		if a >= 1000 || b >= 1000 || seen[a*1000+b] {
			t.Fatalf("%06d has the image %d,%d, out of range or taken", i, a, b)
		}
		seen[a*1000+b] = true
	}
}

func TestFF1Domain(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name             string
		key              int
		radix            uint32
		n, tweak         int
		wantErr, wantOwn bool
	}{
		{"ours", 32, 10, 10, 8, false, false},
		{"domain below a million", 32, 10, 5, 8, true, true},
		{"domain of a million", 32, 10, 6, 8, false, false},
		{"half beyond 63 bits", 32, 10, 38, 8, true, true},
		{"radix 1", 32, 1, 10, 8, true, true},
		{"radix over 2^16", 32, 1<<16 + 1, 4, 8, true, true},
		{"one numeral", 32, 1 << 16, 1, 8, true, true},
		{"long tweak", 32, 10, 10, ff1MaxTweak + 1, true, true},
		{"short key", 15, 10, 10, 8, true, false},
	} {
		_, err := newFF1(make([]byte, tc.key), tc.radix, tc.n, tc.tweak)
		if (err != nil) != tc.wantErr || (err == errFF1Domain) != tc.wantOwn {
			t.Errorf("%s: error %v", tc.name, err)
		}
	}
}
