package terminal_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/api"
	"unioncard/card"
	"unioncard/card/feed"
	"unioncard/card/union"
	"unioncard/merchant"
	"unioncard/migrations/pgtest"
	"unioncard/settlement/purchase"
)

const (
	jinshui   = 410105 // 金水区, in Zhengzhou
	zhengzhou = 410100
)

var (
	byCLI   = merchant.By{Actor: "cli:test", Reason: "test"}
	byCards = card.By{Actor: "cli:test", Reason: "test"}
)

// testTerms: 8.8折 on everything, or once a day 20 yuan off from 50 on,
// whichever is better.
const testTerms = `{"v":1,"offers":[
	{"id":"all88","title":"会员8.8折","benefit":{"kind":"percent","rate_bp":8800},"funding_bp":10000},
	{"id":"once","title":"每日一次满50减20","benefit":{"kind":"amount_off","at_fen":5000,"off_fen":2000},
	 "limits":[{"per":"day","uses":1}],"funding_bp":10000}]}`

// rig is the whole service on a database of its own, with one merchant of two
// outlets, another merchant, and cards.
type rig struct {
	t       testing.TB
	ctx     context.Context
	pool    *pgxpool.Pool
	line    line // to the database
	url     string
	handler http.Handler
	shift   atomic.Int64 // how far the service's clock is ahead of the real one, ns
	codes   *card.Codes
	keys    *card.Keyring
	cards   *card.Store
	table   *card.Table
	shops   *merchant.Store
	state   *merchant.State
	unions  map[int32]int64
	members int64 // a grassroots union

	merchant, outlet, outlet2, contract int64
	otherMerchant, otherOutlet          int64
	age                                 atomic.Int64 // added to the age of the view, ns
	keyNo                               atomic.Int64
}

// now is the service's clock.
func (r *rig) now() time.Time { return time.Now().Add(time.Duration(r.shift.Load())) }

// pass moves the service's clock on.
func (r *rig) pass(d time.Duration) { r.shift.Add(int64(d)) }

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, ctx: t.Context()}
	r.pool = r.line.through(t, pgtest.New(t))
	r.cards = card.NewStore(r.pool, card.StoreOptions{})
	r.shops = merchant.NewStore(r.pool, r.now)
	var err error
	r.unions, err = r.cards.SeedUnions(r.ctx, byCards)
	r.must(err)
	u, err := r.cards.CreateUnion(r.ctx, byCards, union.Union{
		Kind: union.Grassroots, Name: "测试公司工会", ParentID: r.unions[jinshui], Territory: jinshui, Active: true})
	r.must(err)
	r.members = u.ID
	r.merchant, r.contract = r.newMerchant("老郑州烩面", testTerms)
	r.outlet = r.newOutlet(r.merchant, "花园路店")
	r.outlet2 = r.newOutlet(r.merchant, "经三路店")
	r.otherMerchant, _ = r.newMerchant("别家超市", testTerms)
	r.otherOutlet = r.newOutlet(r.otherMerchant, "别家店")
	r.start()
	return r
}

// start runs the service as cmd does, in this process.
func (r *rig) start() {
	r.t.Helper()
	logger := slog.New(slog.NewJSONHandler(io.Discard, nil))
	var err error
	r.keys, err = card.NewKeyring(r.now().Add(-30*24*time.Hour), nil)
	r.must(err)
	r.table, r.state = card.NewTable(), merchant.NewState(r.now, logger)
	trees := card.NewUnions()
	reader := feed.NewReader(r.pool, []feed.Source{
		card.NewUnionSource(trees), card.NewSource(r.table), merchant.NewSource(r.state),
	}, feed.Options{})
	r.must(reader.Load(r.ctx))
	r.codes = card.NewCodes(r.keys, card.Prefix, r.table.Lookup)
	age := func() time.Duration { return reader.Age(time.Now()) + time.Duration(r.age.Load()) }
	bindings := card.NewMemoryBindings()
	journal := purchase.NewJournal(r.pool, purchase.JournalOptions{Clock: r.now, Logger: logger})
	committer := purchase.NewCommitter(r.pool, purchase.CommitterOptions{
		Table: r.table, Tree: trees.Tree, Merchants: r.state, Keyring: r.keys, Bindings: bindings, Age: age, Clock: r.now, Logger: logger,
	})
	verifier := purchase.NewVerifier(purchase.VerifierOptions{
		Codes: r.codes, Guard: card.NewMemoryGuard(card.DefaultGuardOptions()), Bindings: bindings, Table: r.table,
		Tree: trees.Tree, Merchants: r.state, Numbers: r.cards, Journal: journal, Keyring: r.keys, Age: age, Clock: r.now,
	})
	r.handler = api.NewRouter(api.Deps{
		Verifier: verifier, Committer: committer, Desk: purchase.NewDesk(r.pool, purchase.DeskOptions{Logger: logger}),
		Merchants: r.state, MerchantStore: r.shops, Keyring: r.keys, Clock: r.now, Logger: logger,
	})
	server := httptest.NewServer(r.handler)
	r.url = server.URL
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{reader.Run, committer.Run, journal.Run} {
		running.Go(func() {
			if err := run(ctx); err != nil {
				r.t.Error(err)
			}
		})
	}
	r.t.Cleanup(func() {
		server.Close()
		stop()
		running.Wait()
	})
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// newMerchant registers a merchant with an active contract of this year.
func (r *rig) newMerchant(name, doc string) (id, contract int64) {
	r.t.Helper()
	id, err := r.shops.CreateMerchant(r.ctx, byCLI, merchant.NewMerchant{
		OfficeID: r.unions[zhengzhou], Name: name, Trade: merchant.TradeCatering})
	r.must(err)
	from := r.now().Add(-100 * 24 * time.Hour)
	contract, err = r.shops.CreateContract(r.ctx, byCLI, merchant.NewContract{
		MerchantID: id, OfficeID: r.unions[zhengzhou], ValidFrom: from, ValidUntil: from.Add(365 * 24 * time.Hour),
		RefundTail: 30 * 24 * time.Hour})
	r.must(err)
	_, err = r.shops.PublishTerms(r.ctx, byCLI, contract, []byte(doc), time.Time{})
	r.must(err)
	r.must(r.shops.ActivateContract(r.ctx, byCLI, contract))
	return id, contract
}

func (r *rig) newOutlet(merchantID int64, name string) int64 {
	r.t.Helper()
	id, err := r.shops.CreateOutlet(r.ctx, byCLI, merchant.NewOutlet{MerchantID: merchantID, Name: name, Territory: jinshui})
	r.must(err)
	return id
}

// newCard enrolls a member and issues a card, and waits until the view has it.
func (r *rig) newCard() card.Card {
	r.t.Helper()
	m, err := r.cards.Enroll(r.ctx, byCards, card.NewMember{UnionID: r.members, Name: "张小红"})
	r.must(err)
	c, err := r.cards.Issue(r.ctx, byCards, m, card.MonthOf(r.now().AddDate(2, 0, 0)))
	r.must(err)
	r.await("the card in the view", func() bool { _, _, ok := r.table.Lookup(c.Serial); return ok })
	return c
}

// phone is the code that the card's phone shows now in one of its slots.
func (r *rig) phone(c card.Card, slot uint8) string {
	return r.codes.PhoneCode(c.Serial, c.Generation, c.PhoneEpoch, slot, r.now())
}

// await waits for a change to reach the view, as the feed's reader brings it.
func (r *rig) await(what string, done func() bool) {
	r.t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline.C:
			r.t.Fatalf("timed out waiting for %s", what)
		}
	}
}

// till is a client of the rig: a terminal or a POS server with its own key.
type till struct {
	*rig
	id       int64
	clientID string
	private  ed25519.PrivateKey
	token    string
	outlet   int64 // 0 for a POS server
}

// newTill activates a terminal of an outlet and gets it a token, all over HTTP.
func (r *rig) newTill(outlet int64) *till {
	r.t.Helper()
	code, err := r.shops.IssueActivationCode(r.ctx, byCLI, outlet)
	r.must(err)
	return r.activate(code.Code)
}

// newPOSServer activates a POS server of a merchant.
func (r *rig) newPOSServer(merchantID int64) *till {
	r.t.Helper()
	code, err := r.shops.IssuePOSActivationCode(r.ctx, byCLI, merchantID)
	r.must(err)
	return r.activate(code.Code)
}

func (r *rig) activate(code string) *till {
	r.t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	r.must(err)
	a := r.send(request{method: "POST", path: "/v1/terminals/activate", body: object{"code": code, "public_key": encodeKey(public)}})
	a.is(201)
	t := &till{rig: r, private: private, clientID: a.text("client_id"), id: int64(a.number("terminal"))}
	if outlet, ok := a.json["outlet"].(float64); ok {
		t.outlet = int64(outlet)
	}
	t.renew()
	return t
}

// renew gets the till a new token.
func (t *till) renew() {
	t.t.Helper()
	a := t.tokenFor(t.assertion(nil))
	a.is(200)
	t.token = a.text("access_token")
}

// key draws an idempotency key.
func (r *rig) key() string { return fmt.Sprintf("k-%d", r.keyNo.Add(1)) }
