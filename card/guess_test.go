package card

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// till is a client with everything of its own; n tells tills apart.
func till(n int64) Subjects {
	return Subjects{Terminal: n, Outlet: 1000 + n, Claim: 2000 + n, Addr: netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})}
}

func missTimes(g Guard, n int, s Subjects, kind CodeKind) {
	for range n {
		g.Miss(s, kind, noon)
	}
}

// smallGuard has budgets a test can spend; nodes as given.
func smallGuard(nodes int) *MemoryGuard {
	return NewMemoryGuard(GuardOptions{
		Terminal: Budget{10, time.Hour}, Outlet: Budget{20, time.Hour}, Card: Budget{20, time.Hour},
		Address: Budget{20, time.Hour}, Global: Budget{100, time.Hour}, Nodes: nodes, MaxSubjects: 4096,
	})
}

// A spent budget blocks its subject and nobody else, for clients that have
// missed; a client that has not is served whatever others did.
func TestGuardBudgets(t *testing.T) {
	t.Parallel()
	type ask struct {
		kind CodeKind
		want error
		by   Subject
	}
	refused := func(by Subject) []ask {
		return []ask{{KindPhone, ErrGuessBlocked, by}, {KindPrinted, ErrGuessBlocked, by}, {KindTyped, ErrGuessBlocked, by}}
	}
	static := func(by Subject) []ask {
		return []ask{{KindPhone, nil, 0}, {KindPrinted, ErrTypedBlocked, by}, {KindTyped, ErrTypedBlocked, by}}
	}
	served := []ask{{KindPhone, nil, 0}, {KindPrinted, nil, 0}, {KindTyped, nil, 0}}
	// other is the till that is asked for, made to share one subject with the guessers.
	sharing := func(by Subject) Subjects {
		other := till(500)
		switch by {
		case SubjectOutlet:
			other.Outlet = 77
		case SubjectCard:
			other.Claim = 78
		case SubjectAddress:
			other.Addr = netip.MustParseAddr("203.0.113.9")
		}
		return other
	}
	for _, tc := range []struct {
		name   string
		nodes  int
		by     Subject // the budget that all guesses fall on
		misses int
		missed bool // whether the asking client has missed once itself
		asks   []ask
	}{
		{"outlet, one miss left", 1, SubjectOutlet, 18, true, served},
		{"outlet spent", 1, SubjectOutlet, 19, true, refused(SubjectOutlet)},
		{"outlet spent, clean client", 1, SubjectOutlet, 40, false, served},
		{"card spent", 1, SubjectCard, 19, true, refused(SubjectCard)},
		{"card spent, clean client", 1, SubjectCard, 40, false, served},
		{"address spent", 1, SubjectAddress, 19, true, refused(SubjectAddress)},
		{"address spent, clean client", 1, SubjectAddress, 40, false, served},
		{"global spent", 1, SubjectGlobal, 99, true, static(SubjectGlobal)},
		{"global spent, clean client", 1, SubjectGlobal, 300, false, served},
		{"share of an outlet left", 4, SubjectOutlet, 3, true, served},
		{"share of an outlet spent", 4, SubjectOutlet, 4, true, static(SubjectOutlet)},
		{"share of a card spent", 4, SubjectCard, 4, true, static(SubjectCard)},
		{"share of an address spent", 4, SubjectAddress, 4, true, static(SubjectAddress)},
		{"share of all spent", 4, SubjectGlobal, 24, true, static(SubjectGlobal)},
		{"share spent, clean client", 4, SubjectAddress, 19, false, served},
		{"this node alone saw it spent", 4, SubjectOutlet, 19, true, refused(SubjectOutlet)},
	} {
		g := smallGuard(tc.nodes)
		other := sharing(tc.by)
		if tc.missed {
			g.Miss(other, KindPhone, noon)
		}
		for n := range int64(tc.misses) {
			guesser := till(n + 1)
			switch tc.by {
			case SubjectOutlet:
				guesser.Outlet = other.Outlet
			case SubjectCard:
				guesser.Claim = other.Claim
			case SubjectAddress:
				guesser.Addr = other.Addr
			}
			g.Miss(guesser, KindPhone, noon)
		}
		for _, a := range tc.asks {
			r := g.Allow(other, a.kind, noon)
			if !errors.Is(r.Err(), a.want) || r.By != a.by || r.Refused() != (a.want != nil) || r.Refused() != (r.RetryAfter > 0) {
				t.Errorf("%s, %s: %+v, want %v by %s", tc.name, a.kind, r, a.want, a.by)
			}
		}
		if r := g.Allow(till(501), KindTyped, noon); r.Refused() {
			t.Errorf("%s: an uninvolved client is refused: %+v", tc.name, r)
		}
	}
}

// A client's own budget blocks all its codes, is whole on every node, and comes
// back miss by miss.
func TestGuardOwnBudget(t *testing.T) {
	t.Parallel()
	for _, nodes := range []int{1, 50} {
		g := smallGuard(nodes)
		missTimes(g, 9, till(1), KindPhone)
		if r := g.Allow(till(1), KindPhone, noon); r.Refused() {
			t.Errorf("%d nodes: refused with a miss left: %+v", nodes, r)
		}
		missTimes(g, 30, till(1), KindPhone)
		r := g.Allow(till(1), KindPhone, noon)
		if r.By != SubjectTerminal || r.RetryAfter != 6*time.Minute {
			t.Errorf("%d nodes: spent budget gives %+v", nodes, r)
		}
		if r := g.Allow(till(1), KindPhone, noon.Add(6*time.Minute)); r.Refused() {
			t.Errorf("%d nodes: not back after RetryAfter: %+v", nodes, r)
		}
		g.Miss(till(1), KindPhone, noon.Add(6*time.Minute))
		if r := g.Allow(till(1), KindPhone, noon.Add(6*time.Minute)); !r.Refused() {
			t.Errorf("%d nodes: more than one miss came back", nodes)
		}
		elsewhere := till(1)
		elsewhere.Outlet = 99 // a POS server in another of its outlets
		elsewhere.Addr, elsewhere.Claim = till(2).Addr, 0
		if r := g.Allow(elsewhere, KindPhone, noon); r.Refused() {
			t.Errorf("%d nodes: the client's other outlet is refused: %+v", nodes, r)
		}
	}
}

// A client is clean again an hour after its last miss, even while the typed rule
// (here with a longer time) still remembers it.
func TestGuardForgivesAfterAnHour(t *testing.T) {
	t.Parallel()
	g := NewMemoryGuard(GuardOptions{Outlet: Budget{3, 10 * time.Hour}, Typed: Budget{2, 10 * time.Hour}})
	g.Miss(till(1), KindPhone, noon)
	for n := range int64(5) {
		guesser := till(2 + n)
		guesser.Outlet = till(1).Outlet
		g.Miss(guesser, KindPhone, noon)
	}
	for at, want := range map[time.Duration]bool{missMemory - time.Second: true, missMemory: false} {
		if got := g.Allow(till(1), KindPhone, noon.Add(at)).Refused(); got != want {
			t.Errorf("%s after its only miss, refused: %v", at, got)
		}
	}
}

// A client that is no terminal is its address.
func TestGuardClientByAddress(t *testing.T) {
	t.Parallel()
	g := smallGuard(1)
	s := Subjects{Addr: netip.MustParseAddr("2001:db8:1:2::5")}
	missTimes(g, 10, s, KindPhone)
	for addr, want := range map[string]bool{
		"2001:db8:1:2::5": true, "2001:db8:1:2:ffff::1": true, "2001:db8:1:3::5": false, "192.0.2.1": false,
	} {
		if got := g.Allow(Subjects{Addr: netip.MustParseAddr(addr)}, KindPhone, noon).Refused(); got != want {
			t.Errorf("%s refused: %v, want %v", addr, got, want)
		}
	}
	four, mapped := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("::ffff:192.0.2.7")
	missTimes(g, 10, Subjects{Addr: four}, KindPhone)
	if !g.Allow(Subjects{Addr: mapped}, KindPhone, noon).Refused() {
		t.Error("an IPv4 address written as IPv6 is another subject")
	}
	if g.Allow(Subjects{Addr: four.Next()}, KindPhone, noon).Refused() {
		t.Error("the neighbour of a blocked address is refused")
	}
}

// Five typed misses in an hour, not four, not five over more than an hour, and
// the till takes phone codes only for an hour.
func TestGuardTypedRule(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		minutes []int // of the misses
		kind    CodeKind
		at      int // minutes
		want    bool
	}{
		{"four", []int{0, 1, 2, 3}, KindTyped, 3, false},
		{"five", []int{0, 1, 2, 3, 4}, KindTyped, 4, true},
		{"five within 59 minutes", []int{0, 15, 30, 45, 59}, KindTyped, 59, true},
		{"five within 60 minutes", []int{0, 15, 30, 45, 60}, KindTyped, 60, false},
		{"six, five of them within the hour", []int{0, 15, 30, 45, 60, 70}, KindTyped, 70, true},
		{"still within the hour", []int{0, 1, 2, 3, 4}, KindTyped, 63, true},
		{"the hour is over", []int{0, 1, 2, 3, 4}, KindTyped, 64, false},
		{"five phone misses", []int{0, 1, 2, 3, 4}, KindPhone, 4, false},
		{"five printed misses", []int{0, 1, 2, 3, 4}, KindPrinted, 4, false},
	} {
		g := NewMemoryGuard(GuardOptions{})
		minute := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
		for _, m := range tc.minutes {
			g.Miss(till(1), tc.kind, minute(m))
		}
		for _, kind := range []CodeKind{KindPrinted, KindTyped} {
			r := g.Allow(till(1), kind, minute(tc.at))
			if r.Refused() != tc.want || tc.want && !errors.Is(r.Err(), ErrTypedBlocked) {
				t.Errorf("%s: %s gives %+v", tc.name, kind, r)
			}
		}
		if r := g.Allow(till(1), KindPhone, minute(tc.at)); r.Refused() {
			t.Errorf("%s: phone codes are refused: %+v", tc.name, r)
		}
		if r := g.Allow(till(2), KindTyped, minute(tc.at)); r.Refused() {
			t.Errorf("%s: another till is refused: %+v", tc.name, r)
		}
	}
}

// Whatever others do, and whatever the share: a clean client is never refused.
func TestGuardNeverRefusesCleanClients(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := NewMemoryGuard(GuardOptions{
			Outlet: Budget{2, time.Hour}, Card: Budget{2, time.Hour}, Address: Budget{2, time.Hour},
			Global: Budget{2, time.Hour}, Nodes: rapid.IntRange(1, 9).Draw(t, "nodes"), MaxSubjects: 64,
		})
		victim, now := till(1), noon
		for range rapid.IntRange(0, 60).Draw(t, "misses") {
			s := till(rapid.Int64Range(2, 9).Draw(t, "till"))
			s.Outlet, s.Claim, s.Addr = victim.Outlet, victim.Claim, victim.Addr
			now = now.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "seconds")) * time.Second)
			g.Miss(s, rapid.SampledFrom([]CodeKind{KindPhone, KindPrinted, KindTyped}).Draw(t, "kind"), now)
			for _, kind := range []CodeKind{KindPhone, KindPrinted, KindTyped} {
				if r := g.Allow(victim, kind, now); r.Refused() {
					t.Fatalf("a clean client is refused: %+v", r)
				}
			}
		}
	})
}

// However fast a client guesses, it gets at most its budget at once plus what
// drains meanwhile.
func TestGuardBoundsGuesses(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := smallGuard(1)
		now, tried := noon, 0
		for range 300 {
			now = now.Add(time.Duration(rapid.IntRange(0, 120).Draw(t, "seconds")) * time.Second)
			if !g.Allow(till(1), KindPhone, now).Refused() {
				g.Miss(till(1), KindPhone, now)
				tried++
			}
		}
		if limit := 10 + int(now.Sub(noon)/(6*time.Minute)) + 1; tried > limit {
			t.Fatalf("%d guesses in %s, limit %d", tried, now.Sub(noon), limit)
		}
	})
}

// A flood of invented cards and addresses neither grows the memory nor makes
// the guard forget the till that floods.
func TestGuardMemoryIsBounded(t *testing.T) {
	t.Parallel()
	g := smallGuard(1)
	places := len(g.clients.rows) * guessWays
	flooder := till(1)
	for i := range int64(3 * places) {
		flooder.Claim = 1_000_000 + i
		flooder.Addr = netip.AddrFrom4([4]byte{172, byte(i >> 16), byte(i >> 8), byte(i)})
		g.Miss(flooder, KindPhone, noon)
	}
	if got := len(g.strangers.rows) * guessWays; got != places || got > 8192 {
		t.Errorf("%d places, had %d", got, places)
	}
	st := g.Stats()
	if st.Misses != int64(3*places) || st.Forgotten < int64(places) {
		t.Errorf("stats: %+v", st)
	}
	if r := g.Allow(flooder, KindPhone, noon); r.By != SubjectTerminal {
		t.Errorf("the flooder: %+v", r)
	}
	if diff := cmp.Diff(int64(1), g.Stats().Refused[SubjectTerminal.String()]); diff != "" {
		t.Error(diff)
	}
}

// When the memory is full, the subject with the fewest misses is forgotten.
func TestGuardForgetsTheCleanest(t *testing.T) {
	t.Parallel()
	table := newGuessTable(guessWays) // a single row
	b := Budget{100, time.Hour}
	for n := range uint64(guessWays) {
		for range n + 2 {
			table.miss(n+1, b, noon)
		}
	}
	table.miss(99, b, noon)
	if _, ok := table.get(1); ok {
		t.Error("the subject with the fewest misses was kept")
	}
	for n := uint64(2); n <= guessWays; n++ {
		if _, ok := table.get(n); !ok {
			t.Errorf("subject %d, with %d misses, was forgotten", n, n+1)
		}
	}
	if got := table.forgotten.Load(); got != 1 {
		t.Errorf("forgotten %d", got)
	}
	table.miss(100, b, noon.Add(2*time.Hour)) // all have drained: nothing is lost
	if got := table.forgotten.Load(); got != 1 {
		t.Errorf("a drained subject counts as forgotten")
	}
}

func TestGuardOptionsDefaults(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(DefaultGuardOptions(), GuardOptions{}.withDefaults()); diff != "" {
		t.Error(diff)
	}
	if got := (GuardOptions{Typed: Budget{50, time.Hour}}).withDefaults().Typed.Misses; got != typedLog+1 {
		t.Errorf("the typed rule takes %d misses, which its log can not hold", got)
	}
	for s := SubjectNone; s <= subjects; s++ {
		if (s.String() == "") != (s == subjects) {
			t.Errorf("subject %d is named %q", s, s)
		}
	}
}

func TestGuardRaces(t *testing.T) {
	t.Parallel()
	g := smallGuard(1)
	var wg sync.WaitGroup
	for n := range int64(4) {
		wg.Go(func() {
			for i := range int64(2000) {
				s := till(n*2 + i%2)
				if !g.Allow(s, KindTyped, noon).Refused() {
					g.Miss(s, KindTyped, noon)
				}
			}
		})
	}
	wg.Wait()
	for n := range int64(8) {
		if !g.Allow(till(n), KindTyped, noon).Refused() {
			t.Errorf("till %d is not blocked", n)
		}
	}
	// Each till is asked for by one goroutine only, so its budget holds exactly.
	if got := g.Stats().Misses; got != 8*5 {
		t.Errorf("%d misses got through, want five typed ones a till", got)
	}
}

func BenchmarkGuardAllow(b *testing.B) {
	for _, missed := range []bool{false, true} {
		b.Run(fmt.Sprintf("missed=%v", missed), func(b *testing.B) {
			g := NewMemoryGuard(GuardOptions{})
			if missed {
				missTimes(g, 2, till(1), KindPhone)
			}
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					g.Allow(till(1), KindPhone, noon)
				}
			})
		})
	}
}
