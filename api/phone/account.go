package phone

import (
	"fmt"
	"net/http"
	"time"

	"unioncard/api/exchange"
	"unioncard/card"
	"unioncard/card/phone"
)

// codeAnswer is the same for every number.
type codeAnswer struct {
	WaitS  int `json:"wait_s"`
	ValidS int `json:"valid_s"`
}

// Code answers POST /m/api/code. Without a number it is for the one that is signed
// in, whose own number the page does not know.
func (h *Handlers) Code(x *exchange.Exchange) error {
	var typed string
	if err := decode(x, text("phone", &typed, false)); err != nil {
		return err
	}
	var number string
	var err error
	if typed == "" {
		se, err := h.session(x)
		if err != nil {
			return err
		}
		if number, err = h.Phones.Number(x.Ctx, se); err != nil {
			return err
		}
	} else if number, err = mobile(typed); err != nil {
		return err
	}
	if err := h.Phones.RequestCode(x.Ctx, x.Addr, number); err != nil {
		return err
	}
	l := h.Phones.Limits()
	return send(x, http.StatusAccepted, codeAnswer{WaitS: int(l.Wait / time.Second), ValidS: int(l.Valid / time.Second)})
}

// SignIn answers POST /m/api/session. A session that the browser had is left behind:
// it ends with its time.
func (h *Handlers) SignIn(x *exchange.Exchange) error {
	var typed, code string
	if err := decode(x, text("phone", &typed, true), text("code", &code, true)); err != nil {
		return err
	}
	number, err := mobile(typed)
	if err != nil {
		return err
	}
	token, err := h.Phones.SignIn(x.Ctx, x.Addr, number, code)
	if err != nil {
		return err
	}
	se, err := h.Phones.BySession(x.Ctx, token)
	if err != nil {
		return err
	}
	h.setSession(x, token)
	return h.Me(x, se)
}

// SignOut answers DELETE /m/api/session. Who is not signed in has nothing to end.
func (h *Handlers) SignOut(x *exchange.Exchange, se *phone.Session) error {
	if err := h.Phones.SignOut(x.Ctx, se); err != nil {
		return err
	}
	h.Hub.End(se.MemberID)
	h.setSession(x, "")
	private(x)
	x.Status = http.StatusNoContent
	return nil
}

// EndOthers answers POST /m/api/session/others/end.
func (h *Handlers) EndOthers(x *exchange.Exchange, se *phone.Session) error {
	if err := h.Phones.EndOthers(x.Ctx, se); err != nil {
		return err
	}
	h.Hub.End(se.MemberID) // this phone's too, which comes again
	private(x)
	x.Status = http.StatusNoContent
	return nil
}

type meAnswer struct {
	ServerTime string     `json:"server_time"`
	Member     memberPart `json:"member"`
	Card       *cardPart  `json:"card"`
	// Why there is no card.
	Why      string `json:"why,omitempty"`
	Enrolled string `json:"enrolled"`
	SavedFen int64  `json:"purchases_saved_fen"`
}

type memberPart struct {
	ID         int64  `json:"id"`
	Name       string `json:"name"`
	NameMasked string `json:"name_masked"`
	Union      string `json:"union"`
	OwnUnion   string `json:"own_union"`
	Class      uint8  `json:"class"`
	Retired    bool   `json:"retired"`
}

type cardPart struct {
	Number       string `json:"number"`
	NumberMasked string `json:"number_masked"`
	Status       string `json:"status"`
	Expired      bool   `json:"expired"`
	ValidUntil   string `json:"valid_until"`
	// PrintedActive: the plastic card is good at a till now.
	PrintedActive bool `json:"printed_active"`
	// Epoch is that of keys that are good now.
	Epoch string `json:"epoch"`
}

// Me answers GET /m/api/me.
func (h *Handlers) Me(x *exchange.Exchange, se *phone.Session) error {
	me, err := h.Phones.Me(x.Ctx, se)
	if err != nil {
		return err
	}
	serials, err := h.Phones.Serials(x.Ctx, se)
	if err != nil {
		return err
	}
	saved, err := h.Reports.Saved(x.Ctx, serials)
	if err != nil {
		return err
	}
	now := h.Clock()
	a := meAnswer{
		ServerTime: stampMS(now), Enrolled: me.Enrolled, SavedFen: saved.TotalFen,
		Member: memberPart{ID: me.ID, Name: me.Name, NameMasked: me.NameMasked, Union: h.Tree().Name(me.Territory), OwnUnion: me.Union, Class: me.Class, Retired: me.Retired},
	}
	if me.Card == nil {
		a.Why = "none"
		if me.LastStatus != card.StatusNone {
			a.Why = me.LastStatus.String()
		}
	} else {
		a.Card = h.cardOf(me, now)
	}
	return send(x, http.StatusOK, &a)
}

func (h *Handlers) cardOf(me *phone.Self, now time.Time) *cardPart {
	c := me.Card
	return &cardPart{
		Number: fmt.Sprintf("%016d", c.Number), NumberMasked: h.Codes.Mask(c.Last4), Status: c.Status.String(),
		Expired: card.MonthOf(now) > c.ValidUntil, ValidUntil: c.ValidUntil.String(),
		PrintedActive: c.Usable(now) == nil, Epoch: me.Epoch,
	}
}

// Lost answers POST /m/api/lost.
func (h *Handlers) Lost(x *exchange.Exchange, se *phone.Session) error {
	var reason string
	if err := decode(x, text("reason", &reason, false)); err != nil {
		return err
	}
	if err := h.Phones.Lost(x.Ctx, se, reason); err != nil {
		return err
	}
	return h.Me(x, se)
}

// Found answers POST /m/api/found.
func (h *Handlers) Found(x *exchange.Exchange, se *phone.Session) error {
	var code string
	if err := decode(x, text("code", &code, true)); err != nil {
		return err
	}
	if err := h.Phones.Found(x.Ctx, se, x.Addr, code); err != nil {
		return err
	}
	return h.Me(x, se)
}
