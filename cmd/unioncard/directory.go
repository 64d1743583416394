package main

import (
	"context"
	"log/slog"
	"time"

	"unioncard/api/open"
	"unioncard/api/page"
	"unioncard/card"
	"unioncard/card/feed"
	"unioncard/merchant"
	"unioncard/merchant/directory"
)

// listing is the public directory of a node and what keeps it true.
type listing struct {
	*directory.Directory
	signs  *directory.Signs
	scribe *directory.Scribe
	tree   *card.Unions
	log    *slog.Logger
}

// newListing makes the directory; the feed loads it.
func (n *node) newListing(state *merchant.State, unions *card.Unions, clock func() time.Time) (*listing, feed.Source) {
	d := directory.New(directory.Options{Merchants: state, Clock: clock, Logger: n.log, Registerer: n.registry})
	return &listing{
		Directory: d,
		signs:     directory.NewSigns(n.pool, d, directory.SignsOptions{Clock: clock, Logger: n.log}),
		tree:      unions,
		log:       n.log,
	}, directory.NewSource(d)
}

// openPages puts the public pages together, and the scribe, which writes down what
// they show.
func (n *node) openPages(pages *page.Renderer, clock func() time.Time) *open.Handlers {
	l := n.listing
	h := open.New(open.Options{
		Pages: pages, DB: n.pool, Directory: l.Directory, Signs: l.signs, Tree: l.tree.Tree,
		PublicURL: n.cfg.PublicURL, Clock: clock,
	})
	l.scribe = directory.NewScribe(n.pool, l.Directory, directory.ScribeOptions{Document: h.Document, Signs: l.signs, Logger: n.log})
	return h
}

// run keeps the directory true until ctx ends. Signs are read first, so that the
// scribe does not take every merchant for one that still gives discounts.
func (l *listing) run(ctx context.Context) error {
	if err := l.signs.Refresh(ctx); err != nil && ctx.Err() == nil {
		l.log.Warn("signs of life not read yet", "error", err)
	}
	return runTogether(ctx, l.Directory.Run, l.signs.Run, l.scribe.Run)
}

// runTogether runs parts that stop at any time in any order, and returns the first
// error once all have stopped.
func runTogether(ctx context.Context, parts ...func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, len(parts))
	for _, run := range parts {
		go func() { ended <- run(ctx) }()
	}
	var first error
	for range parts {
		err := <-ended
		if first == nil {
			first = err
		}
		stop()
	}
	return first
}
