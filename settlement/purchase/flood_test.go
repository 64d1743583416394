package purchase

import (
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
)

// TestCodeFlood: a till that sends one code under hundreds of keys costs other
// shops two batches, not one for each key.
func TestCodeFlood(t *testing.T) {
	t.Parallel()
	var batches atomic.Int64
	w := newWorld(t, plan{idle: true, cards: 200, commit: func(o *CommitterOptions) { o.Lanes = 1 },
		hook: func(p hookPoint, _ *lane) error {
			if p == hookClaimed {
				batches.Add(1)
			}
			return nil
		}})
	const flood, honest = 512, 100
	send := func(n int, c *Client, key string, serial func(int) int64) chan error {
		told := make(chan error, n)
		before := w.queued()
		for i := range n {
			token := w.stepQuote(c, serial(i), 1, 1_000)
			go func() {
				_, err := w.commit(c, keyf("%s%d", key, i), token)
				told <- err
			}()
		}
		for w.queued() < before+n {
			runtime.Gosched()
		}
		return told
	}
	flooded := send(flood, w.till(1), "f", func(int) int64 { return 3 })
	bought := send(honest, w.till(3), "h", func(i int) int64 { return int64(i + 10) })
	w.run()
	for range honest {
		w.must(<-bought)
	}
	var errs []error
	for range flood {
		errs = append(errs, <-flooded)
	}
	if good, refused := tally(t, errs, ErrCodeUsed, ErrOverloaded); good != 1 || refused != flood-1 {
		t.Errorf("%d purchases with one code, %d refused", good, refused)
	}
	if n := batches.Load(); n != 2 {
		t.Errorf("%d batches", n)
	}
}

// TestCodeOfRefusedRow: where the first row with a code is refused, the next one
// has it.
func TestCodeOfRefusedRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{idle: true, terms: limited, commit: func(o *CommitterOptions) { o.Lanes = 1 }})
	w.exec(`INSERT INTO usage (merchant_id, contract_id, source, offer, card_serial, period, period_start, uses, used_fen, max_uses)
		VALUES (1, 1, 0, 'off', 3, 1, (now() AT TIME ZONE 'Asia/Shanghai')::date, 2, 0, 2)`)
	var told []chan error
	for i, fen := range []int64{12_000, 12_000, 500, 500} { // the first two need the limit that is spent
		token := w.stepQuote(w.till(1), 3, 1, fen)
		answer := make(chan error, 1)
		told = append(told, answer)
		go func() {
			_, err := w.commit(w.till(1), keyf("k%d", i), token)
			answer <- err
		}()
		for w.queued() <= i {
			runtime.Gosched()
		}
	}
	w.run()
	for i, want := range []error{ErrLimitReached, ErrLimitReached, nil, ErrCodeUsed} {
		if err := <-told[i]; !errors.Is(err, want) {
			t.Errorf("row %d: got %v, want %v", i, err, want)
		}
	}
}
