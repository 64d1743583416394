package directory

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"unioncard/merchant"
	"unioncard/merchant/terms"
)

// Options of a Directory. Merchants and Clock are needed.
type Options struct {
	Merchants  *merchant.State // the tills' view, which the feed must fill before the directory
	Clock      func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil: no metrics
	// Tick is how often Run looks for what begins or ends by the clock; default
	// 250 ms.
	Tick time.Duration
}

// Directory is a node's view of what is listed. Reading it never blocks.
type Directory struct {
	opts Options
	now  atomic.Pointer[Index]

	mu     sync.Mutex // one change at a time; guards what follows
	places map[int64]place
	names  terms.Names
	offers offersOf
	agenda agenda

	watchers watchers
}

// New returns a directory that lists nothing until the feed has loaded it.
func New(o Options) *Directory {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Tick == 0 {
		o.Tick = 250 * time.Millisecond
	}
	d := &Directory{opts: o}
	d.now.Store(&Index{})
	if o.Registerer != nil {
		o.Registerer.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "unioncard_directory_outlets", Help: "Outlets listed in the public directory.",
		}, func() float64 { return float64(d.Index().Len()) }))
	}
	return d
}

// Index returns the present index.
func (d *Directory) Index() *Index { return d.now.Load() }

// Search finds a page of outlets: InvalidError, ErrCursor.
func (d *Directory) Search(q Query) (Page, error) { return d.Index().Search(q, d.opts.Clock()) }

// Count is how many outlets a query finds, most at most.
func (d *Directory) Count(q Query, most int) (int, error) {
	return d.Index().Count(q, d.opts.Clock(), most)
}

// Outlet returns a listed outlet; merchant.ErrNotFound.
func (d *Directory) Outlet(id int64) (*Entry, error) {
	if e := d.Index().Outlet(id); e != nil && !e.over(d.opts.Clock()) {
		return e, nil
	}
	return nil, merchant.ErrNotFound
}

// Run takes in what begins and ends by the clock until ctx ends.
func (d *Directory) Run(ctx context.Context) error {
	tick := time.NewTicker(d.opts.Tick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			d.Tick()
		}
	}
}

// Tick takes in what has begun or ended by now, and returns how many outlets were
// looked at.
func (d *Directory) Tick() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.opts.Clock()
	ids := d.agenda.due(now)
	d.update(ids, now)
	return len(ids)
}

// update looks at outlets again, each once, and swaps in an index that has what
// changed. d.mu is held.
func (d *Directory) update(ids []int64, now time.Time) {
	if len(ids) == 0 {
		return
	}
	view, old := d.opts.Merchants.Snapshot(), d.Index()
	var changes []change
	for _, id := range ids {
		e := d.derive(view, id, now)
		before := old.Outlet(id)
		switch {
		case e == nil && before == nil:
		case e == nil:
			changes = append(changes, change{id, nil})
		case before != nil && e.same(before) && e.next.Equal(before.next) && e.stays == before.stays:
		default:
			changes = append(changes, change{id, e})
		}
	}
	if len(changes) == 0 {
		return
	}
	d.now.Store(old.with(changes))
	d.watchers.changed(changes)
}

// derive makes an outlet's entry, nil if it is not listed, and notes when to look
// again. d.mu is held.
func (d *Directory) derive(view *merchant.Snapshot, id int64, now time.Time) *Entry {
	l := view.Listing(id, now)
	d.agenda.set(id, l.Next)
	p, known := d.places[id]
	if l.Contract == nil || !known { // a place that is not known yet comes with the same poll
		return nil
	}
	return newEntry(&l, p, d.describe)
}

// rebuild looks at every outlet and swaps in an index made from nothing. d.mu is
// held.
func (d *Directory) rebuild(now time.Time) {
	view := d.opts.Merchants.Snapshot()
	d.agenda, d.offers = agenda{}, nil
	var entries []*Entry
	view.EachOutlet(func(o *merchant.Outlet) {
		if e := d.derive(view, o.ID, now); e != nil {
			entries = append(entries, e)
		}
	})
	slices.SortFunc(entries, func(a, b *Entry) int { return cmp.Compare(a.ID, b.ID) })
	d.now.Store(newIndex(entries))
	d.watchers.all()
}

// offersOf keeps documents in words by their compiled form, so that equal ones are
// held once.
type offersOf map[*terms.Compiled]*Offers

// describe returns a document in words. d.mu is held.
func (d *Directory) describe(c *terms.Compiled) *Offers {
	if o, ok := d.offers[c]; ok {
		return o
	}
	o := &Offers{of: c}
	for i := range c.Document() {
		doc := &c.Document()[i]
		o.List = append(o.List, Offer{ID: doc.ID, Title: doc.Title, Text: d.names.Describe(*doc), Terms: conditions(d.names.Words(*doc)), Doc: doc})
	}
	if d.offers == nil {
		d.offers = offersOf{}
	}
	d.offers[c] = o
	return o
}

// conditions are the words that stand after what an offer gives and on what.
func conditions(w terms.Words) string {
	parts := slices.Concat(w.Limits, w.When, w.Who)
	if w.Caps != "" {
		parts = slices.Insert(parts, 0, w.Caps)
	}
	return strings.Join(parts, "，")
}

// sweepOffers forgets documents that nothing in the index has, when there are many.
// d.mu is held.
func (d *Directory) sweepOffers() {
	const slack = 2000
	x := d.Index()
	if len(d.offers) < slack+x.Len()/2 {
		return
	}
	held := offersOf{}
	x.Each(func(e *Entry) bool {
		held[e.Offers.of] = e.Offers
		for _, o := range e.Lifting {
			held[o.of] = o
		}
		return true
	})
	d.offers = held
}
