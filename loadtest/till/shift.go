package till

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"unioncard/loadtest/verdict"
	"unioncard/loadtest/wire"
)

// Shift is a till at work while everything around it breaks: it sells, repeats,
// refunds, voids and reverses, insists on definite answers, and keeps the books that
// the verdict is based on. It belongs to one goroutine.
type Shift struct {
	Name    string // makes the keys unique
	Session *Session
	Twin    *Session // a second connection of the same terminal, for races
	Codes   func(ctx context.Context) (Code, error)

	Books []verdict.Entry
	// Verified and NotVerified count definite answers to verifications.
	Verified, NotVerified int
	sales                 int
}

// sale is one quote on its way to becoming a purchase.
type sale struct {
	entry verdict.Entry
	body  []byte
}

// Work sells until ctx ends. finish is the later deadline until which a sale begun
// in time insists on its answers.
func (s *Shift) Work(ctx, finish context.Context) error {
	for ctx.Err() == nil {
		sale, ok, err := s.quote(finish)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("till %s: %w", s.Name, err)
		}
		if !ok {
			continue
		}
		switch draw := s.Session.Rand.IntN(100); {
		case draw < 65:
			s.sell(finish, sale)
		case draw < 80:
			s.abandon(finish, sale)
		case draw < 88:
			s.reverseFirst(finish, sale)
		case draw < 94:
			s.race(finish, sale)
		default:
			s.twoKeys(finish, sale)
		}
	}
	return nil
}

// quote verifies a fresh code with the outlet's basket.
func (s *Shift) quote(ctx context.Context) (*sale, bool, error) {
	code, err := s.Codes(ctx)
	if err != nil {
		return nil, false, err
	}
	basket := s.Session.Identity.Outlet.Basket
	a, ok := s.Session.Until(ctx, "POST", "/v1/verifications", nil, AppendVerification(nil, code.Text, basket))
	if !ok || a.Status != 200 {
		s.NotVerified++
		return nil, false, nil
	}
	v, err := Decode[Verification](a.Body)
	if err != nil || v.Quote == nil {
		s.NotVerified++ // a stale view gives no quote
		return nil, false, nil
	}
	s.Verified++
	s.sales++
	return &sale{
		entry: verdict.Entry{
			Client: s.Session.Identity.ClientID, Key: fmt.Sprintf("%s-%d", s.Name, s.sales), Code: code.Text,
			AmountFen: v.Quote.AmountFen, DiscountFen: v.Quote.DiscountFen, PayableFen: v.Quote.PayableFen,
		},
		body: AppendPurchase(nil, v.Quote.Token, basket),
	}, true, nil
}

// note takes a definite answer to the purchase into the books.
func (s *Shift) note(sale *sale, a Answer) {
	e := &sale.entry
	if !a.OK() {
		if e.Outcome == verdict.Acknowledged {
			e.Contradictions = append(e.Contradictions, fmt.Sprintf("acknowledged, then answered %d %s", a.Status, a.Code()))
			return
		}
		e.Outcome = verdict.Refused
		return
	}
	r, err := Decode[Receipt](a.Body)
	switch {
	case err != nil || r.ID == "":
		e.Contradictions = append(e.Contradictions, fmt.Sprintf("a receipt that can't be read: %.200q", a.Body))
	case r.AmountFen != e.AmountFen || r.DiscountFen != e.DiscountFen || r.PayableFen != e.PayableFen:
		e.Contradictions = append(e.Contradictions, fmt.Sprintf("quoted %d-%d, receipt %d-%d", e.AmountFen, e.DiscountFen, r.AmountFen, r.DiscountFen))
	case e.Outcome == verdict.Refused:
		e.Contradictions = append(e.Contradictions, "refused, then acknowledged")
	case e.Outcome == verdict.Acknowledged && r.ID != e.ID:
		e.Contradictions = append(e.Contradictions, fmt.Sprintf("answered as purchase %s, then as %s", e.ID, r.ID))
	case e.Outcome == verdict.Acknowledged && !a.Replayed:
		e.Contradictions = append(e.Contradictions, "a repeat not marked as replayed")
	}
	if e.Outcome != verdict.Acknowledged {
		e.Outcome, e.ID = verdict.Acknowledged, r.ID
	}
}

func (s *Shift) purchase(ctx context.Context, via *Session, sale *sale, key string) (Answer, bool) {
	return via.Until(ctx, "POST", "/v1/purchases", []wire.Header{Key(key)}, sale.body)
}

// enter closes a sale's page in the books.
func (s *Shift) enter(sale *sale) { s.Books = append(s.Books, sale.entry) }

// sell buys and then perhaps repeats, refunds or voids.
func (s *Shift) sell(ctx context.Context, sale *sale) {
	defer s.enter(sale)
	a, ok := s.purchase(ctx, s.Session, sale, sale.entry.Key)
	if !ok {
		return
	}
	s.note(sale, a)
	if sale.entry.Outcome != verdict.Acknowledged {
		return
	}
	if s.Session.Rand.IntN(4) == 0 {
		if a, ok := s.purchase(ctx, s.Session, sale, sale.entry.Key); ok {
			s.note(sale, a)
		}
	}
	switch draw := s.Session.Rand.IntN(100); {
	case draw < 25 && sale.entry.PayableFen > 1:
		s.refund(ctx, sale, 1+s.Session.Rand.Int64N(sale.entry.PayableFen))
		if s.Session.Rand.IntN(2) == 0 { // perhaps within the rest, perhaps above it
			s.refund(ctx, sale, 1+s.Session.Rand.Int64N(sale.entry.PayableFen))
		}
	case draw < 35:
		s.void(ctx, sale)
	case draw < 40:
		s.reverse(ctx, sale)
	}
	s.ask(ctx, sale)
}

// refund asks for money back under a key of its own.
func (s *Shift) refund(ctx context.Context, sale *sale, fen int64) {
	e := &sale.entry
	s.sales++
	body := fmt.Appendf(nil, `{"amount_fen":%d,"operator":"01","reason":"顾客退货"}`, fen)
	headers := []wire.Header{Key(fmt.Sprintf("%s-%d-r", s.Name, s.sales))}
	a, ok := s.Session.Until(ctx, "POST", "/v1/purchases/"+e.ID+"/refunds", headers, body)
	within := e.ReturnedFen+fen <= e.PayableFen
	switch {
	case !ok:
		e.Open = true
	case a.OK() && !within:
		e.Contradictions = append(e.Contradictions, fmt.Sprintf("refunded %d fen with only %d left", fen, e.PayableFen-e.ReturnedFen))
		e.ReturnedFen += fen
	case a.OK():
		e.ReturnedFen += fen
	case within && !e.Open:
		e.Contradictions = append(e.Contradictions, fmt.Sprintf("a refund of %d of %d fen answered %d %s", fen, e.PayableFen-e.ReturnedFen, a.Status, a.Code()))
	}
}

// void undoes the sale on the same business day; after midnight it may be too late.
func (s *Shift) void(ctx context.Context, sale *sale) {
	e := &sale.entry
	headers := []wire.Header{Key(e.Key + "-v")}
	a, ok := s.Session.Until(ctx, "POST", "/v1/purchases/"+e.ID+"/void", headers, []byte(`{"operator":"01","reason":"顾客取消"}`))
	switch {
	case !ok:
		e.Open = true
	case a.OK():
		e.Voided = true
	case a.Code() != "void_too_late":
		e.Contradictions = append(e.Contradictions, fmt.Sprintf("a void answered %d %s", a.Status, a.Code()))
	}
}

// reverse makes the key's purchase undone or impossible.
func (s *Shift) reverse(ctx context.Context, sale *sale) bool {
	e := &sale.entry
	body := fmt.Appendf(nil, `{"key":%q}`, e.Key)
	a, ok := s.Session.Until(ctx, "POST", "/v1/reversals", nil, body)
	switch {
	case !ok:
		e.Open = true
	case a.OK():
		e.Reversed = true
	default:
		e.Contradictions = append(e.Contradictions, fmt.Sprintf("a reversal answered %d %s", a.Status, a.Code()))
	}
	return e.Reversed
}

// afterReversal sends the purchase once more: its key must never come alive. The
// first answer given again is no new life; the verdict looks at what is stored.
func (s *Shift) afterReversal(ctx context.Context, sale *sale) {
	a, ok := s.purchase(ctx, s.Session, sale, sale.entry.Key)
	if !ok {
		return
	}
	if a.OK() && !a.Replayed {
		sale.entry.Contradictions = append(sale.entry.Contradictions,
			fmt.Sprintf("a purchase under a reversed key was answered %d", a.Status))
	}
}

// abandon sends the purchase once, and whatever came of it, reverses: what a till
// does that can't wait.
func (s *Shift) abandon(ctx context.Context, sale *sale) {
	defer s.enter(sale)
	if a, ok := s.Session.Once(ctx, "POST", "/v1/purchases", []wire.Header{Key(sale.entry.Key)}, sale.body); ok {
		s.note(sale, a)
	}
	if s.reverse(ctx, sale) {
		s.afterReversal(ctx, sale)
	}
}

// reverseFirst reverses a key that the service has never seen, then uses it.
func (s *Shift) reverseFirst(ctx context.Context, sale *sale) {
	defer s.enter(sale)
	if s.reverse(ctx, sale) {
		s.afterReversal(ctx, sale)
	}
}

// race sends the same purchase over two connections at once: one purchase, told to
// both.
func (s *Shift) race(ctx context.Context, sale *sale) {
	defer s.enter(sale)
	type result struct {
		a  Answer
		ok bool
	}
	other := make(chan result, 1)
	go func() {
		a, ok := s.purchase(ctx, s.Twin, sale, sale.entry.Key)
		other <- result{a, ok}
	}()
	a, ok := s.purchase(ctx, s.Session, sale, sale.entry.Key)
	twin := <-other
	for _, r := range []result{{a, ok}, twin} {
		if r.ok {
			// Which of the two was first can't be told, so the mark is not held against it.
			r.a.Replayed = true
			s.note(sale, r.a)
		}
	}
	s.ask(ctx, sale)
}

// twoKeys commits one quote under two keys: at most one may earn.
func (s *Shift) twoKeys(ctx context.Context, first *sale) {
	second := *first
	second.entry.Key += "-b"
	second.entry.Contradictions = nil
	for _, sale := range []*sale{first, &second} {
		if a, ok := s.purchase(ctx, s.Session, sale, sale.entry.Key); ok {
			s.note(sale, a)
		}
		s.enter(sale)
	}
}

// ask looks the purchase up by its key, as a till does that lost the answer.
func (s *Shift) ask(ctx context.Context, sale *sale) {
	e := &sale.entry
	a, ok := s.Session.Until(ctx, "GET", "/v1/purchases?key="+url.QueryEscape(e.Key), nil, nil)
	if !ok || e.Outcome != verdict.Acknowledged {
		return
	}
	var r Receipt
	if err := json.Unmarshal(a.Body, &r); err != nil || a.Status != 200 || r.ID != e.ID {
		e.Contradictions = append(e.Contradictions, fmt.Sprintf("asked by key: %d, purchase %q, not %s", a.Status, r.ID, e.ID))
	}
}
