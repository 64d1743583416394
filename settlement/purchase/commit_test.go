package purchase

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"unioncard/card"
	"unioncard/merchant"
	"unioncard/merchant/terms"
)

func TestCommitRecordsTheQuote(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	c := w.till(1)
	ans := w.quote(c, w.phone(3, 0), 10_000)
	got, err := w.committer.Commit(w.ctx, c, &CommitRequest{Key: "k1", Quote: string(ans.Token), MerchantRef: "小票 7"})
	w.must(err)
	want := Receipt{State: StateCommitted, AmountFen: 10_000, DiscountFen: 1_000, PayableFen: 9_000, MerchantShareFen: 1_000,
		Key: "k1", MerchantRef: "小票 7", OutletID: 1}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Receipt{}, "ID", "CommittedAt")); diff != "" {
		t.Fatalf("receipt (-want +got):\n%s", diff)
	}
	stored, err := w.desk.Get(w.ctx, c, got.ID)
	w.must(err)
	if diff := cmp.Diff(got, stored); diff != "" {
		t.Fatalf("stored (-answered +stored):\n%s", diff)
	}
	byKey, err := w.desk.ByKey(w.ctx, c, "k1")
	w.must(err)
	if diff := cmp.Diff(got, byKey); diff != "" {
		t.Fatalf("by key (-answered +stored):\n%s", diff)
	}
	// The code is used now, which only a caller that proves it is told.
	var again VerifyAnswer
	err = w.verifier.Verify(w.ctx, c, &VerifyRequest{Code: w.phone(3, 0), HasAmount: true, AmountFen: 1}, &again)
	w.wantErr(err, ErrCodeUsed)
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.RetryAfter <= 0 || refusal.RetryAfter > 30*time.Second {
		t.Errorf("retry after: %+v", refusal)
	}
	if _, err := w.commit(c, "k2", w.stepQuote(c, 3, 0, 500)); err != nil {
		t.Errorf("another code of the card: %v", err)
	}
}

func TestCommitRepeats(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	c := w.till(1)
	token := w.stepQuote(c, 3, 1, 10_000)
	first, err := w.commit(c, "k", token)
	w.must(err)
	first.Replayed = true
	repeat := func(name string) {
		t.Helper()
		got, err := w.commit(c, "k", token)
		w.must(err)
		if diff := cmp.Diff(first, got); diff != "" {
			t.Errorf("%s (-first +again):\n%s", name, diff)
		}
	}
	repeat("at once")
	_, err = w.commit(c, "k", w.stepQuote(c, 3, 2, 10_000))
	w.wantErr(err, ErrKeyReused)
	_, err = w.commit(c, "k", "not a quote")
	w.wantErr(err, ErrKeyReused)
	w.exec(`UPDATE cards SET status = 3 WHERE serial = 3`)
	w.exec(`UPDATE contracts SET status = 'ended'`)
	repeat("card lost and contract ended since")
	w.age.Store(int64(time.Hour))
	repeat("with a stale view")
	w.offset.Store(int64(24 * time.Hour))
	repeat("when the quote has expired")
	w.must(w.keyring.Rotate(card.RingQuote, w.now().Add(-time.Hour), 0, nil))
	repeat("when the quote's key is gone")
	if n := w.count(`SELECT count(*) FROM purchases`); n != 1 {
		t.Errorf("%d purchases", n)
	}
}

func TestCommitChecksTheQuote(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	items := fiveItems()
	other := fiveItems()
	other[1].SKU = "other"
	plain, withItems := w.stepQuote(w.till(1), 3, 1, 10_000), w.stepQuote(w.till(1), 3, 2, 0, items...)
	atOutlet2 := w.quote(w.posServer(1), w.phone(4, 0), 10_000)
	expired := func() { w.offset.Store(int64(QuoteLife)) }
	for _, c := range []struct {
		name   string
		client *Client
		token  string
		items  []terms.Item
		before func()
		want   error
	}{
		{"none", w.till(1), "", nil, nil, ErrQuoteInvalid},
		{"tampered", w.till(1), flip(plain), nil, nil, ErrQuoteInvalid},
		{"another outlet's terminal", w.till(2), plain, nil, nil, ErrQuoteOtherClient},
		{"the POS server's, by the outlet's terminal", w.till(2), string(atOutlet2.Token), nil, nil, ErrQuoteOtherClient},
		{"another merchant's", w.till(3), plain, nil, nil, ErrNotFound},
		{"items to a quote without", w.till(1), plain, items, nil, ErrQuoteMismatch},
		{"no items to a quote with", w.till(1), withItems, nil, nil, ErrQuoteMismatch},
		{"other items", w.till(1), withItems, other, nil, ErrQuoteMismatch},
		{"stale view", w.till(1), plain, nil, func() { w.age.Store(int64(31 * time.Second)) }, ErrViewStale},
		{"expired", w.till(1), plain, nil, expired, ErrQuoteExpired},
	} {
		if c.before != nil {
			c.before()
		}
		_, err := w.commit(c.client, "key", c.token, c.items...)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		w.offset.Store(0)
		w.age.Store(0)
	}
	for name, req := range map[string]*CommitRequest{
		"no key":   {Quote: plain},
		"long key": {Key: string(make([]byte, 65)), Quote: plain},
		"odd key":  {Key: "a\nb", Quote: plain},
		"NUL":      {Key: "k", Quote: plain, MerchantRef: "a\x00b"},
		"UTF-8":    {Key: "k", Quote: plain, Operator: "\xff"},
		"long":     {Key: "k", Quote: plain, Operator: string(make([]byte, 300))},
	} {
		_, err := w.committer.Commit(w.ctx, w.till(1), req)
		if !errors.Is(err, ErrKeyInvalid) && !errors.Is(err, ErrTextInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.commit(w.till(1), "good", withItems, items...); err != nil {
		t.Errorf("the quoted items: %v", err)
	}
}

// TestCommitRereadsStatuses changes what a node has not heard of yet: the batch
// finds out, and the refused key and code are free again (invariant 4).
func TestCommitRereadsStatuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	for i, c := range []struct {
		change, back string
		want         error
	}{
		{`UPDATE cards SET status = 3`, `UPDATE cards SET status = 1`, card.ErrCardLost},
		{`UPDATE cards SET status = 2`, `UPDATE cards SET status = 1`, card.ErrCardSuspended},
		{`UPDATE cards SET status = 4`, `UPDATE cards SET status = 1`, card.ErrCardCancelled},
		{`UPDATE cards SET status = 5`, `UPDATE cards SET status = 1`, card.ErrMemberLeft},
		{`UPDATE cards SET status = 6`, `UPDATE cards SET status = 1`, card.ErrCardInactive},
		{`UPDATE cards SET phone_epoch = 1`, `UPDATE cards SET phone_epoch = 0`, card.ErrCodeInvalid},
		{`UPDATE cards SET generation = 2`, `UPDATE cards SET generation = 1`, card.ErrCodeInvalid},
		{`UPDATE cards SET valid_until = '2026-01-31'`, `UPDATE cards SET valid_until = '2099-12-31'`, card.ErrCardExpired},
		{`UPDATE terminals SET status = 'suspended'`, `UPDATE terminals SET status = 'active'`, merchant.ErrTerminalSuspended},
		{`UPDATE outlets SET status = 'closed'`, `UPDATE outlets SET status = 'active'`, merchant.ErrOutletClosed},
		{`UPDATE merchants SET status = 'exited'`, `UPDATE merchants SET status = 'active'`, merchant.ErrMerchantExited},
		{`UPDATE contracts SET status = 'suspended'`, `UPDATE contracts SET status = 'active'`, merchant.ErrContractSuspended},
		{`UPDATE contracts SET status = 'ended'`, `UPDATE contracts SET status = 'active'`, merchant.ErrContractEnded},
		{`UPDATE contracts SET valid = tstzrange(lower(valid), now())`, `UPDATE contracts SET valid = tstzrange(lower(valid), now() + interval '1 day')`, merchant.ErrContractEnded},
	} {
		token, key := w.stepQuote(w.till(1), 5, int64(i+1), 1_000), keyf("k%d", i)
		w.exec(c.change)
		_, err := w.commit(w.till(1), key, token)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.change, err, c.want)
		}
		if n := w.count(`SELECT (SELECT count(*) FROM purchases) + (SELECT count(*) FROM code_uses)`); n != int64(2*i) {
			t.Errorf("%s: left rows behind, %d", c.change, n)
		}
		w.exec(c.back)
		if _, err := w.commit(w.till(1), key, token); err != nil {
			t.Errorf("%s: after %s: %v", c.change, c.back, err)
		}
	}
}

// TestCommitTermsReplaced honours the price shown although other terms took
// effect meanwhile.
func TestCommitTermsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	token := w.stepQuote(w.till(1), 5, 1, 1_000)
	w.exec(`UPDATE contract_terms SET effective = tstzrange(lower(effective), now())`)
	w.exec(`INSERT INTO contract_terms SELECT contract_id, 2, '{"v":1,"offers":[]}', sha256, tstzrange(upper(effective), NULL), 'test' FROM contract_terms`)
	w.load()
	r, err := w.commit(w.till(1), "k", token)
	w.must(err)
	if r.DiscountFen != 100 {
		t.Errorf("discount %d", r.DiscountFen)
	}
}

// TestCommitAbandonedInQueue: a caller that goes while its purchase is queued is
// told that nothing was recorded, and nothing is, however late the lane comes.
func TestCommitAbandonedInQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{idle: true})
	token := w.stepQuote(w.till(1), 5, 1, 1_000)
	ctx, cancel := context.WithCancel(w.ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := w.committer.Commit(ctx, w.till(1), &CommitRequest{Key: "k", Quote: token})
		var refusal *Refusal
		if !errors.Is(err, ErrOverloaded) || !errors.As(err, &refusal) || refusal.RetryAfter == 0 {
			t.Errorf("the caller that went: %v", err)
		}
	})
	for w.queued() == 0 {
		runtime.Gosched()
	}
	_, err := w.commit(w.till(1), "k", token)
	w.wantErr(err, ErrKeyInFlight)
	_, err = w.desk.ByKey(w.ctx, w.till(1), "k")
	w.wantErr(err, ErrKeyInFlight)
	cancel()
	wg.Wait()
	_, err = w.desk.ByKey(w.ctx, w.till(1), "k")
	w.wantErr(err, ErrNotFound)
	w.run()
	w.stop() // drains
	if n := w.count(`SELECT count(*) FROM purchases`); n != 0 {
		t.Error("recorded after its till was told that it is not")
	}
	_, err = w.commit(w.till(1), "k2", w.stepQuote(w.till(1), 5, 2, 1_000))
	w.wantErr(err, ErrOverloaded)
}

// TestCommitAbandonedInBatch: a caller that goes while its purchase is being
// written is told to ask by key, and by key it is in flight, then there.
func TestCommitAbandonedInBatch(t *testing.T) {
	t.Parallel()
	reached, proceed := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(proceed) })
	w := newWorld(t, plan{hook: func(p hookPoint, _ *lane) error {
		if p == hookClaimed {
			close(reached)
			<-proceed
		}
		return nil
	}})
	t.Cleanup(release) // before the committer is stopped
	token := w.stepQuote(w.till(1), 5, 1, 1_000)
	ctx, cancel := context.WithCancel(w.ctx)
	told := make(chan error)
	go func() {
		_, err := w.committer.Commit(ctx, w.till(1), &CommitRequest{Key: "k", Quote: token})
		told <- err
	}()
	<-reached
	cancel()
	w.wantErr(<-told, ErrOutcomeUnknown)
	_, err := w.desk.ByKey(w.ctx, w.till(1), "k")
	w.wantErr(err, ErrKeyInFlight)
	release()
	w.stop()
	_, err = w.desk.ByKey(w.ctx, w.till(1), "k")
	w.must(err)
}

// queued is how many rows wait.
func (w *world) queued() (n int) {
	for _, l := range w.committer.lanes {
		n += len(l.queue)
	}
	return n
}

func TestCommitOverload(t *testing.T) {
	t.Parallel()
	const room = 8
	w := newWorld(t, plan{idle: true, commit: func(o *CommitterOptions) { o.Lanes, o.Queue = 1, room }})
	var wg sync.WaitGroup
	results := make(chan error, 3*room)
	for i := range 3 * room {
		token := w.stepQuote(w.till(1), int64(i%20+1), int64(i+1), 1_000)
		wg.Go(func() {
			_, err := w.commit(w.till(1), keyf("k%d", i), token)
			results <- err
		})
	}
	for range 2 * room {
		err := <-results
		var refusal *Refusal
		if !errors.Is(err, ErrOverloaded) || !errors.As(err, &refusal) || refusal.RetryAfter == 0 {
			t.Errorf("got %v, want overloaded with a time to wait", err)
		}
	}
	w.run()
	wg.Wait()
	for range room {
		w.must(<-results)
	}
	if n := w.count(`SELECT count(*) FROM purchases`); n != room {
		t.Errorf("%d purchases, want %d", n, room)
	}
}

// flip changes one character of a token.
func flip(token string) string {
	b := []byte(token)
	b[30] ^= 1
	return string(b)
}
