package purchase

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"unioncard/merchant/terms"
)

// fiveItems is a basket of five lines, 120.00 yuan.
func fiveItems() []terms.Item {
	var items []terms.Item
	for i := range 5 {
		items = append(items, terms.Item{SKU: "6901234" + strconv.Itoa(50000+i), Category: "food.snack",
			QtyMilli: 2000, UnitPriceFen: 1200, AmountFen: 2400})
	}
	return items
}

func BenchmarkCommit(b *testing.B) {
	for name, items := range map[string][]terms.Item{"amount": nil, "lines": fiveItems()} {
		b.Run(name, func(b *testing.B) { benchCommit(b, tenPercent, items) })
	}
	b.Run("limited", func(b *testing.B) { benchCommit(b, limited, nil) })
}

// benchCommit records b.N purchases of as many cards in 100 merchants from 256
// goroutines.
func benchCommit(b *testing.B, form string, items []terms.Item) {
	const callers = 256
	w := newWorld(b, plan{merchants: 100, cards: min(b.N+1, 200_000), terms: form,
		commit: func(o *CommitterOptions) { o.Lanes = 0 }})
	var next atomic.Int64
	var wg sync.WaitGroup
	tokens := make([]string, b.N)
	for i := range tokens {
		serial, step := int64(i%200_000)+1, int64(i/200_000)+1
		tokens[i] = w.stepQuote(w.till(int64(i%200)+1), serial, step, 12_000, items...)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range callers {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= b.N {
					return
				}
				req := &CommitRequest{Key: strconv.Itoa(i), Quote: tokens[i], Items: items}
				if _, err := w.committer.Commit(b.Context(), w.till(int64(i%200)+1), req); err != nil {
					b.Errorf("commit: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "purchases/s")
}

func BenchmarkVerify(b *testing.B) {
	w := newWorld(b, plan{merchants: 100, cards: 1000, idle: true})
	c := w.till(1)
	req := &VerifyRequest{Code: w.phone(3, 0), Items: fiveItems()}
	var ans VerifyAnswer
	b.ReportAllocs()
	for b.Loop() {
		if err := w.verifier.Verify(b.Context(), c, req, &ans); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkQuoteEncode(b *testing.B) {
	w := newWorld(b, plan{idle: true})
	q := sampleQuote()
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = w.verifier.pricer.signer.appendQuote(buf[:0], q, w.now())
	}
}
