package card

import (
	"context"
	"testing"
	"time"
)

func newRedisBindings(t testing.TB, p *redisProcess) *RedisBindings {
	t.Helper()
	r := NewRedisBindings(NewMemoryBindings(), p.client(), "test:41")
	runUntilEnd(t, r.Run)
	// The first connection is made under the load of other tests.
	eventually(t, "the bindings' client", func() bool { return r.client.Ping(context.Background()).Err() == nil })
	return r
}

// rest lets the pause after a slow answer pass, on the clock handed in.
func rest(n int) time.Time { return noon.Add(time.Duration(n) * 2 * bindPause) }

// bindSure binds at moments past any pause, until Redis and not the fallback
// has answered: on a loaded machine 20 ms can be too short.
func bindSure(t testing.TB, r *RedisBindings, c Code, h Holder) Binding {
	t.Helper()
	for n := range 50 {
		before := r.fallbacks.Load()
		b := r.Bind(context.Background(), c, h, rest(n))
		if r.fallbacks.Load() == before {
			return b
		}
	}
	t.Fatal("Redis never answered in time")
	return Binding{}
}

func TestRedisBindingsAmongNodes(t *testing.T) {
	t.Parallel()
	p := startRedis(t)
	one, two := newRedisBindings(t, p), newRedisBindings(t, p)
	ctx := context.Background()

	if b := bindSure(t, one, shown(1, 0), tillA); b.State != BindOwn {
		t.Errorf("first scan: %+v", b)
	}
	if b := bindSure(t, one, shown(1, 0), tillA); b.State != BindOwn {
		t.Errorf("again at the same node: %+v", b)
	}
	if b := bindSure(t, two, shown(1, 0), tillB); b.State != BindElsewhere || b.RetryAfter <= 0 {
		t.Errorf("another till at another node: %+v", b)
	}
	if b := two.local.Bind(ctx, shown(1, 0), tillB, noon); b.State != BindElsewhere {
		t.Errorf("the other node has not kept what it heard: %+v", b)
	}
	if b := bindSure(t, two, shown(2, 0), tillA); b.State != BindOwn {
		t.Errorf("another card: %+v", b)
	}
	// The first till, now served by the other node. (A node that refused another
	// till before still knows whose the code is.)
	eventually(t, "the holder to be confirmed by the other node", func() bool {
		three := newRedisBindings(t, p)
		return three.Holds(ctx, shown(1, 0), tillA, noon) && !three.Holds(ctx, shown(1, 0), tillB, noon) &&
			!three.Holds(ctx, Code{}, tillA, noon)
	})
	if ttl := p.client().PTTL(ctx, one.key(shown(1, 0))).Val(); ttl <= 0 || ttl > BindTime {
		t.Errorf("the binding lives %s in Redis", ttl)
	}

	one.MarkUsed(ctx, shown(1, 0), tillA, noon)
	one.MarkUsed(ctx, Code{Kind: KindPrinted, Serial: 1}, tillA, noon)
	if b := one.Bind(ctx, shown(1, 0), tillA, noon); b.State != BindUsed {
		t.Errorf("used, same node: %+v", b)
	}
	eventually(t, "the used mark in Redis", func() bool { return p.client().Get(ctx, one.key(shown(1, 0))).Val() == "u1:10" })
	four := newRedisBindings(t, p)
	if b := bindSure(t, four, shown(1, 0), tillA); b.State != BindUsed || b.RetryAfter <= 0 {
		t.Errorf("used, another node: %+v", b)
	}
	if n := p.client().DBSize(ctx).Val(); n != 2 {
		t.Errorf("%d keys in Redis, want 2", n)
	}
}

// A till that verified at a node before is told that the code was used at
// another meanwhile.
func TestRedisBindingsUsedElsewhere(t *testing.T) {
	t.Parallel()
	p := startRedis(t)
	one, two := newRedisBindings(t, p), newRedisBindings(t, p)
	ctx := context.Background()
	bindSure(t, one, shown(1, 0), tillA)
	two.MarkUsed(ctx, shown(1, 0), tillA, noon)
	eventually(t, "the other node's used mark", func() bool { return bindSure(t, one, shown(1, 0), tillA).State == BindUsed })
}

// Without Redis each node's memory decides, and what was bound meanwhile is
// told to Redis when it is back.
func TestRedisBindingsWithoutRedis(t *testing.T) {
	t.Parallel()
	p := startRedis(t)
	r := newRedisBindings(t, p)
	p.stop()
	ctx := context.Background()
	if b := r.Bind(ctx, shown(1, 0), tillA, noon); b.State != BindOwn {
		t.Errorf("first scan: %+v", b)
	}
	if b := r.Bind(ctx, shown(1, 0), tillB, noon); b.State != BindElsewhere {
		t.Errorf("another till: %+v", b)
	}
	if r.Holds(ctx, shown(2, 0), tillB, noon) || !r.Holds(ctx, shown(1, 0), tillA, noon) {
		t.Error("Holds does not follow memory")
	}
	r.MarkUsed(ctx, shown(3, 0), tillA, noon)
	eventually(t, "the used mark to be counted as dropped", func() bool { return r.Stats().Dropped == 1 })
	if st := r.Stats(); st.Fallbacks < 2 || st.Entries != 2 {
		t.Errorf("stats: %+v", st)
	}
	if !r.paused(noon) || r.paused(noon.Add(bindPause)) {
		t.Error("a failing Redis is not left alone for a second")
	}
	p.start()
	eventually(t, "the binding to reach Redis", func() bool {
		bindSure(t, r, shown(1, 0), tillA)
		return p.client().Get(ctx, r.key(shown(1, 0))).Val() == "1:10"
	})
}

// A Redis that takes connections and says nothing costs its timeout once, then
// nothing for a second.
func TestRedisBindingsDeafRedis(t *testing.T) {
	t.Parallel()
	r := NewRedisBindings(NewMemoryBindings(), deafRedis(t), "test:41")
	runUntilEnd(t, r.Run)
	ctx := context.Background()
	begin := time.Now()
	for serial := range int64(1000) {
		if b := r.Bind(ctx, shown(serial+1, 0), tillA, noon); b.State != BindOwn {
			t.Fatalf("%+v", b)
		}
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("a thousand codes took %s", took)
	}
	if got := r.Stats().Fallbacks; got != 1000 {
		t.Errorf("%d fallbacks", got)
	}
}

// A caller that gives up says nothing about Redis.
func TestRedisBindingsCallerGivesUp(t *testing.T) {
	t.Parallel()
	r := newRedisBindings(t, startRedis(t))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if b := r.Bind(ctx, shown(1, 0), tillA, noon); b.State != BindOwn || r.paused(noon) {
		t.Errorf("%+v, paused %v", b, r.paused(noon))
	}
}

// The queue of used marks is bounded: what does not fit is counted, and the
// caller never waits.
func TestRedisBindingsQueueIsBounded(t *testing.T) {
	t.Parallel()
	r := NewRedisBindings(NewMemoryBindings(), deafRedis(t), "test:41") // nothing runs
	t.Cleanup(func() { _ = r.client.Close() })
	for serial := range int64(usedQueue + 10) {
		r.MarkUsed(context.Background(), shown(serial+1, 0), tillA, noon)
	}
	if got := r.Stats().Dropped; got != 10 {
		t.Errorf("%d marks were dropped, want 10", got)
	}
}

func TestHolderText(t *testing.T) {
	t.Parallel()
	for _, e := range []bindEntry{{Holder: Holder{1, 2}}, {Holder: Holder{9e18, 0}, used: true}, {Holder: Holder{-1, -5}}} {
		prefix := ""
		if e.used {
			prefix = usedPrefix
		}
		if got, ok := parseHolder(holderText(prefix, e.Holder)); !ok || got != e {
			t.Errorf("%+v comes back as %+v, %v", e, got, ok)
		}
	}
	for _, text := range []string{"", "u", "1", "1:", ":1", "x:1", "1:2:3", "uu1:2"} {
		if e, ok := parseHolder(text); ok {
			t.Errorf("%q is read as %+v", text, e)
		}
	}
}
