package terminal_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
)

func TestUndo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	path := func(a *answer, rest string) string { return "/v1/purchases/" + a.text("id") + rest }
	refund := func(a *answer, body object) *answer {
		body["operator"], body["reason"] = "09", "退货"
		return till.postKey(path(a, "/refunds"), r.key(), body)
	}

	// Void: once, the same answer again, nothing left to undo.
	a := till.buy(20_000)
	key := r.key()
	first := till.postKey(path(a, "/void"), key, object{"operator": "09", "reason": "顾客不要了"}).is(200)
	if first.text("state") != "voided" || first.number("returned_fen") != 17_600 || first.number("given_back_fen") != 2_400 {
		t.Errorf("void: %s", first.raw)
	}
	if again := till.postKey(path(a, "/void"), key, object{"operator": "09", "reason": "顾客不要了"}).is(200); again.header.Get("Idempotency-Replayed") != "true" {
		t.Error("a void again is not marked as replayed")
	}
	till.postKey(path(a, "/void"), key, object{"operator": "10", "reason": "顾客不要了"}).is(422, "idempotency_key_reused")
	till.postKey(path(a, "/void"), r.key(), object{"operator": "09", "reason": "输错"}).is(409, "purchase_undone")
	refund(a, object{"amount_fen": 1}).is(409, "purchase_undone")
	till.postKey(path(a, "/void"), a.text("key"), object{"operator": "09", "reason": "输错"}).is(409, "purchase_undone")

	// Refund above the rest, in wrong amounts, of nothing or of both.
	b := till.buy(20_000)
	refund(b, object{"amount_fen": 17_601}).is(422, "refund_exceeds")
	for _, bad := range []any{0, -1, 1.5, "1", nil} {
		refund(b, object{"amount_fen": bad}).is(422, "amount_invalid")
	}
	refund(b, object{}).is(422, "refund_invalid")
	refund(b, object{"items": []object{}}).is(422, "refund_invalid")
	refund(b, object{"amount_fen": 1, "items": []object{{"line": 1}}}).is(422, "refund_invalid")
	refund(b, object{"items": []object{{"line": 1}}}).is(409, "refund_by_line_refused")
	refund(b, object{"amount_fen": 17_600}).is(201)
	refund(b, object{"amount_fen": 1}).is(409, "purchase_undone")
}

// TestUndoSaysWhoAndWhy: neither a void nor a refund goes through without a name
// and a reason, and what is refused undoes nothing and frees its key.
func TestUndoSaysWhoAndWhy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	id, key := till.buy(20_000).text("id"), r.key()
	for _, undo := range []struct {
		path, amount string
		done         int
	}{{"/refunds", `"amount_fen":100,`, 201}, {"/void", "", 200}} {
		path := "/v1/purchases/" + id + undo.path
		for _, c := range []struct {
			body  string
			code  string
			field any
		}{
			{`"reason":"退货"`, "missing_field", "operator"},
			{`"operator":"09"`, "missing_field", "reason"},
			{`"operator":null,"reason":"退货"`, "wrong_type", "operator"},
			{`"operator":"","reason":"退货"`, "text_invalid", nil},
			{`"operator":"09","reason":" 　"`, "text_invalid", nil},
		} {
			a := till.postKey(path, key, "{"+undo.amount+c.body+"}")
			if a.status >= 500 || a.json["code"] != c.code || a.json["field"] != c.field {
				t.Errorf("%s with %s: %d %s", undo.path, c.body, a.status, a.raw)
			}
		}
		if got := till.get("/v1/purchases/" + id).is(200).text("state"); got == "voided" || undo.path == "/refunds" && got != "committed" {
			t.Errorf("after %s without a name: %s", undo.path, got)
		}
		till.postKey(path, key, "{"+undo.amount+`"operator":"09","reason":"退货"}`).is(undo.done)
		key = r.key()
	}
}

func TestRefundByLine(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	items := []object{
		{"sku": "a", "qty_milli": 3000, "unit_price_fen": 1000, "amount_fen": 3000},
		{"sku": "b", "qty_milli": 1000, "unit_price_fen": 7000, "amount_fen": 7000},
	}
	quote := till.post("/v1/verifications", object{"code": r.phone(r.newCard(), 0), "items": items}).is(200).text("quote", "token")
	a := till.postKey("/v1/purchases", r.key(), object{"quote": quote, "items": items}).is(201)
	refund := func(body object) *answer {
		body["operator"], body["reason"] = "09", "退货"
		return till.postKey("/v1/purchases/"+a.text("id")+"/refunds", r.key(), body)
	}
	for _, bad := range []object{{"line": 0}, {"line": 3}, {"line": -1}, {"line": 1 << 40}, {"line": 1, "qty_milli": 3001}} {
		if got := refund(object{"items": []object{bad}}); got.status != 422 {
			t.Errorf("%v: %d %s", bad, got.status, got.raw)
		}
	}
	for _, bad := range []any{0, -1, "1", 0.5} {
		refund(object{"items": []object{{"line": 1, "qty_milli": bad}}}).is(422, "amount_invalid")
	}
	refund(object{"items": []object{{"line": 1}, {"line": 1}}}).is(422, "refund_invalid")
	one := refund(object{"items": []object{{"line": 1, "qty_milli": 1000}}}).is(201)
	if one.number("returned_fen")+one.number("given_back_fen") != 1000 {
		t.Errorf("a third of line 1: %s", one.raw)
	}
	// By amount, and from then on not by line any more.
	refund(object{"amount_fen": 100}).is(201)
	refund(object{"items": []object{{"line": 2}}}).is(409, "refund_by_line_refused")
}

// TestRefundTwiceAtOnce: two refunds of the whole at the same moment, one wins.
func TestRefundTwiceAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	a := till.buy(20_000)
	answers := make([]*answer, 8)
	var all sync.WaitGroup
	for i := range answers {
		key := r.key()
		all.Go(func() {
			answers[i] = till.postKey("/v1/purchases/"+a.text("id")+"/refunds", key, object{"amount_fen": 17_600, "operator": "09", "reason": "退货"})
		})
	}
	all.Wait()
	won := 0
	for _, got := range answers {
		switch {
		case got.status == http.StatusCreated:
			won++
		case got.json["code"] != "purchase_undone" && got.json["code"] != "refund_exceeds":
			t.Errorf("a loser got %d %s", got.status, got.raw)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d refunds of the whole went through", won, len(answers))
	}
}

func TestReversal(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	// Of a key never seen: the key is dead, for this quote and any other.
	never := r.key()
	for range 2 {
		a := till.post("/v1/reversals", object{"key": never}).is(200)
		if a.text("state") != "tombstone" || a.json["purchase"] != nil {
			t.Errorf("reversal of a key never seen: %s", a.raw)
		}
	}
	quote := till.quote(r.phone(r.newCard(), 0), 1000)
	till.postKey("/v1/purchases", never, object{"quote": quote}).is(409, "key_reversed")
	till.get("/v1/purchases?key="+never).is(409, "key_reversed")
	// The quote is still good under another key.
	bought := till.postKey("/v1/purchases", r.key(), object{"quote": quote}).is(201)
	first := till.post("/v1/reversals", object{"key": bought.text("key")}).is(200)
	again := till.post("/v1/reversals", object{"key": bought.text("key")}).is(200)
	if again.header.Get("Idempotency-Replayed") != "true" || again.text("at") != first.text("at") {
		t.Errorf("reversed again: %v %s, first %s", again.header, again.raw, first.raw)
	}
	// The code stays used after the reversal.
	till.postKey("/v1/purchases", r.key(), object{"quote": quote}).is(409)
}

// TestCodes: a phone code belongs to the terminal that scanned it first and
// yields one purchase.
func TestCodes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till, mate := r.newTill(r.outlet), r.newTill(r.outlet)
	c := r.newCard()
	code := r.phone(c, 0)
	quote := till.quote(code, 6000)
	till.quote(code, 7000) // the basket changed
	bound := mate.post("/v1/verifications", object{"code": code}).is(409, "code_bound")
	if s := bound.number("retry_after_s"); s < 1 || s > 90 {
		t.Errorf("code_bound: retry after %v s", s)
	}
	till.postKey("/v1/purchases", r.key(), object{"quote": quote}).is(201)
	used := till.post("/v1/verifications", object{"code": code}).is(409, "code_used")
	if used.header.Get("Retry-After") == "" || used.number("retry_after_s") < 1 {
		t.Errorf("code_used without a time: %v %s", used.header, used.raw)
	}
	// The other slot need not wait, and finds the once-a-day offer spent.
	second := till.verify(r.phone(c, 1), 6000).is(200)
	spent := till.postKey("/v1/purchases", r.key(), object{"quote": second.text("quote", "token")}).is(409, "limit_reached")
	if spent.text("offer") != "once" || spent.number("quote", "discount_fen") != 720 {
		t.Errorf("limit_reached: %s", spent.raw)
	}
	till.postKey("/v1/purchases", r.key(), object{"quote": spent.text("quote", "token")}).is(201)

	// Printed and typed codes ask for a look at the holder's name.
	card2 := r.newCard()
	for _, static := range []string{r.codes.PrintedCode(card2.Serial, card2.Generation, r.now()), fmt.Sprint(card2.Number)} {
		if a := till.post("/v1/verifications", object{"code": static}).is(200); a.at("card", "check_holder") != true {
			t.Errorf("%s: %s", static, a.raw)
		}
	}
	r.must(r.shops.SetTypedAllowed(r.ctx, byCLI, till.id, false))
	r.await("the till's policy", func() bool { return !r.state.Snapshot().Terminal(till.id).TypedAllowed })
	till.post("/v1/verifications", object{"code": fmt.Sprint(card2.Number)}).is(422, "typed_not_allowed")
}
