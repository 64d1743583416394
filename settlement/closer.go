package settlement

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"unioncard/merchant"
	"unioncard/settlement/ledger"
)

// CloserOptions is what a Closer works with; zero values take the defaults.
type CloserOptions struct {
	Clock      func() time.Time // for pacing; days are the database's, but see overByBoth
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// After is how long after midnight a day is closed by itself (default 5 minutes).
	After time.Duration
	// Term is how many days after the closing a merchant may confirm or dispute
	// (default DefaultTerm).
	Term int
	// By is who closes and why; nobody is the service itself.
	By merchant.By
	// Duty is the part of the time that the closer works; the rest is the tills'.
	Duty float64
	// Every is how often Run looks whether something is to be done.
	Every time.Duration
	// chunk is how many merchants' statements are written in one transaction.
	chunk int
	// hook is called at the steps of a close, for tests: an error ends it there, as a
	// kill would.
	hook func(step string) error
}

const (
	defaultAfter = 5 * time.Minute
	defaultDuty  = 0.5
	defaultEvery = 30 * time.Second
	closeChunk   = 500
)

// Closer closes business days and does what follows from it: confirmations after the
// term, the audit. Every node runs one; the work is done once.
type Closer struct {
	pool    *pgxpool.Pool
	opt     CloserOptions
	metrics *closerMetrics
}

// NewCloser returns a closer.
func NewCloser(pool *pgxpool.Pool, o CloserOptions) *Closer {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.After == 0 {
		o.After = defaultAfter
	}
	if o.By.Actor == "" {
		o.By = merchant.By{Actor: system, Reason: "营业日结束"}
	}
	if o.Term == 0 {
		o.Term = DefaultTerm
	}
	if o.Duty == 0 {
		o.Duty = defaultDuty
	}
	if o.Every == 0 {
		o.Every = defaultEvery
	}
	if o.chunk == 0 {
		o.chunk = closeChunk
	}
	if o.hook == nil {
		o.hook = func(string) error { return nil }
	}
	return &Closer{pool: pool, opt: o, metrics: newCloserMetrics(o.Registerer)}
}

// closeLock is the advisory lock of whoever closes.
const closeLock = 0x636c6f73 // "clos"

// closerSettings hold for the closer's connection. The session is the lease on the
// lock: silent for a minute, or its machine gone, and the server ends it.
var closerSettings = map[string]string{
	"idle_session_timeout":                "60s",
	"idle_in_transaction_session_timeout": "60s",
	"tcp_keepalives_idle":                 "10",
	"tcp_keepalives_interval":             "5",
	"tcp_keepalives_count":                "3",
	"application_name":                    "unioncard-closer",
}

// session runs f on a connection that holds the closer's lock, or returns ErrClosing.
func (c *Closer) session(ctx context.Context, f func(conn *pgx.Conn) error) error {
	cfg := c.pool.Config().ConnConfig.Copy()
	for name, value := range closerSettings {
		cfg.RuntimeParams[name] = value
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("settlement: connect: %w", err)
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = conn.Close(end) // with it goes the lock
	}()
	// A little patience: the session of a closer that was killed is ending.
	_, err = conn.Exec(ctx, `SELECT set_config('lock_timeout', '3s', false)`)
	if err == nil {
		_, err = conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, closeLock)
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == lockNotAvailable {
		return ErrClosing
	}
	if err != nil {
		return fmt.Errorf("settlement: lock: %w", err)
	}
	return f(conn)
}

// Closed is what closing a day did.
type Closed struct {
	Day        ledger.Day
	Statements int64 // of the day, in all
	Purchases  int64 // read; 0 for a day that was closed before
	Took       time.Duration
}

// CloseDue closes every day that is over since CloserOptions.After, the oldest first.
// ErrClosing if another closer is at it.
func (c *Closer) CloseDue(ctx context.Context) (closed []Closed, err error) {
	return c.closeDue(ctx, c.over)
}

func (c *Closer) closeDue(ctx context.Context, over func(ledger.Day, time.Time) bool) (closed []Closed, err error) {
	due, err := c.due(ctx, over)
	if err != nil || !due {
		return nil, err
	}
	err = c.session(ctx, func(conn *pgx.Conn) error {
		for {
			next, now, err := nextDay(ctx, conn)
			if err != nil {
				return err
			}
			if !over(next, now) {
				return nil
			}
			did, err := c.closeDay(ctx, conn, next)
			if err != nil {
				return err
			}
			closed = append(closed, did)
		}
	})
	return closed, err
}

// due says, without a lock, whether there is a day to close.
func (c *Closer) due(ctx context.Context, over func(ledger.Day, time.Time) bool) (bool, error) {
	conn, err := c.pool.Acquire(ctx)
	if err != nil {
		return false, fmt.Errorf("settlement: due: %w", err)
	}
	defer conn.Release()
	next, now, err := nextDay(ctx, conn.Conn())
	return err == nil && over(next, now), err
}

// over says whether a day is over, now being the database's clock, which stamps the days.
func (c *Closer) over(day ledger.Day, now time.Time) bool {
	return !now.Before((day + 1).Start().Add(c.opt.After))
}

// overByBoth is over for what nobody looks at: the node's own clock has to agree, as one
// that jumped ahead would seal days that have not been, and a seal is for good.
func (c *Closer) overByBoth(day ledger.Day, now time.Time) bool {
	return c.over(day, now) && c.over(day, c.opt.Clock())
}

// Close closes the days up to and with a day. It must be over (ErrDayNotOver), unless
// early: then today may be closed before midnight, from when on purchases count for
// tomorrow and today's can't be voided any more, only refunded. Of a day that is closed
// it says what was done. ErrClosing if another closer is at it.
func (c *Closer) Close(ctx context.Context, day ledger.Day, early bool) (closed []Closed, err error) {
	err = c.session(ctx, func(conn *pgx.Conn) error {
		next, now, err := nextDay(ctx, conn)
		if err != nil {
			return err
		}
		today := ledger.DayOf(now)
		if day > today || day == today && !early {
			return ErrDayNotOver
		}
		if day < next {
			did, err := c.readClosed(ctx, conn, day)
			closed = append(closed, did)
			return err
		}
		for d := next; d <= day; d++ {
			did, err := c.closeDay(ctx, conn, d)
			if err != nil {
				return err
			}
			closed = append(closed, did)
		}
		return nil
	})
	return closed, err
}

// nextDay is the day to be closed next, and the database's clock: the day after the
// last one done; at the very first the first on which anything happened, or yesterday.
func nextDay(ctx context.Context, conn *pgx.Conn) (next ledger.Day, now time.Time, err error) {
	var last *ledger.Day
	err = conn.QueryRow(ctx, `SELECT max(day) - date '1970-01-01', now() FROM business_days WHERE done_at IS NOT NULL`).Scan(&last, &now)
	if err != nil {
		return 0, now, fmt.Errorf("settlement: next day: %w", err)
	}
	if last != nil {
		return *last + 1, now, nil
	}
	err = conn.QueryRow(ctx, `SELECT coalesce(least((SELECT min(day) FROM business_days WHERE closed_at IS NOT NULL),
			(SELECT min(business_day) FROM purchases), (SELECT min(business_day) FROM transfers WHERE merchant_id > 0)),
			(now() AT TIME ZONE 'Asia/Shanghai')::date - 1) - date '1970-01-01'`).Scan(&next)
	if err != nil {
		return 0, now, fmt.Errorf("settlement: first day: %w", err)
	}
	return next, now, nil
}

func (c *Closer) readClosed(ctx context.Context, conn *pgx.Conn, day ledger.Day) (did Closed, err error) {
	did.Day = day
	err = conn.QueryRow(ctx, `SELECT statements FROM business_days WHERE day = $1`, day.Date()).Scan(&did.Statements)
	if errors.Is(err, pgx.ErrNoRows) { // before anything happened
		return did, nil
	}
	if err != nil {
		return did, fmt.Errorf("settlement: closed day: %w", err)
	}
	return did, nil
}
