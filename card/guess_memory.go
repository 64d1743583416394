package card

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"
)

// missMemory is how long a client counts as one that has missed.
const missMemory = time.Hour

// cleanCells is the size of the table that tells clean clients without a lock.
const cleanCells = 1 << 16

// MemoryGuard is the Guard of one node. Its memory is fixed at the start. Safe
// for concurrent use.
type MemoryGuard struct {
	opts GuardOptions
	seed maphash.Seed // keeps a guesser from aiming at others' places
	// cells hold, by a client's hash, until when (unix seconds) some client there
	// counts as having missed. A free cell proves its clients clean.
	cells     [cleanCells]atomic.Int64
	clients   *guessTable  // terminals, the typed rule, outlets: as many as registered
	strangers *guessTable  // cards claimed, addresses: as many as a guesser invents
	global    atomic.Int64 // as guessSlot.full
	alone     atomic.Bool  // no other node is heard: shares apply
	refused   [subjects]atomic.Int64
	missed    atomic.Int64
}

// NewMemoryGuard returns a guard with all budgets full.
func NewMemoryGuard(opts GuardOptions) *MemoryGuard {
	opts = opts.withDefaults()
	g := &MemoryGuard{
		opts:      opts,
		seed:      maphash.MakeSeed(),
		clients:   newGuessTable(opts.MaxSubjects),
		strangers: newGuessTable(opts.MaxSubjects),
	}
	g.alone.Store(true)
	return g
}

// GuardStats counts since the start.
type GuardStats struct {
	Misses    int64
	Forgotten int64            // subjects dropped because the memory was full
	Refused   map[string]int64 // by budget
}

// Stats returns the counts.
func (g *MemoryGuard) Stats() GuardStats {
	st := GuardStats{
		Misses:    g.missed.Load(),
		Forgotten: g.clients.forgotten.Load() + g.strangers.forgotten.Load(),
		Refused:   make(map[string]int64),
	}
	for s := SubjectTerminal; s < subjects; s++ {
		st.Refused[s.String()] = g.refused[s].Load()
	}
	return st
}

// Allow implements Guard.
func (g *MemoryGuard) Allow(s Subjects, kind CodeKind, now time.Time) Refusal {
	client := g.client(s)
	if g.cells[client%cleanCells].Load() <= now.Unix() {
		return Refusal{}
	}
	r := g.judge(s, client, kind, now)
	if r.Refused() {
		g.refused[r.By].Add(1)
	}
	return r
}

// judge decides on a client that may have missed.
func (g *MemoryGuard) judge(s Subjects, client uint64, kind CodeKind, now time.Time) Refusal {
	anywhere, known := g.clients.get(client)
	if !known || !anywhere.missedSince(now.Add(-missMemory)) {
		return Refusal{}
	}
	if own, ok := g.clients.get(g.own(s, client)); ok {
		if wait := g.opts.Terminal.wait(own.full, now, 1); wait > 0 {
			return Refusal{By: SubjectTerminal, RetryAfter: wait}
		}
	}
	static := kind != KindPhone
	if static {
		if typed, ok := g.clients.get(g.key(SubjectTyped, int64(client), 0)); ok && typed.block > now.UnixNano() {
			return Refusal{By: SubjectTyped, RetryAfter: time.Duration(typed.block - now.UnixNano()), phoneOnly: true}
		}
	}
	nodes := 1
	if g.alone.Load() {
		nodes = g.opts.Nodes
	}
	for _, w := range g.wider(s) {
		if w.key == 0 {
			continue
		}
		slot, ok := w.table.get(w.key)
		if !ok {
			continue
		}
		if wait := w.budget.wait(slot.full, now, 1); wait > 0 {
			return Refusal{By: w.subject, RetryAfter: wait}
		}
		if wait := w.budget.wait(slot.full, now, nodes); static && wait > 0 {
			return Refusal{By: w.subject, RetryAfter: wait, phoneOnly: true}
		}
	}
	if static {
		if wait := g.opts.Global.wait(g.global.Load(), now, nodes); wait > 0 {
			return Refusal{By: SubjectGlobal, RetryAfter: wait, phoneOnly: true}
		}
	}
	return Refusal{}
}

// Miss implements Guard.
func (g *MemoryGuard) Miss(s Subjects, kind CodeKind, now time.Time) {
	g.missed.Add(1)
	client := g.client(s)
	g.clients.miss(client, g.opts.Terminal, now)
	if own := g.own(s, client); own != client {
		g.clients.miss(own, g.opts.Terminal, now)
	}
	if kind == KindTyped {
		g.clients.missTyped(g.key(SubjectTyped, int64(client), 0), g.opts.Typed, now)
	}
	for _, w := range g.wider(s) {
		if w.key != 0 {
			w.table.miss(w.key, w.budget, now)
		}
	}
	for {
		old := g.global.Load()
		if g.global.CompareAndSwap(old, g.opts.Global.fill(old, now)) {
			break
		}
	}
	// Last, so that whoever sees the cell sees the misses.
	until := now.Add(max(missMemory, g.opts.Typed.Per)).Unix() + 1
	cell := &g.cells[client%cleanCells]
	for {
		old := cell.Load()
		if old >= until || cell.CompareAndSwap(old, until) {
			return
		}
	}
}

// widerBudget is one of the budgets a client shares with others.
type widerBudget struct {
	subject Subject
	key     uint64 // 0: the guess has no such subject
	table   *guessTable
	budget  Budget
}

func (g *MemoryGuard) wider(s Subjects) [3]widerBudget {
	w := [3]widerBudget{
		{SubjectOutlet, 0, g.clients, g.opts.Outlet},
		{SubjectCard, 0, g.strangers, g.opts.Card},
		{SubjectAddress, 0, g.strangers, g.opts.Address},
	}
	if s.Outlet != 0 {
		w[0].key = g.key(SubjectOutlet, s.Outlet, 0)
	}
	if s.Claim != 0 {
		w[1].key = g.key(SubjectCard, s.Claim, 0)
	}
	if s.Addr.IsValid() {
		w[2].key = g.addressKey(s.Addr)
	}
	return w
}

// client is the key of who is guessing: the terminal, in whatever outlet, or the
// address of a client that is no terminal.
func (g *MemoryGuard) client(s Subjects) uint64 {
	if s.Terminal == 0 {
		return g.key(SubjectTerminal, int64(g.addressKey(s.Addr)), -1)
	}
	return g.key(SubjectTerminal, s.Terminal, 0)
}

// own is the key of the budget that the client's misses in this outlet spend.
func (g *MemoryGuard) own(s Subjects, client uint64) uint64 {
	if s.Terminal == 0 || s.Outlet == 0 {
		return client
	}
	return g.key(SubjectTerminal, s.Terminal, s.Outlet)
}

func (g *MemoryGuard) addressKey(a netip.Addr) uint64 {
	b := network(a)
	return g.key(SubjectAddress, int64(binary.BigEndian.Uint64(b[:8])), int64(binary.BigEndian.Uint64(b[8:])))
}

// network is the part of an address that one holder has: all of IPv4, the /64
// of IPv6.
func network(a netip.Addr) [16]byte {
	a = a.Unmap()
	b := a.As16()
	if a.Is6() {
		clear(b[8:])
	}
	return b
}

// key hashes a subject. 64 bits under a random seed stand for the subject
// itself; 0 is kept for "none".
func (g *MemoryGuard) key(s Subject, a, b int64) uint64 {
	var buf [17]byte
	buf[0] = byte(s)
	binary.LittleEndian.PutUint64(buf[1:], uint64(a))
	binary.LittleEndian.PutUint64(buf[9:], uint64(b))
	return max(maphash.Bytes(g.seed, buf[:]), 1)
}
