package purchase

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// verification is one line of the journal: complaints and the follow-up of
// merchants need to know who was refused what, where and when.
type verification struct {
	at                       time.Time
	serial, outlet, terminal int64
	kind                     uint8
	outcome                  uint8
	contract                 int64
	terms                    int32
	amount, discount         int64
}

// JournalOptions of a Journal; zero values take the defaults.
type JournalOptions struct {
	// Buffer is how many entries wait at most, in two halves; default 65,536
	// (about 6 MB). What comes while both are full is dropped and counted.
	Buffer int
	// Every is how often the buffer is written; default 200 ms.
	Every time.Duration
	// KeepDays is how long partitions are kept; default 90.
	KeepDays   int
	Clock      func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Journal writes verifications to PostgreSQL in batches, behind the answers. It
// never blocks: with the database away it drops and counts. Run owns it.
type Journal struct {
	db   DB
	opts JournalOptions

	mu    sync.Mutex
	open  []verification // being filled
	spare []verification // the other half, nil while it is being written
	full  chan struct{}  // open is full

	kept time.Time // when partitions were last looked after; Run only

	dropped, written prometheus.Counter
}

// NewJournal returns a journal; entries wait until Run writes them.
func NewJournal(db DB, o JournalOptions) *Journal {
	if o.Buffer == 0 {
		o.Buffer = 1 << 16
	}
	if o.Every == 0 {
		o.Every = 200 * time.Millisecond
	}
	if o.KeepDays == 0 {
		o.KeepDays = 90
	}
	half := max(o.Buffer/2, 1)
	return &Journal{
		db: db, opts: o,
		open: make([]verification, 0, half), spare: make([]verification, 0, half),
		full: make(chan struct{}, 1),
		dropped: register(o.Registerer, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "unioncard_journal_dropped_total", Help: "Verifications not journalled: the buffer was full or the database away."})),
		written: register(o.Registerer, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "unioncard_journal_written_total", Help: "Verifications journalled."})),
	}
}

// add takes an outcome down.
func (j *Journal) add(terminal int64, a *VerifyAnswer, err error, now time.Time) {
	j.put(verification{
		at: now, serial: a.serial, outlet: a.outletID, terminal: terminal, kind: uint8(a.Kind),
		outcome: uint8(outcomeOf(err)), contract: a.contractID, terms: a.TermsVersion,
		amount: a.AmountFen, discount: a.DiscountFen,
	})
}

func (j *Journal) put(v verification) {
	j.mu.Lock()
	if len(j.open) == cap(j.open) {
		j.mu.Unlock()
		j.dropped.Inc()
		return
	}
	j.open = append(j.open, v)
	full := len(j.open) == cap(j.open)
	j.mu.Unlock()
	if full {
		select {
		case j.full <- struct{}{}:
		default:
		}
	}
}

// take returns what has been taken down and leaves the other half to fill.
func (j *Journal) take() []verification {
	j.mu.Lock()
	defer j.mu.Unlock()
	got := j.open
	j.open, j.spare = j.spare, nil
	return got
}

func (j *Journal) giveBack(half []verification) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.spare = half[:0]
}

// Run writes until ctx ends, then once more what is left. It returns nil: a
// journal that can not write drops, and is no reason to stop anything.
func (j *Journal) Run(ctx context.Context) error {
	tick := time.NewTicker(j.opts.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			j.flush(last)
			return nil
		case <-tick.C:
		case <-j.full:
		}
		j.flush(ctx)
	}
}

// flush writes one half; what can't be written is dropped.
func (j *Journal) flush(ctx context.Context) {
	half := j.take()
	defer func() { j.giveBack(half) }()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := j.keepPartitions(ctx); err != nil {
		j.opts.Logger.Warn("journal partitions", "error", err)
	}
	if len(half) == 0 {
		return
	}
	if err := j.write(ctx, half); err != nil {
		j.dropped.Add(float64(len(half)))
		j.opts.Logger.Warn("journal dropped verifications", "count", len(half), "error", err)
		return
	}
	j.written.Add(float64(len(half)))
}
