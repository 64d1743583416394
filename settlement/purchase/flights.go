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

// take claims the row's key; false if another row has it.
func (f *flights) take(r *row) bool {
	s := &f.shards[uint64(r.terminal)%uint64(len(f.shards))]
	k := flight{r.merchant, r.terminal, r.key}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.keys[k]; taken {
		return false
	}
	if s.keys == nil {
		s.keys = make(map[flight]struct{})
	}
	s.keys[k] = struct{}{}
	return true
}

func (f *flights) leave(r *row) {
	s := &f.shards[uint64(r.terminal)%uint64(len(f.shards))]
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, flight{r.merchant, r.terminal, r.key})
}
