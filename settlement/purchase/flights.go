package purchase

import "sync"

// flights are the idempotency keys that this node is working on. Between nodes
// the unique constraint decides.
type flights struct {
	shards [64]struct {
		mu   sync.Mutex
		keys map[flight]struct{}
	}
}

type flight struct {
	merchant, terminal int64
	key                string
}

func (r *row) flight() flight { return flight{r.merchant, r.terminal, r.key} }

// take claims the row's key; false if another row has it.
func (f *flights) take(r *row) bool {
	s := &f.shards[uint64(r.terminal)%uint64(len(f.shards))]
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.keys[r.flight()]; taken {
		return false
	}
	if s.keys == nil {
		s.keys = make(map[flight]struct{})
	}
	s.keys[r.flight()] = struct{}{}
	return true
}

func (f *flights) leave(r *row) {
	s := &f.shards[uint64(r.terminal)%uint64(len(f.shards))]
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, r.flight())
}

// has says whether a key is being worked on.
func (f *flights) has(k flight) bool {
	s := &f.shards[uint64(k.terminal)%uint64(len(f.shards))]
	s.mu.Lock()
	defer s.mu.Unlock()
	_, taken := s.keys[k]
	return taken
}
