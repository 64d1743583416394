package card

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrCodeBound: another terminal scanned this phone code first. The answer says
// when the phone shows the next one.
var ErrCodeBound = errors.New("card: the code was scanned at another terminal")

const (
	// BindTime is how long the first terminal may verify a phone code again as the
	// basket changes. After it no terminal can: the code itself is over by then.
	BindTime = 2 * time.Minute
	// bindKeep is how long bindings and used marks are kept at least; after
	// BindTime no check leads to them any more.
	bindKeep   = BindTime + 30*time.Second
	bindShards = 64
)

// Holder is who a phone code can be bound to: a terminal, in an outlet (a POS
// server's outlets are holders of their own).
type Holder struct{ Terminal, Outlet int64 }

// BindState is what is known of a proved phone code.
type BindState uint8

// The states.
const (
	BindOwn       BindState = iota // bound to the asking holder, maybe just now
	BindElsewhere                  // bound to another holder
	BindUsed                       // a purchase was made with it
)

// Binding is the answer of Bind. RetryAfter is when the phone shows its next
// code; 0 for BindOwn.
type Binding struct {
	State      BindState
	RetryAfter time.Duration
}

// Bindings ties phone codes to the first terminal that scans them, and remembers
// for a while which were used. It is a fast filter: that a code yields at most
// one purchase is PostgreSQL's to hold (code_uses). Only proved codes may be
// given to it. Codes of other kinds are always BindOwn.
type Bindings interface {
	// Bind binds the code to the holder unless it is another's or used.
	Bind(ctx context.Context, c Code, h Holder, now time.Time) Binding
	// Holds reports whether the holder scanned the code within BindTime, used
	// since or not. It costs the same for a code that was never bound.
	Holds(ctx context.Context, c Code, h Holder, now time.Time) bool
	// MarkUsed tells that the holder's purchase with the code was committed.
	MarkUsed(ctx context.Context, c Code, h Holder, now time.Time)
}

// MemoryBindings is the Bindings of one node. Entries live in two generations a
// shard, the older of which is dropped whole every bindKeep: nothing is kept
// longer than twice that, and no timer runs. Only proved codes make entries, so
// cards and time steps bound them. Safe for concurrent use.
type MemoryBindings struct {
	shards [bindShards]bindShard
}

type bindShard struct {
	mu       sync.Mutex
	turn     int64 // unix nanoseconds at which the generations move on
	cur, old bindTable
}

// bindKey is serial<<32 | use key: nine digits below, and steps until the year
// 4000 above it stay apart. It is never 0.
type bindKey uint64

type bindEntry struct {
	Holder
	until int64 // unix nanoseconds, end of BindTime
	used  bool
}

// NewMemoryBindings returns an empty one.
func NewMemoryBindings() *MemoryBindings { return new(MemoryBindings) }

func bindKeyOf(c Code) bindKey { return bindKey(uint64(c.Serial)<<32 | uint64(uint32(c.UseKey()))) }

// lock returns the key's shard, locked, its generations moved on.
func (m *MemoryBindings) lock(key bindKey, now time.Time) *bindShard {
	// Fibonacci hashing, as serials of one shop's customers may run in a row.
	s := &m.shards[uint64(key>>32)*0x9E3779B97F4A7C15>>58]
	s.mu.Lock()
	if t := now.UnixNano(); t >= s.turn {
		if t >= s.turn+int64(bindKeep) {
			s.cur = bindTable{} // idle so long that both are over
		}
		// A new table each time gives memory back after a peak.
		s.old, s.cur = s.cur, newBindTable(s.cur.n)
		s.turn = t + int64(bindKeep)
	}
	return s
}

func (s *bindShard) find(key bindKey) (bindEntry, bool) {
	e, ok := s.cur.get(key)
	if !ok {
		e, ok = s.old.get(key)
	}
	return e, ok
}

// Bind implements Bindings.
func (m *MemoryBindings) Bind(_ context.Context, c Code, h Holder, now time.Time) Binding {
	b, _ := m.bind(c, h, now)
	return b
}

// bind also says whether the binding was made just now.
func (m *MemoryBindings) bind(c Code, h Holder, now time.Time) (b Binding, made bool) {
	if c.UseKey() == 0 {
		return Binding{}, false
	}
	key := bindKeyOf(c)
	s := m.lock(key, now)
	defer s.mu.Unlock()
	e, ok := s.find(key)
	switch {
	case ok && e.used:
		return Binding{State: BindUsed, RetryAfter: c.NextCodeIn(now)}, false
	case ok && e.until > now.UnixNano() && e.Holder != h:
		return Binding{State: BindElsewhere, RetryAfter: c.NextCodeIn(now)}, false
	case ok && e.until > now.UnixNano():
		return Binding{}, false
	}
	s.cur.set(key, bindEntry{Holder: h, until: now.Add(BindTime).UnixNano()})
	return Binding{}, true
}

// Holds implements Bindings.
func (m *MemoryBindings) Holds(_ context.Context, c Code, h Holder, now time.Time) bool {
	key := bindKeyOf(c)
	s := m.lock(key, now)
	defer s.mu.Unlock()
	e, ok := s.find(key)
	return ok && e.Holder == h && e.until > now.UnixNano()
}

// MarkUsed implements Bindings.
func (m *MemoryBindings) MarkUsed(_ context.Context, c Code, h Holder, now time.Time) {
	if c.UseKey() == 0 {
		return
	}
	key := bindKeyOf(c)
	s := m.lock(key, now)
	defer s.mu.Unlock()
	e, ok := s.find(key)
	if !ok {
		e = bindEntry{Holder: h, until: now.UnixNano()}
	}
	e.used = true
	s.cur.set(key, e)
}

// learn takes over what another node has recorded.
func (m *MemoryBindings) learn(c Code, e bindEntry, now time.Time) {
	key := bindKeyOf(c)
	s := m.lock(key, now)
	defer s.mu.Unlock()
	s.cur.set(key, e)
}

// Len returns the number of entries kept, for a metric.
func (m *MemoryBindings) Len() int {
	n := 0
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		n += s.cur.n + s.old.n
		s.mu.Unlock()
	}
	return n
}
