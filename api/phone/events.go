package phone

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"unioncard/api/exchange"
	"unioncard/card"
	"unioncard/card/phone"
	"unioncard/card/phone/push"
)

// heartbeat keeps the way through mobile networks open and finds phones that have
// gone.
const heartbeat = 20 * time.Second

// A session may be ended on another node, or by a clerk who writes another number:
// a stream looks for its session at every so many heartbeats, once a minute. It
// waits for the database as long as so, and stays if that does not answer.
const (
	sessionBeats = 3
	sessionWait  = 5 * time.Second
)

var streamType = []string{"text/event-stream"}

type usedEvent struct {
	Purchase    string `json:"purchase"`
	Code        string `json:"code"` // phone, printed or typed
	Slot        uint8  `json:"slot"`
	Merchant    string `json:"merchant"`
	Outlet      string `json:"outlet"`
	AmountFen   int64  `json:"amount_fen"`
	DiscountFen int64  `json:"discount_fen"`
	PayableFen  int64  `json:"payable_fen"`
	At          string `json:"at"`
}

type cardEvent struct {
	Status string `json:"status"`
	// Renew: keys that the phone holds may be worth nothing; it asks /m/api/me.
	Renew bool `json:"renew"`
}

// Events answers GET /m/api/events.
func (h *Handlers) Events(x *exchange.Exchange, se *phone.Session) error {
	serial, err := h.Phones.LiveSerial(x.Ctx, se)
	if err != nil {
		return err
	}
	s, err := h.Hub.Open(se.MemberID, serial)
	if err != nil {
		return err
	}
	x.ContentType = streamType
	private(x)
	x.SetHeader("X-Accel-Buffering", "no") // proxies hold an answer back otherwise
	x.Out = append(x.Out, "retry: 3000\n\n"...)
	x.Stream(func(ctx context.Context, w *exchange.StreamWriter) {
		defer s.Close()
		h.stream(ctx, se, s, w)
	})
	return nil
}

// stream writes events until the phone, the session, the node or the stream's time
// is over.
func (h *Handlers) stream(ctx context.Context, se *phone.Session, s *push.Stream, w *exchange.StreamWriter) {
	over := time.NewTimer(h.StreamLife)
	defer over.Stop()
	beat := time.NewTicker(h.Beat)
	defer beat.Stop()
	var buf []byte
	for beats := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-over.C:
			return
		case <-s.Done():
			return
		case <-beat.C:
			if beats++; beats%sessionBeats == 0 && h.signedOut(ctx, se) {
				return
			}
			buf = append(buf[:0], ": \n\n"...)
		case e := <-s.Events():
			var err error
			if buf, err = h.appendEvent(buf[:0], e); err != nil {
				return
			}
		}
		if w.Send(buf) != nil {
			return
		}
	}
}

// signedOut says whether a session is certainly over.
func (h *Handlers) signedOut(ctx context.Context, se *phone.Session) bool {
	ctx, cancel := context.WithTimeout(ctx, sessionWait)
	defer cancel()
	return errors.Is(h.Phones.Still(ctx, se), phone.ErrNoSession)
}

var errEvent = errors.New("phone: an event of no kind")

func (h *Handlers) appendEvent(b []byte, e push.Event) ([]byte, error) {
	var name string
	var v any
	switch {
	case e.Used != nil:
		name, v = "used", h.used(e.Used)
	case e.State != nil:
		name, v = "card", cardEvent{Status: e.State.Status.String(), Renew: true}
	default:
		return b, errEvent
	}
	data, err := json.Marshal(v)
	if err != nil {
		return b, err
	}
	b = append(append(b, "event: "...), name...)
	b = append(append(b, "\ndata: "...), data...)
	return append(b, "\n\n"...), nil
}

func (h *Handlers) used(u *push.Used) usedEvent {
	e := usedEvent{
		Purchase: uuid.UUID(u.Purchase).String(), Code: u.Kind.String(), Slot: u.Slot,
		AmountFen: u.AmountFen, DiscountFen: u.DiscountFen, PayableFen: u.AmountFen - u.DiscountFen, At: stamp(u.At),
	}
	if u.Kind != card.KindPhone {
		e.Slot = 0
	}
	view := h.Merchants.Snapshot()
	if m := view.Merchant(u.MerchantID); m != nil {
		e.Merchant = m.Name
	}
	if o := view.Outlet(u.OutletID); o != nil {
		e.Outlet = o.Name
	}
	return e
}
