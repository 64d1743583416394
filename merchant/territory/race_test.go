package territory_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"unioncard/card/union"
	"unioncard/merchant"
)

// While a county's union is merged, others add unions below it and publish Terms for
// its territory. Whatever comes first: no union in use hangs under what is gone, and
// no Terms that name only what is gone were published unseen.
func TestMergeWhileOthersWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	from, into := w.unions[410105], w.unions[410103]
	_, _, contract := w.shop(w.unions[410100], 410105, discount())
	var wg sync.WaitGroup
	merged := make(chan struct{})
	wg.Go(func() {
		for i := 0; ; i++ {
			_, err := w.store.Add(w.ctx, by, from, fmt.Sprintf("第%d工会", i))
			if errors.Is(err, union.ErrInactive) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	published := false
	wg.Go(func() {
		<-merged // from here on the merger may begin at any moment
		_, err := w.merchants.PublishTerms(w.ctx, by, contract, []byte(discount(410105)), w.clock.Now().Add(time.Hour))
		var invalid *merchant.InvalidError
		if published = err == nil; err != nil && !errors.As(err, &invalid) {
			t.Error(err)
		}
	})
	close(merged)
	err := w.propose(from, into)
	if err != nil { // the Terms came first; the adding goes on until the merger is forced
		var form merchant.FieldErrors
		if !errors.As(err, &form) {
			t.Error(err)
		}
		w.exec(`UPDATE proposals SET state = 'withdrawn', checker_id = maker_id, decided_at = now() WHERE state = 'waiting'`)
		w.clock.add(2 * time.Hour)
		_, err = w.merchants.PublishTerms(w.ctx, by, contract, []byte(discount()), w.clock.Now().Add(time.Minute))
		w.must(err)
		w.clock.add(time.Hour)
		w.must(w.propose(from, into))
		wg.Wait()
		if !published {
			t.Error("refused, although no Terms stood in the way")
		}
	} else {
		wg.Wait()
		if published {
			t.Error("Terms that name only the merged territory were published beside the merger")
		}
	}
	if _, err := union.Load(w.ctx, w.db); err != nil {
		t.Error(err)
	}
	if n := w.number(`SELECT count(*) FROM unions u JOIN unions p ON p.id = u.parent_id WHERE u.active AND NOT p.active`); n != 0 {
		t.Errorf("%d unions in use hang under what is gone", n)
	}
}
