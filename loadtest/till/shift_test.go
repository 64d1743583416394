package till

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"unioncard/loadtest/fault"
	"unioncard/loadtest/verdict"
)

// shift sells count times against f over a bad network and returns the books.
func shift(t *testing.T, f *fake, count int) []verdict.Entry {
	t.Helper()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	proxy, err := fault.Listen(srv.Listener.Addr().String(), 3, fault.Faults{CutRequest: 0.03, DropAnswer: 0.1, CutAnswer: 0.03})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	id, err := Activate(t.Context(), srv.URL, "one-time", Outlet{ID: "1", Basket: []Item{{QtyMilli: 1000, UnitPriceFen: 1000, AmountFen: 1000}}})
	if err != nil {
		t.Fatal(err)
	}
	session := func(seed uint64) *Session {
		return &Session{Identity: id, Addr: proxy.Addr(), Timeout: 5 * time.Second, Tally: new(Tally), Rand: rand.New(rand.NewPCG(seed, 1))}
	}
	ctx, stop := context.WithCancel(t.Context())
	n := 0
	s := &Shift{Name: "t", Session: session(1), Twin: session(2), Codes: func(context.Context) (Code, error) {
		if n++; n > count {
			stop()
			return Code{}, errors.New("sold out")
		}
		return Code{Text: fmt.Sprintf("%020d", n)}, nil
	}}
	if err := s.Work(ctx, t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.Session.Tally.Lost.Load() == 0 {
		t.Error("the network lost nothing: the test proves nothing")
	}
	return s.Books
}

// TestShiftAgreesWithACorrectService: over a bad network, with every kind of sale.
func TestShiftAgreesWithACorrectService(t *testing.T) {
	t.Parallel()
	f := newFake()
	books := shift(t, f, 120)
	for _, b := range verdict.Judge(books, f.stored()) {
		t.Error(b)
	}
	var acknowledged, refused, reversed, refunded, voided int
	for _, e := range books {
		switch e.Outcome {
		case verdict.Acknowledged:
			acknowledged++
		case verdict.Refused:
			refused++
		case verdict.Unknown:
			if !e.Reversed {
				t.Errorf("%s ended without a definite answer", e.Key)
			}
		}
		if e.Reversed {
			reversed++
		}
		if e.ReturnedFen > 0 {
			refunded++
		}
		if e.Voided {
			voided++
		}
	}
	if acknowledged < 50 || refused == 0 || reversed == 0 || refunded == 0 || voided == 0 {
		t.Errorf("acknowledged %d, refused %d, reversed %d, refunded %d, voided %d: a kind is missing",
			acknowledged, refused, reversed, refunded, voided)
	}
}

// TestShiftFindsDefects: a service that loses, revives or over-refunds is found out.
func TestShiftFindsDefects(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		plant func(*fake)
		want  string
	}{
		"lost purchase":     {func(f *fake) { f.lose = true }, "is missing"},
		"revived key":       {func(f *fake) { f.revive = true }, "under a reversed key"},
		"refund above paid": {func(f *fake) { f.overRefund = true }, "with only"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			c.plant(f)
			breaches := verdict.Judge(shift(t, f, 80), f.stored())
			for _, b := range breaches {
				if strings.Contains(b.What, c.want) {
					return
				}
			}
			t.Errorf("not found among %d breaches", len(breaches))
		})
	}
}
