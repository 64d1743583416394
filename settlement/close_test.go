package settlement

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unioncard/merchant"
	"unioncard/settlement/ledger"
)

func TestStatement(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, CloserOptions{chunk: 1})
	d := w.today - 2
	a := w.buy(1, d, 10000, 3000, 1000)
	w.buy(2, d, 5000, 500, 0)
	b := w.buy(2, d, 8000, 4000, 4000)
	w.buy(3, d, 7000, 700, 700)
	w.undo(b, d, 4000)   // voided
	w.undo(a, d, 3500)   // half of it refunded the same day
	w.undo(a, d+1, 3500) // the rest the next day
	w.close(d + 1)

	st := w.statement(1, d)
	want := Body{V: 1, Number: st.Number, Merchant: 1, Day: d.String(), DueFen: 500, ClosingFen: 500,
		Figures: Figures{Purchases: 3, GrossFen: 23000, DiscountFen: 7500, MerchantShareFen: 2500, UnionShareFen: 5000,
			Undone: 1, Refunds: 1, ReturnedFen: 7500, GivenBackFen: 5500, UnionBackFen: 4500},
		Outlets: []OutletFigures{
			{1, Figures{Purchases: 1, GrossFen: 10000, DiscountFen: 3000, MerchantShareFen: 2000, UnionShareFen: 1000,
				Refunds: 1, ReturnedFen: 3500, GivenBackFen: 1500, UnionBackFen: 500}},
			{2, Figures{Purchases: 2, GrossFen: 13000, DiscountFen: 4500, MerchantShareFen: 500, UnionShareFen: 4000,
				Undone: 1, ReturnedFen: 4000, GivenBackFen: 4000, UnionBackFen: 4000}}},
		Adjustments: []Adjustment{}, Payments: []PaymentEntry{}}
	got, err := st.Content()
	w.must(err)
	if diff := cmp.Diff(want, *got); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want.Figures, st.Figures); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}

	next := w.statement(1, d+1)
	if got, err = next.Content(); err != nil {
		t.Fatal(err)
	}
	late := []Adjustment{{Kind: KindRefund, Purchase: a.id, Seq: 2, PurchaseDay: d.String(), Outlet: 1,
		ReturnedFen: 3500, GivenBackFen: 1500, Fen: -500}}
	if diff := cmp.Diff(late, got.Adjustments); diff != "" {
		t.Errorf("adjustments (-want +got):\n%s", diff)
	}
	if got.OpeningFen != 500 || got.DueFen != -500 || got.ClosingFen != 0 || got.Purchases != 0 || len(got.Outlets) != 0 {
		t.Errorf("next day: %+v", got)
	}
	if n := w.count(`SELECT count(*) FROM statements`); n != 3 { // merchant 3 did nothing
		t.Errorf("%d statements", n)
	}
	if want := w.today + 5; st.ConfirmBy != want && !w.turned() {
		t.Errorf("to be confirmed by %v, want %v", st.ConfirmBy, want)
	}
}

// TestRecompute: the same bytes from the purchases as were closed, whatever happened
// since.
func TestRecompute(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, CloserOptions{})
	d := w.today - 3
	a := w.buy(1, d, 10000, 3000, 1000)
	w.buy(4, d, 999, 9, 9)
	w.close(d)
	w.undo(a, d+1, 7000)
	w.buy(1, d+1, 100, 10, 10)
	w.close(d + 1)
	for _, at := range []struct {
		merchant int64
		day      ledger.Day
	}{{1, d}, {2, d}, {1, d + 1}} {
		st := w.statement(at.merchant, at.day)
		body, sum, err := w.store.Recompute(w.ctx, at.merchant, at.day)
		w.must(err)
		if !bytes.Equal(body, st.Body) || sum != st.SHA256 {
			t.Errorf("merchant %d on %v: recomputed\n%s\nclosed\n%s", at.merchant, at.day, body, st.Body)
		}
	}
	_, _, err := w.store.Recompute(w.ctx, 2, d+1)
	w.wantErr(err, merchant.ErrNotFound)
}

// TestCloseAfterKill ends a close at every step in turn; the next one ends with the
// same statements as one that was left alone.
func TestCloseAfterKill(t *testing.T) {
	t.Parallel()
	killed := errors.New("killed")
	bodies := func(w *world) string {
		return fmt.Sprint(w.count(`SELECT count(*) FROM statements`), " ",
			w.count(`SELECT ('x' || substr(md5(string_agg(concat_ws(' ', merchant_id, purchases, gross_fen, undone, returned_fen,
				union_back_fen, due_fen, closing_fen), ';' ORDER BY merchant_id)), 1, 15))::bit(60)::bigint FROM statements`))
	}
	fill := func(w *world) {
		d := w.today - 2
		for i := range 12 {
			s := w.buy(int64(1+i%10), d, int64(1000+i), 300, 100)
			if i%3 == 0 {
				w.undo(s, d, s.payable())
			}
		}
	}
	whole := newWorld(t, 5, CloserOptions{chunk: 2})
	fill(whole)
	whole.close(whole.today - 2)
	want := bodies(whole)
	for _, step := range []string{stepSealed, stepRead, stepChunk, stepChunk + " 2", stepWritten} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			at, chunks := step, 0
			w := newWorld(t, 5, CloserOptions{chunk: 2, hook: func(s string) error {
				if s == stepChunk {
					if chunks++; chunks == 2 {
						s = stepChunk + " 2"
					}
				}
				if s == at {
					at = ""
					return killed
				}
				return nil
			}})
			fill(w)
			_, err := w.closer.Close(w.ctx, w.today-2, false)
			w.wantErr(err, killed)
			if n := w.count(`SELECT count(*) FROM business_days WHERE closed_at IS NOT NULL AND done_at IS NULL`); n != 1 {
				t.Fatal("the day is not sealed and open")
			}
			w.close(w.today - 2)
			if got := bodies(w); got != want {
				t.Errorf("after a kill at %s: %s, want %s", step, got, want)
			}
		})
	}
}

func TestCloseOnceByMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4, CloserOptions{chunk: 1})
	for i := range 8 {
		w.buy(int64(i+1), w.today-1, 1000, 100, 50)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			_, err := NewCloser(w.pool, CloserOptions{Duty: 1}).Close(w.ctx, w.today-1, false)
			if err != nil && !errors.Is(err, ErrClosing) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w.close(w.today - 1)
	if n := w.count(`SELECT count(*) FROM statements`); n != 4 {
		t.Errorf("%d statements, want 4", n)
	}
	if n := w.count(`SELECT count(*) FROM events WHERE action = 'day.close'`); n != 1 {
		t.Errorf("closed %d times", n)
	}
}

func TestDayNotOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, CloserOptions{})
	w.buy(1, w.today, 1000, 100, 50)
	for _, c := range []struct {
		day   ledger.Day
		early bool
		want  error
	}{{w.today, false, ErrDayNotOver}, {w.today + 1, true, ErrDayNotOver}, {w.today, true, nil}} {
		if _, err := w.closer.Close(w.ctx, c.day, c.early); !errors.Is(err, c.want) && !w.turned() {
			t.Errorf("close %v, early %v: %v", c.day-w.today, c.early, err)
		}
	}
	// What is posted from now on is tomorrow's.
	tx, err := w.pool.Begin(w.ctx)
	w.must(err)
	defer func() { w.must(tx.Rollback(w.ctx)) }()
	day, err := openDay(w.ctx, tx)
	w.must(err)
	if day != w.today+1 && !w.turned() {
		t.Errorf("the open day is %v, want %v", day, w.today+1)
	}
}

// TestWhoClosedEarly: a day that somebody closed before its end says so, and who and why.
func TestWhoClosedEarly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, CloserOptions{By: merchant.By{Actor: "cli:root", Reason: "盘点"}})
	w.buy(1, w.today-1, 1000, 100, 50)
	w.close(w.today)
	for day, early := range map[ledger.Day]bool{w.today - 1: false, w.today: true} {
		n := w.count(`SELECT count(*) FROM events WHERE action = 'day.close' AND object_id = $1 AND actor = 'cli:root' AND reason = '盘点'
			AND (after ->> 'early')::boolean = $2`, day.String(), early)
		if n != 1 && !w.turned() {
			t.Errorf("%v: %d events say early %v", day, n, early)
		}
	}
}

// TestOneClockAhead: a day is closed by itself only when the node's clock says too that
// it is over; a database's that jumped ahead would seal days that have not been.
func TestOneClockAhead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, CloserOptions{})
	w.buy(1, w.today-2, 1000, 100, 50)
	w.buy(1, w.today-1, 1000, 100, 50)
	c := NewCloser(w.pool, CloserOptions{Duty: 1, After: time.Nanosecond, Clock: func() time.Time { return w.today.Start() }})
	c.turn(w.ctx)
	if n := w.count(`SELECT max(day) - date '1970-01-01' FROM business_days WHERE closed_at IS NOT NULL`); n != int64(w.today-2) {
		t.Errorf("sealed %d, want %d", n, w.today-2)
	}
}

// TestSealWaits: who holds the day's lock has stamped it before the seal, and the
// statement has what they wrote.
func TestSealWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, CloserOptions{})
	tx, err := w.pool.Begin(w.ctx)
	w.must(err)
	day, err := openDay(w.ctx, tx)
	w.must(err)
	if day != w.today {
		if w.turned() {
			return
		}
		t.Fatalf("the open day is %v, want %v", day, w.today)
	}
	done := make(chan error)
	go func() {
		_, err := w.closer.Close(w.ctx, w.today, true)
		done <- err
	}()
	for w.count(`SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
		WHERE locktype = 'advisory' AND NOT granted`) == 0 {
		select {
		case err := <-done:
			t.Fatal("sealed under a holder's lock: ", err)
		default:
		}
	}
	_, err = Adjust(w.ctx, tx, finance, Posting{MerchantID: 1, OfficeID: 2, Fen: 77, Cause: "compensation", Reason: "补"})
	w.must(err)
	w.must(tx.Commit(w.ctx))
	w.must(<-done)
	if st := w.statement(1, w.today); st.AdjustedFen != 77 || st.ClosingFen != 77 {
		t.Errorf("statement %+v", st)
	}
}

func TestStatementStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, CloserOptions{})
	w.buy(1, w.today-1, 1000, 100, 50)
	w.close(w.today - 1)
	for _, sql := range []string{
		`UPDATE statements SET body = 'x'`, `UPDATE statements SET sha256 = sha256(body || 'x')`, `UPDATE statements SET due_fen = due_fen + 1`,
		`UPDATE statements SET confirm_by = confirm_by + 1`, `DELETE FROM statements`, `TRUNCATE statements CASCADE`,
		`UPDATE adjustments SET fen = 1`, `TRUNCATE adjustments`,
	} {
		if _, err := w.pool.Exec(w.ctx, sql); err == nil {
			t.Errorf("%s: was let through", sql)
		}
	}
	w.exec(`UPDATE statements SET state = 'confirmed'`)
}

func TestNumber(t *testing.T) {
	t.Parallel()
	day, err := ledger.ParseDay("2026-11-22")
	if err != nil {
		t.Fatal(err)
	}
	s := Number(day, 12)
	if s != "JS20261122-12" {
		t.Errorf("number %s", s)
	}
	if d, m, ok := ParseNumber(s); !ok || d != day || m != 12 {
		t.Errorf("read %v %d %v", d, m, ok)
	}
	for _, bad := range []string{"", "JS", "JS20261122", "JS20261322-1", "JS20261122--1", "JS20261122-01", "JS20261122-1x", "XS20261122-1"} {
		if _, _, ok := ParseNumber(bad); ok {
			t.Errorf("%q is a number", bad)
		}
	}
}
