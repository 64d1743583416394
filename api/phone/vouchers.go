package phone

import (
	"net/http"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/phone"
	"unioncard/settlement/report"
)

type vouchersAnswer struct {
	ServerTime string `json:"server_time"`
	// Held are series of which the member has vouchers, or had.
	Held []heldPart `json:"held"`
	// Offers are series that the member may claim, now or later.
	Offers []offerPart `json:"offers"`
}

// seriesPart is a series in the words of a member.
type seriesPart struct {
	ID        int64    `json:"id"`
	Name      string   `json:"name"`
	Office    string   `json:"office"`
	FaceFen   int64    `json:"face_fen"`
	NeedFen   int64    `json:"need_fen"`
	Stackable bool     `json:"stackable"`
	FirstDay  string   `json:"first_day"`
	LastDay   string   `json:"last_day"`
	Trades    []string `json:"trades"`
	Merchants []string `json:"merchants"`
}

type heldPart struct {
	seriesPart
	// State: "good", "later" (its days have not begun), "over", "paused".
	State    string        `json:"state"`
	Vouchers []voucherPart `json:"vouchers"`
}

type voucherPart struct {
	// State: "held", "used", "expired", "revoked".
	State  string `json:"state"`
	Outlet string `json:"outlet,omitempty"`
	UsedAt string `json:"used_at,omitempty"`
}

type offerPart struct {
	seriesPart
	PerPack int16  `json:"per_pack"`
	From    string `json:"claim_from"`
	Until   string `json:"claim_until"`
	SoldOut bool   `json:"sold_out"`
	// Mine: the member has it already.
	Mine bool `json:"mine"`
}

// Vouchers answers GET /m/api/vouchers. What is left of an offer is not told: at its
// first minute it would be wrong before it is read.
func (h *Handlers) Vouchers(x *exchange.Exchange, se *phone.Session) error {
	serials, err := h.Phones.Serials(x.Ctx, se)
	if err != nil {
		return err
	}
	have, vouchers, err := h.Reports.Vouchers(x.Ctx, serials)
	if err != nil {
		return err
	}
	offered, err := h.Reports.Claimable(x.Ctx, serials)
	if err != nil {
		return err
	}
	now := h.Clock()
	a := vouchersAnswer{ServerTime: stampMS(now), Held: make([]heldPart, 0, len(have)), Offers: []offerPart{}}
	mine := make(map[int64]bool, len(have))
	for i := range have {
		mine[have[i].ID] = true
		a.Held = append(a.Held, heldPart{seriesOf(&have[i]), stateOf(&have[i], now), vouchersOf(vouchers, have[i].ID)})
	}
	for i := range offered {
		s := &offered[i]
		a.Offers = append(a.Offers, offerPart{
			seriesPart: seriesOf(s), PerPack: s.PerPack, From: stamp(*s.From), Until: stamp(*s.Until), SoldOut: s.Left == 0, Mine: mine[s.ID],
		})
	}
	return send(x, http.StatusOK, &a)
}

func seriesOf(s *report.Series) seriesPart {
	return seriesPart{
		ID: s.ID, Name: s.Name, Office: s.Office, FaceFen: s.FaceFen, NeedFen: s.NeedFen, Stackable: s.Stackable,
		FirstDay: s.FirstDay.Format(time.DateOnly), LastDay: s.LastDay.Format(time.DateOnly), Trades: tradeNames(s.Trades), Merchants: s.Merchants,
	}
}

func tradeNames(trades []string) []string {
	names := make([]string, 0, len(trades))
	for _, t := range trades {
		names = append(names, page.TradeName(t))
	}
	return names
}

// stateOf says what a series' vouchers are good for today, in Beijing.
func stateOf(s *report.Series, now time.Time) string {
	today := now.In(beijing).Format(time.DateOnly)
	switch {
	case s.State == "closed" || today > s.LastDay.Format(time.DateOnly):
		return "over"
	case s.State == "frozen":
		return "paused"
	case today < s.FirstDay.Format(time.DateOnly):
		return "later"
	}
	return "good"
}

// voucherStates are the words for vouchers.state.
var voucherStates = [...]string{1: "held", 2: "used", 3: "expired", 4: "revoked"}

func vouchersOf(all []report.Voucher, series int64) []voucherPart {
	var out []voucherPart
	for _, v := range all {
		if v.SeriesID != series || int(v.State) >= len(voucherStates) {
			continue
		}
		part := voucherPart{State: voucherStates[v.State], Outlet: v.Outlet}
		if v.UsedAt != nil {
			part.UsedAt = stamp(*v.UsedAt)
		}
		out = append(out, part)
	}
	return out
}

type claimedAnswer struct {
	Series   int64  `json:"series"`
	Vouchers int    `json:"vouchers"`
	At       string `json:"at"`
	Again    bool   `json:"again"`
}

// Claim answers POST /m/api/vouchers/claim. Who has the pack already gets the first
// answer again, so a phone that lost it asks once more. The session is looked up with
// the batch that the claim is part of: at the minute a look of its own for each of a
// crowd would cost more than the claims.
func (h *Handlers) Claim(x *exchange.Exchange) error {
	var series int64
	if err := decode(x, number("series", &series)); err != nil {
		return err
	}
	c, err := x.Gin.Request.Cookie(h.cookieName())
	if err != nil {
		return phone.ErrNoSession
	}
	got, err := h.Claims.Claim(x.Ctx, c.Value, series)
	if err != nil {
		return err
	}
	return send(x, http.StatusOK, &claimedAnswer{Series: got.SeriesID, Vouchers: got.Vouchers, At: stamp(got.At), Again: got.Again})
}
