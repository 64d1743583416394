package main

import (
	"time"

	"unioncard/card"
	"unioncard/card/batch"
)

// newBatches makes the stores that cards are issued and worked on with: their
// numbers carry the deployment's prefix.
func (n *node) newBatches(codes *card.Codes, clock func() time.Time) {
	n.codes = codes
	n.cards = card.NewStore(n.pool, card.StoreOptions{NewNumber: codes.NewNumber})
	n.batches = batch.NewStore(n.pool, n.cards, codes, n.vault, batch.Options{Clock: clock, Logger: n.log})
}
