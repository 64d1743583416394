package push

import (
	"context"
	"sync"
	"testing"
	"time"

	"unioncard/card"
)

func used(serial int64) Used {
	return Used{Serial: serial, MerchantID: 2, OutletID: 3, Purchase: [16]byte{4, 5}, Kind: card.KindPhone, Slot: 1,
		AmountFen: 10000, DiscountFen: 1200, At: time.UnixMicro(1_780_000_000_000_001).UTC()}
}

func newHub(max int) *Hub {
	return NewHub(Options{Max: max, Look: func(serial int64, e *card.Entry) bool { return serial < 100 }})
}

func next(t *testing.T, s *Stream) *Used {
	t.Helper()
	select {
	case e := <-s.Events():
		return e.Used
	case <-time.After(20 * time.Second):
		t.Fatal("nothing is heard")
	}
	return nil
}

// TestSlowStream: who does not read is ended and holds nobody up.
func TestSlowStream(t *testing.T) {
	t.Parallel()
	h := newHub(10)
	slow, err := h.Open(1, 7)
	if err != nil {
		t.Fatal(err)
	}
	for range waiting + 1 {
		h.Sold(used(7))
	}
	<-slow.Done()
	slow.Close()
	slow.Close()
	if n := h.Streams(); n != 0 {
		t.Errorf("%d streams", n)
	}
}

// TestClosed: a stopping node ends what it has and opens nothing.
func TestClosed(t *testing.T) {
	t.Parallel()
	h := newHub(10)
	s, err := h.Open(1, 7)
	if err != nil {
		t.Fatal(err)
	}
	h.Close()
	<-s.Done()
	if _, err := h.Open(1, 7); err == nil {
		t.Error("a stopped hub opens a stream")
	}
	s.Close()
}

// TestManyAtOnce opens, tells and closes from everywhere; the count comes out even.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	h := newHub(50)
	ctx, stop := context.WithCancel(t.Context())
	var all, run sync.WaitGroup
	run.Go(func() { _ = h.Run(ctx) })
	for n := range 8 {
		all.Go(func() {
			for i := range 300 {
				s, err := h.Open(int64(n), int64(i%5))
				h.Sold(used(int64(i % 5)))
				h.Look()
				if i%7 == 0 {
					h.End(int64(n))
				}
				if err == nil {
					s.Close()
				}
			}
		})
	}
	all.Wait()
	if n := h.Streams(); n != 0 || len(h.cards) != 0 {
		t.Errorf("%d streams, %d cards", n, len(h.cards))
	}
	stop()
	run.Wait()
}

// TestSoldAllocates nothing to speak of where nobody listens: lanes call it.
func TestSoldAllocates(t *testing.T) {
	h := newHub(10)
	u := used(7)
	if n := testing.AllocsPerRun(100, func() { h.Sold(u) }); n > 1 {
		t.Errorf("Sold allocates %v times", n)
	}
}
