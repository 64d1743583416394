package purchase

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"unioncard/card"
	"unioncard/settlement/ledger"
)

// raceTerms: three sizes of draws on budget 11, one of them with budget 12 as well.
const raceTerms = `{"v":1,"offers":[
	{"id":"s","title":"满10减3","benefit":{"kind":"amount_off","at_fen":1000,"off_fen":300},"funding_bp":0,"budget":11},
	{"id":"m","title":"满20减7","benefit":{"kind":"amount_off","at_fen":2000,"off_fen":700},"funding_bp":0,"budget":11},
	{"id":"l","title":"满30减19","benefit":{"kind":"amount_off","at_fen":3000,"off_fen":1900},"funding_bp":2500,"budget":11},
	{"id":"t","title":"折上满30减11","stack":1,"benefit":{"kind":"amount_off","at_fen":3000,"off_fen":1100},"funding_bp":5000,"budget":12}]}`

// Lanes of two nodes race for small budgets and vouchers without undoing anything, so
// that what is left only falls: whoever was refused must have asked for more than is
// left at the end of all.
func TestBudgetsRunOutExactly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{terms: raceTerms, merchants: 6, cards: 60, commit: func(o *CommitterOptions) { o.Lanes, o.MaxRows = 3, 8 },
		money: func(w *world) {
			w.addBudget(testBudget{id: 11, fen: 100_000, slices: 5, grant: 7_000})
			w.addBudget(testBudget{id: 12, fen: 20_000, slices: 3})
			w.addSeries(testBudget{id: 13, fen: 30_000, slices: 4, grant: 5_000}, 11, 500, 1_000, true, 60, 1)
		}})
	nodes := []*Committer{w.committer, w.secondNode()}
	var mu sync.Mutex
	smallest := map[int64]int64{} // refused draw on each budget
	var work sync.WaitGroup
	for g := range 12 {
		work.Go(func() {
			rnd := rand.New(rand.NewPCG(7, uint64(g)))
			for i := range 40 {
				till := w.till(1 + rnd.Int64N(12))
				fen := []int64{1_000, 2_000, 3_000}[rnd.IntN(3)]
				token := w.stepQuote(till, 1+rnd.Int64N(60), int64(g*1000+i), fen)
				var q quote
				if err := w.verifier.pricer.signer.decode(token, &q, w.now()); err != nil {
					t.Error(err)
					return
				}
				_, err := nodes[g%2].Commit(w.ctx, till, &CommitRequest{Key: uuid.NewString(), Quote: token})
				if err == nil || errors.Is(err, ErrVoucherUsed) {
					continue
				}
				var refusal *Refusal
				if !errors.Is(err, ErrBudgetExhausted) || !errors.As(err, &refusal) {
					t.Errorf("commit: %v", err)
					return
				}
				mu.Lock()
				for _, d := range drawsOf(q.applied) {
					if was, ok := smallest[d.budget]; d.offer == refusal.Offer && (!ok || d.fen < was) {
						smallest[d.budget] = d.fen
					}
				}
				mu.Unlock()
			}
		})
	}
	work.Wait()
	for budget, fen := range smallest {
		if left := w.left(budget); left >= fen {
			t.Errorf("budget %d has %d fen left and %d were refused", budget, left, fen)
		}
	}
	if len(smallest) == 0 {
		t.Error("nothing ran out")
	}
	if n := w.count(`SELECT sum(fen) FROM transfers WHERE debit = $1`, int64(ledger.Budget(11))); n > 100_000 {
		t.Errorf("%d fen of 100000 spent", n)
	}
	w.checkBooks()
}

// Everything at once: purchases, refunds, voids, reversals, top-ups and freezes on two
// nodes. Whatever the order, the books agree and nothing is overspent (the CHECKs
// would have said so, as an error that nobody expects here).
func TestMoneyRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{terms: raceTerms, merchants: 4, cards: 30, commit: func(o *CommitterOptions) { o.MaxRows, o.GiveUp = 8, time.Minute },
		money: func(w *world) {
			w.addBudget(testBudget{id: 11, fen: 30_000, slices: 4, cap: 6_000})
			w.addBudget(testBudget{id: 12, fen: 8_000, slices: 2, grant: 2_000})
			w.addSeries(testBudget{id: 13, fen: 30_000, slices: 4, grant: 3_000}, 11, 500, 1_000, true, 30, 2)
		}})
	nodes := []*Committer{w.committer, w.secondNode()}
	var work sync.WaitGroup
	for g := range 8 {
		work.Go(func() {
			rnd := rand.New(rand.NewPCG(11, uint64(g)))
			var bought []Receipt
			for i := range 40 {
				till := w.till(1 + int64(g))
				if err := w.anyMove(rnd, nodes[g%2], till, int64(g*1000+i), &bought); err != nil {
					t.Errorf("till %d, move %d: %v", g, i, err)
					return
				}
			}
		})
	}
	work.Wait()
	w.checkBooks()
	if n := w.count(`SELECT count(*) FROM purchases WHERE union_share_fen > 0`); n < 50 {
		t.Errorf("%d purchases with union money show little", n)
	}
}

// anyMove is one random step of a till; refusals that the tables name are fine.
func (w *world) anyMove(rnd *rand.Rand, node *Committer, till *Client, step int64, bought *[]Receipt) error {
	fine := func(err error, allowed ...error) error {
		for _, a := range allowed {
			if errors.Is(err, a) {
				return nil
			}
		}
		return err
	}
	key := uuid.NewString()
	undo := []error{ErrPurchaseUndone, ErrRefundExceeds}
	var r Receipt
	if n := len(*bought); n > 0 {
		r = (*bought)[rnd.IntN(n)]
	}
	switch move := rnd.IntN(12); {
	case move == 0:
		_, err := w.pool.Exec(w.ctx, `UPDATE budgets SET amount_fen = amount_fen + 500 WHERE id = $1`, 11+rnd.IntN(2))
		return err
	case move == 1:
		// As freezing does: the budget, then its slices.
		_, err := w.pool.Exec(w.ctx, `WITH b AS (SELECT id FROM budgets WHERE id = 12 FOR UPDATE),
			s AS (SELECT FROM budget_slices WHERE budget_id = (SELECT id FROM b) ORDER BY slice FOR UPDATE)
			UPDATE budgets SET state = $1 WHERE id = 12 AND (SELECT count(*) FROM s) > 0`, []string{"open", "frozen"}[rnd.IntN(2)])
		return err
	case move < 4 && r.PayableFen > 0:
		_, err := w.refund(till, r.ID, key, 1+rnd.Int64N(r.PayableFen))
		return fine(err, undo...)
	case move == 4 && r.PayableFen > 0:
		_, err := w.desk.Void(w.ctx, till, r.ID, key, "", "x")
		return fine(err, undo...)
	case move == 5 && r.PayableFen > 0:
		_, err := w.desk.Reverse(w.ctx, till, r.Key)
		return fine(err, undo...)
	}
	fen := []int64{900, 1_000, 2_000, 3_000}[rnd.IntN(4)]
	var ans VerifyAnswer
	contract, err := w.merchants.Snapshot().InForce(outletFor(till), w.now())
	if err != nil {
		return err
	}
	w.verifier.pricer.quote(&basket{terminal: till.Terminal, outlet: outletFor(till), contract: contract, terms: contract.TermsAt(w.now()),
		serial: 1 + rnd.Int64N(30), generation: 1, kind: card.KindPhone, useKey: step * 2, amount: fen, at: w.now()}, &ans)
	for range 4 {
		got, err := node.Commit(w.ctx, till, &CommitRequest{Key: key, Quote: string(ans.Token)})
		if err == nil {
			*bought = append(*bought, got)
			return nil
		}
		var refusal *Refusal
		if !errors.As(err, &refusal) || refusal.Quote == nil || !requotable(err) {
			return fmt.Errorf("commit: %w", err)
		}
		ans = *refusal.Quote
	}
	return nil
}

// BenchmarkCommitFunded records purchases of 256 tills whose discount nobody but the
// merchant pays, 50 budgets pay, or one hot budget pays, which all lanes draw on.
func BenchmarkCommitFunded(b *testing.B) {
	const tills = 256
	for _, tt := range []struct {
		name    string
		budgets int
	}{{"merchant", 0}, {"budgets=50", 50}, {"budgets=1", 1}} {
		b.Run(tt.name, func(b *testing.B) {
			p := plan{merchants: tills, cards: 5_000}
			if tt.budgets > 0 {
				p.terms = `{"v":1,"offers":[{"id":"nine","title":"九折","benefit":{"kind":"percent","rate_bp":9000},"funding_bp":0,"budget":1}]}`
				p.money = func(w *world) {
					for i := range tt.budgets {
						w.addBudget(testBudget{id: int64(i + 1), fen: 1_000_000_000_00, slices: 16, grant: 30_000_000_00})
					}
					w.exec(`UPDATE contract_terms SET terms = jsonb_set(terms, '{offers,0,budget}', to_jsonb(1 + contract_id % $1::integer))`, tt.budgets)
				}
			}
			w := newWorld(b, p)
			tokens := make([]string, b.N)
			for i := range tokens {
				tokens[i] = w.stepQuote(w.till(int64(2*(i%tills)+1)), int64(i%5_000+1), int64(i+1), 10_000)
			}
			b.ResetTimer()
			var work sync.WaitGroup
			for t := range tills {
				work.Go(func() {
					for i := t; i < len(tokens); i += tills {
						if _, err := w.commit(w.till(int64(2*t+1)), keyf("%d", i), tokens[i]); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			work.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "purchases/s")
		})
	}
}
