package card

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func drawEntry(t *rapid.T) Entry {
	return Entry{
		Status:     Status(rapid.IntRange(0, 6).Draw(t, "status")),
		Generation: uint16(rapid.IntRange(0, MaxGeneration).Draw(t, "generation")),
		Class:      uint8(rapid.IntRange(0, 7).Draw(t, "class")),
		Last4:      uint16(rapid.IntRange(0, 9999).Draw(t, "last4")),
		Territory:  int32(rapid.IntRange(410000, 410400).Draw(t, "territory")),
		Holder:     Mask(rapid.StringN(0, 4, -1).Draw(t, "name")),
		ValidUntil: Month(rapid.IntRange(0, int(maxMonth)).Draw(t, "month")),
		PhoneEpoch: uint8(rapid.IntRange(0, 255).Draw(t, "epoch")),
	}
}

// The table is a map, for any serials and any values that the database allows.
func TestTableIsAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		table := NewTable()
		model := make(map[int64]Entry)
		serials := rapid.OneOf(rapid.Int64Range(1, 20), rapid.SampledFrom([]int64{chunkSize - 1, chunkSize, MaxSerial}))
		for range rapid.IntRange(0, 60).Draw(t, "n") {
			serial, e := serials.Draw(t, "serial"), drawEntry(t)
			if !table.Set(serial, e) {
				t.Fatalf("serial %d refused", serial)
			}
			if e.Status == StatusNone {
				delete(model, serial)
			} else {
				model[serial] = e
			}
		}
		for _, serial := range []int64{-1, 0, 1, 2, 3, 4, 5, 10, 20, chunkSize - 1, chunkSize, MaxSerial, MaxSerial + 1} {
			got := Entry{Holder: "left over"}
			ok := table.Get(serial, &got)
			want, there := model[serial]
			generation, epoch, has := table.Lookup(serial)
			if diff := cmp.Diff(want, got); ok != there || diff != "" || has != there || generation != want.Generation || epoch != want.PhoneEpoch {
				t.Fatalf("card %d: %v, %v (-want +got):\n%s", serial, ok, has, diff)
			}
		}
		if table.Len() != len(model) {
			t.Fatalf("Len %d, want %d", table.Len(), len(model))
		}
	})
}

func TestTableRefusesSerials(t *testing.T) {
	t.Parallel()
	table := NewTable()
	for _, serial := range []int64{-1 << 63, -1, 0, MaxSerial + 1, 1<<63 - 1} {
		var e Entry
		if table.Set(serial, Entry{Status: StatusActive}) || table.Get(serial, &e) {
			t.Errorf("serial %d accepted", serial)
		}
	}
}

// More territories than the dictionary holds: such a card has none, and the
// others keep theirs.
func TestTerritoryOverflow(t *testing.T) {
	t.Parallel()
	table := NewTable()
	for i := range int64(maxTerritories + 5) {
		table.Set(i+1, Entry{Status: StatusActive, Territory: 410000 + int32(i)})
	}
	var e Entry
	if table.Get(1, &e); e.Territory != 410000 {
		t.Errorf("first territory %d", e.Territory)
	}
	if table.Get(maxTerritories+5, &e); e.Territory != 0 {
		t.Errorf("territory beyond the dictionary: %d", e.Territory)
	}
}

// Readers and writers at once: a Get sees one of the entries that were set,
// whole. Run with -race.
func TestTableConcurrently(t *testing.T) {
	t.Parallel()
	table := NewTable()
	entry := func(i int) Entry {
		return Entry{Status: StatusActive, Generation: uint16(i % 1000), Class: uint8(i % 8), Last4: uint16(i % 1000),
			Territory: int32(410000 + i%8), Holder: "张" + strings.Repeat("*", 1+i%8%3), ValidUntil: Month(i % 1000)}
	}
	const serials = 4
	var stop atomic.Bool
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			var e Entry
			for n := int64(0); !stop.Load(); n++ {
				if !table.Get(1+n%serials*chunkSize, &e) {
					continue
				}
				want := entry(int(e.ValidUntil))
				if e != want {
					t.Errorf("torn entry %+v", e)
					return
				}
			}
		})
	}
	for w := range 2 {
		writers.Go(func() {
			for i := range 20_000 {
				table.Set(1+int64(i%serials)*chunkSize, entry(i*2+w))
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	if table.Len() != serials {
		t.Errorf("%d cards, want %d", table.Len(), serials)
	}
}

func TestGetAllocatesNothing(t *testing.T) {
	table := NewTable()
	table.Set(7, Entry{Status: StatusActive, Holder: "张**", Territory: 410105})
	var e Entry
	var b []byte
	b = make([]byte, 0, 16)
	if n := testing.AllocsPerRun(1000, func() {
		table.Get(7, &e)
		b = e.AppendValidUntil(b[:0])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What Bytes says is what a filled table holds, at the size the target is for.
func TestBytes(t *testing.T) {
	t.Parallel()
	table := NewTable()
	const cards = 10 * chunkSize
	for i := range int64(cards) {
		table.Set(i+1, Entry{Status: StatusActive, Holder: anonymous})
	}
	fixed := NewTable().Bytes()
	// Serials begin at 1, so one chunk more than cards/chunkSize.
	if got, want := table.Bytes()-fixed, int64(11*chunkSize*9); got != want {
		t.Errorf("%d bytes for %d cards, want %d", got, cards, want)
	}
	if fixed > 4<<20 {
		t.Errorf("%d bytes for an empty table", fixed)
	}
}

func BenchmarkTableGet(b *testing.B) {
	table := NewTable()
	for i := range int64(1 << 20) {
		table.Set(i+1, Entry{Status: StatusActive, Holder: "张**", Territory: 410105, ValidUntil: 300})
	}
	b.ReportAllocs()
	var e Entry
	serial := int64(1)
	for b.Loop() {
		table.Get(serial, &e)
		serial = (serial*1664525+1013904223)&(1<<20-1) + 1
	}
}
