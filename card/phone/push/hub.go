// Package push tells a member's phone at once what happened to its card: a code
// was used, the card was reported lost.
//
// A Hub holds this node's open streams by card. Purchases are told by the node that
// recorded them and passed to the others through Redis (Relay), best effort: a phone
// that hears nothing shows its codes all the same and finds its purchases in its
// list. A card's state is compared with the node's table every half second, which
// every node keeps current by the change feed.
package push

import (
	"context"
	"errors"
	"sync"
	"time"

	"unioncard/card"
)

// Used is a code that became a purchase. Amounts are in fen.
type Used struct {
	Serial               int64
	MerchantID, OutletID int64
	Purchase             [16]byte
	Kind                 card.CodeKind
	Slot                 uint8
	AmountFen            int64
	DiscountFen          int64
	At                   time.Time
}

// State is what a phone must know of its card. PhoneEpoch and Generation: the keys
// it holds may be worth nothing any more.
type State struct {
	Status     card.Status
	Generation uint16
	PhoneEpoch uint8
}

// Event is one of the two.
type Event struct {
	Used  *Used
	State *State
}

// Bounds of the streams of one node.
const (
	// DefaultMax streams, at some 25 KB each.
	DefaultMax = 5000
	// perCard: of one card's the oldest gives way to a new one.
	perCard = 3
	// waiting events of one stream; who is further behind is cut off and comes again.
	waiting = 16
)

// lookEvery is how often cards' states are compared.
const lookEvery = 500 * time.Millisecond

// Why there is no stream.
var (
	ErrFull   = errors.New("push: as many streams as may be")
	errClosed = errors.New("push: the node is stopping")
)

// Options of a Hub. Look is needed.
type Options struct {
	// Look is a card in the node's table.
	Look func(serial int64, e *card.Entry) bool
	Max  int // streams; default DefaultMax
}

// Hub holds the streams of one node. Safe for concurrent use.
type Hub struct {
	opts   Options
	mu     sync.Mutex
	cards  map[int64][]*Stream // oldest first
	count  int
	closed bool
	relay  func(Used) // to the other nodes; nil: there are none
}

// NewHub returns a hub without streams.
func NewHub(o Options) *Hub {
	if o.Max == 0 {
		o.Max = DefaultMax
	}
	return &Hub{opts: o, cards: map[int64][]*Stream{}}
}

// Stream is one phone's.
type Stream struct {
	hub    *Hub
	serial int64
	member int64
	state  State // as last told
	events chan Event
	done   chan struct{}
	once   sync.Once
}

// Events of the stream, in order.
func (s *Stream) Events() <-chan Event { return s.events }

// Done is closed when the stream must end.
func (s *Stream) Done() <-chan struct{} { return s.done }

// Close takes the stream out of the hub.
func (s *Stream) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.drop(s)
}

// Open opens a stream of a member's card. ErrFull when there are too many; a
// stopping node gives one that is done already.
func (h *Hub) Open(memberID, serial int64) (*Stream, error) {
	s := &Stream{hub: h, serial: serial, member: memberID, state: h.look(serial), events: make(chan Event, waiting), done: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errors.Join(ErrFull, errClosed)
	}
	if own := h.cards[serial]; len(own) >= perCard {
		h.drop(own[0])
	}
	if h.count >= h.opts.Max {
		return nil, ErrFull
	}
	h.cards[serial] = append(h.cards[serial], s)
	h.count++
	return s, nil
}

// drop takes a stream out and ends it. The lock is held.
func (h *Hub) drop(s *Stream) {
	own := h.cards[s.serial]
	for i, other := range own {
		if other != s {
			continue
		}
		h.count--
		if len(own) == 1 {
			delete(h.cards, s.serial)
		} else {
			h.cards[s.serial] = append(own[:i:i], own[i+1:]...)
		}
	}
	s.once.Do(func() { close(s.done) })
}

// Sold tells a card's streams of a purchase, here and on the other nodes. It never
// waits.
func (h *Hub) Sold(u Used) {
	h.hear(u)
	if h.relay != nil {
		h.relay(u)
	}
}

// hear tells this node's streams.
func (h *Hub) hear(u Used) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.cards[u.Serial] {
		h.tell(s, Event{Used: &u})
	}
}

// tell hands a stream an event; one that does not keep up is ended. The lock is held.
func (h *Hub) tell(s *Stream, e Event) {
	select {
	case s.events <- e:
	default:
		s.once.Do(func() { close(s.done) })
	}
}

// End ends a member's streams: a session was ended somewhere else. Those on other
// nodes end with their time.
func (h *Hub) End(memberID int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, own := range h.cards {
		for _, s := range own {
			if s.member == memberID {
				s.once.Do(func() { close(s.done) })
			}
		}
	}
}

// Streams is how many there are.
func (h *Hub) Streams() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

// Close ends all streams; no new ones are opened. For the moment the server is told
// to stop, which waits for its answers.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, own := range h.cards {
		for _, s := range own {
			s.once.Do(func() { close(s.done) })
		}
	}
}

// Run looks at the cards of open streams until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	defer h.Close()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			h.Look()
		}
	}
}

// Look tells every stream whose card has changed.
func (h *Hub) Look() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for serial, own := range h.cards {
		now := h.look(serial)
		for _, s := range own {
			if s.state != now {
				s.state = now
				h.tell(s, Event{State: &now})
			}
		}
	}
}

func (h *Hub) look(serial int64) State {
	var e card.Entry
	if !h.opts.Look(serial, &e) {
		return State{}
	}
	return State{Status: e.Status, Generation: e.Generation, PhoneEpoch: e.PhoneEpoch}
}
