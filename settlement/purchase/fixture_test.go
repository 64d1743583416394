package purchase

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card"
	"unioncard/card/feed"
	"unioncard/merchant"
	"unioncard/merchant/terms"
	"unioncard/migrations/pgtest"
	"unioncard/settlement/budget"
	"unioncard/settlement/budget/voucher"
)

// world is a database with merchants, outlets, terminals, contracts and cards,
// and a node that has loaded them.
//
// Merchant m (from 1) has outlets 2m-1 and 2m, one terminal in each with the
// outlet's id, a POS server 1000+m and one contract m.
type world struct {
	t         testing.TB
	ctx       context.Context
	pool      *pgxpool.Pool
	keyring   *card.Keyring
	codes     *card.Codes
	table     *card.Table
	unions    *card.Unions
	merchants *merchant.State
	budgets   *budget.State
	vouchers  *voucher.State
	bindings  *card.MemoryBindings
	reader    *feed.Reader
	verifier  *Verifier
	committer *Committer
	desk      *Desk
	offset    atomic.Int64 // of the node's clock, ns
	age       atomic.Int64 // of the view, ns
	stop      func()
}

// plan says what a world holds; zero values take small defaults.
type plan struct {
	terms     string // of every contract
	floor     string // of the trade, in effect since yesterday
	merchants int
	cards     int
	commit    func(*CommitterOptions)
	hook      func(hookPoint, *lane) error
	idle      bool         // the committer is not run
	money     func(*world) // puts budgets and vouchers in
}

// The terms of most tests: 10 % off everything.
const tenPercent = `{"v":1,"offers":[{"id":"nine","title":"九折","benefit":{"kind":"percent","rate_bp":9000},"funding_bp":10000}]}`

// limited is 满100减30, at most twice a day and three times a month, and 50 yuan a week.
const limited = `{"v":1,"offers":[{"id":"off","title":"满100减30","benefit":{"kind":"amount_off","at_fen":10000,"off_fen":3000},
	"limits":[{"per":"day","uses":2},{"per":"week","fen":5000},{"per":"month","uses":3}],"funding_bp":10000}]}`

func newWorld(t testing.TB, p plan) *world {
	t.Helper()
	w := &world{t: t, ctx: t.Context(), pool: pgtest.New(t), table: card.NewTable(), unions: card.NewUnions(),
		bindings: card.NewMemoryBindings()}
	if p.merchants == 0 {
		p.merchants = 2
	}
	if p.cards == 0 {
		p.cards = 20
	}
	if p.terms == "" {
		p.terms = tenPercent
	}
	var err error
	w.keyring, err = card.NewKeyring(time.Now().Add(-30*24*time.Hour), nil)
	w.must(err)
	w.codes = card.NewCodes(w.keyring, card.Prefix, w.table.Lookup)
	w.merchants = merchant.NewState(w.now, slog.New(slog.DiscardHandler))
	w.budgets = budget.NewState(w.merchants, w.unions.Tree)
	w.vouchers = voucher.NewState(w.budgets)
	w.insert(p)
	if p.money != nil {
		p.money(w)
	}
	w.load()
	w.verifier = NewVerifier(VerifierOptions{
		Codes: w.codes, Guard: card.NewMemoryGuard(card.GuardOptions{}), Bindings: w.bindings, Table: w.table,
		Tree: w.unions.Tree, Merchants: w.merchants, Numbers: card.NewStore(w.pool, card.StoreOptions{}),
		Budgets: w.budgets, Vouchers: w.vouchers, Keyring: w.keyring, Age: w.viewAge, Clock: w.now,
	})
	o := CommitterOptions{Table: w.table, Tree: w.unions.Tree, Merchants: w.merchants, Keyring: w.keyring,
		Budgets: w.budgets, Vouchers: w.vouchers, Bindings: w.bindings, Age: w.viewAge, Clock: w.now, Lanes: 2}
	if p.commit != nil {
		p.commit(&o)
	}
	w.committer = NewCommitter(w.pool, o)
	w.committer.hook = p.hook
	w.desk = NewDesk(w.pool, DeskOptions{InFlight: w.committer.InFlight})
	w.stop = func() {}
	if !p.idle {
		w.run()
	}
	return w
}

// run starts the committer; w.stop drains it.
func (w *world) run() {
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.committer.Run(ctx)
	}()
	w.stop = sync.OnceFunc(func() { cancel(); <-done })
	w.t.Cleanup(w.stop)
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

func (w *world) viewAge() time.Duration { return time.Duration(w.age.Load()) }

func (w *world) insert(p plan) {
	w.exec(`INSERT INTO unions (id, kind, name, parent_id, path, division, territory) VALUES
		(1, 'province', '河南省总工会', NULL, '/1/', 410000, 410000),
		(2, 'city', '郑州市总工会', 1, '/1/2/', 410100, 410100),
		(3, 'county', '金水区总工会', 2, '/1/2/3/', 410105, 410105)`)
	sum := sha256.Sum256([]byte(p.terms))
	w.exec(`INSERT INTO merchants (id, office_id, name, trade) SELECT m, 2, '商家' || m, 'catering' FROM generate_series(1, $1) m`, p.merchants)
	w.exec(`INSERT INTO outlets (id, merchant_id, name, territory) SELECT o, (o + 1) / 2, '门店' || o, 410105 FROM generate_series(1, 2 * $1) o`, p.merchants)
	w.exec(`INSERT INTO terminals (id, merchant_id, outlet_id, kind, client_id, public_key)
		SELECT o, (o + 1) / 2, o, 'terminal', 'till-' || o, decode(repeat('01', 32), 'hex') FROM generate_series(1, 2 * $1) o`, p.merchants)
	w.exec(`INSERT INTO terminals (id, merchant_id, outlet_id, kind, client_id, public_key)
		SELECT 1000000 + m, m, NULL, 'pos_server', 'pos-' || m, decode(repeat('01', 32), 'hex') FROM generate_series(1, $1) m`, p.merchants)
	w.exec(`INSERT INTO contracts (id, merchant_id, office_id, trade, status, valid, refund_until, floor_clause)
		SELECT m, m, 2, 'catering', 'active', tstzrange(now() - interval '60 days', now() + interval '60 days'),
		       now() + interval '90 days', $2 FROM generate_series(1, $1) m`, p.merchants, p.floor != "")
	w.exec(`INSERT INTO contract_outlets (contract_id, outlet_id, during)
		SELECT c.id, o.id, c.valid FROM contracts c JOIN outlets o USING (merchant_id)`)
	w.exec(`INSERT INTO contract_terms (contract_id, version, terms, sha256, effective, published_by)
		SELECT id, 1, $1::jsonb, $2, tstzrange(lower(valid), NULL), 'test' FROM contracts`, p.terms, sum[:])
	if p.floor != "" {
		sum := sha256.Sum256([]byte(p.floor))
		w.exec(`INSERT INTO floors (id, trade, version, terms, sha256, effective, published_by)
			VALUES (7, 'catering', 1, $1::jsonb, $2, tstzrange(now() - interval '1 day', NULL), 'test')`, p.floor, sum[:])
		w.exec(`INSERT INTO renegotiations (contract_id, floor_id, terms_version, comparison) SELECT id, 7, 1, '{}' FROM contracts`)
	}
	w.exec(`INSERT INTO cards (serial, member_id, number, status, territory, name_masked, valid_until)
		SELECT s, s, 4100000000000000 + s, 1, 410105, '张*', (date_trunc('month', now()) + interval '24 months - 1 day')::date
		FROM generate_series(1, $1) s`, p.cards)
	w.exec(`ANALYZE`)
}

// load fills the node's view.
func (w *world) load() {
	w.t.Helper()
	w.reader = feed.NewReader(w.pool, []feed.Source{card.NewUnionSource(w.unions), card.NewSource(w.table), merchant.NewSource(w.merchants),
		budget.NewSource(w.budgets), voucher.NewSource(w.vouchers, slog.New(slog.DiscardHandler))},
		feed.Options{Clock: time.Now, Logger: slog.New(slog.DiscardHandler)})
	w.must(w.reader.Load(w.ctx))
	if n := w.merchants.Snapshot().Counts().Broken; n > 0 {
		w.t.Fatalf("%d terms do not compile", n)
	}
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.pool.Exec(w.ctx, sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

// count reads one number.
func (w *world) count(sql string, args ...any) (n int64) {
	w.t.Helper()
	if err := w.pool.QueryRow(w.ctx, sql, args...).Scan(&n); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// till is the terminal of an outlet, posServer that of a merchant.
func (w *world) till(outlet int64) *Client {
	return &Client{Terminal: w.merchants.Snapshot().Terminal(outlet), Addr: netip.MustParseAddr("192.0.2.1")}
}

func (w *world) posServer(m int64) *Client { return w.till(1000000 + m) }

// phone is what a card's phone shows now.
func (w *world) phone(serial int64, slot uint8) string {
	return w.codes.PhoneCode(serial, 1, 0, slot, w.now())
}

// quote verifies a code with a basket at a till.
func (w *world) quote(c *Client, code string, fen int64, items ...terms.Item) *VerifyAnswer {
	w.t.Helper()
	var ans VerifyAnswer
	req := &VerifyRequest{Code: code, HasAmount: fen > 0, AmountFen: fen, Items: items}
	if c.Terminal.POSServer {
		req.OutletID = 2 * c.Terminal.MerchantID
	}
	if err := w.verifier.Verify(w.ctx, c, req, &ans); err != nil {
		w.t.Fatalf("verify: %v", err)
	}
	if !ans.HasQuote {
		w.t.Fatal("no quote")
	}
	return &ans
}

// phoneQuote is quote with a card's phone code of a step that is any number: so
// that a test may make as many purchases with a card as it likes.
func (w *world) stepQuote(c *Client, serial, step, fen int64, items ...terms.Item) string {
	w.t.Helper()
	contract, err := w.merchants.Snapshot().InForce(outletFor(c), w.now())
	w.must(err)
	if len(items) > 0 && fen == 0 {
		fen = sum(items)
	}
	var ans VerifyAnswer
	w.verifier.pricer.quote(&basket{
		terminal: c.Terminal, outlet: outletFor(c), contract: contract, terms: contract.TermsAt(w.now()),
		holder: terms.Holder{County: 410105, City: 410100}, serial: serial, generation: 1, kind: card.KindPhone,
		useKey: step * 2, amount: fen, items: items, at: w.now(),
	}, &ans)
	return string(ans.Token)
}

func outletFor(c *Client) int64 {
	if c.Terminal.POSServer {
		return 2 * c.Terminal.MerchantID
	}
	return c.Terminal.OutletID
}

func (w *world) commit(c *Client, key, token string, items ...terms.Item) (Receipt, error) {
	return w.committer.Commit(w.ctx, c, &CommitRequest{Key: key, Quote: token, Items: items})
}

// buy makes a purchase and fails the test if it is refused.
func (w *world) buy(c *Client, key string, serial, step, fen int64, items ...terms.Item) Receipt {
	w.t.Helper()
	r, err := w.commit(c, key, w.stepQuote(c, serial, step, fen, items...), items...)
	if err != nil {
		w.t.Fatalf("buy %s: %v", key, err)
	}
	return r
}

// wantErr checks an error.
func (w *world) wantErr(err, want error) {
	w.t.Helper()
	if !errors.Is(err, want) {
		w.t.Fatalf("got error %v, want %v", err, want)
	}
}

// keyf names an idempotency key.
func keyf(format string, args ...any) string { return fmt.Sprintf(format, args...) }
