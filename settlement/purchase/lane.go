package purchase

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// lane writes one batch after the other on a connection of its own. A merchant's
// purchases always go to the same lane, in the order in which they came.
type lane struct {
	c        *Committer
	queue    chan *row
	conn     *pgx.Conn // nil until connected, and after a failure
	prepared [statements]*pgconn.StatementDescription
	rows     []*row // the batch being gathered
	// adjourned are rows whose code is used by another row of the last batch: they
	// lead the next one, when that one is decided.
	adjourned []*row
	batch     batch
	// careful is how many more batches claim their keys one by one instead of by
	// COPY.
	careful int
	// pick says on which of a budget's slices the lane draws: modulo their number.
	pick  int32
	today day // that the last batch was stamped with, 0 before the first
}

// carefulBatches follow one in which a key or code was found taken: tills that
// repeat themselves come in crowds, and one that does so all the time costs others
// no more than a COPY in so many batches.
const carefulBatches = 64

func (l *lane) beCareful() { l.careful = carefulBatches }

func newLane(c *Committer, pick int32) *lane {
	l := &lane{c: c, pick: pick, queue: make(chan *row, c.opts.Queue)}
	l.batch.caps.caps = c.opts.Caps
	return l
}

// run works until the queue is closed and empty.
func (l *lane) run(ctx context.Context) {
	defer func() { l.disconnect(ctx) }()
	linger := time.NewTimer(time.Hour)
	defer linger.Stop()
	for l.gather(linger) {
		l.c.metrics.rows.Observe(float64(len(l.rows)))
		l.write(ctx, l.rows)
	}
}

// gather fills l.rows with what has queued: all there is, up to MaxRows. A lane
// that finds less waits for the rest of a burst: until nothing has come for Gap,
// and for Linger at most. It returns false when there is nothing left and nothing
// will come.
func (l *lane) gather(linger *time.Timer) bool {
	l.rows = append(l.rows[:0], l.adjourned...)
	l.adjourned = l.adjourned[:0]
	for len(l.rows) == 0 {
		r, ok := <-l.queue
		if !ok {
			return false
		}
		l.take(r)
	}
	for deadline := time.Now().Add(l.c.opts.Linger); !l.drain(); {
		wait := min(l.c.opts.Gap, time.Until(deadline))
		if wait <= 0 {
			return true
		}
		linger.Reset(wait)
		select {
		case r, ok := <-l.queue:
			linger.Stop()
			if !ok {
				return true
			}
			l.take(r)
		case <-linger.C:
			return true
		}
	}
	return true
}

// take adds a row to the batch, unless its caller has left it.
func (l *lane) take(r *row) {
	if r.take() {
		l.rows = append(l.rows, r)
	}
}

// drain takes what is there without waiting; true if that fills a batch.
func (l *lane) drain() bool {
	for len(l.rows) < l.c.opts.MaxRows {
		select {
		case r, ok := <-l.queue:
			if !ok {
				return true
			}
			l.take(r)
		default:
			return false
		}
	}
	return true
}

// disconnect drops the connection, if there is one.
func (l *lane) disconnect(ctx context.Context) {
	if l.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = l.conn.Close(ctx)
	l.conn = nil
}
