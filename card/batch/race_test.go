package batch_test

import (
	"errors"
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

// TestPrintedAlone: a card printed by itself, as after a replacement, is in no other
// file, also when the batch's next one is made at the same moment.
func TestPrintedAlone(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t)
	members := []int64{w.register(w.works[0], "张小红"), w.register(w.works[0], "李四")}
	id, err := w.batches.Create(ctx, by, w.draft(w.works[0]))
	w.must(err)
	w.move(id, batch.Start)
	w.run()
	_, err = w.batches.MakeFile(ctx, by, "/", id)
	w.must(err)
	first, err := w.cards.Live(ctx, members[0])
	w.must(err)
	again, err := w.cards.Replace(ctx, by, first.Serial)
	w.must(err)
	for range 2 { // the second download is of the same file
		cards, err := w.batches.DownloadCard(ctx, by, w.works[0].Path, first.Serial, batch.CSV)
		if err != nil || len(cards) != 1 || cards[0].Number != again.Number {
			t.Fatalf("%+v, %v", cards, err)
		}
	}
	if n, err := w.batches.Unprinted(ctx, id); n != 0 || err != nil {
		t.Errorf("%d are to be printed, %v", n, err)
	}
	if _, err := w.batches.MakeFile(ctx, by, "/", id); !errors.Is(err, batch.ErrNothing) {
		t.Errorf("printed once more by the batch: %v", err)
	}
	files, err := w.batches.Files(ctx, id)
	if err != nil || len(files) != 2 || files[0].Cards != 1 || files[0].Left != 1 || files[0].Parts != 1 {
		t.Errorf("files %+v, %v", files, err)
	}
	for range 5 {
		for _, m := range members {
			c, err := w.cards.Live(ctx, m)
			w.must(err)
			_, err = w.cards.Replace(ctx, by, c.Serial)
			w.must(err)
		}
		var before, after int
		const placed = `SELECT coalesce(sum(cards), 0) FROM batch_files`
		w.must(w.pool.QueryRow(ctx, placed).Scan(&before))
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := w.batches.MakeFile(ctx, by, "/", id); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := w.batches.DownloadCard(ctx, by, "/", first.Serial, batch.CSV); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		w.must(w.pool.QueryRow(ctx, placed).Scan(&after))
		if after-before != 2 {
			t.Errorf("two cards stand %d times in files", after-before)
		}
	}
	// A card of no batch stands in no file.
	lone, err := w.cards.Issue(ctx, by, w.register(w.works[1], "王五"), first.ValidUntil)
	w.must(err)
	if cards, err := w.batches.DownloadCard(ctx, by, "/", lone.Serial, batch.CSV); err != nil || len(cards) != 1 {
		t.Errorf("of no batch: %+v, %v", cards, err)
	}
}
