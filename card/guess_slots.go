package card

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	guessWays    = 8   // places a subject can be in
	guessStripes = 256 // locks over the rows
	typedLog     = 4   // misses remembered before the one that blocks
)

// guessSlot is what is known of one subject. Times are unix nanoseconds.
type guessSlot struct {
	key  uint64 // 0: free
	full int64  // when the bucket will have drained
	// block: phone codes only until then (the typed rule).
	block int64
	last  int64 // the last miss
	// log holds the typed misses before the last, newest first, in unix seconds.
	log [typedLog]uint32
}

func (s *guessSlot) missedSince(t time.Time) bool { return s.last > t.UnixNano() }

// wait returns how long a bucket of the budget, or of its share among nodes,
// has no room for another miss; 0 when it has.
func (b Budget) wait(full int64, now time.Time, nodes int) time.Duration {
	one := b.Per / time.Duration(b.Misses)
	room := max(b.Per/time.Duration(nodes), one)
	return max(time.Duration(full-now.UnixNano())+one-room, 0)
}

// fill puts one miss in a bucket. Misses beyond a full bucket (of requests under
// way when it filled) are not kept against the subject.
func (b Budget) fill(full int64, now time.Time) int64 {
	t := now.UnixNano()
	return min(max(full, t)+int64(b.Per)/int64(b.Misses), t+int64(b.Per))
}

// guessTable is a fixed array of rows of guessWays slots. A subject lives in the
// row of its hash; when the row is full, the subject nearest to clean gives way.
// So no number of subjects makes it grow, and a guesser who invents subjects
// only pushes out those with the fewest misses.
type guessTable struct {
	rows      [][guessWays]guessSlot
	locks     [guessStripes]sync.Mutex
	forgotten atomic.Int64
}

func newGuessTable(subjects int) *guessTable {
	n := 1
	for n*guessWays < subjects {
		n *= 2
	}
	return &guessTable{rows: make([][guessWays]guessSlot, n)}
}

func (t *guessTable) row(key uint64) (*[guessWays]guessSlot, *sync.Mutex) {
	i := key >> 16 & uint64(len(t.rows)-1)
	return &t.rows[i], &t.locks[i%guessStripes]
}

// get returns a copy of what is known of a subject.
func (t *guessTable) get(key uint64) (guessSlot, bool) {
	row, lock := t.row(key)
	lock.Lock()
	defer lock.Unlock()
	for i := range row {
		if row[i].key == key {
			return row[i], true
		}
	}
	return guessSlot{}, false
}

// miss counts a miss against a subject's budget.
func (t *guessTable) miss(key uint64, b Budget, now time.Time) {
	row, lock := t.row(key)
	lock.Lock()
	defer lock.Unlock()
	s := t.claim(row, key, now)
	s.full = b.fill(s.full, now)
	s.last = max(s.last, now.UnixNano())
}

// missTyped counts a miss of a typed number: the b.Misses-th within b.Per blocks
// for b.Per. Here the log decides, exactly; full only keeps the slot in place.
func (t *guessTable) missTyped(key uint64, b Budget, now time.Time) {
	row, lock := t.row(key)
	lock.Lock()
	defer lock.Unlock()
	s := t.claim(row, key, now)
	s.full, s.last = now.Add(b.Per).UnixNano(), now.UnixNano()
	if b.Misses == 1 || int64(s.log[b.Misses-2]) > now.Add(-b.Per).Unix() {
		s.block = now.Add(b.Per).UnixNano()
	}
	copy(s.log[1:], s.log[:typedLog-1])
	s.log[0] = uint32(now.Unix())
}

// claim returns the subject's slot, taking over a free or drained one, or the
// one that drains first.
func (t *guessTable) claim(row *[guessWays]guessSlot, key uint64, now time.Time) *guessSlot {
	victim := &row[0]
	for i := range row {
		s := &row[i]
		if s.key == key {
			return s
		}
		if s.worth() < victim.worth() {
			victim = s
		}
	}
	if victim.key != 0 && victim.worth() > now.UnixNano() {
		t.forgotten.Add(1)
	}
	*victim = guessSlot{key: key}
	return victim
}

// worth is until when a slot says anything that its bucket would not say empty.
// That a client has missed at all counts less, so it does not add to it.
func (s *guessSlot) worth() int64 { return max(s.full, s.block) }
