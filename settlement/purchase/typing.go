package purchase

import (
	"context"

	"unioncard/card"
)

// typing lets a client (a terminal in an outlet, as guess budgets count) try one
// typed number after the other. Clients share stripes, so its memory is bounded.
type typing [256]chan struct{}

func newTyping() (t typing) {
	for i := range t {
		t[i] = make(chan struct{}, 1)
	}
	return t
}

// begin waits for the client's turn or the end of ctx; done ends the turn.
func (t *typing) begin(ctx context.Context, s card.Subjects) (done func(), err error) {
	stripe := t[(uint64(s.Terminal)*0x9E3779B97F4A7C15+uint64(s.Outlet)*0xC2B2AE3D27D4EB4F)>>56]
	select {
	case stripe <- struct{}{}:
		return func() { <-stripe }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
