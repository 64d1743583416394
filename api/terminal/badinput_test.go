package terminal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestBadCodes: what is no member code is code_format; whatever has the form but
// proves nothing is one identical code_invalid.
func TestBadCodes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	c := r.newCard()
	good := r.phone(c, 0)
	for name, code := range map[string]string{
		"empty": "", "19 digits": good[:19], "21 digits": good + "0",
		"full-width digits": strings.Map(func(d rune) rune { return d - '0' + '０' }, good),
		"spaces":            " " + good + " ", "space inside": good[:10] + " " + good[11:],
		"NUL": good[:19] + "\x00", "100 KB": strings.Repeat("4", 100<<10),
		"another system's QR": "https://u.wechat.com/abcdefg", "WeChat pay code": "134567890123456789",
		"Alipay code": "281234567890123456", "UnionPay code": "6212345678901234567",
		"wrong province": "42" + good[2:], "letters": "41" + strings.Repeat("A", 18), "sign": "+" + good[1:],
	} {
		if a := till.post("/v1/verifications", object{"code": code}); a.status != 422 || a.json["code"] != "code_format" {
			t.Errorf("%s: %d %.200s", name, a.status, a.raw)
		}
	}

	wrongTOTP := flip(good, 19)
	printed := r.codes.PrintedCode(c.Serial, c.Generation, r.now())
	stale := good
	r.pass(2 * time.Minute)
	var first string
	for name, code := range map[string]string{
		"wrong TOTP": wrongTOTP, "expired": stale, "wrong MAC": flip(printed, 35),
		"unknown alias": flip(r.phone(c, 0), 5), "unknown number": unknownNumber(r),
	} {
		// A till of its own each, so that no guess budget is spent.
		a := r.newTill(r.outlet).post("/v1/verifications", object{"code": code}).is(422, "code_invalid")
		text := strings.ReplaceAll(string(a.raw), a.text("request_id"), "")
		if first == "" {
			first = text
		}
		if text != first {
			t.Errorf("%s is told apart: %s, others got %s", name, text, first)
		}
	}
}

// flip changes the character at i to another of its kind.
func flip(code string, i int) string {
	next := byte('A')
	switch c := code[i]; {
	case c >= '0' && c < '9':
		next = c + 1
	case c == '9':
		next = '0'
	case c == 'A':
		next = 'B'
	}
	return code[:i] + string(next) + code[i+1:]
}

// unknownNumber is a card number of the right form that nobody has.
func unknownNumber(r *rig) string {
	n, err := r.codes.NewNumber()
	r.must(err)
	return fmt.Sprint(n)
}

func TestBadAmounts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	code := r.phone(r.newCard(), 0)
	line := func(members string) string { return `"items":[{` + members + `}]` }
	for _, body := range []string{
		`"amount_fen":-1`, `"amount_fen":0`, `"amount_fen":1e400`, `"amount_fen":"1.005"`, `"amount_fen":1.0`, `"amount_fen":1e2`,
		`"amount_fen":100000001`, `"amount_fen":9223372036854775807`, `"amount_fen":9223372036854775808`,
		`"amount_fen":null`, `"amount_fen":true`, `"amount_fen":[1]`, `"amount_fen":{}`,
		`"amount_fen":300,` + line(`"qty_milli":1000,"unit_price_fen":200,"amount_fen":200`),
		line(`"qty_milli":1000,"unit_price_fen":200,"amount_fen":300`),
		line(`"qty_milli":0,"unit_price_fen":200,"amount_fen":0`),
		line(`"qty_milli":-1000,"unit_price_fen":200,"amount_fen":-200`),
		line(`"qty_milli":1000.5,"unit_price_fen":200,"amount_fen":200`),
		line(`"qty_milli":9223372036854775807,"unit_price_fen":9223372036854775807,"amount_fen":1`),
		`"items":[` + strings.Repeat(`{"qty_milli":1000,"unit_price_fen":1,"amount_fen":1},`, 200) +
			`{"qty_milli":1000,"unit_price_fen":1,"amount_fen":1}]`,
	} {
		a := till.post("/v1/verifications", `{"code":"`+code+`",`+body+`}`)
		if a.status != 422 || a.json["code"] != "amount_invalid" {
			t.Errorf("%.120s: %d %s", body, a.status, a.raw)
		}
	}
	till.post("/v1/verifications", `{"code":"`+code+`","amount_fen":1}`).is(200)
}

func TestBadJSON(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	for _, c := range []struct {
		body   string
		status int
		code   string
	}{
		{``, 400, "invalid_json"},
		{`{"code":"1"`, 400, "invalid_json"},
		{`{"code":"1"} {}`, 400, "invalid_json"},
		{`{"code":"1"}x`, 400, "invalid_json"},
		{"{\"code\":\"\xff\"}", 400, "invalid_json"},
		{`{"code":"1","code":"2"}`, 400, "duplicate_key"},
		{`{"code":"1","\u0063ode":"2"}`, 400, "duplicate_key"},
		{`{"code":"1","discount_fen":2}`, 400, "unknown_field"},
		{`{"Code":"1"}`, 400, "unknown_field"},
		{`{"code":1}`, 400, "wrong_type"},
		{`{"code":null}`, 400, "wrong_type"},
		{`{"code":"1","outlet":"1"}`, 400, "wrong_type"},
		{`{"code":"1","outlet":1.5}`, 400, "wrong_type"},
		{`{"code":"1","items":{}}`, 400, "wrong_type"},
		{`[]`, 400, "wrong_type"},
		{`{}`, 400, "missing_field"},
		{`{"code":"1","items":[{"qty_milli":1000}]}`, 400, "missing_field"},
		{strings.Repeat("[", 10_000), 400, "too_deep"},
		{`{"code":"1","items":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`, 400, "too_deep"},
		{strings.Repeat(" ", 10<<20), 413, "body_too_large"},
	} {
		if a := till.post("/v1/verifications", c.body); a.status != c.status || a.json["code"] != c.code {
			t.Errorf("%.60q: %d %s, want %d %s", c.body, a.status, a.raw, c.status, c.code)
		}
	}
	a := till.send(request{method: "POST", path: "/v1/verifications", body: `{}`, token: till.token,
		headers: map[string]string{"Content-Type": "text/plain"}})
	a.is(415, "unsupported_media_type")
}

func TestBadKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	quote := till.quote(r.phone(r.newCard(), 0), 1000)
	send := func(path, header string, body any) *answer {
		q := request{method: "POST", path: path, body: body, token: till.token}
		if header != "" {
			q.headers = map[string]string{"Idempotency-Key": header}
		}
		return till.send(q)
	}
	paths := []string{"/v1/purchases", "/v1/purchases/0197a000-0000-7000-8000-000000000000/void", "/v1/purchases/x/refunds"}
	for _, path := range paths {
		send(path, "", object{"quote": quote}).is(400, "idempotency_key_missing")
		for _, header := range []string{
			`""`, `"` + strings.Repeat("k", 65) + `"`, strings.Repeat("k", 65), `"a b"`, `"a`, `a"`, `"a"b`, `"a";p=1`, `"é"`, `a,b`,
			`"\n"`,
		} {
			a := send(path, header, object{"quote": quote})
			if a.status != 400 || a.json["code"] != "idempotency_key_invalid" {
				t.Errorf("%s with key %s: %d %s", path, header, a.status, a.raw)
			}
		}
	}
	till.get("/v1/purchases?key="+strings.Repeat("k", 65)).is(400, "idempotency_key_invalid")
	till.get("/v1/purchases").is(400, "query_invalid")
	till.get("/v1/purchases?key=a&key=b").is(400, "query_invalid")
	till.get("/v1/purchases?id=a").is(400, "query_invalid")
	till.get("/v1/purchases?key=never").is(404, "not_found")
	till.post("/v1/reversals", object{"key": "a b"}).is(400, "idempotency_key_invalid")

	// Quoted or not, it is the same key; another body under it is refused.
	send("/v1/purchases", strings.Repeat("k", 64), object{"quote": quote}).is(201)
	if a := send("/v1/purchases", `"`+strings.Repeat("k", 64)+`"`, object{"quote": quote}).is(201); a.header.Get("Idempotency-Replayed") != "true" {
		t.Error("a quoted key is another than the bare one")
	}
	send("/v1/purchases", strings.Repeat("k", 64), object{"quote": quote, "operator": "2"}).is(422, "idempotency_key_reused")
	other := till.quote(r.phone(r.newCard(), 0), 1000)
	send("/v1/purchases", strings.Repeat("k", 64), object{"quote": other}).is(422, "idempotency_key_reused")
	// The same key on another terminal is another key.
	mate := r.newTill(r.outlet)
	mate.postKey("/v1/purchases", strings.Repeat("k", 64), object{"quote": mate.quote(r.phone(r.newCard(), 0), 700)}).is(201)
}

func TestBadQuotes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till, mate, stranger := r.newTill(r.outlet), r.newTill(r.outlet), r.newTill(r.otherOutlet)
	items := []object{{"qty_milli": 1000, "unit_price_fen": 3000, "amount_fen": 3000}, {"sku": "b", "qty_milli": 500, "unit_price_fen": 2000, "amount_fen": 1000}}
	quote := func(body object) string {
		body["code"] = r.phone(r.newCard(), 0)
		return till.post("/v1/verifications", body).is(200).text("quote", "token")
	}
	buy := func(by client, body object) *answer { return by.postKey("/v1/purchases", r.key(), body) }

	plain := quote(object{"amount_fen": 5000})
	for _, bad := range []string{"", "x", plain[:len(plain)-1], plain + "A", flip(plain, len(plain)/2), strings.Repeat("A", 5000), plain + "\x00", "！"} {
		if a := buy(till, object{"quote": bad}); a.status != 422 || a.json["code"] != "quote_invalid" {
			t.Errorf("quote %.20q: %d %s", bad, a.status, a.raw)
		}
	}
	buy(mate, object{"quote": plain}).is(409, "quote_other_terminal")
	buy(stranger, object{"quote": plain}).is(404, "not_found")
	buy(till, object{"quote": plain, "items": items}).is(422, "quote_mismatch")

	withItems := quote(object{"items": items})
	buy(till, object{"quote": withItems}).is(422, "quote_mismatch")
	buy(till, object{"quote": withItems, "items": []object{items[1], items[0]}}).is(422, "quote_mismatch")
	buy(till, object{"quote": withItems, "items": items[:1]}).is(422, "quote_mismatch")
	buy(till, object{"quote": withItems, "items": items}).is(201)
	buy(till, object{"quote": withItems, "items": items}).is(409, "quote_used")

	buy(till, object{"quote": plain, "merchant_ref": strings.Repeat("单", 65)}).is(422, "text_invalid")
	buy(till, object{"quote": plain, "operator": "a\x00b"}).is(422, "text_invalid")
	buy(till, object{"quote": plain, "operator": "a\nb"}).is(422, "text_invalid")

	r.pass(3*time.Minute + time.Second)
	buy(till, object{"quote": plain}).is(422, "quote_expired")
}

// TestNoDiscountFromATill: a till can claim no discount. There is no member for
// one, and a quote that was changed to give more than the price is none.
func TestNoDiscountFromATill(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till := r.newTill(r.outlet)
	a := till.verify(r.phone(r.newCard(), 0), 20_000).is(200)
	token, fen := a.text("quote", "token"), int64(a.number("quote", "amount_fen"))
	raw, err := base64.RawURLEncoding.DecodeString(token)
	r.must(err)
	// The token holds the amount and right behind it the discount.
	pinned := func(discount int64) []byte { return binary.AppendVarint(binary.AppendVarint(nil, fen), discount) }
	honest := pinned(int64(a.number("quote", "discount_fen")))
	if bytes.Count(raw, honest) != 1 {
		t.Fatal("amount and discount are not where this test looks for them")
	}
	for _, discount := range []int64{fen + 1, fen, 1 << 40, -1} {
		greedy := base64.RawURLEncoding.EncodeToString(bytes.Replace(raw, honest, pinned(discount), 1))
		till.postKey("/v1/purchases", r.key(), object{"quote": greedy}).is(422, "quote_invalid")
	}
	for _, member := range []string{"discount_fen", "payable_fen", "amount_fen", "merchant_share_fen"} {
		refused := till.postKey("/v1/purchases", r.key(), object{"quote": token, member: fen + 1}).is(400, "unknown_field")
		if refused.text("field") != member {
			t.Errorf("%s: %s", member, refused.raw)
		}
	}
	till.post("/v1/verifications", object{"code": "1", "amount_fen": 1, "discount_fen": 2}).is(400, "unknown_field")
	till.postKey("/v1/purchases", r.key(), object{"quote": token}).is(201)
}

// client is a name for till where a variable has that name.
type client = *till

type tillsByName = map[string]*till

func TestScope(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	till, mate, stranger := r.newTill(r.outlet), r.newTill(r.outlet2), r.newTill(r.otherOutlet)
	others := tillsByName{"another outlet": mate, "another merchant": stranger}
	bought := till.buy(5000)
	id, key := bought.text("id"), bought.text("key")
	for name, other := range others {
		other.get("/v1/purchases/"+id).is(404, "not_found")
		other.get("/v1/purchases?key="+url.QueryEscape(key)).is(404, "not_found")
		other.postKey("/v1/purchases/"+id+"/void", r.key(), object{"operator": "09", "reason": name}).is(404, "not_found")
		other.postKey("/v1/purchases/"+id+"/refunds", r.key(), object{"amount_fen": 1, "operator": "09", "reason": name}).is(404, "not_found")
		// A reversal of somebody else's key is one of a key never seen.
		if a := other.post("/v1/reversals", object{"key": key}).is(200); a.text("state") != "tombstone" {
			t.Errorf("%s reversed it: %s", name, a.raw)
		}
	}
	if got := till.get("/v1/purchases/" + id).is(200).text("state"); got != "committed" {
		t.Errorf("state %s", got)
	}
	for _, bad := range []string{"x", "0197a000-0000-7000-8000-000000000000", "%00", strings.Repeat("0", 36), "{" + id + "}", "urn:uuid:" + id} {
		till.get("/v1/purchases/"+bad).is(404, "not_found")
	}

	code := r.phone(r.newCard(), 0)
	for _, outlet := range []int64{r.outlet2, r.otherOutlet, 0, -1, 1 << 62} {
		till.post("/v1/verifications", object{"code": code, "outlet": outlet}).is(404, "not_found")
	}
	till.post("/v1/verifications", object{"code": code, "outlet": r.outlet}).is(200)

	pos := r.newPOSServer(r.merchant)
	pos.post("/v1/verifications", object{"code": r.phone(r.newCard(), 0)}).is(422, "outlet_required")
	pos.post("/v1/verifications", object{"code": r.phone(r.newCard(), 0), "outlet": r.otherOutlet}).is(404, "not_found")
	for _, outlet := range []int64{r.outlet, r.outlet2} {
		q := pos.post("/v1/verifications", object{"code": r.phone(r.newCard(), 0), "outlet": outlet, "amount_fen": 900}).is(200)
		a := pos.postKey("/v1/purchases", r.key(), object{"quote": q.text("quote", "token")}).is(201)
		if int64(a.number("outlet")) != outlet {
			t.Errorf("outlet %v, want %d", a.json["outlet"], outlet)
		}
	}
	pos.get("/v1/purchases/" + id).is(200)
}
