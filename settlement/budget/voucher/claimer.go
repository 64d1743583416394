package voucher

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"unioncard/card/phone"
	"unioncard/card/union"
)

// What a claim can be answered besides a pack. Each is definite: asking again gives
// the same until what it names has changed. phone.ErrNoSession, phone.ErrNoCard and
// phone.ErrCardUnusable come through as they are.
var (
	// ErrNoSeries: there is no such series, or its packs are not claimed but granted.
	ErrNoSeries = errors.New("voucher: no such series")
	// ErrNotYet: claims have not begun.
	ErrNotYet = errors.New("voucher: claims have not begun")
	// ErrOver: claims have ended, or the series has.
	ErrOver = errors.New("voucher: claims are over")
	// ErrPaused: the series is frozen.
	ErrPaused = errors.New("voucher: series is frozen")
	// ErrNotEligible: the series is for members of another territory.
	ErrNotEligible = errors.New("voucher: series is for another territory")
	// ErrSoldOut: all packs are given out.
	ErrSoldOut = errors.New("voucher: sold out")
	// ErrBusy: too many claims at once, or the database is away. Whether the pack was
	// given may be unknown: claiming again tells, and gives no second one.
	ErrBusy = errors.New("voucher: too many claims at once")
)

// Claimed is a pack that a member has.
type Claimed struct {
	SeriesID int64
	Vouchers int       // in the pack
	At       time.Time // when it was given
	// Again: the member had it already; the rest is as it was answered first.
	Again bool
}

// ClaimerOptions is what a Claimer works with. Tree and Limits are needed; zero
// values of the rest take the defaults.
type ClaimerOptions struct {
	Tree   func() *union.Tree
	Limits phone.Limits // of sessions
	// Lanes is how many batches are written at once; a series always goes to the same
	// lane. Default 2.
	Lanes int
	// MaxRows a batch; default 512.
	MaxRows int
	// Linger is how long a lane waits for company after the first claim; default 20 ms, so
	// that 5,000 claims a second cost 50 transactions and leave the processor to tills.
	Linger time.Duration
	// Queue is how many claims may wait in a lane; default 16,384.
	Queue int
	// GiveUp is how long a batch is tried against a database that is away; default 3 s.
	GiveUp     time.Duration
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

func (o *ClaimerOptions) defaults() {
	if o.Lanes == 0 {
		o.Lanes = 2
	}
	if o.MaxRows == 0 {
		o.MaxRows = 512
	}
	if o.Linger == 0 {
		o.Linger = 20 * time.Millisecond
	}
	if o.Queue == 0 {
		o.Queue = 16_384
	}
	if o.GiveUp == 0 {
		o.GiveUp = 3 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Claimer gives packs out to the members who claim them, in batches. Claim may be
// called from any number of goroutines; Run owns the lanes.
type Claimer struct {
	opts    ClaimerOptions
	pool    *pgxpool.Pool
	lanes   []*lane
	metrics *claimMetrics

	mu     sync.RWMutex // held shared while queueing, so that nothing is queued after closed
	closed bool
}

// NewClaimer returns a claimer; what is queued waits until Run.
func NewClaimer(pool *pgxpool.Pool, o ClaimerOptions) *Claimer {
	o.defaults()
	c := &Claimer{opts: o, pool: pool}
	for range o.Lanes {
		c.lanes = append(c.lanes, &lane{c: c, queue: make(chan *claim, o.Queue)})
	}
	c.metrics = newClaimMetrics(o.Registerer, func() (n float64) {
		for _, l := range c.lanes {
			n += float64(len(l.queue))
		}
		return n
	})
	return c
}

// Run gives out until ctx ends, then refuses new claims with ErrBusy, answers what is
// queued and returns nil.
func (c *Claimer) Run(ctx context.Context) error {
	var lanes sync.WaitGroup
	for _, l := range c.lanes {
		lanes.Go(func() { l.run(context.WithoutCancel(ctx)) })
	}
	<-ctx.Done()
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	for _, l := range c.lanes {
		close(l.queue)
	}
	lanes.Wait()
	return nil
}

// claim is one claim on its way through a lane.
type claim struct {
	hash   []byte
	series int64
	queued time.Time
	left   atomic.Bool // its caller has gone: it may be left out of a batch to come

	claimed Claimed
	err     error
	done    chan struct{}
}

// Claim gives the member who is signed in with a session's token a pack of a series,
// and returns once it is durable. Who has one already gets the first answer again,
// whatever has become of the series since. Otherwise, in this order:
// phone.ErrNoSession; ErrNoSeries; ErrOver, ErrPaused, ErrNotYet; phone.ErrNoCard,
// phone.ErrCardUnusable; ErrNotEligible; ErrSoldOut. ErrBusy when nothing can be
// said now.
func (c *Claimer) Claim(ctx context.Context, token string, seriesID int64) (Claimed, error) {
	hash, ok := phone.TokenHash(token)
	if !ok {
		return Claimed{}, phone.ErrNoSession
	}
	if seriesID < 1 {
		return Claimed{}, ErrNoSeries
	}
	r := &claim{hash: hash, series: seriesID, queued: time.Now(), done: make(chan struct{})}
	if !c.enqueue(r) {
		c.metrics.count(ErrBusy)
		return Claimed{}, ErrBusy
	}
	select {
	case <-r.done:
		return r.claimed, r.err
	case <-ctx.Done():
		r.left.Store(true)
		return Claimed{}, ErrBusy
	}
}

// enqueue puts a claim into its series' lane; false if that is full or closed.
func (c *Claimer) enqueue(r *claim) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return false
	}
	select {
	case c.lanes[int(r.series%int64(len(c.lanes)))].queue <- r:
		return true
	default:
		return false
	}
}

// answer ends a claim.
func (c *Claimer) answer(r *claim) {
	c.metrics.count(r.err)
	c.metrics.wait.Observe(time.Since(r.queued).Seconds())
	close(r.done)
}
