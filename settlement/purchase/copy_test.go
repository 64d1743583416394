package purchase

import (
	"runtime"
	"testing"
)

// together queues purchases under the keys and then lets the committer run, so
// that they are one batch. It returns their errors.
func (w *world) together(keys []string, tokens []string) []error {
	w.t.Helper()
	results := make([]chan error, len(keys))
	for i := range keys {
		results[i] = make(chan error, 1)
		go func() {
			_, err := w.commit(w.till(1), keys[i], tokens[i])
			results[i] <- err
		}()
		for w.queued() <= i {
			runtime.Gosched()
		}
	}
	w.run()
	errs := make([]error, len(keys))
	for i := range results {
		errs[i] = <-results[i]
	}
	return errs
}

// TestCopyMeetsTaken: a key or a code that is taken fails the COPY of a whole
// batch; its neighbours are recorded all the same, once, and so is nothing of its
// own. For a while after, batches find out whose the keys are without such a loss,
// however often a till repeats itself.
func TestCopyMeetsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{idle: true, commit: func(o *CommitterOptions) { o.Lanes = 1 }})
	taken := w.committer.metrics.retries.WithLabelValues(faultNames[faultTaken])
	// What stands already: another process sold under "k0", and for the code of card 5.
	other := w.secondNode()
	first := w.stepQuote(w.till(1), 3, 1, 1_000)
	for key, token := range map[string]string{"k0": first, "k1": w.stepQuote(w.till(1), 5, 1, 1_000)} {
		_, err := other.Commit(w.ctx, w.till(1), &CommitRequest{Key: key, Quote: token})
		w.must(err)
	}
	errs := w.together([]string{"k2", "k0", "k3", "k4"}, []string{
		w.stepQuote(w.till(1), 6, 1, 1_000), first, w.stepQuote(w.till(1), 5, 1, 2_000), w.stepQuote(w.till(1), 7, 1, 1_000)})
	w.must(errs[0])
	w.must(errs[1]) // the first answer again
	w.wantErr(errs[2], ErrCodeUsed)
	w.must(errs[3])
	for range carefulBatches / 2 {
		r, err := w.commit(w.till(1), "k0", first)
		w.must(err)
		if !r.Replayed {
			t.Fatal("recorded twice")
		}
	}
	if n := value(t, taken); n != 1 {
		t.Errorf("%v COPYs met something taken, want 1", n)
	}
	if n := w.count(`SELECT count(*) FROM purchases`); n != 4 {
		t.Errorf("%d purchases, want 4", n)
	}
	if n := w.count(`SELECT count(*) FROM code_uses`); n != 4 {
		t.Errorf("%d codes used, want 4", n)
	}
}

// TestCopyTrustsAgain: when nothing was found taken for a while, rows are copied
// again.
func TestCopyTrustsAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{idle: true, commit: func(o *CommitterOptions) { o.Lanes = 1 }})
	w.committer.lanes[0].careful = 2
	w.run()
	for i := range int64(4) {
		w.buy(w.till(1), keyf("k%d", i), i+3, 1, 1_000)
	}
	w.stop()
	if n := w.committer.lanes[0].careful; n != 0 {
		t.Errorf("still careful for %d batches", n)
	}
}

// TestDayTurns: rows are copied under the day of the last batch; if the database
// says another one, nothing of that stands.
func TestDayTurns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{idle: true, commit: func(o *CommitterOptions) { o.Lanes = 1 }})
	w.committer.lanes[0].today = dayOf(w.now()) - 1
	w.run()
	w.buy(w.till(1), "k", 3, 1, 1_000)
	if n := w.count(`SELECT count(*) FROM purchases WHERE business_day = (now() AT TIME ZONE 'Asia/Shanghai')::date`); n != 1 {
		t.Errorf("%d purchases on the database's day", n)
	}
}
