package purchase

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"unioncard/card"
	"unioncard/merchant/terms"
)

// all runs fn for i below n at once and returns the errors.
func all(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// tally counts successes and the refusals that are one of the wanted; others
// fail the test.
func tally(t *testing.T, errs []error, want ...error) (good, refused int) {
	t.Helper()
next:
	for _, err := range errs {
		if err == nil {
			good++
			continue
		}
		for _, w := range want {
			if errors.Is(err, w) {
				refused++
				continue next
			}
		}
		t.Errorf("unexpected: %v", err)
	}
	return good, refused
}

// TestOneCodeOnePurchase: one phone code shown at tills of many merchants at
// once, on two nodes; every till has its quote (invariant 3).
func TestOneCodeOnePurchase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{merchants: 16})
	second := w.secondNode()
	for round := range 5 {
		tokens := make([]string, 32)
		for i := range tokens {
			tokens[i] = w.stepQuote(w.till(int64(i+1)), 3, int64(round+1), 1_000)
		}
		errs := all(len(tokens), func(i int) error {
			node := []*Committer{w.committer, second}[i%2]
			_, err := node.Commit(w.ctx, w.till(int64(i+1)), &CommitRequest{Key: keyf("r%d", round), Quote: tokens[i]})
			return err
		})
		if good, _ := tally(t, errs, ErrCodeUsed); good != 1 {
			t.Fatalf("round %d: %d purchases with one code", round, good)
		}
	}
	if n := w.count(`SELECT count(*) FROM purchases`); n != 5 {
		t.Errorf("%d purchases recorded", n)
	}
}

// secondNode is another committer over the same database.
func (w *world) secondNode() *Committer {
	c := NewCommitter(w.pool, w.committer.opts)
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Run(ctx)
	}()
	w.t.Cleanup(func() { cancel(); <-done })
	return c
}

// TestOneQuoteOnePurchase: one quote under as many keys as a batch takes in.
func TestOneQuoteOnePurchase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	printed := w.quote(w.till(1), w.codes.PrintedCode(4, 1, w.now()), 1_000)
	for name, token := range map[string]string{"phone": w.stepQuote(w.till(1), 3, 1, 1_000), "printed": string(printed.Token)} {
		errs := all(maxOfCode, func(i int) error {
			_, err := w.commit(w.till(1), keyf("%s%d", name, i), token)
			return err
		})
		if good, _ := tally(t, errs, ErrQuoteUsed); good != 1 {
			t.Errorf("%s: %d purchases with one quote", name, good)
		}
	}
}

// TestOneKeyOnePurchase: one request sent many times, on two nodes. Whoever is
// not told that the key is in flight gets the one answer.
func TestOneKeyOnePurchase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	second := w.secondNode()
	token := w.stepQuote(w.till(1), 3, 1, 1_000)
	var mu sync.Mutex
	ids := map[string]int{}
	errs := all(32, func(i int) error {
		node := []*Committer{w.committer, second}[i%2]
		r, err := node.Commit(w.ctx, w.till(1), &CommitRequest{Key: "k", Quote: token})
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			ids[r.ID.String()]++
		}
		return err
	})
	if good, _ := tally(t, errs, ErrKeyInFlight); good < 1 || len(ids) != 1 {
		t.Errorf("answers %v", ids)
	}
}

// TestLimitUnderRace: 64 purchases of one card at once, where the limit is two
// uses a day (invariant 6). Refusals carry a quote that then commits, on the same
// code.
func TestLimitUnderRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{terms: `{"v":1,"offers":[{"id":"off","title":"满100减30","benefit":{"kind":"amount_off","at_fen":10000,"off_fen":3000},
		"limits":[{"per":"day","uses":2},{"per":"month","uses":3}],"funding_bp":10000}]}`})
	second := w.secondNode()
	const tries = 64
	tokens := make([]string, tries)
	for i := range tokens {
		tokens[i] = w.stepQuote(w.till(int64(i%2+1)), 3, int64(i+1), 12_000)
	}
	fresh := make([]string, tries)
	errs := all(tries, func(i int) error {
		node := []*Committer{w.committer, second}[i/2%2]
		_, err := node.Commit(w.ctx, w.till(int64(i%2+1)), &CommitRequest{Key: keyf("k%d", i), Quote: tokens[i]})
		var refusal *Refusal
		if errors.As(err, &refusal) && refusal.Quote != nil {
			fresh[i] = string(refusal.Quote.Token)
			if refusal.Offer != "off" || refusal.Quote.DiscountFen != 0 || refusal.Quote.PayableFen != 12_000 ||
				len(refusal.Quote.Declined) != 1 || refusal.Quote.Declined[0].Reason != terms.ReasonLimitUsed {
				t.Errorf("fresh quote: %+v", refusal)
			}
		}
		return err
	})
	if good, refused := tally(t, errs, ErrLimitReached); good != 2 || refused != tries-2 {
		t.Errorf("%d purchases, %d refused", good, refused)
	}
	if n := w.count(`SELECT sum(uses) FROM usage WHERE period = 1 AND offer = 'off' AND used_fen = 6000`); n != 2 {
		t.Errorf("%d uses recorded", n)
	}
	if n := w.count(`SELECT count(*) FROM code_uses`); n != 2 {
		t.Errorf("%d codes used", n)
	}
	for i, token := range fresh {
		if token == "" {
			continue
		}
		r, err := w.commit(w.till(int64(i%2+1)), keyf("k%d", i), token) // the refusal freed key and code
		w.must(err)
		if r.DiscountFen != 0 {
			t.Errorf("discount %d", r.DiscountFen)
		}
		if _, err := w.commit(w.till(int64(i%2+1)), keyf("again%d", i), tokens[i]); !errors.Is(err, ErrCodeUsed) {
			t.Errorf("the code of the first quote: %v", err)
		}
		break
	}
}

// TestAmountLimit: 50 yuan a week, 30 a purchase: the second gets 20.
func TestAmountLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{terms: limited})
	w.buy(w.till(1), "k1", 3, 1, 12_000)
	_, err := w.commit(w.till(1), "k2", w.stepQuote(w.till(1), 3, 2, 12_000))
	w.wantErr(err, ErrLimitReached)
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Quote == nil || refusal.Quote.DiscountFen != 2_000 {
		t.Fatalf("got %+v, want a quote of 20 yuan", refusal)
	}
	r, err := w.commit(w.till(1), "k2", string(refusal.Quote.Token))
	w.must(err)
	if r.DiscountFen != 2_000 {
		t.Errorf("discount %d", r.DiscountFen)
	}
	if n := w.count(`SELECT used_fen FROM usage WHERE period = 2`); n != 5_000 {
		t.Errorf("%d fen used in the week", n)
	}
}

// TestCapUnderRace: printed codes earn 500 yuan a card a day at most, typed ones
// 200, however many tills race.
func TestCapUnderRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	for _, c := range []struct {
		kind card.CodeKind
		code string
		cap  int64
	}{
		{card.KindPrinted, w.codes.PrintedCode(4, 1, w.now()), 50_000},
		{card.KindTyped, w.number(4), 20_000},
	} {
		const tries = 24
		tokens := make([]string, tries)
		for i := range tokens {
			ans := w.quote(w.till(int64(i%4+1)), c.code, 60_000) // 60 yuan each
			if !ans.CheckHolder || ans.DiscountFen != 6_000 {
				t.Fatalf("quote %+v", ans)
			}
			tokens[i] = string(ans.Token)
		}
		var mu sync.Mutex
		left := int64(-1)
		errs := all(tries, func(i int) error {
			_, err := w.commit(w.till(int64(i%4+1)), keyf("%v%d", c.kind, i), tokens[i])
			var refusal *Refusal
			if errors.As(err, &refusal) && refusal.Quote != nil {
				mu.Lock()
				defer mu.Unlock()
				left = refusal.Quote.DiscountFen
			}
			return err
		})
		good, _ := tally(t, errs, ErrCapReached)
		if int64(good) != c.cap/6_000 || left != c.cap%6_000 {
			t.Errorf("%v: %d purchases, fresh quote of %d fen", c.kind, good, left)
		}
		most := w.quote(w.till(1), c.code, 10_000_000)
		if most.DiscountFen != c.cap {
			t.Errorf("%v: a single quote of %d fen", c.kind, most.DiscountFen)
		}
	}
}

// number gives a card a real number and returns it.
func (w *world) number(serial int64) string {
	w.t.Helper()
	n, err := w.codes.NewNumber()
	w.must(err)
	w.exec(`UPDATE cards SET number = $2 WHERE serial = $1`, serial, n)
	w.exec(`INSERT INTO card_numbers (number, card_serial) VALUES ($1, $2)`, n, serial)
	return keyf("%d", n)
}

// TestDayClosing closes the business day amid purchases: none is stamped with it
// afterwards, and all go on to the next.
func TestDayClosing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{cards: 400})
	closed := make(chan int64, 1)
	go func() { closed <- w.closeToday() }()
	tokens := make([]string, 400)
	for i := range tokens {
		tokens[i] = w.stepQuote(w.till(int64(i%4+1)), int64(i+1), 1, 1_000)
	}
	errs := all(len(tokens), func(i int) error {
		_, err := w.commit(w.till(int64(i%4+1)), keyf("k%d", i), tokens[i])
		return err
	})
	if good, _ := tally(t, errs); good != len(tokens) {
		t.Fatalf("%d purchases", good)
	}
	atClosing := <-closed
	w.buy(w.till(1), "late", 5, 2, 1_000)
	const today = `business_day = (committed_at AT TIME ZONE 'Asia/Shanghai')::date`
	if n := w.count(`SELECT count(*) FROM purchases WHERE ` + today); n != atClosing {
		t.Errorf("%d purchases on the closed day, %d when it was closed", n, atClosing)
	}
	if n := w.count(`SELECT count(*) FROM purchases WHERE NOT ` + today); n == 0 {
		t.Error("none on the next day")
	}
}

// TestDayClosingWaits closes the day while a batch that has stamped it is not yet
// committed: the closer waits for the batch, and counts it.
func TestDayClosingWaits(t *testing.T) {
	t.Parallel()
	var w *world
	closed := make(chan int64, 1)
	var once sync.Once
	w = newWorld(t, plan{idle: true, hook: func(p hookPoint, _ *lane) error {
		if p == hookClaimed {
			once.Do(func() {
				done := make(chan struct{})
				go func() { closed <- w.closeToday(); close(done) }()
				for w.count(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
					AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`) == 0 {
					select {
					case <-done: // nobody holds it up
						return
					default:
					}
				}
			})
		}
		return nil
	}})
	w.run()
	w.buy(w.till(1), "k", 3, 1, 1_000)
	if n := <-closed; n != 1 {
		t.Errorf("closed with %d purchases", n)
	}
	w.buy(w.till(1), "k2", 3, 2, 1_000)
	if n := w.count(`SELECT max(business_day) - min(business_day) FROM purchases`); n != 1 {
		t.Errorf("the next purchase is stamped %d days later", n)
	}
}

// closeToday closes the business day as the closer will and returns how many
// purchases it had.
func (w *world) closeToday() (n int64) {
	tx, err := w.pool.Begin(w.ctx)
	w.must(err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(w.ctx)) }()
	_, err = tx.Exec(w.ctx, `SELECT pg_advisory_xact_lock($1, (now() AT TIME ZONE 'Asia/Shanghai')::date - date '1970-01-01')`, DayLock)
	w.must(err)
	w.must(tx.QueryRow(w.ctx, `SELECT count(*) FROM purchases WHERE business_day = (now() AT TIME ZONE 'Asia/Shanghai')::date`).Scan(&n))
	_, err = tx.Exec(w.ctx, `INSERT INTO business_days VALUES ((now() AT TIME ZONE 'Asia/Shanghai')::date, now())`)
	w.must(err)
	w.must(tx.Commit(w.ctx))
	return n
}

// TestAdjourned puts two purchases with one code into one batch: if the first is
// refused, the code is the second's.
func TestAdjourned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{idle: true, terms: limited, commit: func(o *CommitterOptions) { o.Lanes = 1 }})
	a, b := w.till(1), w.till(2)
	tokens := []string{w.stepQuote(a, 3, 1, 12_000), w.stepQuote(a, 3, 2, 12_000), w.stepQuote(b, 3, 2, 1_000)}
	w.exec(`INSERT INTO usage (merchant_id, contract_id, source, offer, card_serial, period, period_start, uses, used_fen, max_uses)
		VALUES (1, 1, 0, 'off', 3, 1, (now() AT TIME ZONE 'Asia/Shanghai')::date, 1, 0, 2)`)
	results := make([]chan error, len(tokens))
	for i, c := range []*Client{a, a, b} {
		results[i] = make(chan error, 1)
		go func() {
			_, err := w.commit(c, keyf("k%d", i), tokens[i])
			results[i] <- err
		}()
		for w.queued() <= i {
			runtime.Gosched()
		}
	}
	w.run()
	w.must(<-results[0])
	w.wantErr(<-results[1], ErrLimitReached)
	w.must(<-results[2]) // below the threshold, so without the offer
}
