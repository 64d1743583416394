package card

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func keyIDs(keys []Key) (ids []uint16) {
	for _, k := range keys {
		ids = append(ids, k.ID)
	}
	return ids
}

func TestKeyringRotate(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t, noon)
	if err := k.Rotate(RingPhone, noon.Add(time.Hour), 48*time.Hour, nil); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name     string
		at       time.Duration
		active   uint16
		accepted []uint16
	}{
		{"before the ring began", -time.Hour, 1, nil},
		{"a node's clock behind", -time.Minute, 1, []uint16{1}},
		{"the new key lies ahead", 30 * time.Minute, 1, []uint16{1}},
		{"its first moment", time.Hour, 2, []uint16{2, 1}},
		{"last moment of the overlap", 49*time.Hour - time.Second, 2, []uint16{2, 1}},
		{"overlap over", 49 * time.Hour, 2, []uint16{2}},
	} {
		at := noon.Add(tc.at)
		if got := k.Active(RingPhone, at).ID; got != tc.active {
			t.Errorf("%s: active key %d, want %d", tc.name, got, tc.active)
		}
		if diff := cmp.Diff(tc.accepted, keyIDs(k.Accepted(RingPhone, at))); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
		for id := uint16(1); id <= 2; id++ {
			_, ok := k.AcceptedKey(RingPhone, id, at)
			if want := strings.Contains(fmt.Sprint(tc.accepted), fmt.Sprint(id)); ok != want {
				t.Errorf("%s: key %d accepted %v", tc.name, id, ok)
			}
		}
	}
	if got := keyIDs(k.Accepted(RingAlias, noon)); len(got) != 1 {
		t.Errorf("rotating one ring touched another: %v", got)
	}
}

func TestKeyringRotateRefusals(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t, noon)
	for _, tc := range []struct {
		name    string
		ring    Ring
		at      time.Time
		overlap time.Duration
		want    error
	}{
		{"unknown ring", "pin", noon, 0, errNoKey},
		{"into the past", RingQuote, noon.Add(-time.Second), 0, errKeyOrder},
		{"negative overlap", RingQuote, noon, -1, errKeyOrder},
	} {
		if err := k.Rotate(tc.ring, tc.at, tc.overlap, nil); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if err := k.Rotate(RingQuote, noon, 0, strings.NewReader("short")); err == nil {
		t.Error("a short source of randomness made a key")
	}
	for range maxAccepted - 1 {
		if err := k.Rotate(RingQuote, noon, time.Hour, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Rotate(RingQuote, noon, time.Hour, nil); !errors.Is(err, errKeyringFull) {
		t.Errorf("key %d of an overlap: %v", maxAccepted+1, err)
	}
	// An emergency ends them all, however often it happens.
	for range 10 {
		if err := k.Rotate(RingQuote, noon, 0, nil); err != nil {
			t.Fatal(err)
		}
		if got := k.Accepted(RingQuote, noon); len(got) != 1 {
			t.Fatalf("after an emergency %d keys are accepted", len(got))
		}
	}
}

// Printed keys stay open whatever the overlap, until retired; their ids fit two
// digits.
func TestKeyringPrinted(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t, noon)
	for i := range maxPrintedID - 1 {
		if err := k.Rotate(RingPrinted, noon.AddDate(i, 0, 0), 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	late := noon.AddDate(200, 0, 0)
	if got := len(k.Accepted(RingPrinted, late)); got != maxPrintedID {
		t.Errorf("%d printed keys are accepted, want all %d", got, maxPrintedID)
	}
	if err := k.Rotate(RingPrinted, late, 0, nil); !errors.Is(err, errKeyringFull) {
		t.Errorf("a hundredth printed key: %v", err)
	}
	if err := k.Retire(RingPrinted, maxPrintedID, late); !errors.Is(err, errLastKey) {
		t.Errorf("retiring the active key: %v", err)
	}
	if err := k.Retire(RingPrinted, 100, late); !errors.Is(err, errNoKey) {
		t.Errorf("retiring a key that is not there: %v", err)
	}
	if err := k.Retire(RingPrinted, 7, noon); err != nil {
		t.Fatal(err)
	}
	if _, ok := k.AcceptedKey(RingPrinted, 7, late); ok {
		t.Error("a retired key is accepted")
	}
}

func TestKeyringFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyring.json")
	k := newTestKeyring(t, noon)
	if err := k.Rotate(RingAlias, noon.Add(time.Hour), PhoneOverlap, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time over the first
		if err := k.Save(path); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("files left behind: %v", left)
	}
	got, err := LoadKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*k.rings.Load(), *got.rings.Load(), cmp.AllowUnexported(Key{}, hidden{})); diff != "" {
		t.Error(diff)
	}
}

func TestLoadKeyringRefusesOpenFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "keyring.json")
	if err := newTestKeyring(t, noon).Save(path); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o602, 0o610, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKeyring(path); !errors.Is(err, errKeyringFile) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
	if _, err := LoadKeyring(dir); err == nil {
		t.Error("a folder was loaded")
	}
	if _, err := LoadKeyring(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestLoadKeyringIsStrict(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t, noon)
	if err := k.Rotate(RingToken, noon.Add(time.Hour), time.Hour, nil); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "good.json")
	if err := k.Save(path); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) string {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("the file does not hold %q", old)
		}
		return strings.Replace(string(good), old, new, 1)
	}
	for name, text := range map[string]string{
		"empty":            "",
		"not JSON":         "alias",
		"an array":         "[]",
		"cut off":          string(good[:len(good)/2]),
		"more behind":      string(good) + "{}",
		"unknown field":    edit(`"version"`, `"note": 1, "version"`),
		"repeated field":   edit(`"version": 1`, `"version": 1, "version": 1`),
		"other case":       edit(`"version": 1`, `"version": 1, "Version": 1`),
		"repeated ring":    edit(`"alias": [`, `"alias": [], "alias": [`),
		"other version":    edit(`"version": 1`, `"version": 2`),
		"missing ring":     edit(`"quote"`, `"quotes"`),
		"id 0":             edit(`"id": 1`, `"id": 0`),
		"id too large":     edit(`"id": 1`, `"id": 65536`),
		"ids out of order": edit(`"id": 2`, `"id": 1`),
		"no overlap end":   edit(`"accept_until"`, `"created_at"`),
		"short secret":     edit(`"secret": "`, `"secret": "AAAA`),
		"too large":        string(good) + strings.Repeat(" ", maxKeyringFile),
	} {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "_"))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadKeyring(path)
		if !errors.Is(err, errKeyringFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKeyringIsNeverPrinted looks for the secrets, in any spelling fmt, slog or
// json could give them, in what is printed of everything that holds some.
func TestKeyringIsNeverPrinted(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t, noon)
	c := NewCodes(k, Prefix, testLookup)
	phone, _ := c.PhoneKeys(1, 1, testEpoch(1), WeekOf(noon), noon)
	if _, err := c.Resolve(c.PhoneCode(1, 1, testEpoch(1), 0, noon), noon); err != nil {
		t.Fatal(err)
	}
	key := k.Active(RingPrinted, noon)
	type holder struct {
		key   Key
		ring  *Keyring
		codes *Codes
		phone [Slots]PhoneKey
	}
	nested := holder{key, k, c, phone}
	var out strings.Builder
	for _, v := range []any{key, &key, []Key{key}, k, phone, phone[0], c, nested, &nested} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%o", "%c", "%U"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		_ = json.NewEncoder(&out).Encode(v)
	}
	text := out.String()
	secrets := [][]byte{phone[0].TOTPKey()}
	for _, ring := range Rings() {
		secrets = append(secrets, k.Active(ring, noon).Secret())
	}
	for _, s := range secrets {
		for _, form := range []string{
			string(s), fmt.Sprint(s), fmt.Sprintf("%x", s), fmt.Sprintf("%X", s), fmt.Sprintf("%#v", s[:4]),
			strings.Trim(fmt.Sprintf("%#v", s[:6]), "[]byte{}"), strings.Trim(fmt.Sprint(s[:6]), "[]"),
			hex.EncodeToString(s[:6]), strings.Trim(fmt.Sprintf("%b", s[:4]), "[]"), strings.Trim(fmt.Sprintf("%o", s[:4]), "[]"),
		} {
			if strings.Contains(text, form) {
				t.Fatalf("a secret is printed as %.20s…", form)
			}
		}
		if b, _ := json.Marshal(s); strings.Contains(text, strings.Trim(string(b), `"=`)) {
			t.Fatal("a secret is printed as base64")
		}
	}
}

// Readers see whole states while writers swap them.
func TestKeyringRaces(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t, noon)
	c := NewCodes(k, Prefix, testLookup)
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if code := c.PhoneCode(3, testGeneration(3), testEpoch(3), 0, noon); code == "" {
					t.Error("no code")
				}
				if k.Active(RingToken, noon).Secret() == nil || len(k.Accepted(RingToken, noon)) == 0 {
					t.Error("no key")
				}
			}
		})
	}
	for range 200 {
		for _, ring := range []Ring{RingAlias, RingPhone, RingToken} {
			if err := k.Rotate(ring, noon, 0, nil); err != nil {
				t.Error(err)
			}
		}
		k.Replace(newTestKeyring(t, noon))
	}
	close(stop)
	readers.Wait()
}
