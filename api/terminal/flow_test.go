package terminal_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMainJob is the way of a till from activation to a reversal.
func TestMainJob(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	c := r.newCard()

	a := till.verify(r.phone(c, 0), 20_000).is(200)
	if diff := cmp.Diff(object{
		"amount_fen": 20_000.0, "discount_fen": 2_400.0, "payable_fen": 17_600.0, "lifted": false,
		"applied": []any{object{"offer": "all88", "title": "会员8.8折", "discount_fen": 2_400.0}},
		"declined": []any{object{
			"offer": "once", "title": "每日一次满50减20", "reason": "better_offer", "message": "与其他优惠不可同享，已按更优惠的计算",
		}},
	}, without(a.at("quote").(object), "token", "expires_at")); diff != "" {
		t.Errorf("quote (-want +got)\n%s", diff)
	}
	if got, want := a.text("card", "union"), "金水区总工会"; got != want {
		t.Errorf("union %q, want %q", got, want)
	}
	if got, want := a.text("card", "holder_masked"), "张**"; got != want {
		t.Errorf("holder %q, want %q", got, want)
	}

	quote := a.text("quote", "token")
	bought := till.postKey("/v1/purchases", "till-0001", object{"quote": quote, "merchant_ref": "A-17", "operator": "09"}).is(201)
	if bought.header.Get("Idempotency-Replayed") != "" {
		t.Error("a first answer is marked as replayed")
	}
	again := till.postKey("/v1/purchases", "till-0001", object{"quote": quote, "merchant_ref": "A-17", "operator": "09"}).is(201)
	if again.header.Get("Idempotency-Replayed") != "true" {
		t.Error("a replay is not marked")
	}
	id := bought.text("id")
	for _, other := range []*answer{again, till.get("/v1/purchases/" + id).is(200), till.get("/v1/purchases?key=till-0001").is(200)} {
		if diff := cmp.Diff(bought.json, other.json); diff != "" {
			t.Errorf("asked again (-first +later)\n%s", diff)
		}
	}

	refund := till.postKey("/v1/purchases/"+id+"/refunds", "till-0002", object{"amount_fen": 8_800, "operator": "09", "reason": "退一份"}).is(201)
	if diff := cmp.Diff(object{
		"purchase": id, "seq": 1.0, "state": "partially_refunded", "returned_fen": 8_800.0, "given_back_fen": 1_200.0,
		"remaining_fen": 8_800.0, "adjustment": false,
	}, without(refund.json, "at")); diff != "" {
		t.Errorf("refund (-want +got)\n%s", diff)
	}
	replay := till.postKey("/v1/purchases/"+id+"/refunds", "till-0002", object{"amount_fen": 8_800, "operator": "09", "reason": "退一份"}).is(201)
	if replay.header.Get("Idempotency-Replayed") != "true" || cmp.Diff(refund.json, replay.json) != "" {
		t.Errorf("refund again: %s", replay.raw)
	}

	second := till.buy(10_000)
	undone := till.post("/v1/reversals", object{"key": second.text("key")}).is(200)
	if undone.text("state") != "reversed" || undone.text("purchase") != second.text("id") {
		t.Errorf("reversal: %s", undone.raw)
	}
	if got := till.get("/v1/purchases/" + second.text("id")).is(200).text("state"); got != "reversed" {
		t.Errorf("state after reversal: %s", got)
	}
}

// without copies an object and leaves members out.
func without(o object, names ...string) object {
	out := object{}
	for k, v := range o {
		out[k] = v
	}
	for _, n := range names {
		delete(out, n)
	}
	return out
}
