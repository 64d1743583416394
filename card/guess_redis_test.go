package card

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// newRedisGuard is a node's guard on the machine's clock, as beats are real.
func newRedisGuard(t testing.TB, p *redisProcess, nodes int) *RedisGuard {
	t.Helper()
	g := NewRedisGuard(smallGuard(nodes), p.client(), "test:41", time.Now)
	runUntilEnd(t, g.Run)
	return g
}

func together(guards ...*RedisGuard) func() bool {
	return func() bool {
		for _, g := range guards {
			if g.SharedStats().Alone {
				return false
			}
		}
		return true
	}
}

// Two nodes count as one: misses at one spend the budgets at the other.
func TestRedisGuardSharesMisses(t *testing.T) {
	t.Parallel()
	p := startRedis(t)
	one, two := newRedisGuard(t, p, 2), newRedisGuard(t, p, 2)
	eventually(t, "both nodes to hear themselves", together(one, two))
	now := time.Now()
	guesser := till(1)
	guesser.Outlet = 77
	for range 5 {
		one.Miss(guesser, KindTyped, now)
		two.Miss(guesser, KindPhone, now)
	}
	eventually(t, "the misses to cross", func() bool { return one.SharedStats().Heard == 5 && two.SharedStats().Heard == 5 })
	for name, g := range map[string]*RedisGuard{"one": one, "two": two} {
		if r := g.Allow(guesser, KindPhone, now); r.By != SubjectTerminal {
			t.Errorf("node %s, spent between both: %+v", name, r)
		}
		if r := g.Allow(till(2), KindTyped, now); r.Refused() {
			t.Errorf("node %s refuses a clean client: %+v", name, r)
		}
	}
	// Sharing, a node goes by the whole budget: 20 an outlet, of which 10 are left.
	neighbour := till(3)
	neighbour.Outlet = 77
	one.Miss(neighbour, KindPhone, now)
	// (Eventually, as on a starved machine a beat may come late.)
	eventually(t, "the node to go by the whole budget", func() bool { return !one.Allow(neighbour, KindPrinted, now).Refused() })
	if st := one.SharedStats(); st.Dropped != 0 {
		t.Errorf("%+v", st)
	}
}

// When Redis goes, the node falls back to its share, and returns with Redis.
func TestRedisGuardWithoutRedis(t *testing.T) {
	t.Parallel()
	p := startRedis(t)
	g := newRedisGuard(t, p, 4)
	eventually(t, "the node to hear itself", together(g))
	now := time.Now()
	missTimesAt(g, 4, till(1), now)
	if r := g.Allow(till(1), KindPrinted, now); r.Refused() {
		t.Errorf("with Redis, below the whole budget: %+v", r)
	}
	p.stop()
	eventually(t, "the node to notice", func() bool { return g.SharedStats().Alone })
	// 5 of 20 is the share of an outlet, a card or an address among four nodes.
	missTimesAt(g, 1, till(1), now)
	if r := g.Allow(till(1), KindPrinted, now); !r.Refused() || r.Err() != ErrTypedBlocked {
		t.Errorf("without Redis, share spent: %+v", r)
	}
	if r := g.Allow(till(1), KindPhone, now); r.Refused() {
		t.Errorf("without Redis, phone code: %+v", r)
	}
	p.start()
	eventually(t, "the node to hear itself again", together(g))
	eventually(t, "the whole budget again", func() bool { return !g.Allow(till(1), KindPrinted, now).Refused() })
}

func missTimesAt(g Guard, n int, s Subjects, now time.Time) {
	for range n {
		g.Miss(s, KindPhone, now)
	}
}

// Allow and Miss answer from memory whatever Redis does, and what can't be told
// is counted.
func TestRedisGuardNeverWaits(t *testing.T) {
	t.Parallel()
	g := NewRedisGuard(smallGuard(1), deafRedis(t), "test:41", time.Now)
	begin := time.Now()
	for range missQueue + 100 {
		g.Miss(till(1), KindPhone, noon)
		g.Allow(till(1), KindPhone, noon)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
	if got := g.SharedStats(); got.Dropped != 100 || !got.Alone {
		t.Errorf("%+v", got)
	}
}

func TestRedisGuardIgnoresForeignMessages(t *testing.T) {
	t.Parallel()
	g := NewRedisGuard(smallGuard(1), deafRedis(t), "test:41", time.Now)
	for _, msg := range []string{"", "short", "12345678" + "x", string(make([]byte, nodeIDLen+missSize-1))} {
		g.hear([]byte(msg))
	}
	if st := g.SharedStats(); st.Heard != 0 || !st.Alone {
		t.Errorf("%+v", st)
	}
	g.hear(make([]byte, nodeIDLen+2*missSize))
	if st := g.SharedStats(); st.Heard != 2 {
		t.Errorf("%+v", st)
	}
}

func TestRedisGuardGoesDeaf(t *testing.T) {
	t.Parallel()
	g := NewRedisGuard(smallGuard(1), deafRedis(t), "test:41", func() time.Time { return noon })
	if !g.deaf(noon) {
		t.Error("a node that never heard itself counts as hearing")
	}
	g.hear(g.id[:])
	if g.deaf(noon.Add(guardDeaf)) || !g.deaf(noon.Add(guardDeaf+1)) || g.SharedStats().Alone {
		t.Error("a beat does not last guardDeaf")
	}
}

func TestSharedMissRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := sharedMiss{kind: CodeKind(rapid.Byte().Draw(t, "kind"))}
		m.Terminal, m.Outlet, m.Claim = rapid.Int64().Draw(t, "terminal"), rapid.Int64().Draw(t, "outlet"), rapid.Int64().Draw(t, "claim")
		m.Addr = rapid.SampledFrom([]netip.Addr{{}, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8:1:2::")}).Draw(t, "addr")
		b := appendMiss(nil, m)
		if got := readMiss(b); len(b) != missSize || got != m {
			t.Fatal(cmp.Diff(m, got, cmp.AllowUnexported(sharedMiss{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })))
		}
	})
}

// What is left in the queue when the node stops is lost, which only forgets
// misses; Run itself ends.
func TestRedisGuardRunEnds(t *testing.T) {
	t.Parallel()
	for name, g := range map[string]*RedisGuard{
		"deaf":    NewRedisGuard(smallGuard(1), deafRedis(t), "test:41", time.Now),
		"working": NewRedisGuard(smallGuard(1), startRedis(t).client(), "test:41", time.Now),
	} {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- g.Run(ctx) }()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !g.SharedStats().Alone {
			t.Errorf("%s: a node that has stopped counts as one among others", name)
		}
	}
}
