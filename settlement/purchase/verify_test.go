package purchase

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"unioncard/card"
	"unioncard/merchant"
	"unioncard/merchant/terms"
)

func (w *world) verify(c *Client, req *VerifyRequest) (*VerifyAnswer, error) {
	var ans VerifyAnswer
	err := w.verifier.Verify(w.ctx, c, req, &ans)
	return &ans, err
}

func TestVerifyAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{idle: true})
	w.age.Store(int64(150 * time.Millisecond))
	got, err := w.verify(w.till(1), &VerifyRequest{Code: w.phone(7, 1), Items: fiveItems()})
	w.must(err)
	want := &VerifyAnswer{
		NumberMasked: "41** **** **** 0007", HolderMasked: "张*", Union: "金水区总工会", Kind: card.KindPhone,
		HasQuote: true, AmountFen: 12_000, DiscountFen: 1_200, PayableFen: 10_800,
		Applied: []AppliedOffer{{ID: "nine", Title: "九折", DiscountFen: 1_200}},
		Age:     150 * time.Millisecond, TermsVersion: 1,
	}
	ignore := cmpopts.IgnoreFields(VerifyAnswer{}, "ValidUntil", "Token", "ExpiresAt")
	if diff := cmp.Diff(want, got, ignore, cmpopts.IgnoreUnexported(VerifyAnswer{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if life := got.ExpiresAt.Sub(w.now()); life <= QuoteLife-time.Minute || life > QuoteLife {
		t.Errorf("expires in %v", life)
	}
	if _, err := time.Parse(time.DateOnly, string(got.ValidUntil)); err != nil {
		t.Error(err)
	}
	bare, err := w.verify(w.till(1), &VerifyRequest{Code: w.phone(7, 1)})
	w.must(err)
	if bare.HasQuote || len(bare.Token) > 0 || bare.HolderMasked == "" {
		t.Errorf("without an amount: %+v", bare)
	}
}

// TestVerifyOrder: which of several faults is told, so that whoever has not
// proved a code learns nothing of a card.
func TestVerifyOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{idle: true})
	number := w.number(8)
	lost, good, bad := w.phone(9, 0), w.phone(3, 0), "41"+"000000000012345678"
	w.exec(`UPDATE cards SET status = 3 WHERE serial = 9`)
	w.exec(`UPDATE terminals SET status = 'suspended' WHERE id = 2`)
	w.exec(`UPDATE contracts SET status = 'suspended' WHERE id = 2`)
	w.exec(`UPDATE terminals SET typed_allowed = false WHERE id = 3`)
	w.load()
	amount := func(code string, outlet, fen int64) *VerifyRequest {
		return &VerifyRequest{Code: code, OutletID: outlet, HasAmount: true, AmountFen: fen}
	}
	for _, c := range []struct {
		name   string
		client *Client
		req    *VerifyRequest
		want   error
	}{
		{"suspended terminal, bad code", w.till(2), amount(bad, 0, 100), merchant.ErrTerminalSuspended},
		{"POS server without outlet, bad code", w.posServer(1), amount(bad, 0, 100), ErrOutletRequired},
		{"another merchant's outlet, good code", w.posServer(1), amount(good, 3, 100), ErrNotFound},
		{"another outlet of the merchant", w.till(1), amount(good, 2, 100), ErrNotFound},
		{"no such outlet", w.till(1), amount(good, 99, 100), ErrNotFound},
		{"no code, bad amount", w.till(1), amount("12345", 0, -1), card.ErrCodeFormat},
		{"typed where it may not be", w.till(3), amount(number, 0, 100), merchant.ErrTypedNotAllowed},
		{"bad code, suspended contract", w.till(4), amount(bad, 0, 100), card.ErrCodeInvalid},
		{"lost card, suspended contract", w.till(4), amount(lost, 0, 100), card.ErrCardLost},
		{"good card, suspended contract, bad amount", w.till(4), amount(w.phone(4, 0), 0, -1), merchant.ErrContractSuspended},
		{"bad amount", w.till(1), amount(good, 0, -1), terms.ErrAmount},
		{"no amount", w.till(1), amount(good, 0, 0), terms.ErrAmount},
		{"items that don't add up", w.till(1), &VerifyRequest{Code: good, HasAmount: true, AmountFen: 1, Items: fiveItems()}, terms.ErrAmount},
		{"items that overflow", w.till(1), &VerifyRequest{Code: good, Items: []terms.Item{{QtyMilli: 1, AmountFen: 1 << 62}, {QtyMilli: 1, AmountFen: 1 << 62}, {QtyMilli: 1, AmountFen: 1<<63 - 1}}}, terms.ErrAmount},
		{"bound to the first till", w.posServer(1), amount(good, 2, 100), card.ErrCodeBound},
		{"good", w.till(1), amount(good, 0, 100), nil},
		{"good, outlet named", w.till(1), amount(good, 1, 100), nil},
		{"typed", w.till(1), amount(number, 0, 100), nil},
		{"typed, no such number", w.till(1), amount(w.freshNumber(), 0, 100), card.ErrCodeInvalid},
		{"printed", w.till(1), amount(w.codes.PrintedCode(5, 1, w.now()), 0, 100), nil},
		{"printed, replaced card", w.till(1), amount(w.codes.PrintedCode(5, 0, w.now()), 0, 100), card.ErrCodeInvalid},
	} {
		ans, err := w.verify(c.client, c.req)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		unproved := errors.Is(c.want, card.ErrCodeInvalid) || errors.Is(c.want, ErrNotFound) || errors.Is(c.want, merchant.ErrTypedNotAllowed)
		if unproved && (ans.HolderMasked != "" || ans.NumberMasked != "" || ans.Union != "" || len(ans.ValidUntil) > 0) {
			t.Errorf("%s: tells %+v", c.name, ans)
		}
		if err == nil && ans.CheckHolder != (ans.Kind != card.KindPhone) {
			t.Errorf("%s: check holder %v", c.name, ans.CheckHolder)
		}
	}
}

func (w *world) freshNumber() string {
	n, err := w.codes.NewNumber()
	w.must(err)
	return keyf("%d", n)
}

func TestVerifyTypedMisses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{idle: true})
	var err error
	for range 5 {
		_, err = w.verify(w.till(1), &VerifyRequest{Code: w.freshNumber()})
		w.wantErr(err, card.ErrCodeInvalid)
	}
	_, err = w.verify(w.till(1), &VerifyRequest{Code: w.number(3)})
	w.wantErr(err, card.ErrTypedBlocked)
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.RetryAfter <= 0 {
		t.Errorf("no time to wait: %v", err)
	}
	if _, err = w.verify(w.till(1), &VerifyRequest{Code: w.phone(3, 0)}); err != nil {
		t.Errorf("a phone code: %v", err)
	}
}

// TestVerifyTypedAtOnce: guesses at the same moment spend the same budget.
func TestVerifyTypedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{idle: true})
	numbers := make([]string, 300)
	for i := range numbers {
		numbers[i] = w.freshNumber()
	}
	errs := all(len(numbers), func(i int) error {
		_, err := w.verify(w.till(1), &VerifyRequest{Code: numbers[i]})
		return err
	})
	tried := 0
	for _, err := range errs {
		if errors.Is(err, card.ErrCodeInvalid) {
			tried++
		}
	}
	if tried != 5 {
		t.Errorf("%d typed guesses of one terminal were tried, the rule is 5 an hour", tried)
	}
}

func TestVerifyStaleView(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{idle: true})
	w.age.Store(int64(DefaultStaleAfter + time.Second))
	got, err := w.verify(w.till(1), &VerifyRequest{Code: w.phone(7, 1), Items: fiveItems()})
	w.must(err)
	if got.HasQuote || !got.Stale || got.HolderMasked == "" || len(got.Token) > 0 {
		t.Errorf("%+v", got)
	}
}

// TestVerifyLifted: with the floor clause the province's floor applies whole
// where it earns more, and the purchase records it.
func TestVerifyLifted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{floor: `{"v":1,"offers":[{"id":"floor","title":"满200减30","benefit":{"kind":"amount_off","at_fen":20000,"off_fen":3000},
		"limits":[{"per":"day","uses":1}],"funding_bp":10000}]}`})
	c := w.till(1)
	for step, tc := range []struct {
		fen, discount int64
		lifted        bool
	}{{10_000, 1_000, false}, {20_000, 3_000, true}, {30_000, 3_000, false}, {40_000, 4_000, false}} {
		ans := w.quote(c, w.phone(int64(step+1), 0), tc.fen)
		if ans.DiscountFen != tc.discount || ans.Lifted != tc.lifted {
			t.Errorf("%d fen: %+v", tc.fen, ans)
		}
		r, err := w.commit(c, keyf("k%d", step), string(ans.Token))
		w.must(err)
		want := int64(0)
		if tc.lifted {
			want = 7
		}
		if got := w.count(`SELECT floor_id FROM purchases WHERE id = $1`, r.ID); got != want {
			t.Errorf("%d fen: recorded floor %d", tc.fen, got)
		}
	}
	// The floor's own limit: spent, the contract's Terms apply again.
	_, err := w.commit(c, "k9", w.stepQuote(c, 2, 77, 20_000))
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Quote == nil || refusal.Quote.Lifted || refusal.Quote.DiscountFen != 2_000 {
		t.Errorf("after the floor's limit: %v, %+v", err, refusal)
	}
}

func TestVerifyAllocations(t *testing.T) {
	w := newWorld(t, plan{idle: true})
	var ans VerifyAnswer
	req, c := &VerifyRequest{Code: w.phone(7, 1), Items: fiveItems()}, w.till(1)
	ctx := context.Background()
	run := func() { w.must(w.verifier.Verify(ctx, c, req, &ans)) }
	run()
	if n := testing.AllocsPerRun(200, run); n > 2 && !raceDetector {
		t.Errorf("%v allocations", n)
	}
}

// meanwhile is Numbers with something happening right after each lookup.
type meanwhile struct {
	Numbers
	then func()
}

func (m meanwhile) ByNumber(ctx context.Context, number int64) (int64, uint16, error) {
	serial, generation, err := m.Numbers.ByNumber(ctx, number)
	m.then()
	return serial, generation, err
}

// TestTypedWhileReplaced: a card replaced right after its old number was looked up
// buys nothing by it, whether this node has seen the replacement by then or not.
func TestTypedWhileReplaced(t *testing.T) {
	t.Parallel()
	for name, seen := range map[string]bool{"seen": true, "not seen yet": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, plan{})
			number := w.number(7)
			store := card.NewStore(w.pool, card.StoreOptions{})
			w.verifier.Numbers = meanwhile{store, sync.OnceFunc(func() {
				_, err := store.Replace(w.ctx, card.By{Actor: "test", Reason: "补换"}, 7)
				w.must(err)
				if seen {
					w.load()
				}
			})}
			ans, err := w.verify(w.till(1), &VerifyRequest{Code: number, HasAmount: true, AmountFen: 10_000})
			if seen {
				w.wantErr(err, card.ErrCodeInvalid)
				return
			}
			w.must(err)
			_, err = w.commit(w.till(1), "old", string(ans.Token))
			w.wantErr(err, card.ErrCodeInvalid)
		})
	}
}
