package card

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Appendix B of RFC 6238, the SHA-256 rows; the seed is the 32-byte one of the
// RFC's erratum and reference code.
func TestTOTPVectors(t *testing.T) {
	t.Parallel()
	key := totpKey([]byte("12345678901234567890123456789012"))
	got := make(map[int64]uint32)
	for _, at := range []int64{59, 1111111109, 1111111111, 1234567890, 2000000000, 20000000000} {
		got[at] = totp(&key, StepOf(time.Unix(at, 0)))
	}
	want := map[int64]uint32{
		59: 46119246, 1111111109: 68084774, 1111111111: 67062674,
		1234567890: 91819424, 2000000000: 90698825, 20000000000: 77737706,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHMACMatchesLibrary(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"))
		msg := rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "msg")
		h := hmac.New(sha256.New, key[:])
		h.Write(msg)
		if got := hmac256(&key, msg); !hmac.Equal(got[:], h.Sum(nil)) {
			t.Fatalf("HMAC differs for %x", msg)
		}
	})
}

func TestDeriveMatchesHKDF(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		master := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "master")
		serial := rapid.Int64Range(0, MaxSerial).Draw(t, "serial")
		generation := rapid.Uint16().Draw(t, "generation")
		epoch := rapid.Uint8().Draw(t, "epoch")
		week := rapid.Int64().Draw(t, "week")
		slot := rapid.Uint8().Draw(t, "slot")
		prk, err := extractPhone(master)
		if err != nil {
			t.Fatal(err)
		}
		var info [phoneInfoLen + 1]byte
		putPhoneInfo(&info, serial, generation, epoch, week, slot)
		want, err := hkdf.Key(sha256.New, master, []byte(phoneSalt), string(info[:phoneInfoLen]), 32)
		if err != nil {
			t.Fatal(err)
		}
		got := deriveTOTP(&prk, serial, generation, epoch, week, slot)
		if diff := cmp.Diff(want, got[:]); diff != "" {
			t.Fatal(diff)
		}
	})
}

// Each input of the derivation has its own bytes: changing one changes the key.
func TestDeriveSeparatesInputs(t *testing.T) {
	t.Parallel()
	var prk, other [32]byte
	other[31] = 1
	keys := []totpKey{
		deriveTOTP(&prk, 1, 1, 0, 1, 1), deriveTOTP(&other, 1, 1, 0, 1, 1),
		deriveTOTP(&prk, 2, 1, 0, 1, 1), deriveTOTP(&prk, 1, 2, 0, 1, 1),
		deriveTOTP(&prk, 1, 1, 0, 2, 1), deriveTOTP(&prk, 1, 1, 0, 1, 0),
		deriveTOTP(&prk, 1, 257, 0, 1, 1), deriveTOTP(&prk, 1<<8, 1, 0, 1, 1),
		deriveTOTP(&prk, 1, 1, 1, 1, 1), deriveTOTP(&prk, 1, 1, 255, 1, 1),
	}
	seen := make(map[totpKey]int)
	for i, k := range keys {
		if j, ok := seen[k]; ok {
			t.Errorf("inputs %d and %d share a key", i, j)
		}
		seen[k] = i
	}
}

func TestWeekOf(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		at   time.Time
		want int64
	}{
		{time.Unix(0, 0), 0},
		{time.Date(1969, 12, 29, 0, 0, 0, 0, beijing), 0},
		{time.Date(1969, 12, 28, 23, 59, 59, 0, beijing), -1},
		{time.Date(1970, 1, 5, 0, 0, 0, 0, beijing), 1},
		{time.Date(2026, 3, 1, 23, 59, 59, 999, beijing), 2930}, // Sunday
		{time.Date(2026, 3, 2, 0, 0, 0, 0, beijing), 2931},      // Monday
		{time.Date(2026, 3, 1, 16, 0, 0, 0, time.UTC), 2931},
	} {
		if got := WeekOf(tc.at); got != tc.want {
			t.Errorf("WeekOf(%s) = %d, want %d", tc.at, got, tc.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-1e10, 1e11).Draw(t, "at"), 0)
		start := WeekStart(WeekOf(at)).In(beijing)
		if start.Weekday() != time.Monday || start.Hour()+start.Minute()+start.Second() != 0 {
			t.Fatalf("week of %s begins %s", at, start)
		}
		if d := at.Sub(start); d < 0 || d >= 7*24*time.Hour {
			t.Fatalf("%s is %s into its week", at, d)
		}
	})
}
