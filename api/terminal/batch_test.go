package terminal_test

import (
	"fmt"
	"testing"
)

func TestBatch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	c := r.newCard()
	good := object{"code": r.phone(c, 0), "amount_fen": 20_000}
	basket := object{"code": r.phone(c, 1), "items": []object{{"qty_milli": 2000, "unit_price_fen": 300, "amount_fen": 600}}}
	a := till.post("/v1/verifications/batch", object{"verifications": []any{
		good, object{"code": "1"}, basket, object{"code": r.phone(c, 0), "amount_fen": "1"}, object{"amount_fen": 1},
		object{"code": r.phone(c, 0), "x": 1}, 5, object{"code": flip(r.phone(c, 0), 19)}, good,
	}}).is(200)
	want := []string{"", "code_format", "", "amount_invalid", "missing_field", "unknown_field", "wrong_type", "code_invalid", ""}
	results := a.at("results").([]any)
	if len(results) != len(want) {
		t.Fatalf("%d results for %d verifications", len(results), len(want))
	}
	for i, code := range want {
		got := results[i].(object)
		if code == "" {
			if got["status"] != 200.0 || got["verification"] == nil {
				t.Errorf("entry %d: %v", i, got)
			}
			continue
		}
		if p, _ := got["problem"].(object); p["code"] != code || got["status"] != p["status"] {
			t.Errorf("entry %d: %v, want %s", i, got, code)
		}
	}
	if fen := results[2].(object)["verification"].(object)["quote"].(object)["amount_fen"]; fen != 600.0 {
		t.Errorf("entry 2: %v fen", fen)
	}

	till.post("/v1/verifications/batch", object{"verifications": []any{}}).is(422, "batch_size")
	till.post("/v1/verifications/batch", object{}).is(422, "batch_size")
	many := make([]object, 1001)
	for i := range many {
		many[i] = object{"code": "1"}
	}
	till.post("/v1/verifications/batch", object{"verifications": many}).is(422, "batch_size")
	if a := till.post("/v1/verifications/batch", object{"verifications": many[:1000]}).is(200); len(a.at("results").([]any)) != 1000 {
		t.Error("1,000 verifications did not get 1,000 answers")
	}
	till.post("/v1/verifications/batch", `{"verifications":[{"code":"1"}`).is(400, "invalid_json")
	till.post("/v1/verifications/batch", `{"verifications":[],"verifications":[]}`).is(400, "duplicate_key")

	// Every item of a batch counts on the guess budget.
	guesses := make([]object, 300)
	for i := range guesses {
		guesses[i] = object{"code": fmt.Sprintf("41%010d%08d", 7_919*i, i)}
	}
	r.newTill(r.outlet) // another till is not touched by it
	blocked := 0
	for _, res := range till.post("/v1/verifications/batch", object{"verifications": guesses}).is(200).at("results").([]any) {
		if p, _ := res.(object)["problem"].(object); p["code"] == "guess_blocked" {
			blocked++
		}
	}
	if blocked == 0 || blocked == len(guesses) {
		t.Errorf("%d of %d guesses were blocked", blocked, len(guesses))
	}
	if a := till.post("/v1/verifications", object{"code": r.phone(c, 0)}).is(429, "guess_blocked"); a.header.Get("Retry-After") == "" {
		t.Error("guess_blocked without Retry-After")
	}
}
