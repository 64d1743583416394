package phone_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/api"
	"unioncard/api/console"
	phoneapi "unioncard/api/phone"
	"unioncard/card"
	"unioncard/card/feed"
	"unioncard/card/member"
	"unioncard/card/personal"
	"unioncard/card/phone"
	"unioncard/card/phone/push"
	"unioncard/card/phone/sms"
	"unioncard/card/union"
	"unioncard/merchant"
	"unioncard/migrations/pgtest"
	"unioncard/settlement/budget/voucher"
	"unioncard/settlement/report"
)

var by = card.By{Actor: "cli:test", Reason: "test"}

// rig is the service for phones over a database with two members and their cards.
type rig struct {
	t       testing.TB
	pool    *pgxpool.Pool
	traced  *tracer
	cards   *card.Store
	members *member.Store
	phones  *phone.Store
	vault   *personal.Vault
	keys    *card.Keyring
	state   *merchant.State
	trees   *card.Unions
	hub     *push.Hub
	claims  *voucher.Claimer
	codes   *card.Codes
	table   *card.Table
	feeds   []feed.Source
	sent    chan sms.Message
	log     *bytes.Buffer
	server  *http.Server
	url     string
	shift   atomic.Int64 // ns
	union   int64        // a grassroots union
	office  int64        // of its county
}

// changes of a rig before it starts.
type changes struct {
	limits  func(*phone.Limits)
	server  func(*http.Server)
	handler func(*phoneapi.Options)
	streams int
	counts  phone.Counts
}

// outbox takes what is sent, as a provider would.
type outbox chan sms.Message

func (o outbox) Send(_ context.Context, m sms.Message) error {
	o <- m
	return nil
}

// tracer notes the statements of a pool.
type tracer struct {
	mu     sync.Mutex
	said   []string
	looked chan struct{} // one for each look whether a number is a member's
}

func (t *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.said = append(t.said, d.SQL)
	if strings.HasPrefix(d.SQL, "SELECT id FROM members") {
		select {
		case t.looked <- struct{}{}:
		default: // nobody counts
		}
	}
	return ctx
}

func (t *tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (t *tracer) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	said := t.said
	t.said = nil
	return said
}

func (r *rig) now() time.Time { return time.Now().Add(time.Duration(r.shift.Load())) }

// pass moves the service's clock on.
func (r *rig) pass(d time.Duration) { r.shift.Add(int64(d)) }

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func newRig(t testing.TB, c changes) *rig {
	t.Helper()
	r := &rig{t: t, pool: pgtest.New(t), traced: &tracer{looked: make(chan struct{}, 100)}, sent: make(chan sms.Message, 1000), log: &bytes.Buffer{}}
	ctx := t.Context()
	config := r.pool.Config().Copy()
	config.ConnConfig.Tracer = r.traced
	watched, err := pgxpool.NewWithConfig(ctx, config)
	r.must(err)
	t.Cleanup(watched.Close)
	logger := slog.New(slog.NewTextHandler(&lockedWriter{w: r.log}, nil))
	vault, err := personal.Open(ctx, r.pool, personal.StaticKEK(1, bytes.Repeat([]byte{7}, 32)), personal.Options{})
	r.must(err)
	r.vault = vault
	r.cards = card.NewStore(r.pool, card.StoreOptions{})
	unions, err := r.cards.SeedUnions(ctx, by)
	r.must(err)
	u, err := r.cards.CreateUnion(ctx, by, union.Union{Kind: union.Grassroots, Name: "某某厂工会", ParentID: unions[410105], Active: true})
	r.must(err)
	r.union, r.office = u.ID, unions[410105]
	keys, err := card.NewKeyring(time.Now().Add(-30*24*time.Hour), nil)
	r.must(err)
	r.table = card.NewTable()
	state, trees := merchant.NewState(r.now, logger), card.NewUnions()
	r.keys, r.state, r.trees = keys, state, trees
	r.feeds = []feed.Source{card.NewUnionSource(trees), card.NewSource(r.table), merchant.NewSource(state)}
	r.codes = card.NewCodes(keys, card.Prefix, r.table.Lookup)
	limits := phone.DefaultLimits()
	if c.limits != nil {
		c.limits(&limits)
	}
	if c.counts == nil {
		c.counts = phone.NewMemoryCounts()
	}
	r.phones = phone.NewStore(watched, phone.Options{
		Vault: vault, Cards: card.NewStore(watched, card.StoreOptions{}), Codes: r.codes, Keyring: keys, Sender: outbox(r.sent),
		Counts: c.counts, Limits: limits, Clock: r.now, Logger: logger,
	})
	r.members = member.NewStore(r.pool, vault, r.cards, member.Options{Clock: r.now, Sources: []member.Source{r.phones.Source()}})
	r.hub = push.NewHub(push.Options{Look: r.table.Get, Max: c.streams})
	r.reload()
	r.claims = voucher.NewClaimer(r.pool, voucher.ClaimerOptions{Tree: trees.Tree, Limits: limits})
	o := phoneapi.Options{Phones: r.phones, Claims: r.claims, Hub: r.hub, Reports: report.NewStore(watched, r.now), Codes: r.codes, Merchants: state, Tree: trees.Tree, Clock: r.now}
	if c.handler != nil {
		c.handler(&o)
	}
	handler := api.NewRouter(api.Deps{Merchants: state, Keyring: keys, Clock: r.now, Logger: logger,
		People: &api.People{Console: console.New(console.Options{}), Phone: phoneapi.New(o)}})
	r.server = api.NewServer("", handler)
	r.server.RegisterOnShutdown(r.hub.Close)
	if c.server != nil {
		c.server(r.server)
	}
	r.serve()
	return r
}

// serve runs the server and the store's posters until the test ends.
func (r *rig) serve() {
	var lc net.ListenConfig
	at, err := lc.Listen(r.t.Context(), "tcp", "127.0.0.1:0")
	r.must(err)
	r.url = "http://" + at.Addr().String()
	var all sync.WaitGroup
	all.Go(func() { _ = r.server.Serve(at) })
	ctx, stop := context.WithCancel(context.WithoutCancel(r.t.Context()))
	all.Go(func() { _ = r.phones.Run(ctx) })
	all.Go(func() { _ = r.claims.Run(ctx) })
	r.t.Cleanup(func() {
		r.hub.Close()
		_ = r.server.Close()
		stop()
		all.Wait()
	})
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// reload brings the node's view up to date.
func (r *rig) reload() {
	r.t.Helper()
	r.must(feed.NewReader(r.pool, r.feeds, feed.Options{}).Load(r.t.Context()))
}

// numberOf is the phone number of the n-th member.
func numberOf(n int) string { return fmt.Sprintf("138%08d", n) }

// enroll registers a member and issues an active card.
func (r *rig) enroll(n int) (memberID int64, c card.Card) {
	r.t.Helper()
	memberID, c = r.enrollQuietly(n)
	r.reload()
	return memberID, c
}

// enrollQuietly leaves it to the caller to bring the view up to date.
func (r *rig) enrollQuietly(n int) (memberID int64, c card.Card) {
	r.t.Helper()
	id, err := r.members.Register(r.t.Context(), by, r.union, personal.Person{ResidentID: residentID(n), Phone: numberOf(n), Name: "欧阳建国"}, 0)
	r.must(err)
	c, err = r.cards.Issue(r.t.Context(), by, id, card.MonthOf(time.Now().AddDate(2, 0, 0)))
	r.must(err)
	return id, c
}

// residentID is the n-th of a made-up row of them (GB 11643).
func residentID(n int) string {
	s := fmt.Sprintf("410105%s%03d", time.Date(1980, 1, 1+n/1000%9000, 0, 0, 0, 0, time.UTC).Format("20060102"), n%1000)
	weights := []int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for i, w := range weights {
		sum += int(s[i]-'0') * w
	}
	return s + string("10X98765432"[sum%11])
}

// mobile is a phone: a browser with a jar and a key of its own.
type mobile struct {
	r      *rig
	client *http.Client
	key    *ecdsa.PrivateKey
	number string

	enrolment int64
	renewal   string
	keys      []wireKey
	epoch     string
}

type wireKey struct {
	Week  int64  `json:"week"`
	Slot  int    `json:"slot"`
	Alias string `json:"alias"`
	Key   []byte `json:"key"`
}

func (r *rig) mobile(n int) *mobile {
	r.t.Helper()
	jar, err := cookiejar.New(nil)
	r.must(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	r.must(err)
	return &mobile{r: r, client: &http.Client{Jar: jar, Timeout: 20 * time.Second}, key: key, number: numberOf(n)}
}

// copied is another browser with all that this one stored: a copied profile.
func (m *mobile) copied() *mobile {
	c := *m
	return &c
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a *answer) code() string {
	var p struct{ Code string }
	_ = json.Unmarshal(a.body, &p)
	return p.Code
}

func (a *answer) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
}

// call sends v as JSON; nil sends no body.
func (m *mobile) call(method, path string, v any) *answer {
	m.r.t.Helper()
	var body io.Reader
	if v != nil {
		b, err := json.Marshal(v)
		m.r.must(err)
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(m.r.t.Context(), method, m.r.url+path, body)
	m.r.must(err)
	if v != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return m.do(req)
}

func (m *mobile) do(req *http.Request) *answer {
	m.r.t.Helper()
	res, err := m.client.Do(req)
	m.r.must(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	m.r.must(err)
	return &answer{res.StatusCode, res.Header, b}
}

// want fails unless the answer is of that status and, of a problem, that code.
func (a *answer) want(t testing.TB, status int, code string) *answer {
	t.Helper()
	if a.status != status || a.code() != code {
		t.Fatalf("answer %d %s, want %d %s: %s", a.status, a.code(), status, code, a.body)
	}
	return a
}

func (m *mobile) askCode() *answer {
	m.r.t.Helper()
	return m.call("POST", "/m/api/code", map[string]string{"phone": m.number})
}

// received waits for the code that was sent to this phone.
func (m *mobile) received() string {
	m.r.t.Helper()
	select {
	case got := <-m.r.sent:
		if got.Phone != m.number {
			m.r.t.Fatalf("a code went to another number")
		}
		return got.Code
	case <-time.After(20 * time.Second):
		m.r.t.Fatal("no code was sent")
	}
	return ""
}

func (m *mobile) trySignIn(code string) *answer {
	m.r.t.Helper()
	return m.call("POST", "/m/api/session", map[string]string{"phone": m.number, "code": code})
}

// signIn goes the whole way; the wait between two codes has passed.
func (m *mobile) signIn() *mobile {
	m.r.t.Helper()
	m.r.pass(2 * time.Minute)
	m.askCode().want(m.r.t, 202, "")
	m.trySignIn(m.received()).want(m.r.t, 200, "")
	return m
}

func (m *mobile) tryEnrol(takeover bool) *answer {
	m.r.t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&m.key.PublicKey)
	m.r.must(err)
	a := m.call("POST", "/m/api/enrol", map[string]any{"device_key": base64.StdEncoding.EncodeToString(der), "takeover": takeover})
	m.take(a)
	return a
}

func (m *mobile) proof(renewal string) string {
	m.r.t.Helper()
	sum := sha256.Sum256([]byte(renewal))
	rr, ss, err := ecdsa.Sign(rand.Reader, m.key, sum[:])
	m.r.must(err)
	return base64.StdEncoding.EncodeToString(append(rr.FillBytes(make([]byte, 32)), ss.FillBytes(make([]byte, 32))...))
}

// renew fetches keys as the page does.
func (m *mobile) renew() *answer {
	m.r.t.Helper()
	a := m.call("POST", "/m/api/keys", map[string]any{"enrolment": m.enrolment, "renewal": m.renewal, "proof": m.proof(m.renewal)})
	m.take(a)
	return a
}

// take keeps what the page would keep of an answer with keys.
func (m *mobile) take(a *answer) {
	m.r.t.Helper()
	if a.status != 200 {
		return
	}
	var got struct {
		Enrolment int64
		Renewal   string
		Epoch     string
		Keys      []wireKey
	}
	a.into(m.r.t, &got)
	m.enrolment, m.renewal, m.keys, m.epoch = got.Enrolment, got.Renewal, got.Keys, got.Epoch
}

// enrolled is a phone that shows codes.
func (r *rig) enrolled(n int) *mobile {
	r.t.Helper()
	m := r.mobile(n).signIn()
	m.tryEnrol(false).want(r.t, 200, "")
	return m
}

type me struct {
	Member struct {
		ID    int64
		Name  string
		Union string
		Own   string `json:"own_union"`
	}
	Card *struct {
		Number, Status, Epoch string
		PrintedActive         bool `json:"printed_active"`
	}
	Enrolled string
	Why      string
	Saved    int64 `json:"purchases_saved_fen"`
}

func (m *mobile) me() (out me) {
	m.r.t.Helper()
	m.call("GET", "/m/api/me", nil).want(m.r.t, 200, "").into(m.r.t, &out)
	return out
}

// logged says whether the log holds a text.
func (r *rig) logged(s string) bool { return strings.Contains(r.log.String(), s) }
