package webhook_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/merchant"
	"unioncard/merchant/application"
	"unioncard/migrations/pgtest"
	"unioncard/settlement/webhook"
)

var by = merchant.By{Actor: "merchant:1", Reason: "test"}

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is two merchants in a database of the test's own.
type world struct {
	t     testing.TB
	pool  *pgxpool.Pool
	clock *clock
	store *webhook.Store
}

func vault() *application.Vault {
	return application.NewVault(func() []application.VaultKey {
		return []application.VaultKey{{ID: 1, Secret: bytes.Repeat([]byte{7}, 32)}}
	})
}

// newWorld has a store that takes inner addresses, where the tests' targets are.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, pool: pgtest.New(t), clock: &clock{now: time.Now().UTC().Truncate(time.Millisecond)}}
	w.store = webhook.NewStore(w.pool, webhook.Options{Vault: vault(), Clock: w.clock.Now, Private: true})
	w.exec(`INSERT INTO unions (id, kind, name, parent_id, path, division, territory) VALUES (1, 'province', '河南省总工会', NULL, '/1/', 410000, 410000)`)
	w.exec(`INSERT INTO merchants (id, office_id, name, trade) VALUES (1, 1, '甲', 'catering'), (2, 1, '乙', 'catering')`)
	return w
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.pool.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func count[T any](w *world, sql string, args ...any) (v T) {
	w.t.Helper()
	w.must(w.pool.QueryRow(w.t.Context(), sql, args...).Scan(&v))
	return v
}

// buy records a purchase of a merchant that began at a moment.
func (w *world) buy(merchantID int64, at time.Time) uuid.UUID {
	w.t.Helper()
	id := webhook.FirstID(at)
	random := uuid.New()
	copy(id[8:], random[8:])
	w.exec(`INSERT INTO purchases (merchant_id, id, terminal_id, idem_key, request_hash, state, outlet_id, contract_id, terms_version,
		card_serial, code_kind, code_key, quote_id, quoted_at, amount_fen, discount_fen, union_share_fen, applied, merchant_ref, business_day, committed_at)
		VALUES ($1, $2, 1, $3, '', 1, 5, 1, 1, 77, 1, 1, 1, $4, 10000, 1000, 400, '[]', 'R-1', '2026-11-20', $4)`, merchantID, id, id.String(), at)
	return id
}

// undo records an undoing of a purchase at a moment.
func (w *world) undo(merchantID int64, id uuid.UUID, seq, kind int, at time.Time) {
	w.t.Helper()
	w.exec(`INSERT INTO purchase_undos (merchant_id, purchase_id, seq, kind, terminal_id, request_hash, returned_fen, given_back_fen, union_back_fen, reason, answer, business_day, at)
		VALUES ($1, $2, $3, $4, 1, '', 900, 100, 40, '不想要了', '{}', '2026-11-21', $5)`, merchantID, id, seq, kind, at)
}

// collect reads until there is nothing more.
func (w *world) collect() (made int) {
	w.t.Helper()
	for {
		n, more, err := w.store.Collect(w.t.Context())
		w.must(err)
		made += n
		if !more {
			return made
		}
	}
}

func allEvents() (out []string) {
	for _, e := range webhook.Events() {
		out = append(out, e.Type)
	}
	return out
}

func (w *world) endpoint(merchantID int64, url string) (id int64, secret string) {
	w.t.Helper()
	id, secret, err := w.store.Create(w.t.Context(), by, merchantID, webhook.Draft{Name: "收银系统", URL: url, Events: allEvents()})
	w.must(err)
	return id, secret
}

func (w *world) get(id int64) *webhook.Endpoint {
	w.t.Helper()
	e, err := w.store.Get(w.t.Context(), 1, id)
	w.must(err)
	return e
}

// got is a request that a target was sent.
type got struct {
	ID, Type, Body string
	Signatures     []string
	At             string
}

// target is a receiver; answer decides what it says, nil is 204.
type target struct {
	*httptest.Server
	mu     sync.Mutex
	got    []got
	answer func(w http.ResponseWriter, r *http.Request)
}

func newTarget(t testing.TB, answer func(w http.ResponseWriter, r *http.Request)) *target {
	t.Helper()
	out := &target{answer: answer}
	out.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		var doc struct{ Type string }
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Error(err)
		}
		out.mu.Lock()
		out.got = append(out.got, got{r.Header.Get("webhook-id"), doc.Type, string(body),
			strings.Fields(r.Header.Get("webhook-signature")), r.Header.Get("webhook-timestamp")})
		say := out.answer
		out.mu.Unlock()
		if say == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		say(w, r)
	}))
	out.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	out.StartTLS()
	t.Cleanup(out.Close)
	return out
}

func (r *target) say(answer func(w http.ResponseWriter, r *http.Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *target) all() []got {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func status(code int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// sender is a node's sender that believes the target's certificate.
func (w *world) sender(targets ...*target) *webhook.Sender {
	roots := x509.NewCertPool()
	for _, r := range targets {
		roots.AddCert(r.Certificate())
	}
	return webhook.NewSender(w.store, webhook.SenderOptions{Logger: slog.New(slog.NewTextHandler(w.t.Output(), nil)), Roots: roots})
}

// turn lets a sender do what is due, to the end.
func (w *world) turn(s *webhook.Sender) {
	w.t.Helper()
	for {
		again, err := s.Turn(w.t.Context())
		w.must(err)
		s.Wait()
		if !again {
			return
		}
	}
}

// signed computes a signature as Standard Webhooks tells receivers to.
func signed(t testing.TB, secret string, g got) string {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || !strings.HasPrefix(secret, "whsec_") || len(key) < 24 {
		t.Fatalf("not a secret: %q", secret)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", g.ID, g.At, g.Body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
