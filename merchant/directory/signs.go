package directory

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"unioncard/merchant"
)

// SilentAfter is how long a merchant may go without giving a discount before the
// listing says so and its office is told.
const SilentAfter = 30 * 24 * time.Hour

// SignsOptions of Signs; zero values take the defaults.
type SignsOptions struct {
	Every  time.Duration // between two writings; default 30 s
	Clock  func() time.Time
	Logger *slog.Logger
}

// Sign is when an outlet last showed life; zero: never.
type Sign struct {
	Discount time.Time // the last discounted purchase
	Seen     time.Time // the last call of one of its terminals
}

// Signs gathers signs of life of this node's purchases, writes them down and reads
// what all nodes wrote.
type Signs struct {
	db   merchant.DB
	dir  *Directory
	opts SignsOptions

	mu    sync.Mutex
	fresh map[int64]int64 // outlet → Unix seconds of its last discount, not yet written

	known  atomic.Pointer[signs]
	silent atomic.Pointer[map[int64]struct{}] // merchants
}

// signs is what was read last, in Unix seconds; it is not changed afterwards.
type signs struct {
	discount map[int64]int64 // by outlet
	seen     map[int64]int64 // by outlet
	server   map[int64]int64 // a POS server acts for all outlets: by merchant
}

// NewSigns returns signs that know nothing until Refresh or Run.
func NewSigns(db merchant.DB, dir *Directory, o SignsOptions) *Signs {
	if o.Every == 0 {
		o.Every = 30 * time.Second
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Signs{db: db, dir: dir, opts: o, fresh: map[int64]int64{}}
	s.known.Store(&signs{})
	s.silent.Store(&map[int64]struct{}{})
	return s
}

// Sold notes that an outlet has given a discount. Purchases call it; it allocates
// nothing for an outlet that it has noted since the last writing.
func (s *Signs) Sold(outletID int64, at time.Time) {
	sec := at.Unix()
	s.mu.Lock()
	if s.fresh[outletID] < sec {
		s.fresh[outletID] = sec
	}
	s.mu.Unlock()
}

// Of is the signs of life of a listed outlet, as of the last reading.
func (s *Signs) Of(e *Entry) Sign {
	k := s.known.Load()
	return Sign{moment(k.discount[e.ID]), moment(max(k.seen[e.ID], k.server[e.MerchantID]))}
}

func moment(sec int64) time.Time {
	if sec == 0 {
		return time.Time{}
	}
	return time.Unix(sec, 0)
}

// Silent says whether a merchant has given no discount for SilentAfter although it
// could.
func (s *Signs) Silent(merchantID int64) bool {
	_, silent := (*s.silent.Load())[merchantID]
	return silent
}

// Run writes and reads at every interval until ctx ends, and writes once more.
func (s *Signs) Run(ctx context.Context) error {
	tick := time.NewTicker(s.opts.Every)
	defer tick.Stop()
	for {
		s.turn(ctx)
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := s.Flush(last); err != nil {
				s.opts.Logger.Warn("signs of life: last writing", "error", err)
			}
			return nil
		case <-tick.C:
		}
	}
}

func (s *Signs) turn(ctx context.Context) {
	err := s.Flush(ctx)
	if err == nil {
		err = s.Refresh(ctx)
	}
	if err != nil && ctx.Err() == nil {
		s.opts.Logger.Warn("signs of life", "error", err)
	}
}

// Flush writes down what Sold has noted.
func (s *Signs) Flush(ctx context.Context) error {
	s.mu.Lock()
	fresh := s.fresh
	s.fresh = make(map[int64]int64, len(fresh))
	s.mu.Unlock()
	err := writeSigns(ctx, s.db, fresh)
	if err != nil { // keep it for the next time
		s.mu.Lock()
		for id, sec := range fresh {
			s.fresh[id] = max(s.fresh[id], sec)
		}
		s.mu.Unlock()
	}
	return err
}

// Refresh reads what all nodes wrote and finds the silent merchants.
func (s *Signs) Refresh(ctx context.Context) error {
	k, err := readSigns(ctx, s.db)
	if err != nil {
		return err
	}
	s.known.Store(k)
	before, now := *s.silent.Load(), s.findSilent(k)
	s.silent.Store(&now)
	flipped := map[int64]bool{}
	for m := range before {
		if _, still := now[m]; !still {
			flipped[m] = true
		}
	}
	for m := range now {
		if _, already := before[m]; !already {
			flipped[m] = true
		}
	}
	if len(flipped) == 0 {
		return nil
	}
	var ids []int64
	s.dir.Index().Each(func(e *Entry) bool {
		if flipped[e.MerchantID] {
			ids = append(ids, e.ID)
		}
		return true
	})
	s.dir.watchers.ids(ids)
	return nil
}

// findSilent lists the merchants none of whose listed outlets has given a
// discount for SilentAfter, though every contract they are listed under has run
// that long. A union's own windows give advice rather than discounts and are
// never silent.
func (s *Signs) findSilent(k *signs) map[int64]struct{} {
	limit := s.opts.Clock().Add(-SilentAfter)
	alive, silent := map[int64]bool{}, map[int64]struct{}{}
	s.dir.Index().Each(func(e *Entry) bool {
		if e.Trade == merchant.TradeUnion || e.From.After(limit) || k.discount[e.ID] > limit.Unix() {
			alive[e.MerchantID] = true
		} else {
			silent[e.MerchantID] = struct{}{}
		}
		return true
	})
	for m := range alive {
		delete(silent, m)
	}
	return silent
}
