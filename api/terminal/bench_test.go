package terminal_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
)

// sink is a response writer that keeps nothing, so that a benchmark sees the
// handler and not the recorder.
type sink struct {
	header http.Header
	status int
	bytes  int
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(c int)   { s.status = c }
func (s *sink) Write(p []byte) (int, error) {
	s.bytes += len(p)
	return len(p), nil
}

// rewound is a body that is read again and again.
type rewound struct{ *bytes.Reader }

func (rewound) Close() error { return nil }

// benchmark sends one request over and over through a handler.
func benchmark(b *testing.B, h http.Handler, path, token string, body []byte) {
	b.Helper()
	b.ReportAllocs()
	reader := rewound{bytes.NewReader(body)}
	req, err := http.NewRequest("POST", path, reader)
	if err != nil {
		b.Fatal(err)
	}
	req.ContentLength = int64(len(body))
	req.RemoteAddr = "127.0.0.1:12345"
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	w := &sink{header: http.Header{}}
	for b.Loop() {
		if _, err := reader.Seek(0, io.SeekStart); err != nil {
			b.Fatal(err)
		}
		clear(w.header)
		h.ServeHTTP(w, req)
	}
	if w.status != http.StatusOK {
		b.Fatalf("status %d", w.status)
	}
}

// basketOf is a verification with five lines.
func basketOf(code string) object {
	var items []object
	for i := range 5 {
		items = append(items, object{
			"sku": fmt.Sprintf("69012345678%02d", i), "category": "food", "qty_milli": 2000, "unit_price_fen": 1990, "amount_fen": 3980,
		})
	}
	return object{"code": code, "amount_fen": 5 * 3980, "items": items}
}

// BenchmarkVerify is the hot path whole, from the router on, beside a bare gin
// handler that decodes and encodes the same JSON with encoding/json.
func BenchmarkVerify(b *testing.B) {
	r := newRig(b)
	till := r.newTill(r.outlet)
	c := r.newCard()
	body, err := json.Marshal(basketOf(r.phone(c, 0)))
	r.must(err)
	first := till.post("/v1/verifications", body).is(200)
	b.Run("ours", func(b *testing.B) { benchmark(b, r.handler, "/v1/verifications", till.token, body) })
	b.Run("bare-gin", func(b *testing.B) { benchmark(b, bareGin(b, first.raw), "/v1/verifications", till.token, body) })

	batch := object{"verifications": make([]object, 100)}
	for i := range 100 {
		batch["verifications"].([]object)[i] = basketOf(r.phone(c, 0))
	}
	many, err := json.Marshal(batch)
	r.must(err)
	b.Run("batch-of-100", func(b *testing.B) { benchmark(b, r.handler, "/v1/verifications/batch", till.token, many) })
}

// bareGin decodes a verification and encodes a fixed answer.
func bareGin(b *testing.B, answer []byte) http.Handler {
	b.Helper()
	type item struct {
		SKU          string `json:"sku"`
		Category     string `json:"category"`
		QtyMilli     int64  `json:"qty_milli"`
		UnitPriceFen int64  `json:"unit_price_fen"`
		AmountFen    int64  `json:"amount_fen"`
	}
	type basket struct {
		Code      string `json:"code"`
		AmountFen int64  `json:"amount_fen"`
		Items     []item `json:"items"`
	}
	type card struct {
		NumberMasked string `json:"number_masked"`
		HolderMasked string `json:"holder_masked"`
		Union        string `json:"union"`
		ValidUntil   string `json:"valid_until"`
		CheckHolder  bool   `json:"check_holder"`
	}
	type offer struct {
		Offer       string `json:"offer"`
		Title       string `json:"title"`
		DiscountFen int64  `json:"discount_fen,omitempty"`
		Reason      string `json:"reason,omitempty"`
		Message     string `json:"message,omitempty"`
	}
	type quote struct {
		Token       string  `json:"token"`
		ExpiresAt   string  `json:"expires_at"`
		AmountFen   int64   `json:"amount_fen"`
		DiscountFen int64   `json:"discount_fen"`
		PayableFen  int64   `json:"payable_fen"`
		Lifted      bool    `json:"lifted"`
		Applied     []offer `json:"applied"`
		Declined    []offer `json:"declined"`
	}
	type age struct {
		AgeMS        int64 `json:"age_ms"`
		TermsVersion int64 `json:"terms_version"`
		Stale        bool  `json:"stale"`
	}
	var out struct {
		Card  card  `json:"card"`
		Quote quote `json:"quote"`
		AsOf  age   `json:"as_of"`
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		b.Fatal(err)
	}
	engine := gin.New()
	engine.POST("/v1/verifications", func(c *gin.Context) {
		var in basket
		if err := json.NewDecoder(c.Request.Body).Decode(&in); err != nil {
			c.Status(http.StatusBadRequest)
			return
		}
		c.Header("Content-Type", "application/json")
		c.Status(http.StatusOK)
		if err := json.NewEncoder(c.Writer).Encode(&out); err != nil {
			b.Error(err)
		}
	})
	return engine
}
