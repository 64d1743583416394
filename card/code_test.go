package card

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const step = stepSeconds * time.Second

func TestCodesRoundTrip(t *testing.T) {
	t.Parallel()
	any := func(serial int64) (uint16, uint8, bool) {
		return uint16(serial % (MaxGeneration + 1)), uint8(serial / 3), serial >= 1 && serial <= MaxSerial
	}
	c := NewCodes(newTestKeyring(t, noon), "65", any)
	rapid.Check(t, func(t *rapid.T) {
		serial := rapid.Int64Range(1, MaxSerial).Draw(t, "serial")
		slot := rapid.Uint8Range(0, 1).Draw(t, "slot")
		at := noon.Add(time.Duration(rapid.Int64Range(0, 1e17).Draw(t, "at")))
		off := time.Duration(rapid.Int64Range(-1, 1).Draw(t, "steps off")) * step
		generation, epoch, _ := any(serial)
		// A phone whose clock is off by a step shows that step, under that week's key.
		got, err := c.Resolve(c.PhoneCode(serial, generation, epoch, slot, at.Add(off)), at)
		want := Code{Kind: KindPhone, Serial: serial, Generation: generation, Slot: slot, Step: StepOf(at.Add(off)), Epoch: epoch}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
		if got.UseKey() != want.Step*2+int64(slot) || got.UseKey() <= 0 {
			t.Fatalf("use key %d", got.UseKey())
		}
		got, err = c.Resolve(c.PrintedCode(serial, generation, at), at)
		want = Code{Kind: KindPrinted, Serial: serial, Generation: generation}
		if diff := cmp.Diff(want, got); err != nil || diff != "" || got.UseKey() != 0 {
			t.Fatal(err, diff)
		}
		n, err := c.NewNumber()
		if err != nil {
			t.Fatal(err)
		}
		got, err = c.Resolve(fmt.Sprint(n), at)
		if diff := cmp.Diff(Code{Kind: KindTyped, Number: n}, got); err != nil || diff != "" || got.UseKey() != 0 {
			t.Fatal(err, diff)
		}
	})
}

// Every single digit changed in any way makes a code worthless.
func TestTamperedCodes(t *testing.T) {
	t.Parallel()
	c, _ := newTestCodes(t, noon)
	for _, code := range []string{
		c.PhoneCode(8, testGeneration(8), testEpoch(8), 0, noon),
		c.PrintedCode(8, testGeneration(8), noon),
		"4100000000000006",
	} {
		if _, err := c.Resolve(code, noon); err != nil {
			t.Fatalf("%s: %v", code, err)
		}
		for i := range code {
			for by := byte(1); by < 10; by++ {
				b := []byte(code)
				b[i] = '0' + (b[i]-'0'+by)%10
				got, err := c.Resolve(string(b), noon)
				if !errors.Is(err, ErrCodeInvalid) && !errors.Is(err, ErrCodeFormat) || got != (Code{}) {
					t.Errorf("%s for %s: %+v, %v", b, code, got, err)
				}
			}
		}
	}
}

func TestCodeFormat(t *testing.T) {
	t.Parallel()
	c, _ := newTestCodes(t, noon)
	good := c.PhoneCode(8, testGeneration(8), testEpoch(8), 0, noon)
	printed := c.PrintedCode(8, testGeneration(8), noon)
	for name, code := range map[string]string{
		"empty":                   "",
		"19 digits":               good[:19],
		"21 digits":               good + "0",
		"37 digits":               printed + "0",
		"15 digits":               "410000000000000",
		"full-width digit":        good[:17] + "５",
		"full-width all":          "４１０００００００００００００００００００",
		"space before":            " " + good[:19],
		"space behind":            good[:19] + " ",
		"newline":                 good[:19] + "\n",
		"NUL":                     good[:10] + "\x00" + good[11:],
		"minus":                   "41-" + good[3:],
		"plus":                    "41+" + good[3:],
		"letter":                  good[:19] + "a",
		"byte below 0":            good[:19] + "/",
		"byte above 9":            good[:19] + ":",
		"100 KB":                  strings.Repeat("41", 50_000),
		"other province":          "42" + good[2:],
		"WeChat Pay, 18 digits":   "134567890123456789",
		"Alipay, 20 digits":       "28763443825664394011",
		"UnionPay, 19 digits":     "6221234567890123456",
		"a URL":                   "https://u.wechat.com",
		"printed, other version":  "412" + printed[3:],
		"number, bad check digit": "4100000000000000",
	} {
		got, err := c.Resolve(code, noon)
		if !errors.Is(err, ErrCodeFormat) || got != (Code{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestPhoneCodeTimes(t *testing.T) {
	t.Parallel()
	c, _ := newTestCodes(t, noon)
	monday := WeekStart(WeekOf(noon) + 1)
	keys, _ := c.PhoneKeys(9, testGeneration(9), testEpoch(9), WeekOf(noon), noon)
	for _, tc := range []struct {
		name string
		code string
		at   time.Time
		want error
	}{
		{"a step early", c.PhoneCode(9, testGeneration(9), testEpoch(9), 1, noon.Add(step)), noon, nil},
		{"two steps early", c.PhoneCode(9, testGeneration(9), testEpoch(9), 1, noon.Add(2*step)), noon, ErrCodeInvalid},
		{"a step late", c.PhoneCode(9, testGeneration(9), testEpoch(9), 1, noon.Add(-step)), noon, nil},
		{"two steps late", c.PhoneCode(9, testGeneration(9), testEpoch(9), 1, noon.Add(-2*step)), noon, ErrCodeInvalid},
		{"fast phone before Monday", c.PhoneCode(9, testGeneration(9), testEpoch(9), 1, monday), monday.Add(-time.Second), nil},
		{"too fast a phone before Monday", c.PhoneCode(9, testGeneration(9), testEpoch(9), 1, monday), monday.Add(-31 * time.Second), ErrCodeInvalid},
		{"slow phone after Monday", c.PhoneCode(9, testGeneration(9), testEpoch(9), 1, monday.Add(-time.Second)), monday.Add(29 * time.Second), nil},
		{"offline, as Monday begins", keys[0].Code(monday), monday, nil},
		{"offline 7 days, last second", keys[0].Code(monday.AddDate(0, 0, 7).Add(-time.Second)), monday.AddDate(0, 0, 7).Add(-time.Second), nil},
		{"offline into the second week", keys[0].Code(monday.AddDate(0, 0, 7)), monday.AddDate(0, 0, 7), ErrCodeInvalid},
		{"old code of the old week", keys[0].Code(noon), noon.AddDate(0, 0, 7), ErrCodeInvalid},
		{"keys of the week after next", mustKey(t, c, WeekOf(noon)+1).Code(noon), noon, ErrCodeInvalid},
	} {
		if _, err := c.Resolve(tc.code, tc.at); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
}

func mustKey(t *testing.T, c *Codes, week int64) PhoneKey {
	t.Helper()
	keys, ok := c.PhoneKeys(9, testGeneration(9), testEpoch(9), week, noon)
	if !ok {
		t.Fatal("no phone keys")
	}
	return keys[1]
}

// The alias changes from week to week and from slot to slot, and only then.
func TestAliasChangesWeekly(t *testing.T) {
	t.Parallel()
	c, _ := newTestCodes(t, noon)
	seen := make(map[string]bool)
	for week := range int64(100) {
		keys, _ := c.PhoneKeys(5, 1, 0, WeekOf(noon)+week, noon)
		other, _ := c.PhoneKeys(5, 2, 0, WeekOf(noon)+week, noon.Add(time.Hour))
		for slot, k := range keys {
			if len(k.Alias) != aliasLen || seen[k.Alias] || k.Alias != other[slot].Alias {
				t.Fatalf("week %d slot %d: alias %s seen %v, later %s", week, slot, k.Alias, seen[k.Alias], other[slot].Alias)
			}
			seen[k.Alias] = true
		}
	}
}

// A replaced card's codes die with its generation, those of a phone that another
// took over from with its epoch, and codes of cards that are
// not there are refused as forged ones are.
func TestGenerationAndUnknownCards(t *testing.T) {
	t.Parallel()
	c, _ := newTestCodes(t, noon)
	old := testGeneration(9) + 1
	for name, code := range map[string]string{
		"phone, other generation":   c.PhoneCode(9, old, testEpoch(9), 0, noon),
		"phone, epoch before":       c.PhoneCode(9, testGeneration(9), testEpoch(9)-1, 0, noon),
		"phone, epoch after":        c.PhoneCode(9, testGeneration(9), testEpoch(9)+1, 0, noon),
		"printed, other generation": c.PrintedCode(9, old, noon),
		"phone, unknown card":       c.PhoneCode(testCards+1, 0, 0, 0, noon),
		"printed, unknown card":     c.PrintedCode(testCards+1, 0, noon),
	} {
		if _, err := c.Resolve(code, noon); err != ErrCodeInvalid { // the very same value, so the same text
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, code := range map[string]string{
		"serial 0": c.PhoneCode(0, 0, 0, 0, noon), "serial too large": c.PhoneCode(MaxSerial+1, 0, 0, 0, noon),
		"slot 2": c.PhoneCode(1, 0, 0, 2, noon), "printed serial 0": c.PrintedCode(0, 0, noon),
		"printed serial too large": c.PrintedCode(MaxSerial+1, 0, noon), "printed generation": c.PrintedCode(1, MaxGeneration+1, noon),
	} {
		if code != "" {
			t.Errorf("%s gives %q", name, code)
		}
	}
}

func TestCodesFollowRotation(t *testing.T) {
	t.Parallel()
	c, k := newTestCodes(t, noon)
	phone := func(at time.Time) string { return c.PhoneCode(9, testGeneration(9), testEpoch(9), 0, at) }
	held, _ := c.PhoneKeys(9, testGeneration(9), testEpoch(9), WeekOf(noon), noon) // enrolled under the first keys
	before := c.PrintedCode(9, testGeneration(9), noon)
	turn := noon.Add(time.Hour)
	for _, ring := range []Ring{RingAlias, RingPhone, RingPrinted} {
		if err := k.Rotate(ring, turn, 24*time.Hour, nil); err != nil {
			t.Fatal(err)
		}
	}
	after := c.PrintedCode(9, testGeneration(9), turn)
	if before[17:19] != "01" || after[17:19] != "02" {
		t.Errorf("key ids of printed codes: %s, %s", before[17:19], after[17:19])
	}
	for _, tc := range []struct {
		name, code string
		at         time.Time
		want       error
	}{
		{"before the turn", phone(noon), noon, nil},
		{"new key at the turn", phone(turn), turn, nil},
		{"old key in the overlap", held[0].Code(turn.Add(23 * time.Hour)), turn.Add(23 * time.Hour), nil},
		{"old key after it", held[0].Code(turn.Add(24 * time.Hour)), turn.Add(24 * time.Hour), ErrCodeInvalid},
		{"old printed code years later", before, turn.AddDate(5, 0, 0), nil},
		{"new printed code", after, turn, nil},
		{"old body under the new id", before[:17] + "02" + before[19:], turn, ErrCodeInvalid},
		{"key id that is not there", before[:17] + "77" + before[19:], turn, ErrCodeInvalid},
		{"key id 0", before[:17] + "00" + before[19:], turn, ErrCodeInvalid},
	} {
		if _, err := c.Resolve(tc.code, tc.at); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
	if err := k.Retire(RingPrinted, 1, turn); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Resolve(before, turn); !errors.Is(err, ErrCodeInvalid) {
		t.Errorf("a retired printed key: %v", err)
	}
	c.keyring.Replace(newTestKeyring(t, noon))
	if _, err := c.Resolve(after, turn); !errors.Is(err, ErrCodeInvalid) {
		t.Errorf("a printed code under a replaced keyring: %v", err)
	}
}

// Each ring ends a code on its own: an alias under a key that is over is refused
// though the TOTP key is still good, and the other way round.
func TestRingsEndAlone(t *testing.T) {
	t.Parallel()
	for _, ring := range []Ring{RingAlias, RingPhone} {
		c, k := newTestCodes(t, noon)
		held, _ := c.PhoneKeys(9, testGeneration(9), testEpoch(9), WeekOf(noon), noon)
		if err := k.Rotate(ring, noon, time.Hour, nil); err != nil {
			t.Fatal(err)
		}
		for at, want := range map[time.Duration]error{time.Hour - time.Second: nil, time.Hour: ErrCodeInvalid} {
			if _, err := c.Resolve(held[0].Code(noon.Add(at)), noon.Add(at)); !errors.Is(err, want) {
				t.Errorf("ring %s, %s on: %v, want %v", ring, at, err, want)
			}
		}
	}
}

// Only two slots exist, even for whoever had the keys to make a third.
func TestNoThirdSlot(t *testing.T) {
	t.Parallel()
	c, _ := newTestCodes(t, noon)
	s, week := c.prepared(), WeekOf(noon)
	for slot := range uint8(10) {
		alias := sealAlias(new(ff1Scratch), s.alias[0].ff1, 9, slot, week)
		key := deriveTOTP(s.phone[0].prk, 9, testGeneration(9), testEpoch(9), week, slot)
		code := fmt.Sprintf("%s%010d%08d", Prefix, alias, totp(&key, StepOf(noon)))
		if _, err := c.Resolve(code, noon); (err == nil) != (slot < Slots) {
			t.Errorf("slot %d: %v", slot, err)
		}
	}
}

// TestMissesCostTheSame counts the work instead of trusting a clock: unknown,
// expired and forged codes all do all of it, whatever is wrong with them, with
// one key a ring and in an overlap.
func TestMissesCostTheSame(t *testing.T) {
	t.Parallel()
	for _, keys := range []int{1, 2} {
		c, k := newTestCodes(t, noon)
		for range keys - 1 {
			for _, ring := range []Ring{RingAlias, RingPhone} {
				if err := k.Rotate(ring, noon, PhoneOverlap, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		good := c.PhoneCode(9, testGeneration(9), testEpoch(9), 0, noon)
		want := work{aliases: 2 * keys, lookups: 2 * keys, derived: 2 * keys * keys, totps: 2 * keys * keys * freshSteps}
		for name, code := range map[string]string{
			"wrong TOTP":         flip(good, 19),
			"alias of no card":   c.PhoneCode(testCards+1, 0, 0, 0, noon),
			"old generation":     c.PhoneCode(9, testGeneration(9)+1, testEpoch(9), 0, noon),
			"old epoch":          c.PhoneCode(9, testGeneration(9), testEpoch(9)-1, 0, noon),
			"expired":            c.PhoneCode(9, testGeneration(9), testEpoch(9), 0, noon.Add(-time.Hour)),
			"alias of last year": c.PhoneCode(9, testGeneration(9), testEpoch(9), 0, noon.AddDate(-1, 0, 0)),
			"random":             "41123456789012345678",
		} {
			sc := new(codeScratch)
			if _, age := c.resolvePhone(sc, code, noon, freshSteps); age != phoneUnknown {
				t.Errorf("%s passes", name)
			}
			if diff := cmp.Diff(want, sc.work, cmp.AllowUnexported(work{})); diff != "" {
				t.Errorf("%d keys, %s: %s", keys, name, diff)
			}
		}
	}
	c, _ := newTestCodes(t, noon)
	printed := c.PrintedCode(9, testGeneration(9), noon)
	for name, code := range map[string]string{
		"wrong MAC": flip(printed, 35), "no card": c.PrintedCode(testCards+1, 0, noon),
		"old generation": c.PrintedCode(9, testGeneration(9)+1, noon), "no such key": flip(printed, 17),
		"serial of 11 digits": printed[:3] + "99999999999" + printed[14:],
	} {
		var w work
		if _, err := c.resolvePrintedCounted(&w, code, noon); !errors.Is(err, ErrCodeInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(work{macs: 1, lookups: 1}, w, cmp.AllowUnexported(work{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestNextCodeIn(t *testing.T) {
	t.Parallel()
	edge := time.Unix(StepOf(noon)*stepSeconds, 0)
	for _, tc := range []struct {
		name string
		made time.Duration // when the phone made it, from the edge
		now  time.Duration
		want time.Duration
	}{
		{"just made", 0, 0, 30 * time.Second},
		{"ten seconds on", 0, 10 * time.Second, 20 * time.Second},
		{"last instant", 0, 30*time.Second - time.Millisecond, time.Second},
		{"slow phone", -step, 10 * time.Second, 20 * time.Second},
		{"fast phone", step, 10 * time.Second, 30 * time.Second},
	} {
		c := Code{Kind: KindPhone, Step: StepOf(edge.Add(tc.made))}
		if got := c.NextCodeIn(edge.Add(tc.now)); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestNewCodesRefusesPrefix(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a prefix of three digits was taken")
		}
	}()
	NewCodes(newTestKeyring(t, noon), "411", testLookup)
}

func FuzzResolve(f *testing.F) {
	c, _ := newTestCodes(f, noon)
	f.Add(c.PhoneCode(9, testGeneration(9), testEpoch(9), 0, noon))
	f.Add(c.PrintedCode(9, testGeneration(9), noon))
	f.Add("4100000000000006")
	f.Add("４１\x00")
	f.Fuzz(func(t *testing.T, code string) {
		got, err := c.Resolve(code, noon)
		again, stale, err2 := c.ResolveRepeat(code, noon)
		switch {
		case err == nil && (got.Kind == 0 || err2 != nil || stale || again != got):
			t.Fatalf("%q: %+v, then %+v %v %v", code, got, again, stale, err2)
		case err != nil && !errors.Is(err, ErrCodeFormat) && !errors.Is(err, ErrCodeInvalid):
			t.Fatalf("%q: %v", code, err)
		case errors.Is(err, ErrCodeInvalid) && strings.Trim(code, "0123456789") != "":
			t.Fatalf("%q reached the proof", code)
		}
		for kind := range KindTyped + 2 {
			c.Claim(kind, code)
		}
	})
}
