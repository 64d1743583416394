package voucher

import (
	"context"
	"time"
)

// lane writes one batch of claims after the other.
type lane struct {
	c     *Claimer
	queue chan *claim
	rows  []*claim // the batch being gathered
}

// run works until the queue is closed and empty.
func (l *lane) run(ctx context.Context) {
	linger := time.NewTimer(time.Hour)
	defer linger.Stop()
	for l.gather(linger) {
		if len(l.rows) == 0 {
			continue
		}
		l.c.metrics.rows.Observe(float64(len(l.rows)))
		l.write(ctx)
	}
}

// gather fills l.rows with what has queued, up to MaxRows, waiting for Linger after
// the first. False when nothing is left and nothing will come.
func (l *lane) gather(linger *time.Timer) bool {
	l.rows = l.rows[:0]
	first, ok := <-l.queue
	if !ok {
		return false
	}
	l.take(first)
	linger.Reset(l.c.opts.Linger)
	for len(l.rows) < l.c.opts.MaxRows {
		select {
		case r, ok := <-l.queue:
			if !ok {
				return true
			}
			l.take(r)
		case <-linger.C:
			return true
		}
	}
	linger.Stop()
	return true
}

// take adds a claim to the batch, unless its caller has left it.
func (l *lane) take(r *claim) {
	if !r.left.Load() {
		l.rows = append(l.rows, r)
	}
}

// write decides the batch and answers each of its claims, whatever it takes. A batch
// whose outcome is unknown is written again: who has a pack is then found to have it.
func (l *lane) write(parent context.Context) {
	ctx, cancel := context.WithTimeout(parent, l.c.opts.GiveUp)
	defer cancel()
	for attempt := 0; ; attempt++ {
		err := l.c.decide(ctx, l.rows)
		if err == nil {
			break
		}
		if !pause(ctx, attempt) {
			l.c.opts.Logger.Error("gave up a batch of claims", "rows", len(l.rows), "attempts", attempt+1, "error", err)
			for _, r := range l.rows {
				r.claimed, r.err = Claimed{}, ErrBusy
			}
			break
		}
	}
	for i, r := range l.rows {
		l.c.answer(r)
		l.rows[i] = nil
	}
}

// pause waits before the next attempt, longer each time; false once ctx is over.
func pause(ctx context.Context, attempt int) bool {
	wait := time.NewTimer(min(5*time.Millisecond<<min(attempt, 6), 200*time.Millisecond))
	defer wait.Stop()
	select {
	case <-wait.C:
		return true
	case <-ctx.Done():
		return false
	}
}
