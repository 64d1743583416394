package card

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// shown is a proved phone code of a card, made at noon.
func shown(serial int64, slot uint8) Code {
	return Code{Kind: KindPhone, Serial: serial, Slot: slot, Step: StepOf(noon)}
}

var (
	tillA = Holder{Terminal: 1, Outlet: 10}
	tillB = Holder{Terminal: 2, Outlet: 10}
)

func TestBindings(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	m := NewMemoryBindings()
	bind := func(c Code, h Holder, after time.Duration) Binding { return m.Bind(ctx, c, h, noon.Add(after)) }
	retry := shown(1, 0).NextCodeIn(noon)
	for _, tc := range []struct {
		name string
		code Code
		h    Holder
		at   time.Duration
		want Binding
	}{
		{"first scan", shown(1, 0), tillA, 0, Binding{}},
		{"again", shown(1, 0), tillA, 0, Binding{}},
		{"another till", shown(1, 0), tillB, 0, Binding{BindElsewhere, retry}},
		{"the till's other outlet", shown(1, 0), Holder{1, 11}, 0, Binding{BindElsewhere, retry}},
		{"the other slot", shown(1, 1), tillB, 0, Binding{}},
		{"another card", shown(2, 0), tillB, 0, Binding{}},
		{"the next step", Code{Kind: KindPhone, Serial: 1, Step: StepOf(noon) + 1}, tillB, 0, Binding{}},
		{"again at the end of its time", shown(1, 0), tillA, BindTime - 1, Binding{}},
		{"printed", Code{Kind: KindPrinted, Serial: 1}, tillA, 0, Binding{}},
		{"printed elsewhere", Code{Kind: KindPrinted, Serial: 1}, tillB, 0, Binding{}},
		{"typed elsewhere", Code{Kind: KindTyped, Serial: 1}, tillB, 0, Binding{}},
	} {
		if got := bind(tc.code, tc.h, tc.at); got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
	m.MarkUsed(ctx, shown(1, 0), tillA, noon)
	m.MarkUsed(ctx, Code{Kind: KindPrinted, Serial: 1}, tillA, noon)
	for _, h := range []Holder{tillA, tillB} {
		if got := bind(shown(1, 0), h, 0); got != (Binding{BindUsed, retry}) {
			t.Errorf("used, for %+v: %+v", h, got)
		}
		if got := bind(Code{Kind: KindPrinted, Serial: 1}, h, 0); got.State != BindOwn {
			t.Errorf("a printed code is used up: %+v", got)
		}
	}
	m.MarkUsed(ctx, shown(3, 0), tillA, noon) // never bound here
	if got := bind(shown(3, 0), tillA, 0); got.State != BindUsed {
		t.Errorf("used without binding: %+v", got)
	}
}

func TestBindingsHold(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	m := NewMemoryBindings()
	m.Bind(ctx, shown(1, 0), tillA, noon)
	for _, tc := range []struct {
		name string
		code Code
		h    Holder
		at   time.Duration
		want bool
	}{
		{"its till", shown(1, 0), tillA, BindTime - 1, true},
		{"two minutes on", shown(1, 0), tillA, BindTime, false},
		{"another till", shown(1, 0), tillB, 0, false},
		{"never bound", shown(2, 0), tillA, 0, false},
		{"no code at all", Code{}, tillA, 0, false},
	} {
		if got := m.Holds(ctx, tc.code, tc.h, noon.Add(tc.at)); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
	m.Bind(ctx, shown(1, 0), tillA, noon.Add(time.Minute)) // does not prolong it
	if m.Holds(ctx, shown(1, 0), tillA, noon.Add(BindTime)) {
		t.Error("verifying again prolongs the two minutes")
	}
}

// A used mark outlives every moment at which the code could still be proved,
// wherever in a generation's time it was made; and nothing stays for good.
func TestBindingsExpire(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for offset := time.Duration(0); offset < 2*bindKeep; offset += 10 * time.Second {
		m := NewMemoryBindings()
		m.Bind(ctx, shown(1, 0), tillB, noon) // starts the generations
		at := noon.Add(offset)
		m.MarkUsed(ctx, shown(1, 1), tillA, at)
		if got := m.Bind(ctx, shown(1, 1), tillA, at.Add(bindKeep-time.Second)); got.State != BindUsed {
			t.Errorf("marked %s on, forgotten within %s", offset, bindKeep)
		}
		m.Bind(ctx, shown(1, 0), tillA, at.Add(2*bindKeep))
		m.Bind(ctx, shown(1, 0), tillA, at.Add(4*bindKeep))
		if got := m.Len(); got != 1 {
			t.Errorf("%d entries are left", got)
		}
	}
}

// Of many tills that scan one code at once, one gets it.
func TestBindingsRace(t *testing.T) {
	t.Parallel()
	m := NewMemoryBindings()
	var wg sync.WaitGroup
	var won [100]atomic.Int32
	for n := range int64(8) {
		wg.Go(func() {
			for serial := range int64(len(won)) {
				if m.Bind(context.Background(), shown(serial+1, 0), Holder{Terminal: n}, noon).State == BindOwn {
					won[serial].Add(1)
				}
			}
		})
	}
	wg.Wait()
	for serial := range won {
		if got := won[serial].Load(); got != 1 {
			t.Errorf("code %d went to %d tills", serial, got)
		}
	}
}

func BenchmarkBindings(b *testing.B) {
	m := NewMemoryBindings()
	ctx := context.Background()
	b.Run("again", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m.Bind(ctx, shown(1, 0), tillA, noon)
		}
	})
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		serial := int64(0)
		for b.Loop() {
			serial++
			m.Bind(ctx, shown(serial%1_000_000, uint8(serial/1_000_000%2)), tillA, noon)
		}
	})
}
