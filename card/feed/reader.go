package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// Options of a Reader. The zero value of each field means its default.
type Options struct {
	Poll       time.Duration // longest time between two polls, default 500 ms
	MinGap     time.Duration // shortest time from one poll's start to the next, default 10 ms: a burst of wake-ups is one poll
	MaxAge     time.Duration // Ready up to this age of the view, default 30 s
	Timeout    time.Duration // of one poll, default 10 s
	LoadWithin time.Duration // of a load made by Run, default 5 min; then it is tried again
	Workers    int           // connections that load at once, default 4
	Waker      Waker         // default: LISTEN on a connection of its own
	Clock      func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil: metrics are kept but not shown
}

func (o Options) withDefaults(config *pgx.ConnConfig) Options {
	if o.Poll == 0 {
		o.Poll = 500 * time.Millisecond
	}
	if o.MinGap == 0 {
		o.MinGap = 10 * time.Millisecond
	}
	if o.MaxAge == 0 {
		o.MaxAge = 30 * time.Second
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.LoadWithin == 0 {
		o.LoadWithin = 5 * time.Minute
	}
	if o.Workers == 0 {
		o.Workers = 4
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Waker == nil {
		o.Waker = NewListener(config, o.Logger)
	}
	return o
}

// Reader keeps Sources current. It reads on a connection of its own, so that a
// pool emptied by purchases does not age the view.
type Reader struct {
	config  *pgx.ConnConfig
	sources []Source
	byKind  map[Kind][]int // indexes into sources
	opts    Options
	metrics *metrics

	// Used by Load and Run only, which do not overlap.
	conn     *pgx.Conn
	prev     string    // pg_current_snapshot() of the last applied poll; "" before the load
	prevAt   time.Time // by the database's clock, of that poll
	timeline string    // of the database that the view was loaded from
	again    bool      // until the first poll on a new connection is applied

	base    time.Time
	applied atomic.Int64 // when the last applied poll started, ns after base, plus 1; 0: never loaded
}

// NewReader makes a reader over the pool's database. Load it, then Run it.
func NewReader(pool *pgxpool.Pool, sources []Source, opts Options) *Reader {
	config := pool.Config().ConnConfig
	r := &Reader{config: config, sources: sources, byKind: make(map[Kind][]int), opts: opts.withDefaults(config)}
	r.base = r.opts.Clock()
	for i, s := range sources {
		for _, k := range s.Kinds() {
			r.byKind[k] = append(r.byKind[k], i)
		}
	}
	r.metrics = newMetrics(r.opts.Registerer, func() float64 { return r.Age(r.opts.Clock()).Seconds() })
	return r
}

// Age is how old the view may be at most: the time since the last applied poll
// began, before its snapshot was taken. Before the first load it counts from the
// reader's making.
func (r *Reader) Age(now time.Time) time.Duration {
	return max(0, now.Sub(r.base)-time.Duration(max(0, r.applied.Load()-1)))
}

// Ready reports whether the view is loaded and no older than Options.MaxAge.
func (r *Reader) Ready(now time.Time) bool {
	return r.applied.Load() != 0 && r.Age(now) <= r.opts.MaxAge
}

func (r *Reader) setApplied(started time.Time) { r.applied.Store(int64(started.Sub(r.base)) + 1) }

// Run polls until ctx ends, which it answers with nil, and owns the waker
// meanwhile. It loads first if Load was not called. Errors of the database are
// logged, counted and retried with a back-off of at most a second.
func (r *Reader) Run(ctx context.Context) error {
	wakerCtx, stop := context.WithCancel(ctx)
	wakerDone := make(chan struct{})
	go func() {
		defer close(wakerDone)
		r.opts.Waker.Run(wakerCtx)
	}()
	defer func() {
		stop()
		<-wakerDone
		r.hangUp()
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	back := backoff{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-r.opts.Waker.Wake():
		}
		began := time.Now()
		err := r.poll(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			r.opts.Logger.Warn("change feed: poll failed", "error", err, "age_ms", r.Age(r.opts.Clock()).Milliseconds())
			r.hangUp()
			if !wait(ctx, back.next()) {
				return nil
			}
			timer.Reset(0)
			continue
		}
		back = backoff{}
		if !wait(ctx, r.opts.MinGap-time.Since(began)) {
			return nil
		}
		timer.Reset(r.opts.Poll - time.Since(began))
	}
}

// poll applies what has committed since the last one.
func (r *Reader) poll(ctx context.Context) error {
	if r.prev == "" {
		return r.reload(ctx)
	}
	err := r.pollTimed(ctx)
	if errors.Is(err, errBehind) {
		r.opts.Logger.Warn("change feed: too far behind, loading afresh")
		r.prev = ""
		return r.reload(ctx)
	}
	r.metrics.polled(err)
	return err
}

// reload is Load with a limit: a server that went silent must not hold it forever.
func (r *Reader) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.opts.LoadWithin)
	defer cancel()
	return r.Load(ctx)
}

func (r *Reader) pollTimed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.opts.Timeout)
	defer cancel()
	started := r.opts.Clock()
	if r.conn == nil || r.conn.IsClosed() {
		conn, err := pgx.ConnectConfig(ctx, r.config.Copy())
		if err != nil {
			return fmt.Errorf("feed: connect: %w", err)
		}
		r.conn, r.again = conn, true
		var timeline string
		if err := conn.QueryRow(ctx, `SELECT `+timelineSQL).Scan(&timeline); err != nil {
			return fmt.Errorf("feed: timeline: %w", err)
		}
		if timeline != r.timeline {
			return errBehind
		}
	}
	return r.pollOnce(ctx, started)
}

// hangUp closes the reader's connection; the next poll makes a new one. A
// connection that saw an error may be in any state.
func (r *Reader) hangUp() {
	if r.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = r.conn.Close(ctx) // it is given up either way
	r.conn = nil
}

// backoff doubles from 20 ms to a second.
type backoff struct{ last time.Duration }

func (b *backoff) next() time.Duration {
	b.last = min(max(20*time.Millisecond, 2*b.last), time.Second)
	return b.last
}

// wait returns false if ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
