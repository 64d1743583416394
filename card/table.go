package card

import (
	"sync"
	"sync/atomic"
	"unsafe"
)

// A card is one word of the table and one byte beside it, its phone epoch. From the lowest bit: status 3, generation 10,
// last valid month 10, territory index 9, class 3, last four digits 14, masked
// name index 15; 64 in all. A word of 0 is no card.
const (
	statusBits     = 3
	generationBits = 10
	monthBits      = 10
	territoryBits  = 9
	classBits      = 3
	last4Bits      = 14
	nameBits       = 15

	generationShift = statusBits
	monthShift      = generationShift + generationBits
	territoryShift  = monthShift + monthBits
	classShift      = territoryShift + territoryBits
	last4Shift      = classShift + classBits
	nameShift       = last4Shift + last4Bits

	maxTerritories = 1 << territoryBits
	maxNames       = 1 << nameBits

	chunkBits = 16 // 65,536 cards, 576 KiB
	chunkSize = 1 << chunkBits
	chunks    = MaxSerial>>chunkBits + 1
)

// epochsPerWord phone epochs share a word, as there are no atomic bytes.
const epochsPerWord = 4

// tableChunk is a run of the table's words with their phone epochs.
type tableChunk struct {
	words  [chunkSize]atomic.Uint64
	epochs [chunkSize / epochsPerWord]atomic.Uint32
}

// epoch is the phone epoch of the chunk's i-th card.
func (c *tableChunk) epoch(i int64) uint8 {
	return uint8(c.epochs[i/epochsPerWord].Load() >> (i % epochsPerWord * 8))
}

// setEpoch touches nothing when the epoch is the card's already, as it is for
// nearly every card of a load.
func (c *tableChunk) setEpoch(i int64, epoch uint8) {
	word, shift := &c.epochs[i/epochsPerWord], i%epochsPerWord*8
	for {
		old := word.Load()
		w := old&^(0xff<<shift) | uint32(epoch)<<shift
		if w == old || word.CompareAndSwap(old, w) {
			return
		}
	}
}

// Table is the flat table that every verification reads: one word and one byte a
// card, found by its serial, and two small dictionaries. It grows in chunks, as
// serials are dense. Any number of goroutines may Get while others Set; a Get
// sees a card either before or after a Set, never in between, but for the phone
// epoch, which may be read a moment before the rest or after it. That harms
// nothing: keys are derived from the epoch and the generation, and of a new
// generation with an old epoch nobody ever was given keys.
type Table struct {
	directory   [chunks]atomic.Pointer[tableChunk]
	names       *nameDict
	territories *territoryDict
	cards       atomic.Int64
	chunkCount  atomic.Int64
}

// NewTable makes an empty table.
func NewTable() *Table { return &Table{names: newNameDict(), territories: newTerritoryDict()} }

// Get reads a card and reports whether there is one; e is zero if not. It takes
// no lock and allocates nothing.
func (t *Table) Get(serial int64, e *Entry) bool {
	w, epoch := t.word(serial)
	if w == 0 {
		*e = Entry{}
		return false
	}
	e.PhoneEpoch = epoch
	e.Status = Status(w & (1<<statusBits - 1))
	e.Generation = uint16(w >> generationShift & (1<<generationBits - 1))
	e.ValidUntil = Month(w >> monthShift & (1<<monthBits - 1))
	e.Territory = t.territories.at(uint16(w >> territoryShift & (maxTerritories - 1)))
	e.Class = uint8(w >> classShift & (1<<classBits - 1))
	e.Last4 = uint16(w >> last4Shift & (1<<last4Bits - 1))
	e.Holder = t.names.at(uint16(w >> nameShift))
	return true
}

// Lookup is the generation and phone epoch of a card and whether there is one:
// what Codes needs to prove a code.
func (t *Table) Lookup(serial int64) (generation uint16, epoch uint8, ok bool) {
	w, epoch := t.word(serial)
	return uint16(w >> generationShift & (1<<generationBits - 1)), epoch, w != 0
}

func (t *Table) word(serial int64) (w uint64, epoch uint8) {
	if uint64(serial) > MaxSerial {
		return 0, 0
	}
	c := t.directory[serial>>chunkBits].Load()
	if c == nil {
		return 0, 0
	}
	i := serial & (chunkSize - 1)
	if w = c.words[i].Load(); w == 0 {
		return 0, 0
	}
	return w, c.epoch(i)
}

// Set puts a card into the table, or takes it out if its status is StatusNone.
// Values beyond their bits are cut to them; the database's checks keep them
// within. It reports whether the serial is one, 1 to MaxSerial.
func (t *Table) Set(serial int64, e Entry) bool {
	if serial < 1 || serial > MaxSerial {
		return false
	}
	var w uint64
	if e.Status != StatusNone {
		w = pack(&e, t.territories.intern(e.Territory), t.names.intern(e.Holder))
	}
	t.cards.Add(t.put(serial, w, e.PhoneEpoch))
	return true
}

// put stores a card's word and phone epoch and returns by how much the number of
// cards grew, for the caller to add to t.cards: a loader does so once for many.
// The epoch comes first, so that a new card is never seen without its own.
func (t *Table) put(serial int64, w uint64, epoch uint8) int64 {
	c := t.directory[serial>>chunkBits].Load()
	if c == nil {
		if w == 0 {
			return 0
		}
		c = t.grow(serial >> chunkBits)
	}
	i := serial & (chunkSize - 1)
	c.setEpoch(i, epoch)
	old := c.words[i].Swap(w)
	switch {
	case old == 0 && w != 0:
		return 1
	case old != 0 && w == 0:
		return -1
	}
	return 0
}

func (t *Table) grow(i int64) *tableChunk {
	c := new(tableChunk)
	if t.directory[i].CompareAndSwap(nil, c) {
		t.chunkCount.Add(1)
		return c
	}
	return t.directory[i].Load()
}

func pack(e *Entry, territory, name uint16) uint64 {
	return uint64(e.Status&(1<<statusBits-1)) |
		uint64(e.Generation&(1<<generationBits-1))<<generationShift |
		uint64(min(e.ValidUntil, maxMonth))<<monthShift |
		uint64(territory)<<territoryShift |
		uint64(e.Class&(1<<classBits-1))<<classShift |
		uint64(e.Last4%10_000)<<last4Shift |
		uint64(name)<<nameShift
}

// Len is the number of cards.
func (t *Table) Len() int { return int(t.cards.Load()) }

// Bytes is all memory that the table holds, dictionaries included.
func (t *Table) Bytes() int64 {
	return int64(unsafe.Sizeof(*t)) + t.chunkCount.Load()*int64(unsafe.Sizeof(tableChunk{})) +
		t.names.memory() + int64(unsafe.Sizeof(*t.territories)) + maxTerritories*16
}

// territoryDict gives territories (some 200 in a province) small indexes, in the
// way of nameDict.
type territoryDict struct {
	codes [maxTerritories]int32
	mu    sync.Mutex
	index map[int32]uint16
}

func newTerritoryDict() *territoryDict {
	return &territoryDict{index: map[int32]uint16{0: 0}}
}

func (d *territoryDict) at(i uint16) int32 { return d.codes[i] }

// intern returns the index of a territory, or that of 0, no territory, when the
// dictionary is full: such a card earns what everybody earns.
func (d *territoryDict) intern(code int32) uint16 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i, ok := d.index[code]; ok {
		return i
	}
	n := len(d.index)
	if n == maxTerritories {
		return 0
	}
	d.codes[n] = code
	d.index[code] = uint16(n)
	return uint16(n)
}
