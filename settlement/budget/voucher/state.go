package voucher

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"unioncard/card"
	"unioncard/merchant/terms"
	"unioncard/settlement/budget"
	"unioncard/settlement/ledger"
)

// Series is what a till's node knows of a voucher series. It is never changed.
type Series struct {
	ID int64
	// Offer is a document of the one offer that a voucher is: terms.Input.Extra.
	Offer *terms.Compiled
	// FaceFen is taken off a basket of NeedFen or more in the offer's scope.
	FaceFen, NeedFen int64
	// Stackable: it applies on top of the contract's offers, else instead of them.
	Stackable bool
	// LastDay is the last day on which it may be used.
	LastDay ledger.Day
}

// Held is a voucher that a card may use now.
type Held struct {
	Series *Series
	No     int16
}

// hold is a card's vouchers of one series: bit i is number i+1.
type hold struct {
	series int64
	held   uint64
}

// A card's bit says whether it holds any vouchers, so that the many without cost
// one read of memory; the holds themselves are in maps by part of the serial.
const (
	chunkBits  = 16 // cards a chunk
	chunkWords = 1 << chunkBits / 64
	chunks     = card.MaxSerial>>chunkBits + 1
	shardCount = 256
)

type bitChunk [chunkWords]atomic.Uint64

type shard struct {
	mu    sync.RWMutex
	holds map[int64][]hold // a value is replaced, never changed
}

// State is a node's view of who holds vouchers, kept current by the change feed.
// Safe for concurrent use; asking it allocates nothing.
type State struct {
	budgets *budget.State
	series  atomic.Pointer[map[int64]*Series]
	bits    [chunks]atomic.Pointer[bitChunk]
	shards  [shardCount]shard
	mu      sync.Mutex // one application of changes at a time
}

// NewState returns an empty state. Whether and where a series pays is its budget's.
func NewState(budgets *budget.State) *State {
	s := &State{budgets: budgets}
	s.series.Store(&map[int64]*Series{})
	for i := range s.shards {
		s.shards[i].holds = map[int64][]hold{}
	}
	return s
}

// Series returns a series that is open or frozen, else nil.
func (s *State) Series(id int64) *Series { return (*s.series.Load())[id] }

// Held appends the vouchers that a card may use at a merchant of a trade at a
// moment, one of each series (they are alike): soonest to expire first. It allocates
// nothing once dst is large enough.
func (s *State) Held(dst []Held, serial int64, at time.Time, merchantID int64, trade string) []Held {
	if !s.bit(serial) {
		return dst
	}
	sh := &s.shards[serial%shardCount]
	sh.mu.RLock()
	holds := sh.holds[serial]
	sh.mu.RUnlock()
	all, from := *s.series.Load(), len(dst)
	for _, h := range holds {
		series := all[h.series]
		if series == nil || h.held == 0 || !s.budgets.Pays(h.series, at, merchantID, trade) {
			continue
		}
		dst = append(dst, Held{series, int16(bits.TrailingZeros64(h.held)) + 1})
		for i := len(dst) - 1; i > from && before(dst[i].Series, dst[i-1].Series); i-- {
			dst[i], dst[i-1] = dst[i-1], dst[i]
		}
	}
	return dst
}

// before orders series by their end, then by id.
func before(a, b *Series) bool {
	if a.LastDay != b.LastDay {
		return a.LastDay < b.LastDay
	}
	return a.ID < b.ID
}

// bit reports whether a card holds anything.
func (s *State) bit(serial int64) bool {
	if uint64(serial) > card.MaxSerial {
		return false
	}
	c := s.bits[serial>>chunkBits].Load()
	if c == nil {
		return false
	}
	i := serial & (1<<chunkBits - 1)
	return c[i/64].Load()>>(i%64)&1 != 0
}

// set replaces what a card holds; empty: nothing. Under mu.
func (s *State) set(serial int64, holds []hold) {
	if serial < 1 || serial > card.MaxSerial {
		return
	}
	sh := &s.shards[serial%shardCount]
	sh.mu.Lock()
	if len(holds) == 0 {
		delete(sh.holds, serial)
	} else {
		sh.holds[serial] = holds
	}
	sh.mu.Unlock()
	c := s.bits[serial>>chunkBits].Load()
	if c == nil {
		if len(holds) == 0 {
			return
		}
		c = new(bitChunk)
		s.bits[serial>>chunkBits].Store(c)
	}
	i := serial & (1<<chunkBits - 1)
	if len(holds) == 0 {
		c[i/64].And(^(uint64(1) << (i % 64)))
	} else {
		c[i/64].Or(1 << (i % 64))
	}
}

// Cards is how many cards hold vouchers, for metrics and logs.
func (s *State) Cards() (n int) {
	for i := range s.shards {
		s.shards[i].mu.RLock()
		n += len(s.shards[i].holds)
		s.shards[i].mu.RUnlock()
	}
	return n
}
