package budget

import "time"

// shortFor is how long a node believes that what was refused is still not to be had:
// what undoing gives back meanwhile is offered again a moment later.
const shortFor = 2 * time.Second

// shortage is the smallest draw that a budget had too little left for.
type shortage struct {
	fen     int64
	version int64 // of the budget, as a top-up makes it another
	until   time.Time
}

// NoteShort tells that the whole of a budget had too little left for a draw of fen.
// For a moment no quote of this node promises as much of it, so that a budget that is
// spent does not cost every till a refusal and a second try.
func (s *State) NoteShort(id, fen int64, at time.Time) {
	e := s.Get(id)
	if e == nil {
		return
	}
	if was := s.Short(id, at); was > 0 && was < fen {
		fen = was
	}
	s.short.Store(id, shortage{fen, e.Version, at.Add(shortFor)})
}

// Short returns the smallest draw, in fen, known to be more than a budget has left; 0
// if nothing is known.
func (s *State) Short(id int64, at time.Time) int64 {
	got, ok := s.short.Load(id)
	if !ok {
		return 0
	}
	l := got.(shortage)
	if e := s.Get(id); e == nil || e.Version != l.version || !at.Before(l.until) {
		return 0
	}
	return l.fen
}
