package purchase

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"unioncard/card"
	"unioncard/card/union"
	"unioncard/merchant"
	"unioncard/settlement/budget"
	"unioncard/settlement/budget/voucher"
)

// CommitterOptions is what a Committer works with. Table, Tree, Merchants,
// Keyring, Age and Clock are needed; zero values of the rest take the defaults.
type CommitterOptions struct {
	Table     *card.Table
	Tree      func() *union.Tree
	Merchants *merchant.State
	Keyring   *card.Keyring
	// Bindings learns which codes have been used; nil for none.
	Bindings card.Bindings
	// Budgets and Vouchers are the view of union money, for fresh quotes; nil for none.
	Budgets  *budget.State
	Vouchers *voucher.State
	// Sold is told of every purchase once it is durable, also of one without a
	// discount; nil for nobody. Lanes call it, so it must not wait.
	Sold  func(Sale)
	Age   func() time.Duration
	Clock func() time.Time
	Caps  Caps
	// StaleAfter is the age of the view past which nothing is sold; default 30 s.
	StaleAfter time.Duration

	// Lanes is how many batches are written at once; default 2, as more only makes
	// them smaller. Each holds one connection of its own, outside the pool.
	Lanes int
	// MaxRows a batch; default 512.
	MaxRows int
	// Linger is how long a lane waits at most for company after the first
	// purchase; default 2 ms. Gap is how long nothing may come until it stops
	// waiting earlier; default 400 µs.
	Linger, Gap time.Duration
	// Queue is how many purchases may wait in a lane; default 4,096.
	Queue int
	// GiveUp is how long a batch is tried against a database that is away or in
	// conflict before its purchases are refused with ErrOverloaded, and how long
	// an unknown outcome is looked into; default 5 s.
	GiveUp time.Duration

	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

func (o *CommitterOptions) defaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	setInt := func(d *int, v int) {
		if *d == 0 {
			*d = v
		}
	}
	set(&o.StaleAfter, DefaultStaleAfter)
	set(&o.Linger, 2*time.Millisecond)
	set(&o.Gap, 400*time.Microsecond)
	set(&o.GiveUp, 5*time.Second)
	setInt(&o.Lanes, 2)
	setInt(&o.MaxRows, 512)
	setInt(&o.Queue, 4096)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Committer records purchases in groups. Commit may be called from any number of
// goroutines; Run owns the lanes.
type Committer struct {
	opts    CommitterOptions
	pool    *pgxpool.Pool
	pricer  *pricer
	lanes   []*lane
	metrics *commitMetrics
	flights flights
	scratch sync.Pool // *[]byte

	mu     sync.RWMutex // held shared while queueing, so that nothing is queued after closed
	closed bool

	hook func(hookPoint, *lane) error // tests only, else nil
}

// NewCommitter returns a committer; what is queued waits until Run.
func NewCommitter(pool *pgxpool.Pool, o CommitterOptions) *Committer {
	o.defaults()
	c := &Committer{
		opts: o, pool: pool, pricer: newPricer(o.Keyring, o.Caps, Funds{o.Budgets, o.Vouchers}),
		scratch: sync.Pool{New: func() any { return new([]byte) }},
	}
	// The lanes of a node draw on neighbouring slices, those of two nodes on others if
	// chance wills it.
	node := rand.Int32N(1 << 16)
	for i := range o.Lanes {
		c.lanes = append(c.lanes, newLane(c, node+int32(i)))
	}
	c.metrics = newCommitMetrics(o.Registerer, func() (n float64) {
		for _, l := range c.lanes {
			n += float64(len(l.queue))
		}
		return n
	})
	return c
}

// Run writes batches until ctx ends, then refuses new purchases with
// ErrOverloaded, writes what is queued and returns nil.
func (c *Committer) Run(ctx context.Context) error {
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

// retryAfter is what a refusal for overload asks for.
const retryAfter = time.Second

// Commit records a quoted purchase and returns when it is durable. The first
// answer under a key is repeated forever (Replayed); it comes before any other
// check, so that a till that lost an answer learns it however late. Otherwise:
//
//   - ErrKeyInvalid, ErrTextInvalid; ErrKeyReused, ErrKeyInFlight, ErrKeyReversed;
//   - ErrQuoteInvalid, ErrNotFound (another merchant's quote), ErrQuoteOtherClient,
//     ErrQuoteExpired, ErrQuoteMismatch, ErrViewStale;
//   - from the database's present state: the card, merchant.ErrTerminalSuspended
//     and the other errors of merchant; ErrCodeUsed, ErrQuoteUsed;
//   - ErrLimitReached, ErrCapReached, ErrBudgetExhausted, ErrBudgetClosed,
//     ErrBudgetCardCap and ErrVoucherUsed, in a *Refusal with a fresh quote;
//   - ErrOverloaded, nothing was recorded; ErrOutcomeUnknown, ask by key.
//
// If ctx ends while the purchase is queued, it is taken out of the queue and the
// answer is ErrOverloaded; if a batch has it already, the answer is
// ErrOutcomeUnknown and it goes on: by key it is in flight, then there.
func (c *Committer) Commit(ctx context.Context, client *Client, req *CommitRequest) (Receipt, error) {
	if err := errors.Join(CheckKey(req.Key), checkText(req.MerchantRef, maxText), checkText(req.Operator, maxText)); err != nil {
		c.metrics.outcomes.count(err)
		return Receipt{}, err
	}
	r := &row{
		merchant: client.Terminal.MerchantID, terminal: client.Terminal.ID,
		key: req.Key, ref: req.MerchantRef, operator: req.Operator,
		queued: c.opts.Clock(), done: make(chan struct{}),
	}
	buf := c.scratch.Get().(*[]byte)
	r.hash, *buf = hashRequest(*buf, req)
	err := c.checkQuote(r, client, req, buf)
	c.scratch.Put(buf)
	if err == nil {
		r.id, err = uuid.NewV7()
	}
	if err == nil {
		err = c.enqueue(r)
	}
	if err != nil {
		receipt, err := c.firstAnswer(ctx, r, err)
		c.metrics.outcomes.count(err)
		return receipt, err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if r.leave() {
			c.flights.leave(r)
			err := overloaded(nil)
			c.metrics.outcomes.count(err)
			return Receipt{}, err
		}
		return Receipt{}, errors.Join(ErrOutcomeUnknown, ctx.Err())
	}
	if r.err != nil {
		return Receipt{}, c.explain(ctx, client, r, req)
	}
	c.markUsed(ctx, r)
	return r.receipt, nil
}

// InFlight says whether this node is working on a client's idempotency key; for
// DeskOptions.
func (c *Committer) InFlight(merchantID, terminalID int64, key string) bool {
	return c.flights.has(flight{merchantID, terminalID, key})
}

// checkQuote holds the request to what was quoted to whom.
func (c *Committer) checkQuote(r *row, client *Client, req *CommitRequest, buf *[]byte) error {
	now := r.queued
	if err := c.pricer.signer.decode(req.Quote, &r.q, now); err != nil {
		return err
	}
	q, t := &r.q, client.Terminal
	switch {
	case q.merchant != t.MerchantID:
		return ErrNotFound
	case q.terminal != t.ID || !t.POSServer && q.outlet != t.OutletID:
		return ErrQuoteOtherClient
	case !now.Before(q.expires()):
		return ErrQuoteExpired
	}
	var items [16]byte
	items, *buf = hashItems(*buf, req.Items)
	if items != q.items || len(req.Items) != len(q.lines) {
		return ErrQuoteMismatch
	}
	if c.opts.Age() > c.opts.StaleAfter {
		return ErrViewStale
	}
	r.draws = drawsOf(q.applied)
	r.render(req.Items)
	return nil
}

// enqueue hands the row to its merchant's lane.
func (c *Committer) enqueue(r *row) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return overloaded(nil)
	}
	if !c.flights.take(r) {
		return ErrKeyInFlight
	}
	select {
	case c.laneOf(r.merchant).queue <- r:
		return nil
	default:
		c.flights.leave(r)
		return overloaded(nil)
	}
}

// laneOf spreads merchants over the lanes: those with neighbouring ids too.
func (c *Committer) laneOf(merchantID int64) *lane {
	return c.lanes[uint64(merchantID)*0x9E3779B97F4A7C15>>32%uint64(len(c.lanes))]
}

// firstAnswer looks whether the key of a request that is refused before the
// queue has had its answer long ago; if not, the refusal stands. A key that is
// being worked on has no answer yet.
func (c *Committer) firstAnswer(ctx context.Context, r *row, refusal error) (Receipt, error) {
	if errors.Is(refusal, ErrKeyInFlight) || errors.Is(refusal, ErrOverloaded) {
		return Receipt{}, refusal
	}
	p, err := purchaseByKey(ctx, c.pool, r.merchant, r.terminal, r.key)
	if errors.Is(err, ErrNotFound) {
		return Receipt{}, refusal
	}
	if err != nil {
		return Receipt{}, err
	}
	return p.firstAnswer(r.hash)
}

// answer gives a row back to its caller.
func (c *Committer) answer(r *row) {
	c.metrics.answered(r, c.opts.Clock())
	c.flights.leave(r)
	close(r.done)
}

// markUsed tells the fast filter, for the next scan of the code; the truth is in
// code_uses. By the caller, as the filter may be another machine.
func (c *Committer) markUsed(ctx context.Context, r *row) {
	if c.opts.Bindings == nil || r.q.kind != card.KindPhone {
		return
	}
	holder := card.Holder{Terminal: r.terminal, Outlet: r.q.outlet}
	c.opts.Bindings.MarkUsed(ctx, r.q.code(), holder, c.opts.Clock())
}

// code is the phone code that a quote was made for.
func (q *quote) code() card.Code {
	return card.Code{
		Kind: q.kind, Serial: q.serial, Generation: q.generation,
		Slot: uint8(q.codeKey % card.Slots), Step: q.codeKey / card.Slots,
	}
}
