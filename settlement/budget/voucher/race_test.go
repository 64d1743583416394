package voucher_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"unioncard/settlement/budget/voucher"
)

// TestGivenAfterTheEnd: who waits behind another batch, while the series is closed or
// frozen, gets no pack of it any more.
func TestGivenAfterTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	c := w.claimer()
	claim := func(id int64) error {
		_, err := c.Claim(w.ctx, token(1), id)
		return err
	}
	grant := func(id int64) error {
		file := list(number(1))
		_, err := w.store.GrantList(w.ctx, by, id, file, file.Size(), false)
		return err
	}
	shut := func(id int64) error {
		return w.tx(func(tx pgx.Tx) error { return w.budgets.CloseTx(w.ctx, tx, by, id) })
	}
	freeze := func(id int64) error { return w.budgets.Freeze(w.ctx, by, id) }
	refused := func(err error) bool { return cmp.Equal(fields(err), []string{"series"}) }
	for name, s := range map[string]struct {
		end, give func(id int64) error
		want      func(error) bool
	}{
		"claimed of a closed series": {shut, claim, func(err error) bool { return errors.Is(err, voucher.ErrOver) }},
		"claimed of a frozen series": {freeze, claim, func(err error) bool { return errors.Is(err, voucher.ErrPaused) }},
		"granted of a closed series": {shut, grant, refused},
		"granted of a frozen series": {freeze, grant, refused},
	} {
		id := w.series(w.plan(name, 3))
		before, done := w.hold(id), make(chan error, 1)
		go func() { done <- s.give(id) }()
		w.waits(done)
		w.must(s.end(id))
		w.must(before.Commit(w.ctx))
		if err := <-done; !s.want(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := w.count(`SELECT count(*) FROM vouchers`); n != 0 {
		t.Errorf("%d vouchers were given", n)
	}
}

// TestSettledAfterTheLast: a closed series is settled no sooner than a batch that found
// it open is done, so that the vouchers of this one expire too.
func TestSettledAfterTheLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	id := w.series(w.plan("一", 3))
	before, done := w.hold(id), make(chan error, 1)
	_, err := before.Exec(w.ctx, `INSERT INTO vouchers (card_serial, series_id, no, state, got_at) SELECT 1, $1, no, 1, now() FROM generate_series(1, 4) no`, id)
	w.must(err)
	w.must(w.tx(func(tx pgx.Tx) error { return w.budgets.CloseTx(w.ctx, tx, by, id) }))
	expire := func() {
		_, err := w.store.Expire(w.ctx)
		done <- err
	}
	go expire()
	w.waits(done)
	w.must(before.Commit(w.ctx))
	w.must(<-done)
	go expire()
	w.must(<-done)
	if held, open := w.count(`SELECT count(*) FROM vouchers WHERE state = 1`), w.count(`SELECT count(*) FROM voucher_series WHERE NOT settled`); held+open != 0 {
		t.Errorf("%d vouchers are still held, %d series are not settled", held, open)
	}
}

// hold gives a pack of a series out as another batch would, up to its commit.
func (w *world) hold(id int64) pgx.Tx {
	w.t.Helper()
	tx, err := w.pool.Begin(w.ctx)
	w.must(err)
	w.t.Cleanup(func() { _ = tx.Rollback(w.ctx) })
	_, err = tx.Exec(w.ctx, `UPDATE voucher_series SET claimed = claimed + 1 WHERE budget_id = $1`, id)
	w.must(err)
	return tx
}

// waits returns once somebody waits for a lock.
func (w *world) waits(done <-chan error) {
	w.t.Helper()
	for w.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 0 {
		select {
		case err := <-done:
			w.t.Fatalf("it did not wait: %v", err)
		default:
		}
	}
}
