package phone_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

type vouchersSeen struct {
	Held []struct {
		ID                  int64
		Name, Office, State string
		FaceFen             int64  `json:"face_fen"`
		NeedFen             int64  `json:"need_fen"`
		FirstDay            string `json:"first_day"`
		Trades, Merchants   []string
		Vouchers            []struct{ State, Outlet string }
	}
	Offers []struct {
		ID      int64
		SoldOut bool `json:"sold_out"`
		Mine    bool
		PerPack int `json:"per_pack"`
	}
}

func (m *mobile) vouchers() (out vouchersSeen) {
	m.r.t.Helper()
	m.call("GET", "/m/api/vouchers", nil).want(m.r.t, 200, "").into(m.r.t, &out)
	return out
}

// seriesOf makes an open series of an office's, whose claims are open for an hour.
// days are those of its budget, counted from today in Beijing.
func (r *rig) seriesOf(id, office int64, state string, first, last int, territory int) {
	r.t.Helper()
	_, err := r.pool.Exec(r.t.Context(), `WITH parent AS (
		  INSERT INTO budgets (id, office_id, kind, name, state, first_day, last_day, amount_fen)
		  VALUES ($1 + 1000, $2, 'budget', '预算' || $1, 'open', current_date - 400, current_date + 400, 0) RETURNING id),
		own AS (INSERT INTO budgets (id, office_id, parent_id, kind, name, state, first_day, last_day, trades, amount_fen)
		  SELECT $1, $2, id, 'series', '消费券' || $1, $3, (now() AT TIME ZONE 'Asia/Shanghai')::date + $4::int, (now() AT TIME ZONE 'Asia/Shanghai')::date + $5::int, '{catering}', 0 FROM parent RETURNING id)
		INSERT INTO voucher_series (budget_id, face_fen, need_fen, packs, per_pack, stackable, claim_from, claim_until, territory)
		SELECT id, 4000, 5000, 2, 3, false, now(), now() + interval '1 hour', $6 FROM own`, id, office, state, first, last, territory)
	r.must(err)
}

// TestVouchersShown: a member sees what the card holds, with its state today, and the
// series open to the card's territory; nobody else's vouchers, and not what is left.
func TestVouchersShown(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	_, c := r.enroll(1)
	_, other := r.enroll(2)
	r.seriesOf(1, r.office, "open", 0, 10, 410105)
	r.seriesOf(2, r.office, "open", 5, 10, 419001) // another city's members
	r.seriesOf(3, r.office, "frozen", 0, 10, 0)
	r.seriesOf(4, r.office, "open", -10, -1, 0)
	r.seriesOf(5, r.office, "open", 2, 20, 410100)
	r.seriesOf(6, r.office, "closed", -300, -200, 0) // too long ago
	hold := func(serial, series int64, no, state int) {
		r.t.Helper()
		_, err := r.pool.Exec(t.Context(), `INSERT INTO vouchers (card_serial, series_id, no, state, got_at, merchant_id, purchase_id)
			VALUES ($1, $2, $3, $4::smallint, now(), CASE WHEN $4::smallint = 2 THEN 1 END, CASE WHEN $4::smallint = 2 THEN gen_random_uuid() END)`, serial, series, no, state)
		r.must(err)
	}
	hold(c.Serial, 3, 1, 1)
	hold(c.Serial, 3, 2, 2)
	hold(c.Serial, 4, 1, 3)
	hold(c.Serial, 5, 1, 1)
	hold(c.Serial, 6, 1, 3)
	hold(other.Serial, 1, 1, 1)
	_, err := r.pool.Exec(t.Context(), `UPDATE voucher_series SET claimed = packs WHERE budget_id = 5`)
	r.must(err)

	r.mobile(1).call("GET", "/m/api/vouchers", nil).want(t, 401, "sign_in_needed")
	got := r.mobile(1).signIn().vouchers()
	type line struct {
		ID     int64
		State  string
		States []string
	}
	var held []line
	for _, h := range got.Held {
		l := line{ID: h.ID, State: h.State}
		for _, v := range h.Vouchers {
			l.States = append(l.States, v.State)
		}
		held = append(held, l)
	}
	want := []line{{4, "over", []string{"expired"}}, {3, "paused", []string{"held", "used"}}, {5, "later", []string{"held"}}}
	if diff := cmp.Diff(want, held); diff != "" {
		t.Error(diff)
	}
	var offers []int64
	for _, o := range got.Offers {
		offers = append(offers, o.ID)
		if o.SoldOut != (o.ID == 5) || o.Mine != (o.ID == 4 || o.ID == 5) || o.PerPack != 3 {
			t.Errorf("offer %+v", o)
		}
	}
	if diff := cmp.Diff([]int64{1, 4, 5}, offers); diff != "" {
		t.Error(diff)
	}
	if h := got.Held[1]; h.Name != "消费券3" || h.FaceFen != 4000 || h.NeedFen != 5000 || len(h.Trades) != 1 || h.Trades[0] != "餐饮" || len(h.FirstDay) != 10 || h.Office == "" {
		t.Errorf("series %+v", h)
	}
}

// TestClaim: a claim goes to the member of the session, whoever the body names; each
// refusal has its code; who claims twice has one pack.
func TestClaim(t *testing.T) {
	t.Parallel()
	r := newRig(t, changes{})
	r.enroll(1)
	r.enroll(2)
	r.enroll(3)
	r.seriesOf(1, r.office, "open", 0, 10, 410105)
	r.seriesOf(2, r.office, "open", 0, 10, 419001)
	r.seriesOf(3, r.office, "frozen", 0, 10, 0)
	claim := func(m *mobile, body any) *answer { return m.call("POST", "/m/api/vouchers/claim", body) }
	type series struct {
		Series int64 `json:"series"`
	}
	claim(r.mobile(1), series{1}).want(t, 401, "sign_in_needed")
	one, two, three := r.mobile(1).signIn(), r.mobile(2).signIn(), r.mobile(3).signIn()
	claim(one, map[string]int64{"series": 1, "member": 2}).want(t, 400, "unknown_field")
	claim(one, series{99}).want(t, 404, "claim_no_series")
	claim(one, series{-1}).want(t, 404, "claim_no_series")
	claim(one, series{2}).want(t, 409, "claim_not_eligible")
	claim(one, series{3}).want(t, 409, "claim_paused")
	var first, again struct {
		Series   int64
		Vouchers int
		At       string
		Again    bool
	}
	claim(one, series{1}).want(t, 200, "").into(t, &first)
	claim(one, series{1}).want(t, 200, "").into(t, &again)
	if first.Vouchers != 3 || first.Again || !again.Again || again.At != first.At || again.Vouchers != 3 {
		t.Errorf("claimed %+v, and again %+v", first, again)
	}
	claim(two, series{1}).want(t, 200, "")
	claim(three, series{1}).want(t, 409, "claim_sold_out")
	if got := one.vouchers(); len(got.Held) != 1 || len(got.Held[0].Vouchers) != 3 || got.Held[0].State != "good" {
		t.Errorf("after the claim: %+v", got)
	}
	if got := three.vouchers(); len(got.Held) != 0 || len(got.Offers) != 1 || !got.Offers[0].SoldOut {
		t.Errorf("who came too late: %+v", got)
	}
}
