package terminal_test

import (
	"net/http"
	"testing"
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
