package phone

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"sync"
	"time"
)

// Counts counts by subject in windows of time that all begin at multiples of their
// length: exact enough to stop a flood, and the same on every node.
type Counts interface {
	// Add counts n more of a subject's in the window that now lies in, and returns
	// how many that makes. n 0 only looks.
	Add(ctx context.Context, subject Subject, window time.Duration, n int64, now time.Time) int64
}

// Subject is what is counted: a kind of act and who does it, hashed, as nobody needs
// to read an address out of a memory or a Redis.
type Subject [16]byte

// subjectOf is the subject of a network address: all of IPv4, the /64 of IPv6, as far
// as one household holds it.
func subjectOf(act string, from netip.Addr) Subject {
	if from = from.Unmap(); from.Is6() {
		if p, err := from.Prefix(64); err == nil {
			from = p.Addr()
		}
	}
	sum := sha256.Sum256([]byte(act + " " + from.String()))
	return Subject(sum[:16])
}

// What is counted of everybody: codes asked for, and wrong ones typed.
var (
	everybody       = Subject{1}
	everybodyMissed = Subject{2}
)

// MemoryCounts is Counts of one node. Safe for concurrent use.
type MemoryCounts struct {
	mu    sync.Mutex
	slots map[windowed]int64
	swept int64 // unix seconds
}

type windowed struct {
	Subject
	until int64 // unix seconds
}

// sweepEvery is how often windows that are over are forgotten, and how many are
// kept at most: beyond that, everything is forgotten early, which lets a flooder
// from a million addresses on where refusing everybody would stop the province.
const (
	sweepEvery = 60
	maxSlots   = 1 << 20
)

// NewMemoryCounts returns counts that hold nothing.
func NewMemoryCounts() *MemoryCounts { return &MemoryCounts{slots: map[windowed]int64{}} }

// Add implements Counts.
func (m *MemoryCounts) Add(_ context.Context, subject Subject, window time.Duration, n int64, now time.Time) int64 {
	key := windowed{subject, windowEnd(window, now).Unix()}
	m.mu.Lock()
	defer m.mu.Unlock()
	if at := now.Unix(); at-m.swept >= sweepEvery {
		m.swept = at
		for k := range m.slots {
			if k.until <= at {
				delete(m.slots, k)
			}
		}
	}
	if len(m.slots) >= maxSlots {
		clear(m.slots)
	}
	if n == 0 {
		return m.slots[key]
	}
	m.slots[key] += n
	return m.slots[key]
}

// windowEnd is when the window that now lies in is over.
func windowEnd(window time.Duration, now time.Time) time.Time {
	return now.Truncate(window).Add(window)
}

// append is the subject and its window as a key of Redis.
func (w windowed) append(b []byte) []byte {
	b = append(b, w.Subject[:]...)
	return binary.BigEndian.AppendUint64(b, uint64(w.until))
}
