package card

import (
	"testing"

	"pgregory.net/rapid"
)

// TestBindTable: it holds what a map holds, through growth, in small keys that
// crowd together and large ones.
func TestBindTable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		table := newBindTable(rapid.IntRange(0, 40).Draw(t, "room"))
		model := map[bindKey]bindEntry{}
		keys := rapid.Custom(func(t *rapid.T) bindKey {
			serial := rapid.OneOf(rapid.Int64Range(1, 60), rapid.Int64Range(1, MaxSerial)).Draw(t, "serial")
			return bindKeyOf(Code{Kind: KindPhone, Serial: serial, Step: rapid.Int64Range(1, 1<<31-1).Draw(t, "step"), Slot: uint8(rapid.IntRange(0, 1).Draw(t, "slot"))})
		})
		for range rapid.IntRange(0, 300).Draw(t, "sets") {
			key := keys.Draw(t, "key")
			e := bindEntry{Holder{rapid.Int64().Draw(t, "terminal"), rapid.Int64().Draw(t, "outlet")}, rapid.Int64().Draw(t, "until"), rapid.Bool().Draw(t, "used")}
			table.set(key, e)
			model[key] = e
		}
		if table.n != len(model) {
			t.Fatalf("%d entries, want %d", table.n, len(model))
		}
		for key, want := range model {
			if got, ok := table.get(key); !ok || got != want {
				t.Fatalf("%x: got %+v, %v, want %+v", key, got, ok, want)
			}
		}
		for range 20 {
			key := keys.Draw(t, "other")
			if _, known := model[key]; known {
				continue
			}
			if got, ok := table.get(key); ok {
				t.Fatalf("%x: found %+v, which was never set", key, got)
			}
		}
	})
}
