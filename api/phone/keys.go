package phone

import (
	"encoding/base64"
	"errors"
	"net/http"

	"unioncard/api/exchange"
	"unioncard/card"
	"unioncard/card/phone"
)

type keysAnswer struct {
	Enrolment  int64     `json:"enrolment"`
	Renewal    string    `json:"renewal"`
	ServerTime string    `json:"server_time"`
	Epoch      string    `json:"epoch"`
	Keys       []keyPart `json:"keys"`
}

type keyPart struct {
	Week  int64  `json:"week"`
	From  string `json:"from"`
	Until string `json:"until"`
	Slot  uint8  `json:"slot"`
	Alias string `json:"alias"`
	Key   string `json:"key"`
}

// Enrol answers POST /m/api/enrol.
func (h *Handlers) Enrol(x *exchange.Exchange, se *phone.Session) error {
	var key string
	var takeover bool
	if err := decode(x, text("device_key", &key, true), truth("takeover", &takeover)); err != nil {
		return err
	}
	device, err := phone.ParseDeviceKey(key)
	if err != nil {
		return err
	}
	got, err := h.Phones.Enrol(x.Ctx, se, device, takeover)
	if err != nil {
		return err
	}
	return h.sendKeys(x, &got)
}

// Keys answers POST /m/api/keys. A phone that was signed out learns here whether its
// codes are dead too.
func (h *Handlers) Keys(x *exchange.Exchange) error {
	var id int64
	var renewal, proof string
	wrong := decode(x, number("enrolment", &id), text("renewal", &renewal, true), text("proof", &proof, true))
	se, err := h.session(x)
	if errors.Is(err, phone.ErrNoSession) && wrong == nil {
		return h.Phones.Ended(x.Ctx, id, renewal, signature(proof))
	}
	if err != nil {
		return err
	}
	if wrong != nil {
		return wrong
	}
	got, err := h.Phones.Renew(x.Ctx, se, id, renewal, signature(proof))
	if errors.Is(err, phone.ErrEnrolmentEnded) {
		h.Hub.End(se.MemberID) // the sessions may be over; whose is not comes again
	}
	if err != nil {
		return err
	}
	return h.sendKeys(x, &got)
}

func (h *Handlers) sendKeys(x *exchange.Exchange, e *phone.Enrolled) error {
	a := keysAnswer{Enrolment: e.ID, Renewal: e.Renewal, ServerTime: stampMS(h.Clock()), Epoch: e.Epoch, Keys: make([]keyPart, 0, len(e.List))}
	for _, k := range e.List {
		a.Keys = append(a.Keys, keyPart{
			Week: k.Week, From: stamp(card.WeekStart(k.Week)), Until: stamp(card.WeekStart(k.Week + 1)),
			Slot: k.Slot, Alias: k.Alias, Key: base64.StdEncoding.EncodeToString(k.TOTPKey()),
		})
	}
	return send(x, http.StatusOK, &a)
}
