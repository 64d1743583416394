package purchase

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"unioncard/merchant"
)

// refund is Refund by amount with a key of its own.
func (w *world) refund(c *Client, id uuid.UUID, key string, fen int64) (UndoAnswer, error) {
	return w.desk.Refund(w.ctx, c, id, key, RefundRequest{AmountFen: fen, Reason: "退货", Operator: "7"})
}

func (w *world) refundLines(c *Client, id uuid.UUID, key string, lines ...RefundLine) (UndoAnswer, error) {
	return w.desk.Refund(w.ctx, c, id, key, RefundRequest{Lines: lines, Reason: "退货"})
}

func TestVoid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{terms: limited})
	c := w.till(1)
	r := w.buy(c, "k", 3, 1, 12_000)
	a, err := w.desk.Void(w.ctx, c, r.ID, "v", "7", "输错")
	w.must(err)
	want := UndoAnswer{PurchaseID: r.ID, Seq: 1, State: StateVoided, ReturnedFen: 9_000, GivenBackFen: 3_000}
	if diff := cmp.Diff(want, a, cmpopts.IgnoreFields(UndoAnswer{}, "At")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again, err := w.desk.Void(w.ctx, c, r.ID, "v", "7", "输错")
	w.must(err)
	a.Replayed = true
	if diff := cmp.Diff(a, again); diff != "" {
		t.Errorf("repeated (-first +again):\n%s", diff)
	}
	_, err = w.desk.Void(w.ctx, c, r.ID, "v", "7", "另一个原因")
	w.wantErr(err, ErrKeyReused)
	_, err = w.desk.Void(w.ctx, c, r.ID, "v2", "7", "输错")
	w.wantErr(err, ErrPurchaseUndone)
	_, err = w.refund(c, r.ID, "r", 1)
	w.wantErr(err, ErrPurchaseUndone)
	if n := w.count(`SELECT coalesce(sum(uses + used_fen), 0) FROM usage`); n != 0 {
		t.Errorf("usage of %d left", n)
	}
	// The code stays used (invariant 3), under any key and any quote.
	_, err = w.commit(c, "k2", w.stepQuote(c, 3, 1, 12_000))
	w.wantErr(err, ErrCodeUsed)
	got, err := w.desk.Get(w.ctx, c, r.ID)
	w.must(err)
	if got.State != StateVoided || got.ReturnedFen != 9_000 || got.GivenBackFen != 3_000 {
		t.Errorf("purchase %+v", got)
	}
}

// ago moves a purchase to an earlier business day, as midnight would.
func (w *world) ago(id uuid.UUID, days int) {
	w.exec(`UPDATE purchases SET business_day = business_day - $2::int WHERE id = $1`, id, days)
	w.exec(`UPDATE usage SET period_start = period_start - $1::int WHERE period = 1`, days)
	w.exec(`UPDATE card_caps SET day = day - $1::int`, days)
}

func TestTooLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	c := w.till(1)
	one, two := w.buy(c, "k1", 3, 1, 12_000), w.buy(c, "k2", 4, 1, 12_000)
	w.ago(one.ID, 1)
	w.ago(two.ID, 2)
	_, err := w.desk.Void(w.ctx, c, one.ID, "v", "", "x")
	w.wantErr(err, ErrVoidTooLate)
	_, err = w.desk.Reverse(w.ctx, c, "k2")
	w.wantErr(err, ErrReversalTooLate)
	w.exec(`INSERT INTO business_days SELECT business_day, now() FROM purchases WHERE id = $1`, one.ID)
	a, err := w.desk.Reverse(w.ctx, c, "k1")
	w.must(err)
	if !a.Found || !a.Adjustment || a.State != StateReversed {
		t.Errorf("reversal on the next day, the first closed: %+v", a)
	}
	full, err := w.refund(c, two.ID, "r", two.PayableFen) // what a late void is to do
	w.must(err)
	if full.State != StateRefunded || full.GivenBackFen != two.DiscountFen {
		t.Errorf("full refund: %+v", full)
	}
	w.exec(`UPDATE contracts SET valid = tstzrange(now() - interval '40 days', now() - interval '30 days'), refund_until = now() - interval '1 s', status = 'ended'`)
	_, err = w.desk.Reverse(w.ctx, c, "k1") // repeats its answer
	w.must(err)
}

func TestRefundTail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	c := w.till(1)
	r := w.buy(c, "k", 3, 1, 10_000)
	w.exec(`UPDATE contracts SET status = 'ended', valid = tstzrange(lower(valid), now())`)
	a, err := w.refund(c, r.ID, "r1", 3_000)
	w.must(err)
	if a.GivenBackFen != 333 || a.RemainingFen != 6_000 || a.State != StatePartiallyRefunded {
		t.Errorf("in the tail: %+v", a)
	}
	w.exec(`UPDATE contracts SET refund_until = now()`)
	_, err = w.refund(c, r.ID, "r2", 3_000)
	w.wantErr(err, ErrRefundTailOver)
	_, err = w.desk.Void(w.ctx, c, r.ID, "v", "", "x")
	w.wantErr(err, ErrRefundTailOver)
	// A till that lost its answer on the contract's last day is to be made good.
	reversed, err := w.desk.Reverse(w.ctx, c, "k")
	w.must(err)
	if reversed.ReturnedFen != 6_000 {
		t.Errorf("reversal after the tail: %+v", reversed)
	}
	again, err := w.refund(c, r.ID, "r1", 3_000)
	w.must(err)
	if !again.Replayed {
		t.Error("no replay after the tail")
	}
}

// TestUndoScope: who may see and undo (invariant 9).
func TestUndoScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	r := w.buy(w.till(1), "k", 3, 1, 10_000)
	w.exec(`INSERT INTO terminals (id, merchant_id, outlet_id, kind, client_id, public_key)
		VALUES (500, 1, 1, 'terminal', 'second', decode(repeat('01', 32), 'hex'))`)
	w.load()
	for name, c := range map[string]*Client{"another outlet": w.till(2), "another merchant": w.till(3), "its POS server": w.posServer(2)} {
		_, err := w.desk.Get(w.ctx, c, r.ID)
		_, err2 := w.desk.Void(w.ctx, c, r.ID, "v", "", "x")
		_, err3 := w.refund(c, r.ID, "r", 1)
		_, err4 := w.desk.ByKey(w.ctx, c, "k")
		for _, err := range []error{err, err2, err3, err4} {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	w.exec(`UPDATE terminals SET status = 'suspended' WHERE id = 1`)
	_, err := w.refund(w.till(1), r.ID, "r1", 100)
	w.wantErr(err, merchant.ErrTerminalSuspended)
	_, err = w.desk.Reverse(w.ctx, w.till(1), "k")
	w.wantErr(err, merchant.ErrTerminalSuspended)
	if _, err := w.refund(w.till(500), r.ID, "r1", 100); err != nil {
		t.Errorf("the outlet's other terminal: %v", err)
	}
	if _, err := w.refund(w.posServer(1), r.ID, "r1", 100); err != nil {
		t.Errorf("the merchant's POS server: %v", err)
	}
	_, err = w.desk.Get(w.ctx, w.till(500), uuid.New())
	w.wantErr(err, ErrNotFound)
}

func TestReverse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{terms: limited})
	c := w.till(1)
	r := w.buy(c, "k", 3, 1, 10_000)
	token := w.stepQuote(c, 3, 1, 10_000)
	_, err := w.refund(c, r.ID, "r", 700)
	w.must(err)
	a, err := w.desk.Reverse(w.ctx, c, "k")
	w.must(err)
	want := ReversalAnswer{Found: true, UndoAnswer: UndoAnswer{PurchaseID: r.ID, Seq: 2, State: StateReversed, ReturnedFen: 6_300, GivenBackFen: 2_700}}
	if diff := cmp.Diff(want, a, cmpopts.IgnoreFields(UndoAnswer{}, "At")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again, err := w.desk.Reverse(w.ctx, c, "k")
	w.must(err)
	a.Replayed = true
	if diff := cmp.Diff(a, again); diff != "" {
		t.Errorf("repeated (-first +again):\n%s", diff)
	}
	_, err = w.commit(c, "k", token)
	if !errors.Is(err, ErrKeyReused) && !errors.Is(err, ErrKeyReversed) {
		t.Errorf("buying under the key: %v", err)
	}

	none, err := w.desk.Reverse(w.ctx, c, "never")
	w.must(err)
	if none.Found || none.State != StateTombstone || none.PurchaseID != uuid.Nil {
		t.Errorf("%+v", none)
	}
	again, err = w.desk.Reverse(w.ctx, c, "never")
	w.must(err)
	if again.Found || !again.Replayed {
		t.Errorf("%+v", again)
	}
	fresh := w.stepQuote(c, 3, 2, 9_000)
	_, err = w.commit(c, "never", fresh)
	w.wantErr(err, ErrKeyReversed)
	_, err = w.desk.ByKey(w.ctx, c, "never")
	w.wantErr(err, ErrKeyReversed)
	if _, err := w.commit(c, "other", fresh); err != nil {
		t.Errorf("the quote under another key: %v", err)
	}
	if _, err := w.commit(w.till(2), "never", w.stepQuote(w.till(2), 3, 3, 9_000)); err != nil {
		t.Errorf("the key of another terminal: %v", err)
	}
	v := w.buy(c, "voided", 3, 4, 9_000)
	_, err = w.desk.Void(w.ctx, c, v.ID, "v", "", "x")
	w.must(err)
	b, err := w.desk.Reverse(w.ctx, c, "voided")
	w.must(err)
	if !b.Found || b.State != StateReversed || b.ReturnedFen != 0 || b.GivenBackFen != 0 {
		t.Errorf("reversal of a voided purchase: %+v", b)
	}
}

// TestReversedStaysReversed: once a reversal was answered, nobody is told that the
// purchase stands, also if nothing was left of it; and the money stays as it was.
func TestReversedStaysReversed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{terms: limited})
	c := w.till(1)
	for name, undo := range map[string]func(Receipt) error{
		"voided": func(r Receipt) error {
			_, err := w.desk.Void(w.ctx, c, r.ID, "v", "7", "输错")
			return err
		},
		"refunded": func(r Receipt) error {
			_, err := w.refund(c, r.ID, "r", r.PayableFen)
			w.ago(r.ID, 5) // long after a reversal could give back anything
			return err
		},
	} {
		token := w.stepQuote(c, 3, int64(len(name)), 12_000)
		r, err := w.commit(c, name, token)
		w.must(err)
		w.must(undo(r))
		first, err := w.desk.Reverse(w.ctx, c, name)
		w.must(err)
		want := ReversalAnswer{Found: true, UndoAnswer: UndoAnswer{PurchaseID: r.ID, Seq: 2, State: StateReversed}}
		if diff := cmp.Diff(want, first, cmpopts.IgnoreFields(UndoAnswer{}, "At")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		again, err := w.desk.Reverse(w.ctx, c, name)
		w.must(err)
		first.Replayed = true
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("%s, repeated (-first +again):\n%s", name, diff)
		}
		_, err = w.commit(c, name, token)
		w.wantErr(err, ErrKeyReversed)
		got, err := w.desk.Get(w.ctx, c, r.ID)
		w.must(err)
		if got.ReturnedFen != r.PayableFen || got.GivenBackFen != r.DiscountFen {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if n := w.count(`SELECT coalesce(sum(uses + used_fen), 0)::bigint FROM usage`); n != 0 {
		t.Errorf("usage of %d left", n)
	}
}

// TestDeskWaitsNoLonger: every transaction of the desk has its time limits, and a
// lock not had in time is no internal error.
func TestDeskWaitsNoLonger(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{idle: true})
	var lock, idle string
	w.must(w.desk.inTx(w.ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(w.ctx, `SELECT current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout')`).Scan(&lock, &idle)
	}))
	if lock != "4s" || idle != "15s" {
		t.Errorf("lock timeout %s, idle timeout %s", lock, idle)
	}
	holder, err := w.pool.Begin(w.ctx)
	w.must(err)
	defer func() { _ = holder.Rollback(w.ctx) }()
	_, err = holder.Exec(w.ctx, `LOCK cards`)
	w.must(err)
	tries := 0
	w.wantErr(w.desk.inTx(w.ctx, func(tx pgx.Tx) error {
		tries++
		if _, err := tx.Exec(w.ctx, `SET LOCAL lock_timeout = '20ms'`); err != nil {
			return err
		}
		_, err := tx.Exec(w.ctx, `LOCK cards`)
		return err
	}), ErrOverloaded)
	if tries != 1 {
		t.Errorf("%d tries", tries)
	}
}

// TestRefundAtOnce: two refunds of all that is left, and one key sent many times.
func TestRefundAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	c := w.till(1)
	r := w.buy(c, "k", 3, 1, 10_000)
	errs := all(16, func(i int) error {
		_, err := w.refund(c, r.ID, keyf("r%d", i), 5_000)
		return err
	})
	if good, _ := tally(t, errs, ErrRefundExceeds); good != 1 {
		t.Errorf("%d refunds of more than half", good)
	}
	errs = all(16, func(int) error {
		_, err := w.refund(c, r.ID, "same", 1_000)
		return err
	})
	if good, _ := tally(t, errs); good != 16 {
		t.Errorf("%d answers to one key", good)
	}
	if n := w.count(`SELECT returned_fen FROM purchases`); n != 6_000 {
		t.Errorf("%d fen returned", n)
	}
	other := w.buy(c, "k2", 4, 1, 10_000)
	ids := []uuid.UUID{r.ID, other.ID}
	errs = all(8, func(i int) error {
		_, err := w.refund(c, ids[i%2], "one key, two purchases", 10)
		return err
	})
	tally(t, errs, ErrKeyReused)
	if n := w.count(`SELECT count(*) FROM purchase_undos WHERE idem_key = 'one key, two purchases'`); n != 1 {
		t.Errorf("%d undos under one key", n)
	}
}

// TestReversalRacesCommit: whoever comes first, in the end nothing stands.
func TestReversalRacesCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	c := w.till(1)
	var commits, tombstones int
	for i := range 40 {
		token := w.stepQuote(c, 3, int64(i+1), 1_000)
		key := keyf("k%d", i)
		errs := all(3, func(n int) error {
			if n == 0 {
				_, err := w.commit(c, key, token)
				return err
			}
			_, err := w.desk.Reverse(w.ctx, c, key)
			return err
		})
		if errs[0] == nil {
			commits++
		} else if errors.Is(errs[0], ErrKeyReversed) {
			tombstones++
		} else {
			t.Errorf("commit: %v", errs[0])
		}
		w.must(errs[1])
		w.must(errs[2])
		if n := w.count(`SELECT count(*) FROM purchases WHERE idem_key = $1 AND state IN (3, 9)`, key); n != 1 {
			t.Fatalf("%s: %d reversed or buried", key, n)
		}
	}
	t.Logf("%d purchases undone, %d buried", commits, tombstones)
}

// TestDeskStampsOpenDay: an undoing is stamped with a day that is open.
func TestDeskStampsOpenDay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	c := w.till(1)
	r := w.buy(c, "k", 3, 1, 10_000)
	w.closeToday()
	a, err := w.refund(c, r.ID, "r", 1_000)
	w.must(err)
	if !a.Adjustment {
		t.Error("not an adjustment")
	}
	if n := w.count(`SELECT u.business_day - p.business_day FROM purchase_undos u JOIN purchases p ON p.id = u.purchase_id`); n != 1 {
		t.Errorf("stamped %d days later", n)
	}
	_, err = w.desk.Void(w.ctx, c, r.ID, "v", "", "x")
	w.wantErr(err, ErrVoidTooLate)
	if d := time.Since(a.At); d < 0 || d > time.Minute {
		t.Errorf("at %v", a.At)
	}
}
