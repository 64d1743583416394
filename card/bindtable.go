package card

import "math/bits"

// bindTable is a hash table from bindKey to bindEntry with open addressing and
// without deletion: a look-up on the hot path touches one cache line, where a Go
// map touches several, and the collector finds no pointer in it. The zero value
// is empty and ready.
type bindTable struct {
	slots []bindSlot // a power of two of them, at most three quarters taken
	n     int
}

// bindSlot is free when its key is 0.
type bindSlot struct {
	key              bindKey // bindUsed is set if the entry is used
	terminal, outlet int64
	until            int64
}

// bindUsed marks a used entry in its key, whose two highest bits no serial reaches.
const bindUsed bindKey = 1 << 63

const bindSlotsMin = 16

// newBindTable has room for n entries before it grows.
func newBindTable(n int) bindTable {
	if n == 0 {
		return bindTable{}
	}
	return bindTable{slots: make([]bindSlot, max(bindSlotsMin, 1<<bits.Len(uint(n+n/3))))}
}

// place returns the slot that holds key, or the free one where it belongs. There
// must be slots.
func (t *bindTable) place(key bindKey) *bindSlot {
	mask := uint64(len(t.slots) - 1)
	// The shard was chosen by the highest bits of another product.
	h := uint64(key) * 0xD6E8FEB86659FD93
	for i := h >> 32; ; i++ {
		s := &t.slots[i&mask]
		if s.key == 0 || s.key&^bindUsed == key {
			return s
		}
	}
}

func (t *bindTable) get(key bindKey) (bindEntry, bool) {
	if t.n == 0 {
		return bindEntry{}, false
	}
	s := t.place(key)
	if s.key == 0 {
		return bindEntry{}, false
	}
	return bindEntry{Holder{s.terminal, s.outlet}, s.until, s.key&bindUsed != 0}, true
}

func (t *bindTable) set(key bindKey, e bindEntry) {
	if 4*(t.n+1) > 3*len(t.slots) {
		t.grow()
	}
	s := t.place(key)
	if s.key == 0 {
		t.n++
	}
	if e.used {
		key |= bindUsed
	}
	*s = bindSlot{key, e.Terminal, e.Outlet, e.until}
}

func (t *bindTable) grow() {
	old := t.slots
	t.slots = make([]bindSlot, max(bindSlotsMin, 2*len(old)))
	for _, s := range old {
		if s.key != 0 {
			*t.place(s.key &^ bindUsed) = s
		}
	}
}
