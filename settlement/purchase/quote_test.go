package purchase

import (
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"unioncard/card"
	"unioncard/merchant/terms"
)

var noon = time.Date(2026, 6, 1, 4, 0, 0, 0, time.UTC)

func newTestSigner(t testing.TB) *signer {
	t.Helper()
	ring, err := card.NewKeyring(noon.Add(-time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	return newSigner(ring)
}

func sampleQuote() *quote {
	return &quote{id: 1 << 60, issuedAt: noon.UnixMilli(), terminal: 17, outlet: 9, merchant: 4, contract: 12, terms: 3, floor: 2,
		serial: 123_456_789, generation: 3, epoch: 200, kind: card.KindPhone, codeKey: 118_000_000, amount: 12_000, discount: 1_200, unionShare: 7,
		applied: []quotedOffer{{id: "nine", fen: 1_200, unionFen: 7, limits: []quotedLimit{{terms.PerDay, 1, noLimit}, {terms.PerMonth, noLimit, 5_000}}}},
		lines:   []int64{240, 240, 240, 240, 240}, items: [16]byte{1, 2, 3}}
}

func drawQuote(t *rapid.T) *quote {
	fen := rapid.Int64Range(0, 100_000_000)
	id := rapid.Int64Range(1, 1<<62)
	q := &quote{id: id.Draw(t, "id"), issuedAt: rapid.Int64Range(0, 1<<45).Draw(t, "issued"), terminal: id.Draw(t, "terminal"),
		outlet: id.Draw(t, "outlet"), merchant: id.Draw(t, "merchant"), contract: id.Draw(t, "contract"),
		terms: rapid.Int32Min(1).Draw(t, "terms"), floor: rapid.Int64Min(0).Draw(t, "floor"),
		serial: rapid.Int64Range(1, card.MaxSerial).Draw(t, "serial"), generation: uint16(rapid.IntRange(0, 999).Draw(t, "generation")), epoch: rapid.Byte().Draw(t, "epoch"),
		kind: card.CodeKind(rapid.IntRange(1, 3).Draw(t, "kind")), codeKey: rapid.Int64().Draw(t, "code"),
		amount: fen.Draw(t, "amount"), discount: fen.Draw(t, "discount"), unionShare: fen.Draw(t, "union")}
	copy(q.items[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "items"))
	q.applied = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) quotedOffer {
		return quotedOffer{id: rapid.StringMatching(`[a-z0-9_-]{1,32}`).Draw(t, "offer"), fen: fen.Draw(t, "fen"), unionFen: fen.Draw(t, "union"),
			limits: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) quotedLimit {
				return quotedLimit{terms.Period(rapid.IntRange(1, 4).Draw(t, "period")), rapid.Int64Min(noLimit).Draw(t, "uses"), rapid.Int64Min(noLimit).Draw(t, "fen")}
			}), 0, 4).Draw(t, "limits")}
	}), 0, 5).Draw(t, "applied")
	q.lines = rapid.SliceOfN(fen, 0, 40).Draw(t, "lines")
	return q
}

var quoteEqual = cmp.Options{cmp.AllowUnexported(quote{}, quotedOffer{}, quotedLimit{}), cmpopts.EquateEmpty()}

func TestQuoteDecodesToItself(t *testing.T) {
	t.Parallel()
	s := newTestSigner(t)
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuote(t)
		var got quote
		if err := s.decode(string(s.appendQuote(nil, q, noon)), &got, noon); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(q, &got, quoteEqual); diff != "" {
			t.Fatalf("(-quoted +decoded):\n%s", diff)
		}
	})
}

// TestQuoteAnyBit flips every bit of a token's bytes, and every character.
func TestQuoteAnyBit(t *testing.T) {
	t.Parallel()
	s := newTestSigner(t)
	token := s.appendQuote(nil, sampleQuote(), noon)
	var got quote
	for i := range token {
		for bit := range 8 {
			bad := append([]byte(nil), token...)
			bad[i] ^= 1 << bit
			if err := s.decode(string(bad), &got, noon); !errors.Is(err, ErrQuoteInvalid) {
				t.Fatalf("byte %d bit %d: %v", i, bit, err)
			}
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(string(token))
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			if err := s.decode(base64.RawURLEncoding.EncodeToString(raw), &got, noon); !errors.Is(err, ErrQuoteInvalid) {
				t.Fatalf("raw byte %d bit %d: %v", i, bit, err)
			}
			raw[i] ^= 1 << bit
		}
	}
	for name, bad := range map[string]string{
		"empty": "", "cut": string(token[:len(token)-1]), "longer": string(token) + "A", "line end": string(token) + "\n",
		"line end inside": string(token[:8]) + "\r\n" + string(token[8:]), "padded": string(token) + "=", "huge": string(make([]byte, maxToken+1)),
	} {
		if err := s.decode(bad, &got, noon); !errors.Is(err, ErrQuoteInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestQuoteKeysOverlap(t *testing.T) {
	t.Parallel()
	s := newTestSigner(t)
	old := string(s.appendQuote(nil, sampleQuote(), noon))
	if err := s.ring.Rotate(card.RingQuote, noon, QuoteLife, nil); err != nil {
		t.Fatal(err)
	}
	fresh := string(s.appendQuote(nil, sampleQuote(), noon))
	var q quote
	for _, c := range []struct {
		name, token string
		at          time.Time
		want        error
	}{
		{"old in the overlap", old, noon.Add(QuoteLife - time.Second), nil},
		{"old after it", old, noon.Add(QuoteLife), ErrQuoteInvalid},
		{"fresh", fresh, noon.Add(QuoteLife), nil},
	} {
		if err := s.decode(c.token, &q, c.at); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

// FuzzQuoteBody feeds bodies that carry a good signature: whatever they hold,
// they decode or not, but never panic, and what decodes encodes to itself.
func FuzzQuoteBody(f *testing.F) {
	f.Add(sampleQuote().appendBody(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		var q, again quote
		if !q.readBody(body) {
			return
		}
		if !again.readBody(q.appendBody(nil)) {
			t.Fatal("does not decode again")
		}
		if diff := cmp.Diff(q, again, quoteEqual); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzQuoteToken(f *testing.F) {
	s := newTestSigner(f)
	f.Add(string(s.appendQuote(nil, sampleQuote(), noon)))
	other := newTestSigner(f)
	f.Fuzz(func(t *testing.T, token string) {
		var q quote
		if err := other.decode(token, &q, noon); !errors.Is(err, ErrQuoteInvalid) {
			t.Fatalf("a token of another ring: %v", err)
		}
	})
}

// TestQuoteHidesTheCard: without a key nobody reads the card out of a token, or
// sees that two tokens are of one card.
func TestQuoteHidesTheCard(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{idle: true})
	hidden := map[string]bool{}
	for slot := range uint8(2) {
		for range 4 {
			ans := w.quote(w.till(1), w.phone(7, slot), 1_000)
			raw, err := base64.RawURLEncoding.DecodeString(string(ans.Token))
			w.must(err)
			var q quote
			if !q.readBody(raw[quoteHead : len(raw)-quoteTag]) {
				t.Fatal("the body is laid out otherwise than this test thinks")
			}
			if q.serial == 7 || q.generation == 1 && q.serial < card.MaxSerial {
				t.Errorf("without any key the till reads serial %d, generation %d", q.serial, q.generation)
			}
			hidden[string(raw[quoteHead+quoteID:][:quoteMasked])] = true
		}
	}
	if len(hidden) != 8 {
		t.Errorf("8 quotes of a card show %d values", len(hidden))
	}
}

func TestItemsHashTellsBasketsApart(t *testing.T) {
	t.Parallel()
	baskets := [][]terms.Item{
		nil,
		{{}},
		{{}, {}},
		{{SKU: "a", Category: "bc"}},
		{{SKU: "ab", Category: "c"}},
		{{SKU: "a"}, {SKU: "b"}},
		{{SKU: "b"}, {SKU: "a"}},
		{{QtyMilli: 1}}, {{UnitPriceFen: 1}}, {{AmountFen: 1}}, {{AmountFen: -1}},
	}
	seen := map[[16]byte]int{}
	for i, items := range baskets {
		h, _ := hashItems(nil, items)
		if j, ok := seen[h]; ok {
			t.Errorf("baskets %d and %d hash the same", i, j)
		}
		seen[h] = i
	}
}

func TestQuoteEncodeDoesNotAllocate(t *testing.T) {
	s, q, buf := newTestSigner(t), sampleQuote(), make([]byte, 0, 1024)
	s.appendQuote(buf, q, noon)
	if n := testing.AllocsPerRun(200, func() { s.appendQuote(buf[:0], q, noon) }); n > 0 && !raceDetector {
		t.Errorf("%v allocations", n)
	}
}
