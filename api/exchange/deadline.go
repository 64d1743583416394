package exchange

import (
	"context"
	"sync"
	"time"
)

// deadline is a context with a deadline whose timer is only made when somebody
// waits for it. Most verifications never do, and a timer a request costs more
// than checking the code.
type deadline struct {
	parent context.Context
	at     time.Time

	mu     sync.Mutex
	inner  context.Context
	cancel context.CancelFunc
	ended  bool
}

// SetTimeout ends Ctx at the given duration from Start, wall clock.
func (x *Exchange) SetTimeout(d time.Duration) {
	x.deadline = &deadline{parent: x.Ctx, at: x.Start.Add(d)}
	x.Ctx = x.deadline
}

func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

func (d *deadline) Done() <-chan struct{} { return d.made().Done() }

func (d *deadline) Err() error {
	d.mu.Lock()
	inner := d.inner
	d.mu.Unlock()
	if inner != nil {
		return inner.Err()
	}
	if err := d.parent.Err(); err != nil {
		return err
	}
	if !time.Now().Before(d.at) {
		return context.DeadlineExceeded
	}
	return nil
}

// Value asks the context with the timer once it is made, so that package
// context finds it as a parent and needs no goroutine to follow this one.
func (d *deadline) Value(key any) any {
	d.mu.Lock()
	inner := d.inner
	d.mu.Unlock()
	if inner != nil {
		return inner.Value(key)
	}
	return d.parent.Value(key)
}

// made returns the context with the timer, making it on the first call.
func (d *deadline) made() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inner == nil {
		d.inner, d.cancel = context.WithDeadline(d.parent, d.at)
		if d.ended {
			d.cancel()
		}
	}
	return d.inner
}

// release ends the context with its request.
func (d *deadline) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	if d.cancel != nil {
		d.cancel()
	}
}
