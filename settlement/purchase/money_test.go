package purchase

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/google/uuid"

	"unioncard/settlement/ledger"
)

// fundedTerms: 满50减10 half from budget 11, and on top 满80减15 all from budget 12.
const fundedTerms = `{"v":1,"offers":[
	{"id":"half","title":"满50减10","benefit":{"kind":"amount_off","at_fen":5000,"off_fen":1000},"funding_bp":5000,"budget":11},
	{"id":"full","title":"折上满80减15","stack":1,"benefit":{"kind":"amount_off","at_fen":8000,"off_fen":1500},"funding_bp":0,"budget":12}]}`

func TestPurchaseDrawsOnBudgets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{terms: fundedTerms, money: func(w *world) {
		w.addBudget(testBudget{id: 11, fen: 100_000, slices: 4, grant: 10_000})
		w.addBudget(testBudget{id: 12, fen: 100_000})
	}})
	r := w.buy(w.till(1), "both", 1, 1, 9_000)
	if r.DiscountFen != 2_500 || r.UnionShareFen != 2_000 || r.MerchantShareFen != 500 {
		t.Fatalf("shares %+v", r)
	}
	for account, want := range map[ledger.Account]int64{
		ledger.Budget(11): -500, ledger.Budget(12): -1_500, ledger.Merchant(1): 2_000, ledger.Discount(1): -500, ledger.Members(): 500,
	} {
		if got := w.balance(account); got != want {
			t.Errorf("%v has %d fen, want %d", account, got, want)
		}
	}
	if a, b := w.left(11), w.left(12); a != 99_500 || b != 98_500 {
		t.Errorf("left %d and %d", a, b)
	}
	w.checkBooks()
	// Half of what was paid comes back, then the rest.
	if _, err := w.refund(w.till(1), r.ID, "r1", 3_250); err != nil {
		t.Fatal(err)
	}
	w.checkBooks()
	if a, b := w.left(11), w.left(12); a != 99_750 || b != 99_250 {
		t.Errorf("after half: left %d and %d", a, b)
	}
	if _, err := w.desk.Void(w.ctx, w.till(1), r.ID, "v1", "", "x"); err != nil {
		t.Fatal(err)
	}
	w.checkBooks()
	if a, b := w.left(11), w.left(12); a != 100_000 || b != 100_000 {
		t.Errorf("undone: left %d and %d", a, b)
	}
	// A reversal of what is void gives nothing back twice.
	if _, err := w.desk.Reverse(w.ctx, w.till(1), "both"); err != nil {
		t.Fatal(err)
	}
	w.checkBooks()
}

// The slice of the lane has nothing, or too little; the budget has.
func TestShortSliceIsFilled(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		b    testBudget
	}{
		{"nothing handed out", testBudget{id: 12, fen: 3_000, slices: 8}},
		{"a little everywhere", testBudget{id: 12, fen: 3_000, slices: 3, grant: 1_000}},
		{"no slices yet", testBudget{id: 12, fen: 3_000, slices: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, plan{terms: fundedTerms, money: func(w *world) {
				w.addBudget(tt.b)
				if tt.name == "no slices yet" {
					w.exec(`DELETE FROM budget_slices`)
				}
			}})
			w.buy(w.till(1), "a", 1, 1, 9_000)
			second := w.stepQuote(w.till(1), 1, 3, 9_000)
			w.buy(w.till(2), "b", 2, 2, 9_000)
			if n := w.left(12); n != 0 {
				t.Fatalf("left %d", n)
			}
			_, err := w.commit(w.till(1), "c", second)
			w.wantErr(err, ErrBudgetExhausted)
			var refusal *Refusal
			if !errors.As(err, &refusal) || refusal.Offer != "full" || refusal.Quote == nil || refusal.Quote.DiscountFen != 0 {
				t.Fatalf("refusal %+v", refusal)
			}
			// The fresh quote is on the same code step, and buys under the same key.
			if _, err := w.commit(w.till(1), "c", string(refusal.Quote.Token)); err != nil {
				t.Errorf("fresh quote: %v", err)
			}
			w.checkBooks()
		})
	}
}

func TestBudgetThatDoesNotPay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{terms: fundedTerms, money: func(w *world) {
		w.addBudget(testBudget{id: 11, fen: 100_000, grant: 100_000})
		w.addBudget(testBudget{id: 12, fen: 100_000, grant: 100_000, cap: 2_000})
	}})
	both := w.stepQuote(w.till(1), 1, 1, 9_000)
	w.exec(`UPDATE budgets SET state = 'frozen' WHERE id = 12`)
	_, err := w.commit(w.till(1), "frozen", both)
	w.wantErr(err, ErrBudgetClosed)
	quote := err.(*Refusal).Quote
	if quote == nil || quote.DiscountFen != 1_000 {
		t.Fatalf("fresh quote %+v", quote)
	}
	w.exec(`UPDATE budgets SET state = 'open', last_day = first_day WHERE id = 12`)
	_, err = w.commit(w.till(1), "over", both)
	w.wantErr(err, ErrBudgetClosed)
	w.exec(`UPDATE budgets SET last_day = first_day + 60 WHERE id = 12`)
	if _, err := w.commit(w.till(1), "open", both); err != nil {
		t.Fatal(err)
	}
	// The member had 15 of 20 yuan.
	_, err = w.commit(w.till(1), "cap", w.stepQuote(w.till(1), 1, 2, 9_000))
	w.wantErr(err, ErrBudgetCardCap)
	if quote := err.(*Refusal).Quote; quote == nil || quote.DiscountFen != 1_000 {
		t.Fatalf("fresh quote %+v", quote)
	}
	if _, err := w.commit(w.till(1), "another card", w.stepQuote(w.till(1), 2, 1, 9_000)); err != nil {
		t.Fatal(err)
	}
	// Undoing gives the member's share back.
	if _, err := w.desk.Reverse(w.ctx, w.till(1), "open"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.commit(w.till(1), "again", w.stepQuote(w.till(1), 1, 3, 9_000)); err != nil {
		t.Fatal(err)
	}
	w.checkBooks()
}

// A budget that no node knows of, or that is not meant for the place, pays nothing.
func TestUnfundedOfferIsNotQuoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{terms: fundedTerms, money: func(w *world) {
		w.addBudget(testBudget{id: 11, fen: 100_000, grant: 100_000, state: "frozen"})
		w.addBudget(testBudget{id: 12, fen: 100_000, grant: 100_000})
		w.exec(`UPDATE budgets SET trades = '{travel}' WHERE id = 12`)
	}})
	ans := w.quote(w.till(1), w.phone(1, 0), 9_000)
	if ans.DiscountFen != 0 || len(ans.Declined) != 2 || ans.Declined[0].Reason.String() != "budget" || ans.Declined[1].Reason.String() != "budget" {
		t.Errorf("quote %+v", ans)
	}
}

func TestVoucherIsUsedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{money: func(w *world) {
		w.addBudget(testBudget{id: 1, fen: 0})
		w.addSeries(testBudget{id: 2, fen: 80_000, slices: 2, grant: 40_000, last: 9, first: -1}, 1, 4_000, 5_000, false, 20, 1)
		w.addSeries(testBudget{id: 3, fen: 80_000, slices: 2, grant: 40_000, last: 5, first: -1}, 1, 4_000, 5_000, false, 2, 2)
	}})
	// Too small a basket says what is missing.
	small := w.quote(w.till(1), w.phone(1, 0), 4_900)
	if n := len(small.Declined); n != 1 || small.Declined[0].ID != "voucher-3" || small.Declined[0].NeedFen != 100 {
		t.Errorf("small basket: %+v", small.Declined)
	}
	// At 500 yuan ten percent are better.
	if big := w.quote(w.till(1), w.phone(1, 0), 50_000); big.DiscountFen != 5_000 || big.Applied[0].ID != "nine" {
		t.Errorf("large basket: %+v", big)
	}
	// Two tills quote the same voucher: that of the series that ends first.
	one, other := w.stepQuote(w.till(1), 1, 1, 5_000), w.stepQuote(w.till(3), 1, 2, 5_000)
	r, err := w.commit(w.till(1), "one", one)
	if err != nil || r.DiscountFen != 4_000 || r.UnionShareFen != 4_000 {
		t.Fatalf("%+v, %v", r, err)
	}
	if n := w.count(`SELECT count(*) FROM vouchers WHERE series_id = 3 AND no = 1 AND state = 2`); n != 1 {
		t.Fatalf("%d used", n)
	}
	_, err = w.commit(w.till(3), "other", other)
	w.wantErr(err, ErrVoucherUsed)
	refusal := err.(*Refusal)
	if refusal.Offer != "voucher-3" || refusal.Quote == nil {
		t.Fatalf("refusal %+v", refusal)
	}
	// The fresh quote takes the one that is left of it, though the memory is behind.
	if refusal.Quote.DiscountFen != 4_000 || refusal.Quote.Applied[0].ID != "voucher-3" {
		t.Fatalf("fresh quote %+v", refusal.Quote)
	}
	if _, err := w.commit(w.till(3), "other", string(refusal.Quote.Token)); err != nil {
		t.Fatal(err)
	}
	w.checkBooks()
	w.must(w.reader.Load(w.ctx))
	if ans := w.quote(w.till(1), w.phone(1, 1), 5_000); ans.Applied[0].ID != "voucher-2" {
		t.Errorf("the next series: %+v", ans.Applied)
	}
	// Half of the money back leaves it used, the rest gives it back.
	if _, err := w.refund(w.till(1), r.ID, "half", 500); err != nil {
		t.Fatal(err)
	}
	w.checkBooks()
	if n := w.count(`SELECT state FROM vouchers WHERE series_id = 3 AND no = 1 AND card_serial = 1`); n != 2 {
		t.Errorf("voucher is in state %d", n)
	}
	changes := w.count(`SELECT count(*) FROM changes WHERE kind = 10 AND object_id = 1`)
	if _, err := w.refund(w.till(1), r.ID, "rest", 500); err != nil {
		t.Fatal(err)
	}
	if n := w.count(`SELECT state FROM vouchers WHERE series_id = 3 AND no = 1 AND card_serial = 1`); n != 1 {
		t.Errorf("voucher is in state %d", n)
	}
	if n := w.count(`SELECT count(*) FROM changes WHERE kind = 10 AND object_id = 1`); n != changes+1 {
		t.Errorf("%d changes of the wallet after %d", n, changes)
	}
	w.checkBooks()
}

// A voucher comes back expired once its series is over.
func TestVoucherComesBackExpired(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{money: func(w *world) {
		w.addBudget(testBudget{id: 1, fen: 0})
		w.addSeries(testBudget{id: 2, fen: 80_000, grant: 80_000}, 1, 4_000, 5_000, true, 3, 1)
	}})
	a, b := w.buy(w.till(1), "a", 1, 1, 6_000), w.buy(w.till(1), "b", 2, 1, 6_000)
	w.exec(`UPDATE budgets SET last_day = first_day WHERE id = 2`)
	if _, err := w.desk.Void(w.ctx, w.till(1), a.ID, "v", "", "x"); err != nil {
		t.Fatal(err)
	}
	w.exec(`UPDATE budgets SET last_day = first_day + 90, state = 'closed' WHERE id = 2`)
	if _, err := w.desk.Void(w.ctx, w.till(1), b.ID, "w", "", "x"); err != nil {
		t.Fatal(err)
	}
	if n := w.count(`SELECT count(*) FROM vouchers WHERE state = 3 AND purchase_id IS NULL`); n != 2 {
		t.Errorf("%d expired", n)
	}
	w.checkBooks()
}

// A printed code's cap that leaves less than a voucher's face leaves it out.
func TestVoucherIsNeverPartPaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{money: func(w *world) {
		w.addBudget(testBudget{id: 1, fen: 0})
		w.addSeries(testBudget{id: 2, fen: 80_000, grant: 80_000}, 1, 4_000, 5_000, true, 3, 1)
	}})
	w.verifier.pricer.caps = Caps{PrintedFen: 4_200}
	code := w.codes.PrintedCode(1, 1, w.now())
	// 5.10 of percent leave 36.90.
	if ans := w.quote(w.till(1), code, 5_100); ans.DiscountFen != 510 || ans.Applied[0].ID != "nine" {
		t.Errorf("quote %+v", ans)
	}
	w.verifier.pricer.caps = Caps{PrintedFen: 4_600}
	if ans := w.quote(w.till(1), code, 6_000); ans.DiscountFen != 4_600 {
		t.Errorf("quote %+v", ans)
	}
}

// A crash while COMMIT is under way leaves all of it or nothing.
func TestMoneyAfterLostCommit(t *testing.T) {
	t.Parallel()
	lost := 0
	w := newWorld(t, plan{terms: fundedTerms, money: func(w *world) {
		w.addBudget(testBudget{id: 11, fen: 100_000, grant: 100_000})
		w.addBudget(testBudget{id: 12, fen: 100_000, slices: 2})
	}, hook: func(p hookPoint, l *lane) error {
		if p == hookCommitted && lost == 0 || p == hookDecided && lost == 1 {
			lost++
			_ = l.conn.PgConn().Conn().Close()
			return errors.New("gone")
		}
		return nil
	}, commit: func(o *CommitterOptions) { o.Lanes = 1 }})
	w.buy(w.till(1), "a", 1, 1, 9_000)
	w.buy(w.till(1), "b", 1, 2, 9_000)
	if a, b := w.left(11), w.left(12); a != 99_000 || b != 97_000 || lost != 2 {
		t.Errorf("left %d and %d after %d losses", a, b, lost)
	}
	w.checkBooks()
}

// A row that is refused posts nothing, its neighbours do.
func TestRefusedRowPostsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{terms: fundedTerms, idle: true, money: func(w *world) {
		w.addBudget(testBudget{id: 11, fen: 1_200, grant: 1_200})
		w.addBudget(testBudget{id: 12, fen: 100_000, grant: 100_000})
	}})
	done := make(chan error, 5)
	for i := range 5 {
		token := w.stepQuote(w.till(1), int64(i+1), 1, 6_000)
		go func() {
			_, err := w.commit(w.till(1), uuid.NewString(), token)
			done <- err
		}()
	}
	for w.queued() < 5 {
		runtime.Gosched()
	}
	w.run()
	refused := 0
	for range 5 {
		if err := <-done; err != nil {
			w.wantErr(err, ErrBudgetExhausted)
			refused++
		}
	}
	if n := w.count(`SELECT count(DISTINCT doc) FROM transfers`); n != 2 || refused != 3 || w.left(11) != 200 {
		t.Errorf("%d posted, %d refused, %d fen left", n, refused, w.left(11))
	}
	w.checkBooks()
}

// A budget that is spent is left out of the quotes that would draw too much on it, for
// a moment; smaller ones take it to the last fen.
func TestSpentBudgetIsNotPromised(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{terms: `{"v":1,"offers":[
	{"id":"big","title":"满80减15","benefit":{"kind":"amount_off","at_fen":8000,"off_fen":1500},"funding_bp":0,"budget":12},
	{"id":"small","title":"满20减5","benefit":{"kind":"amount_off","at_fen":2000,"off_fen":500},"funding_bp":0,"budget":12}]}`,
		money: func(w *world) { w.addBudget(testBudget{id: 12, fen: 2_000, grant: 2_000}) }})
	w.committer.opts.Budgets = w.verifier.Budgets // one node
	late := w.stepQuote(w.till(1), 1, 2, 9_000)
	w.buy(w.till(1), "a", 1, 1, 9_000)
	_, err := w.commit(w.till(1), "b", late)
	w.wantErr(err, ErrBudgetExhausted)
	if ans := w.quote(w.till(1), w.phone(2, 0), 9_000); ans.DiscountFen != 0 || len(ans.Declined) == 0 || ans.Declined[0].Reason.String() != "budget" {
		t.Errorf("right after: %+v", ans)
	}
	if ans := w.quote(w.till(1), w.phone(3, 0), 3_000); ans.DiscountFen != 500 {
		t.Errorf("a smaller one: %+v", ans)
	}
	w.exec(`UPDATE budgets SET version = version + 1 WHERE id = 12`)
	w.must(w.reader.Load(w.ctx))
	if ans := w.quote(w.till(1), w.phone(4, 0), 9_000); ans.DiscountFen != 1_500 {
		t.Errorf("after a change: %+v", ans)
	}
	w.verifier.Budgets.NoteShort(12, 1_500, w.now())
	w.verifier.Budgets.NoteShort(12, 1_600, w.now())
	if got := w.verifier.Budgets.Short(12, w.now()); got != 1_500 {
		t.Errorf("short of %d", got)
	}
	if got := w.verifier.Budgets.Short(12, w.now().Add(2*time.Second)); got != 0 {
		t.Errorf("short of %d for ever", got)
	}
}
