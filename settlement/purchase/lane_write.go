package purchase

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// errLostCommit: the connection went after COMMIT was sent and before its answer
// came, so the batch may be recorded or not.
var errLostCommit = errors.New("purchase: lost the answer to COMMIT")

// errNoConnection: there is no connection to write on.
var errNoConnection = errors.New("purchase: no connection")

// errRolledBack: the server answered COMMIT with ROLLBACK.
var errRolledBack = errors.New("purchase: transaction was rolled back")

// errTaken: a COPY met a key or a code that somebody has.
var errTaken = errors.New("purchase: a key or code is taken")

// errShort: a slice has too little for the batch, the budget has not.
var errShort = errors.New("purchase: a slice is short")

// fault sorts the ways in which a batch fails.
type fault int

const (
	faultNone     fault = iota
	faultConflict       // with another batch: write it again
	faultTaken          // a key or code is somebody's: write it again, finding out whose
	faultShort          // a slice of a budget is short: write it again with more in it
	faultLocked         // a lock was not to be had in time: write the rows that need not wait for it
	faultLost           // connection gone before COMMIT: nothing recorded, write it again
	faultUnknown        // connection gone during COMMIT
	faultData           // a row that the database does not take
	faultProgram        // anything else
)

var faultNames = [...]string{"none", "conflict", "taken", "short", "locked", "lost", "unknown", "data", "program"}

// codeLockTimeout is lock_not_available: lock_timeout has passed.
const codeLockTimeout = "55P03"

// firstComers are the constraints that fail where another batch was first on a row
// that was not there to be locked.
var firstComers = []string{"usage_within_limit", "cap_not_exceeded", "budget_card_cap"}

// faultOf reads an error by its SQLSTATE.
func faultOf(err error) fault {
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return faultNone
	case errors.Is(err, errTaken):
		return faultTaken
	case errors.Is(err, errShort):
		return faultShort
	case errors.Is(err, errNoConnection):
		return faultLost
	case errors.Is(err, errLostCommit):
		return faultUnknown
	case errors.Is(err, errRolledBack):
		return faultConflict
	case !errors.As(err, &pg):
		return faultLost
	}
	if pg.Code == codeLockTimeout {
		return faultLocked
	}
	switch pg.Code[:min(2, len(pg.Code))] {
	case "40", "55": // deadlock, serialization; object not in the state for it
		return faultConflict
	case "08", "25", "53", "57", "58": // connection, read-only standby, resources, operator, system
		return faultLost
	case "23":
		if slices.Contains(firstComers, pg.ConstraintName) {
			return faultConflict
		}
		return faultData
	case "22":
		return faultData
	}
	return faultProgram
}

// write records the rows and answers each of them, whatever it takes.
func (l *lane) write(parent context.Context, rows []*row) {
	l.writeBy(parent, rows, time.Now().Add(l.c.opts.GiveUp))
}

// writeBy is write that gives up at a deadline.
func (l *lane) writeBy(parent context.Context, rows []*row, deadline time.Time) {
	ctx, cancel := context.WithDeadline(parent, deadline)
	defer cancel()
	for attempt := 0; ; attempt++ {
		if ctx.Err() != nil { // what is left of a batch that was halved
			l.refuse(rows)
			return
		}
		err := l.try(ctx, rows)
		f := faultOf(err)
		if f == faultLocked && !l.batch.dayLocked() {
			f = faultConflict // the day is being closed, which is nobody's row
		}
		if f == faultUnknown {
			f, err = l.resolve(parent)
		}
		if f == faultShort {
			if failed := l.rebalance(ctx); failed != nil {
				f, err = faultOf(failed), failed
			}
			if f == faultLocked { // by batches on other slices, which end soon
				f = faultConflict
			}
		}
		switch f {
		case faultNone:
			l.finish()
			return
		case faultTaken:
			l.c.metrics.retries.WithLabelValues(faultNames[f]).Inc()
			l.beCareful()
			continue
		case faultLocked:
			l.c.metrics.retries.WithLabelValues(faultNames[f]).Inc()
			l.goAround(parent, rows, deadline)
			return
		case faultData, faultProgram:
			l.isolate(parent, rows, err)
			return
		case faultUnknown:
			l.c.opts.Logger.Error("outcome of a batch unknown", "rows", len(rows), "error", err)
			l.finishUnknown(err)
			return
		}
		l.c.metrics.retries.WithLabelValues(faultNames[f]).Inc()
		if !pause(ctx, attempt) {
			l.c.opts.Logger.Error("gave up a batch", "rows", len(rows), "attempts", attempt+1, "error", err)
			l.refuse(rows)
			return
		}
	}
}

// pause waits before the next attempt, longer each time; false once ctx is over.
func pause(ctx context.Context, attempt int) bool {
	if attempt == 0 {
		return ctx.Err() == nil
	}
	wait := time.NewTimer(min(time.Millisecond<<min(attempt, 8), 200*time.Millisecond))
	defer wait.Stop()
	select {
	case <-wait.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// try runs the batch's transaction once.
func (l *lane) try(ctx context.Context, rows []*row) error {
	if l.conn == nil {
		if err := l.connect(ctx); err != nil {
			return fmt.Errorf("%w: %w", errNoConnection, err)
		}
	}
	start := l.c.opts.Clock()
	err := l.batch.run(ctx, l, rows)
	if err == nil {
		l.c.metrics.batch.Observe(l.c.opts.Clock().Sub(start).Seconds())
		return nil
	}
	if f := faultOf(err); f == faultLost || f == faultUnknown {
		l.disconnect(ctx)
	} else {
		l.abort(ctx)
	}
	return err
}

// abort ends the transaction, or the connection with it.
func (l *lane) abort(ctx context.Context) {
	pg := l.conn.PgConn()
	if !pg.IsClosed() && pg.TxStatus() != 'I' {
		_ = pg.Exec(ctx, `ROLLBACK`).Close()
	}
	if pg.IsClosed() || pg.TxStatus() != 'I' {
		l.disconnect(ctx)
	}
}

// isolate writes the rows of a batch that failed for its data in halves, down to
// the row at fault, which alone is refused.
func (l *lane) isolate(ctx context.Context, rows []*row, err error) {
	if len(rows) == 1 {
		l.c.opts.Logger.Error("a purchase can't be recorded", "error", err)
		rows[0].err = fmt.Errorf("purchase: record: %w", err)
		l.c.answer(rows[0])
		return
	}
	early, late := halves(rows)
	l.write(ctx, early)
	l.write(ctx, late)
}

// goAround writes the rows of a batch that met a lock held by somebody else in
// halves, down to the row that needs it, which alone is refused. A lock of so
// many rows that this takes until the deadline refuses those that are left.
func (l *lane) goAround(ctx context.Context, rows []*row, deadline time.Time) {
	if len(rows) == 1 {
		l.c.opts.Logger.Warn("refused a purchase for a lock")
		l.refuse(rows)
		return
	}
	early, late := halves(rows)
	l.writeBy(ctx, early, deadline)
	l.writeBy(ctx, late, deadline)
}

// halves copies the two halves of rows, whose memory the lane uses again.
func halves(rows []*row) (early, late []*row) {
	half := len(rows) / 2
	return slices.Clone(rows[:half]), slices.Clone(rows[half:])
}

// refuse answers rows of which nothing was recorded.
func (l *lane) refuse(rows []*row) {
	for _, r := range rows {
		r.err = overloaded(nil)
		l.c.answer(r)
	}
}

// finish answers the rows of a batch that is durable.
func (l *lane) finish() {
	b := &l.batch
	l.careful = max(l.careful-1, 0)
	for i, r := range b.rows {
		r.receipt, r.err = b.fates[i].receipt, b.fates[i].err
		if sold := l.c.opts.Sold; sold != nil && r.err == nil && !r.receipt.Replayed {
			sold(r.sale())
		}
		l.c.answer(r)
	}
	for _, r := range b.adjourned {
		r.spent = b.spent(r)
	}
	l.adjourn()
}

// finishUnknown answers the rows of a batch of which nobody knows whether it is
// durable. Refusals and replays stand: they recorded nothing.
func (l *lane) finishUnknown(cause error) {
	b := &l.batch
	for i, r := range b.rows {
		f := &b.fates[i]
		r.receipt, r.err = f.receipt, f.err
		if f.err == nil && !f.receipt.Replayed {
			r.receipt, r.err = Receipt{}, fmt.Errorf("%w: %w", ErrOutcomeUnknown, cause)
		}
		l.c.answer(r)
	}
	l.adjourn()
}

// adjourn keeps the rows that wait for the next batch and refuses those that are
// too many for it.
func (l *lane) adjourn() {
	l.refuse(l.batch.crowded)
	l.c.metrics.adjourned.Add(float64(len(l.batch.adjourned)))
	l.adjourned = append(l.adjourned, l.batch.adjourned...)
}
