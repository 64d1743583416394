package terminal_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unioncard/merchant"
)

// TestSelf: a terminal learns what it is called; a stranger and a suspended one
// learn nothing.
func TestSelf(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	a := till.get("/v1/terminal").is(200)
	if a.text("merchant_name") != "老郑州烩面" || a.text("outlet_name") != "花园路店" || a.number("outlet") != float64(r.outlet) || a.at("typed_allowed") != true {
		t.Errorf("self: %s", a.raw)
	}
	r.send(request{method: http.MethodGet, path: "/v1/terminal"}).is(401)
	r.must(r.shops.SuspendTerminal(r.ctx, byCLI, int64(a.number("terminal"))))
	r.await("the suspension", func() bool { return till.get("/v1/terminal").status == 403 })
}

// TestToday: the own purchases of the day, newest first, nobody else's.
func TestToday(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till, beside, stranger := r.newTill(r.outlet), r.newTill(r.outlet), r.newTill(r.otherOutlet)
	one, two := till.buy(20_000), till.buy(30_000)
	beside.buy(10_000)
	till.postKey("/v1/purchases/"+one.text("id")+"/void", r.key(), object{"operator": "09", "reason": "输错"}).is(200)

	a := till.get("/v1/purchases/today").is(200)
	items, _ := a.at("items").([]any)
	if len(items) != 2 || items[0].(object)["id"] != two.text("id") || items[1].(object)["state"] != "voided" {
		t.Errorf("today: %s", a.raw)
	}
	if a.number("totals", "count") != 2 || a.number("totals", "undone") != 1 || a.number("totals", "paid_fen") != 26_400 || a.number("totals", "saved_fen") != 3_600 {
		t.Errorf("totals: %s", a.raw)
	}
	rest := till.get("/v1/purchases/today?cursor=" + two.text("id")).is(200)
	if items, _ := rest.at("items").([]any); len(items) != 1 || rest.json["totals"] != nil || rest.json["next"] != nil {
		t.Errorf("second page: %s", rest.raw)
	}
	if items, _ := stranger.get("/v1/purchases/today?cursor=" + two.text("id")).is(200).at("items").([]any); len(items) != 0 {
		t.Error("a stranger's till lists our purchases")
	}
	for _, query := range []string{"cursor=", "cursor=1", "cursor=00000000-0000-0000-0000-000000000000", "day=1", "cursor=%zz",
		"cursor=" + two.text("id") + "&cursor=" + two.text("id"), "cursor=" + two.text("id") + "&a=1"} {
		till.get("/v1/purchases/today?"+query).is(400, "query_invalid")
	}
}

// TestSelfParts: a till that knows amounts alone learns what to tell apart, sends
// it as items, and earns what the goods themselves would; the purchase is refunded
// by amount as any other. Every answer is held to openapi.yaml by the rig.
func TestSelfParts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	plain := r.newTill(r.outlet).get("/v1/terminal").is(200)
	if diff := cmp.Diff([]any{[]any{}, []any{}, nil, 1.0}, []any{plain.at("parts"), plain.at("by_items"), plain.json["rest"], plain.at("terms_version")}); diff != "" {
		t.Errorf("offers for everything: -want +got\n%s", diff)
	}
	_, err := r.shops.PublishCategories(r.ctx, byCLI, []merchant.Category{{Code: "shopping.tobacco", Name: "烟草"}, {Code: "shopping.liquor", Name: "酒水"}}, nil)
	r.must(err)
	shop, contract := r.newMerchant("好邻居超市", `{"v":1,"offers":[
		{"id":"off","title":"满200减20","scope":{"except_categories":["shopping.tobacco","shopping.liquor"]},"benefit":{"kind":"amount_off","at_fen":20000,"off_fen":2000},"funding_bp":10000},
		{"id":"egg","title":"团购鸡蛋","benefit":{"kind":"unit_price","prices":[{"sku":"EGG","price_fen":1000}]},"funding_bp":10000}]}`)
	till := r.newTill(r.newOutlet(shop, "一店"))
	a := till.get("/v1/terminal").is(200)
	want := object{"category": "shopping.liquor", "name": "酒水、烟草"}
	if diff := cmp.Diff([]any{[]any{want}, []any{object{"offer": "egg", "title": "团购鸡蛋"}}}, []any{a.at("parts"), a.at("by_items")}); diff != "" {
		t.Fatalf("-want +got\n%s", diff)
	}
	line := func(category string, fen int) object {
		return object{"category": category, "qty_milli": 1000, "unit_price_fen": fen, "amount_fen": fen}
	}
	for _, tc := range []struct{ tobacco, discount int }{{9_999, 2_000}, {10_001, 0}} {
		items := []any{line("shopping.liquor", tc.tobacco), line(a.text("rest"), 30_000-tc.tobacco)}
		v := till.post("/v1/verifications", object{"code": r.phone(r.newCard(), 0), "amount_fen": 30_000, "items": items}).is(200)
		if v.number("quote", "discount_fen") != float64(tc.discount) {
			t.Errorf("%d of 30000 fen tobacco: %s", tc.tobacco, v.raw)
		}
		if tc.discount == 0 {
			continue
		}
		bought := till.postKey("/v1/purchases", r.key(), object{"quote": v.text("quote", "token"), "items": items}).is(201)
		back := till.postKey("/v1/purchases/"+bought.text("id")+"/refunds", r.key(), object{"amount_fen": 14_000, "operator": "09", "reason": "退货"}).is(201)
		if back.number("given_back_fen") != 1_000 {
			t.Errorf("half refunded: %s", back.raw)
		}
	}
	// New names and new Terms are told at once.
	_, err = r.shops.PublishCategories(r.ctx, byCLI, []merchant.Category{{Code: "shopping.tobacco", Name: "卷烟"}}, nil)
	r.must(err)
	_, err = r.shops.PublishTerms(r.ctx, byCLI, contract, []byte(`{"v":1,"offers":[{"id":"off","title":"满100减20","scope":{"except_categories":["shopping.tobacco"]},
		"benefit":{"kind":"amount_off","at_fen":10000,"off_fen":2000},"funding_bp":10000}]}`), time.Time{})
	r.must(err)
	r.await("the new parts", func() bool {
		return cmp.Equal([]any{object{"category": "shopping.tobacco", "name": "卷烟"}}, till.get("/v1/terminal").is(200).at("parts"))
	})
}
