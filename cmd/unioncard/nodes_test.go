package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card"
	"unioncard/cmd/unioncard/demo"
	"unioncard/merchant"
	"unioncard/merchant/terms"
	"unioncard/migrations/pgtest"
)

// province is a small province: one shop, one contract, some cards.
type province struct {
	pool     *pgxpool.Pool
	keyring  *card.Keyring
	codes    *card.Codes
	outlet   int64
	contract int64
	first    int64 // serial of the first card
}

var testBy = merchant.By{Actor: "test", Reason: "test"}

func newProvince(t *testing.T) *province {
	t.Helper()
	ctx := t.Context()
	p := &province{pool: pgtest.New(t)}
	var err error
	if p.keyring, err = card.NewKeyring(time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	p.codes = card.NewCodes(p.keyring, card.Prefix, func(int64) (uint16, uint8, bool) { return 0, 0, false })
	cards := card.NewStore(p.pool, card.StoreOptions{})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	unions, err := cards.SeedUnions(ctx, card.By{Actor: "test", Reason: "test"})
	must(err)
	p.first, err = cards.BulkLoad(ctx, card.By{Actor: "test", Reason: "test"}, 100, card.BulkOptions{}, func(_ int, r *card.BulkRow) {
		*r = card.BulkRow{UnionID: unions[410102], Territory: 410102, Name: "王小明", ValidUntil: card.MonthOf(time.Now()) + 12}
	})
	must(err)
	store := merchant.NewStore(p.pool, time.Now)
	id, err := store.CreateMerchant(ctx, testBy, merchant.NewMerchant{OfficeID: unions[410100], Name: "测试超市", Trade: merchant.TradeShopping})
	must(err)
	p.outlet, err = store.CreateOutlet(ctx, testBy, merchant.NewOutlet{MerchantID: id, Name: "测试超市一店", Territory: 410102})
	must(err)
	from := time.Now().Add(-time.Minute)
	p.contract, err = store.CreateContract(ctx, testBy, merchant.NewContract{
		MerchantID: id, OfficeID: unions[410100], ValidFrom: from, ValidUntil: from.AddDate(1, 0, 0), RefundTail: 24 * time.Hour})
	must(err)
	var categories []merchant.Category
	for _, it := range demo.Basket("shopping") {
		categories = append(categories, merchant.Category{Code: it.Category, Name: it.Category})
	}
	for i := range categories {
		_, err = store.PublishCategories(ctx, testBy, categories[i:i+1], nil)
		must(err)
	}
	doc := terms.Terms{V: terms.Version, Offers: []terms.Offer{{ID: "base", Title: "9折", FundingBP: 10000,
		Benefit: terms.Benefit{Kind: terms.KindPercent, RateBP: 9000}}}}
	raw, err := doc.Canonical()
	must(err)
	_, err = store.PublishTerms(ctx, testBy, p.contract, raw, from)
	must(err)
	must(store.ActivateContract(ctx, testBy, p.contract))
	return p
}

// start runs one node on a port of its own until the test ends.
func (p *province) start(t *testing.T, redis string) *simTill {
	t.Helper()
	cfg, err := parseConfig([]string{"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--keyring-file", "unused",
		"--nodes", "2", "--redis-url", redis, "--database-url", "postgres://unused",
		"--public-url", "http://card.example.org"}, nil, modeServe)
	if err != nil {
		t.Fatal(err)
	}
	n, err := newNode(t.Context(), cfg, p.pool, p.keyring, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	code, err := n.merchants.IssueActivationCode(t.Context(), testBy, p.outlet)
	if err != nil {
		t.Fatal(err)
	}
	sim := &simulation{base: "http://" + n.apiAt.Addr().String(), http: http.DefaultClient}
	till := &simTill{sim: sim, outlet: p.outlet, trade: "shopping"}
	if err := till.activate(t.Context(), code.Code); err != nil {
		t.Fatal(err)
	}
	return till
}

// ask makes one call and returns its status, its problem code and its body.
func (t *simTill) ask(tb testing.TB, path, key string, body any) (status int, code string, answer map[string]any) {
	tb.Helper()
	header, err := t.bearer(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	if key != "" {
		header.Set("Idempotency-Key", key)
	}
	status, err = t.call(tb.Context(), http.MethodPost, path, header, body, &answer)
	if err != nil {
		tb.Fatal(err)
	}
	code, _ = answer["code"].(string)
	return status, code, answer
}

func (p *province) show(serial int64, slot uint8) map[string]any {
	return map[string]any{"code": p.codes.PhoneCode(serial, 1, 0, slot, time.Now()), "amount_fen": 10000}
}

func quoteOf(tb testing.TB, answer map[string]any) string {
	tb.Helper()
	quote, _ := answer["quote"].(map[string]any)
	token, _ := quote["token"].(string)
	if token == "" {
		tb.Fatalf("no quote in %v", answer)
	}
	return token
}

// TestTwoNodes: what one node commits, the other's purchases obey at once and its
// verifications within a second (invariant 4); a code is bound and used on both.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	p, redis := newProvince(t), pgtest.RedisURL(t)
	a, b := p.start(t, redis), p.start(t, redis)
	cards := card.NewStore(p.pool, card.StoreOptions{})
	merchants := merchant.NewStore(p.pool, time.Now)
	for i, c := range []struct {
		name, purchase, verification string
		do, undo                     func(ctx context.Context, serial int64) error
	}{
		{"card lost", "card_lost", "card_lost",
			func(ctx context.Context, s int64) error {
				return cards.ReportLost(ctx, card.By{Actor: "test", Reason: "lost"}, s)
			}, nil},
		{"contract suspended", "contract_suspended", "contract_suspended",
			func(ctx context.Context, _ int64) error { return merchants.SuspendContract(ctx, testBy, p.contract) },
			func(ctx context.Context, _ int64) error { return merchants.ResumeContract(ctx, testBy, p.contract) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			serial := p.first + int64(i)
			status, code, answer := b.ask(t, "/v1/verifications", "", p.show(serial, 0))
			if status != http.StatusOK {
				t.Fatalf("verification: %d %s", status, code)
			}
			if err := c.do(t.Context(), serial); err != nil {
				t.Fatal(err)
			}
			changed := time.Now()
			status, code, _ = b.ask(t, "/v1/purchases", rand.Text(), map[string]any{"quote": quoteOf(t, answer)})
			if code != c.purchase {
				t.Errorf("purchase right after the change: %d %s, want %s", status, code, c.purchase)
			}
			for {
				_, code, _ = b.ask(t, "/v1/verifications", "", p.show(serial, 0))
				if code == c.verification {
					break
				}
				if late := time.Since(changed); late > time.Second {
					t.Fatalf("verification still answers %q %v after the change", code, late)
				}
			}
			if c.undo != nil {
				if err := c.undo(t.Context(), serial); err != nil {
					t.Fatal(err)
				}
				for code != "" { // the resumed contract comes back by the same feed
					_, code, _ = b.ask(t, "/v1/verifications", "", p.show(serial, 1))
				}
			}
		})
	}
	t.Run("one code, two tills", func(t *testing.T) {
		var shown, answer map[string]any
		var status int
		var code string
		// A Redis that is slow for a moment, as on a machine full of tests, makes a
		// node go by its own memory for a while, so that nobody waits: try again then.
		again := time.NewTicker(200 * time.Millisecond)
		defer again.Stop()
		for serial := p.first + 40; ; serial++ {
			shown = p.show(serial, 0)
			status, code, answer = a.ask(t, "/v1/verifications", "", shown)
			for code == "contract_suspended" { // the first node too learns of the resumption by the feed
				status, code, answer = a.ask(t, "/v1/verifications", "", shown)
			}
			if status != http.StatusOK {
				t.Fatalf("first till: %d %s", status, code)
			}
			status, code, _ = b.ask(t, "/v1/verifications", "", shown)
			if code == "code_bound" {
				break
			}
			if serial == p.first+90 {
				t.Fatalf("second till: %d %s, want code_bound", status, code)
			}
			<-again.C
		}
		if status, code, _ = b.ask(t, "/v1/purchases", rand.Text(), map[string]any{"quote": quoteOf(t, answer)}); code != "quote_other_terminal" {
			t.Errorf("another till's quote: %d %s", status, code)
		}
		key := rand.Text()
		if status, code, _ = a.ask(t, "/v1/purchases", key, map[string]any{"quote": quoteOf(t, answer)}); status != http.StatusCreated {
			t.Errorf("purchase: %d %s", status, code)
		}
		if status, code, _ = a.ask(t, "/v1/verifications", "", shown); code != "code_used" {
			t.Errorf("a used code: %d %s", status, code)
		}
	})
}

// TestDrain: a node told to stop finishes what it has begun; nothing that was
// acknowledged is missing and nothing is half done.
func TestDrain(t *testing.T) {
	t.Parallel()
	p := newProvince(t)
	cfg, err := parseConfig([]string{"--data", "unused", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, nil, modeRun)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Nodes = 1
	n, err := newNode(t.Context(), cfg, p.pool, p.keyring, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	defer stop()
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	code, err := n.merchants.IssueActivationCode(t.Context(), testBy, p.outlet)
	if err != nil {
		t.Fatal(err)
	}
	till := &simTill{sim: &simulation{base: "http://" + n.apiAt.Addr().String(), http: &http.Client{}}, key: private}
	if err := till.activate(t.Context(), code.Code); err != nil {
		t.Fatal(err)
	}
	quotes := make([]string, 40)
	for i := range quotes {
		_, _, answer := till.ask(t, "/v1/verifications", "", p.show(p.first+int64(i), 0))
		quotes[i] = quoteOf(t, answer)
	}
	header, err := till.bearer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	acknowledged := make(chan bool, len(quotes))
	for i, q := range quotes {
		go func() {
			h := header.Clone()
			h.Set("Idempotency-Key", "drain-"+base64.RawURLEncoding.EncodeToString([]byte{byte(i)}))
			var answer json.RawMessage
			status, err := till.call(context.WithoutCancel(t.Context()), http.MethodPost, "/v1/purchases", h, map[string]any{"quote": q}, &answer)
			acknowledged <- err == nil && status == http.StatusCreated
		}()
		if i == len(quotes)/2 {
			stop()
		}
	}
	acks := 0
	for range quotes {
		if <-acknowledged {
			acks++
		}
	}
	if err := <-done; err != nil {
		t.Errorf("the node ended with %v", err)
	}
	var stored int
	if err := p.pool.QueryRow(t.Context(), `SELECT count(*) FROM purchases`).Scan(&stored); err != nil {
		t.Fatal(err)
	}
	if acks != stored {
		t.Errorf("%d purchases acknowledged, %d stored", acks, stored)
	}
}
