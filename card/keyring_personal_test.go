package card

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A file from before the ring "personal" loads without it and gets it once; any
// other ring missing is still an error.
func TestKeyringFromBeforePersonalData(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyring.json")
	without := func(ring Ring) {
		t.Helper()
		if err := newTestKeyring(t, noon).Save(path); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var doc keyringFile
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
		delete(doc.Rings, ring)
		if b, err = json.Marshal(doc); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, ring := range Rings() {
		without(ring)
		if _, err := LoadKeyring(path); (err == nil) != (ring == RingPersonal) {
			t.Errorf("without %q: %v", ring, err)
		}
	}
	without(RingPersonal)
	k, err := LoadKeyring(path)
	if err != nil || k.Has(RingPersonal) || !k.Has(RingAlias) {
		t.Fatalf("has it: %v, %v", k.Has(RingPersonal), err)
	}
	if err := k.Add(RingPersonal, noon, nil); err != nil {
		t.Fatal(err)
	}
	for _, ring := range []Ring{RingPersonal, RingAlias, "pin"} {
		if err := k.Add(ring, noon, nil); !errors.Is(err, errNoKey) {
			t.Errorf("added %q: %v", ring, err)
		}
	}
	if err := k.Save(path); err != nil {
		t.Fatal(err)
	}
	again, err := LoadKeyring(path)
	if err != nil || string(again.Active(RingPersonal, noon).Secret()) != string(k.Active(RingPersonal, noon).Secret()) {
		t.Errorf("read again: %v", err)
	}
	// What an older key wrapped must open, however long ago it was replaced.
	if err := again.Rotate(RingPersonal, noon.Add(time.Hour), 0, nil); err != nil {
		t.Fatal(err)
	}
	late := noon.AddDate(10, 0, 0)
	if _, ok := again.AcceptedKey(RingPersonal, 1, late); !ok || again.Active(RingPersonal, late).ID != 2 {
		t.Error("the older key is gone")
	}
}
