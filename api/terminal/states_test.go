package terminal_test

import (
	"sync"
	"testing"
	"time"
)

// TestStates: what a suspended card, outlet, contract or merchant answers.
func TestStates(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	c := r.newCard()
	quote := till.quote(r.phone(c, 0), 5000)
	r.must(r.cards.ReportLost(r.ctx, byCards, c.Serial))
	// The purchase sees it at once, whatever the view says.
	till.postKey("/v1/purchases", r.key(), object{"quote": quote}).is(422, "card_lost")
	r.await("the loss", func() bool {
		return till.post("/v1/verifications", object{"code": r.phone(c, 1)}).json["code"] == "card_lost"
	})

	bought := till.buy(5000)
	open := till.quote(r.phone(r.newCard(), 0), 5000)
	r.must(r.shops.SuspendContract(r.ctx, byCLI, r.contract))
	till.postKey("/v1/purchases", r.key(), object{"quote": open}).is(409, "contract_suspended")
	r.await("the suspension", func() bool {
		_, err := r.state.Snapshot().InForce(r.outlet, r.now())
		return err != nil
	})
	till.verify(r.phone(r.newCard(), 0), 5000).is(409, "contract_suspended")
	// What was bought can be given back.
	till.postKey("/v1/purchases/"+bought.text("id")+"/refunds", r.key(), object{"amount_fen": 100, "operator": "09", "reason": "退货"}).is(201)

	stranger := r.newTill(r.otherOutlet)
	theirs := stranger.quote(r.phone(r.newCard(), 0), 5000)
	r.must(r.shops.ExitMerchant(r.ctx, byCLI, r.otherMerchant))
	if a := stranger.postKey("/v1/purchases", r.key(), object{"quote": theirs}); a.status != 409 {
		t.Errorf("bought at a merchant that left: %d %s", a.status, a.raw)
	}
}

// TestStaleView: with a view too old only verification goes on, and says so.
func TestStaleView(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	c := r.newCard()
	quote := till.quote(r.phone(c, 0), 5000)
	r.age.Store(int64(time.Minute))
	a := till.verify(r.phone(c, 0), 5000).is(200)
	if a.json["quote"] != nil || a.at("as_of", "stale") != true || a.number("as_of", "age_ms") < 60_000 {
		t.Errorf("verified on a stale view: %s", a.raw)
	}
	if refused := till.postKey("/v1/purchases", r.key(), object{"quote": quote}).is(503, "view_stale"); refused.header.Get("Retry-After") == "" {
		t.Error("view_stale without Retry-After")
	}
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for path, media := range map[string]string{
		"/openapi.yaml": "application/yaml", "/docs": "text/html; charset=utf-8", "/docs/style.css": "text/css; charset=utf-8",
	} {
		a := r.send(request{method: "GET", path: path}).is(200)
		if got := a.header.Get("Content-Type"); got != media {
			t.Errorf("%s: %s", path, got)
		}
		r.send(request{method: "GET", path: path, headers: map[string]string{"If-None-Match": a.header.Get("ETag")}}).is(304)
	}
}

// TestTermsReplaced: the price shown is honoured although new Terms took effect;
// not so the end of the contract.
func TestTermsReplaced(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	quote, second := till.quote(r.phone(r.newCard(), 0), 20_000), till.quote(r.phone(r.newCard(), 0), 20_000)
	better := `{"v":1,"offers":[{"id":"all50","title":"半价","benefit":{"kind":"percent","rate_bp":5000},"funding_bp":10000}]}`
	_, err := r.shops.PublishTerms(r.ctx, byCLI, r.contract, []byte(better), time.Time{})
	r.must(err)
	r.await("the new terms", func() bool {
		a := till.verify(r.phone(r.newCard(), 0), 20_000).is(200)
		return a.number("as_of", "terms_version") == 2 && a.number("quote", "discount_fen") == 10_000
	})
	if got := till.postKey("/v1/purchases", r.key(), object{"quote": quote}).is(201).number("discount_fen"); got != 2_400 {
		t.Errorf("the quoted discount of 2400 became %v", got)
	}
	r.must(r.shops.EndContract(r.ctx, byCLI, r.contract, r.now()))
	till.postKey("/v1/purchases", r.key(), object{"quote": second}).is(409, "contract_ended")
}

// TestOneKeyAtOnce: the same purchase sent many times at the same moment is
// recorded once; who comes meanwhile is told to wait, or gets the first answer.
func TestOneKeyAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	quote, key := till.quote(r.phone(r.newCard(), 0), 1000), r.key()
	answers := make([]*answer, 8)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = till.postKey("/v1/purchases", key, object{"quote": quote}) })
	}
	all.Wait()
	first, id := 0, till.get("/v1/purchases?key="+key).is(200).text("id")
	for _, a := range answers {
		switch {
		case a.status == 201 && a.text("id") == id:
			if a.header.Get("Idempotency-Replayed") == "" {
				first++
			}
		case a.status == 409 && a.json["code"] == "idempotency_key_in_flight" && a.header.Get("Retry-After") != "":
		default:
			t.Errorf("%d %s", a.status, a.raw)
		}
	}
	if first != 1 {
		t.Errorf("%d first answers", first)
	}
}
