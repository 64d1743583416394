package batch_test

import (
	"sync"
	"testing"
	"time"

	"unioncard/card/batch"
)

// Several nodes work on one batch, members sign in and cards are handed out
// meanwhile: every member gets one card, and every count is right.
func TestNodesAtOnce(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t)
	const members = 5000
	_, err := w.pool.Exec(ctx, `INSERT INTO members (union_id, name_masked) SELECT $1, '张*' FROM generate_series(1, $2)`, w.works[0].ID, members)
	w.must(err)
	id, err := w.batches.Create(ctx, by, w.draft(w.works[0]))
	w.must(err)
	w.move(id, batch.Start)
	began := time.Now()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for w.get(id).Status == batch.Running {
				if _, err := w.batches.Step(ctx); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d cards in %v", members, time.Since(began))
	if b := w.get(id); b.Seen != members {
		t.Errorf("%d of %d members taken: two nodes were at the same ones", b.Seen, members)
	}
	for _, activate := range []bool{false, false, true, true} {
		wg.Go(func() {
			if _, _, err := w.batches.Hand(ctx, by, "/", id, batch.To{}, activate); err != nil && err != batch.ErrNothing {
				t.Error(err)
			}
		})
	}
	for serial := range int64(50) {
		wg.Go(func() {
			if err := w.cards.Activate(ctx, by, serial+1); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var live, cards, numbers, delivered, active int
	w.must(w.pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM live_cards), count(*), count(DISTINCT number),
		count(delivered_at), count(*) FILTER (WHERE status = 1) FROM cards`).Scan(&live, &cards, &numbers, &delivered, &active))
	if live != members || cards != members || numbers != members {
		t.Errorf("%d live of %d cards with %d numbers, want %d", live, cards, numbers, members)
	}
	if got := counts(w.get(id)); got != [3]int{members, delivered, active} || delivered != members {
		t.Errorf("counted %v, want %d, %d delivered, %d active", got, members, delivered, active)
	}
	// Every card changed has its feed row.
	var behind int
	w.must(w.pool.QueryRow(ctx, `SELECT count(*) FROM cards c WHERE c.version > coalesce((SELECT max(version) FROM changes
		WHERE kind = 2 AND object_id = c.serial), 0)`).Scan(&behind))
	if behind != 0 {
		t.Errorf("%d cards are newer than the feed", behind)
	}
}
