package merchant

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// State is the tills' view of merchants: one Snapshot, swapped whole.
type State struct {
	now    atomic.Pointer[Snapshot]
	clock  func() time.Time
	logger *slog.Logger

	mu    sync.Mutex // one application of changes at a time
	forms forms      // compiled Terms by their hash; under mu
}

// NewState returns an empty state. The clock decides which replaced versions of
// Terms are still held; the logger hears of Terms that do not compile.
func NewState(clock func() time.Time, logger *slog.Logger) *State {
	s := &State{clock: clock, logger: logger}
	s.now.Store(newSnapshot())
	return s
}

// Snapshot returns the present view; it never blocks.
func (s *State) Snapshot() *Snapshot { return s.now.Load() }
