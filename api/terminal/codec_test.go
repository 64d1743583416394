package terminal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"unioncard/api/exchange"
	"unioncard/api/strictjson"
	"unioncard/merchant/terms"
	"unioncard/settlement/purchase"
)

// verifyShape is a verification as encoding/json would read it.
type verifyShape struct {
	Code      string      `json:"code"`
	Outlet    *int64      `json:"outlet"`
	AmountFen *int64      `json:"amount_fen"`
	Items     []itemShape `json:"items"`
}

type itemShape struct {
	SKU          string `json:"sku,omitempty"`
	Category     string `json:"category,omitempty"`
	QtyMilli     *int64 `json:"qty_milli"`
	UnitPriceFen *int64 `json:"unit_price_fen"`
	AmountFen    *int64 `json:"amount_fen"`
}

const basketBody = `{"code":"41385720194756382910","outlet":4711,"amount_fen":15800,"items":[` +
	`{"sku":"6901234567892","category":"food","qty_milli":2000,"unit_price_fen":1990,"amount_fen":3980},` +
	`{"sku":"6901234567893","category":"food","qty_milli":1000,"unit_price_fen":4520,"amount_fen":4520},` +
	`{"sku":"6901234567894","category":"drink","qty_milli":3000,"unit_price_fen":600,"amount_fen":1800},` +
	`{"sku":"6901234567895","category":"home","qty_milli":1500,"unit_price_fen":2000,"amount_fen":3000},` +
	`{"sku":"6901234567896","category":"home","qty_milli":1000,"unit_price_fen":2500,"amount_fen":2500}]}`

// asRequest is what decodeVerify makes of a body that encoding/json accepts and
// that has what is required.
func (v *verifyShape) asRequest() (req purchase.VerifyRequest, complete bool) {
	req.Code = v.Code
	if v.Outlet != nil {
		req.OutletID = positive(*v.Outlet)
	}
	if v.AmountFen != nil {
		req.HasAmount, req.AmountFen = true, *v.AmountFen
	}
	for _, it := range v.Items {
		if it.QtyMilli == nil || it.UnitPriceFen == nil || it.AmountFen == nil {
			return req, false
		}
		req.Items = append(req.Items, terms.Item{
			SKU: it.SKU, Category: it.Category, QtyMilli: *it.QtyMilli, UnitPriceFen: *it.UnitPriceFen, AmountFen: *it.AmountFen,
		})
	}
	return req, true
}

// checkVerify compares the decoder with encoding/json on one body: what we
// accept it accepts with the same meaning, and what it accepts we do too unless
// one of our own rules says no (names twice or in another case, null, a missing
// member, a lone surrogate, broken UTF-8: package strictjson tests those).
func checkVerify(t interface{ Fatalf(string, ...any) }, body []byte) (accepted bool) {
	var r strictjson.Reader
	r.Reset(bytes.Clone(body))
	var got purchase.VerifyRequest
	decodeVerify(&r, &got)
	err := r.End()
	var v verifyShape
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	oracle := d.Decode(&v) == nil && json.Valid(body)
	want, complete := v.asRequest()
	if err != nil {
		own := !complete || errors.Is(err, strictjson.ErrDuplicateKey) || errors.Is(err, strictjson.ErrUnknownField) ||
			errors.Is(err, strictjson.ErrMissing) || bytes.Contains(body, []byte("null")) || bytes.Contains(body, []byte(`\u`)) ||
			strings.ToValidUTF8(string(body), "?") != string(body)
		if oracle && !own {
			t.Fatalf("%q: encoding/json accepts it, we say %v", body, err)
		}
		return false
	}
	if !oracle {
		t.Fatalf("%q: accepted, but not by encoding/json", body)
	}
	if len(want.Items) <= terms.MaxItems {
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b []terms.Item) bool {
			return len(a) == len(b) && fmt.Sprint(a) == fmt.Sprint(b)
		})); diff != "" {
			t.Fatalf("%q: (-encoding/json +ours)\n%s", body, diff)
		}
	}
	return true
}

func TestVerifyDecodesAsEncodingJSON(t *testing.T) {
	t.Parallel()
	number := func() *rapid.Generator[*int64] { return rapid.Ptr(rapid.Int64(), false) }
	item := rapid.Custom(func(t *rapid.T) itemShape {
		return itemShape{
			SKU: rapid.String().Draw(t, "sku"), Category: rapid.StringN(0, 8, -1).Draw(t, "category"),
			QtyMilli: number().Draw(t, "qty"), UnitPriceFen: number().Draw(t, "price"), AmountFen: number().Draw(t, "amount"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		v := map[string]any{"code": rapid.String().Draw(t, "code")}
		if rapid.Bool().Draw(t, "outlet") {
			v["outlet"] = rapid.Int64().Draw(t, "outlet")
		}
		if rapid.Bool().Draw(t, "amount") {
			v["amount_fen"] = rapid.Int64().Draw(t, "amount")
		}
		if rapid.Bool().Draw(t, "items") {
			v["items"] = rapid.SliceOfN(item, 0, 6).Draw(t, "items")
		}
		body, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(body, []byte(`\ufffd`)) && !checkVerify(t, body) && !bytes.Contains(body, []byte("null")) {
			t.Fatalf("%s: refused", body)
		}
		// One byte changed, dropped or doubled: whatever it means, it means the same.
		i := rapid.IntRange(0, len(body)-1).Draw(t, "at")
		switch rapid.IntRange(0, 2).Draw(t, "how") {
		case 0:
			body[i] = rapid.Byte().Draw(t, "byte")
		case 1:
			body = append(body[:i], body[i+1:]...)
		case 2:
			body = append(body[:i+1], body[i:]...)
		}
		checkVerify(t, body)
	})
}

func FuzzDecodeVerify(f *testing.F) {
	f.Add([]byte(basketBody))
	f.Add([]byte(`{"code":"1","amount_fen":1e2}`))
	f.Fuzz(func(t *testing.T, body []byte) { checkVerify(t, body) })
}

// FuzzDecodeAll feeds every decoder: none may panic, loop or read past the end.
func FuzzDecodeAll(f *testing.F) {
	for _, s := range []string{
		`{"quote":"x","items":[],"operator":"1"}`, `{"amount_fen":1,"operator":"1","reason":"x","items":[{"line":1,"qty_milli":2}]}`,
		`{"key":"k"}`, `{"verifications":[{"code":"1"},5,null]}`, `{"code":"x","public_key":"y"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, decode := range []func(*strictjson.Reader){
			func(r *strictjson.Reader) { decodeCommit(r, &purchase.CommitRequest{}) },
			func(r *strictjson.Reader) { decodeVoid(r) },
			func(r *strictjson.Reader) { decodeRefund(r, &purchase.RefundRequest{}) },
			func(r *strictjson.Reader) { decodeReversal(r) },
			func(r *strictjson.Reader) { decodeActivation(r) },
			func(r *strictjson.Reader) { new(batch).decode(r) },
		} {
			var r strictjson.Reader
			r.Reset(bytes.Clone(body))
			decode(&r)
			if r.End() == nil && !json.Valid(body) {
				t.Fatalf("%q: accepted what is no JSON", body)
			}
		}
	})
}

// sampleAnswer is an answer as the hot path gives it.
func sampleAnswer() *purchase.VerifyAnswer {
	return &purchase.VerifyAnswer{
		NumberMasked: "41** **** **** 0417", HolderMasked: "张**", Union: "金水区总工会", ValidUntil: []byte("2027-12-31"),
		HasQuote: true, Token: bytes.Repeat([]byte("A"), 240), ExpiresAt: time.Date(2026, 6, 1, 4, 3, 0, 0, time.UTC),
		AmountFen: 15_800, DiscountFen: 1_896, PayableFen: 13_904,
		Applied: []purchase.AppliedOffer{{ID: "all88", Title: "会员8.8折", DiscountFen: 1_896}},
		Declined: []purchase.DeclinedOffer{
			{ID: "m200", Title: "满200减20", Reason: terms.ReasonThreshold, NeedFen: 4_250},
			{ID: "wash", Title: `1元"洗车"`, Reason: terms.ReasonScope},
		},
		Age: 120 * time.Millisecond, TermsVersion: 3,
	}
}

func TestEncodersWriteJSON(t *testing.T) {
	t.Parallel()
	var v struct {
		Quote struct {
			Declined []struct{ Title, Message, Reason string }
		}
	}
	if err := json.Unmarshal(appendVerification(nil, sampleAnswer()), &v); err != nil {
		t.Fatal(err)
	}
	if got, want := v.Quote.Declined[0].Message, "参加该优惠的商品再买42.50元即可享受"; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
	if got, want := v.Quote.Declined[1].Title, `1元"洗车"`; got != want {
		t.Errorf("title %q, want %q", got, want)
	}
	for _, doc := range [][]byte{
		appendReceipt(nil, &purchase.Receipt{ID: uuid.Max, State: purchase.StateCommitted, Key: `a"b\`, MerchantRef: "单\t1"}),
		appendUndo(nil, &purchase.UndoAnswer{State: purchase.StateVoided}),
		appendReversal(nil, "k", &purchase.ReversalAnswer{}),
		appendReversal(nil, "k", &purchase.ReversalAnswer{Found: true}),
	} {
		if !json.Valid(doc) {
			t.Errorf("not JSON: %s", doc)
		}
	}
	// Every reason's message goes into the answer without escaping.
	for reason := terms.Reason(0); reason < 20; reason++ {
		if !json.Valid(append(appendMessage([]byte{'"'}, reason, 5), '"')) {
			t.Errorf("%v: %s", reason, appendMessage(nil, reason, 5))
		}
	}
}

// TestOwnedStringsOutliveTheBody: what is written may wait in a queue after its
// request was given up and the buffer went to another.
func TestOwnedStringsOutliveTheBody(t *testing.T) {
	t.Parallel()
	x := &exchange.Exchange{Body: []byte(`{"quote":"abc","operator":"09","items":[{"sku":"s1","qty_milli":1,"unit_price_fen":1,"amount_fen":1}]}`)}
	var req purchase.CommitRequest
	r := own(x)
	decodeCommit(r, &req)
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
	for i := range x.Body {
		x.Body[i] = 'X'
	}
	if req.Quote != "abc" || req.Operator != "09" || req.Items[0].SKU != "s1" {
		t.Errorf("the request changed with the buffer: %+v", req)
	}
}

func TestYuan(t *testing.T) {
	t.Parallel()
	for fen, want := range map[int64]string{1: "0.01", 10: "0.10", 100: "1", 1250: "12.50", 100_000_000: "1000000"} {
		if got := string(appendYuan(nil, fen)); got != want {
			t.Errorf("%d fen: %s, want %s", fen, got, want)
		}
	}
}

func BenchmarkDecodeVerify(b *testing.B) {
	body := []byte(basketBody)
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		var r strictjson.Reader
		var req purchase.VerifyRequest
		buf := make([]byte, len(body))
		for b.Loop() {
			copy(buf, body)
			r.Reset(buf)
			decodeVerify(&r, &req)
			if err := r.End(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			var v verifyShape
			if err := json.Unmarshal(body, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEncodeVerification(b *testing.B) {
	answer := sampleAnswer()
	doc := appendVerification(nil, answer)
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(doc)))
		buf := make([]byte, 0, 4096)
		for b.Loop() {
			buf = appendVerification(buf[:0], answer)
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(doc)))
		var v verificationShape
		if err := json.Unmarshal(doc, &v); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := json.Marshal(&v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// verificationShape is the answer as a struct, for encoding/json to write.
type verificationShape struct {
	Card struct {
		NumberMasked string `json:"number_masked"`
		HolderMasked string `json:"holder_masked"`
		Union        string `json:"union"`
		ValidUntil   string `json:"valid_until"`
		CheckHolder  bool   `json:"check_holder"`
	} `json:"card"`
	Quote struct {
		Token       string    `json:"token"`
		ExpiresAt   time.Time `json:"expires_at"`
		AmountFen   int64     `json:"amount_fen"`
		DiscountFen int64     `json:"discount_fen"`
		PayableFen  int64     `json:"payable_fen"`
		Lifted      bool      `json:"lifted"`
		Applied     []struct {
			Offer       string `json:"offer"`
			Title       string `json:"title"`
			DiscountFen int64  `json:"discount_fen"`
		} `json:"applied"`
		Declined []struct {
			Offer   string `json:"offer"`
			Title   string `json:"title"`
			Reason  string `json:"reason"`
			NeedFen int64  `json:"need_fen,omitempty"`
			Message string `json:"message"`
		} `json:"declined"`
	} `json:"quote"`
	AsOf struct {
		AgeMS        int64 `json:"age_ms"`
		TermsVersion int32 `json:"terms_version"`
		Stale        bool  `json:"stale"`
	} `json:"as_of"`
}
