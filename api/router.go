// Package api is the HTTP side: every route on one page, the middleware in its
// order, and the one table that turns errors into problem documents (RFC 9457).
// What the routes do is in one folder per audience.
package api

import (
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/api/terminal"
	"unioncard/card"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/account"
	"unioncard/merchant/fleet"
	"unioncard/settlement/purchase"
)

// Deps is what the API works on.
type Deps struct {
	Verifier      *purchase.Verifier
	Committer     *purchase.Committer
	Desk          *purchase.Desk
	Merchants     *merchant.State
	MerchantStore *merchant.Store
	Keyring       *card.Keyring
	// PublicURL is the address under which tills reach the service; see
	// terminal.Options.
	PublicURL string
	// TrustedProxies may name the client in X-Forwarded-For; nobody else may.
	TrustedProxies []netip.Prefix
	Clock          func() time.Time
	Logger         *slog.Logger
	Registerer     prometheus.Registerer
	// Fleet hears what every terminal does; nil: nobody listens.
	Fleet *fleet.Signs
	// People is what the pages for people work on; nil: there are none.
	People *People
	// MaxVerifying and MaxWriting bound the verifications and purchases worked on
	// at once; 0 is DefaultMaxVerifying, DefaultMaxWriting.
	MaxVerifying, MaxWriting int
}

// Bounds of requests worked on at once, each for a kind that must not crowd out
// another. Verifications are bound by the processor: 512 of them take a few
// milliseconds. Purchases wait together for one commit, and the committer's
// queue is bounded by itself. The other two wait for a database connection each:
// opening is what strangers may ask for without a token, so that however many
// come, tills go on selling; desk is looking up and undoing.
const (
	DefaultMaxVerifying = 512
	DefaultMaxWriting   = 4096
	maxOpening          = 64
	maxDesk             = 256
	maxBrowsing         = 256
	maxSigningIn        = 64     // members who ask for a code or type it in
	maxPhones           = 256    // signed-in members
	maxClaiming         = 16_384 // members who claim a voucher: waiting costs a few kilobytes each
)

// batchesPerCPU bounds the batches worked on at once. One weighs as much as its
// 1,000 verifications, so a few for each processor keep all of them at work.
const batchesPerCPU = 4

// Bounds of a body in bytes. A verification may hold a code of any silly length
// and say that it is none. A batch may hold 1,000 baskets of some 40 lines.
const (
	smallBody  = 16 << 10
	basketBody = 128 << 10
	batchBody  = 4 << 20
	formBody   = 1 << 20
	uploadBody = 24 << 20
)

// route is one line of the table below.
type route struct {
	method, path string
	handle       exchange.Handler
	media        exchange.Media
	body         int           // largest body in bytes
	timeout      time.Duration // 0: the route waits for nothing
	gate         *gate
	open         bool // needs no access token
	writes       bool // a time-out leaves the outcome unknown

	// The rest is for people's routes (people.go), whose errors are pages.
	people bool
	// right is what the console asks of an account; "" outside the console.
	right staff.Right
	// object is the kind of object that the path's :id names, "" without one.
	object string
	// portal is what the merchants' portal asks of a user; "" outside it. changes: a
	// merchant that may only read is refused.
	portal  account.Right
	changes bool
}

func (r *route) name() string { return r.method + " " + r.path }

// routes is every route there is; those for people stand in routes_people.go and
// routes_portal.go, what phones ask for in routes_phone.go.
func (s *server) routes() []route {
	const (
		get, post  = http.MethodGet, http.MethodPost
		json, form = exchange.MediaJSON, exchange.MediaForm
		none       = exchange.NoBody
		short      = 3 * time.Second
		long       = 10 * time.Second
	)
	t, opening, desk := s.tills, s.opening, s.desk
	return append([]route{
		till(post, "/v1/terminals/activate", t.Activate, json, smallBody, long, opening, true, true),
		till(post, "/oauth/token", t.Token, form, smallBody, long, opening, true, false),

		till(post, "/v1/verifications", t.Verify, json, basketBody, short, s.verifying, false, false),
		till(post, "/v1/verifications/batch", t.VerifyBatch, json, batchBody, long, s.batches, false, false),

		till(post, "/v1/purchases", t.Purchase, json, basketBody, long, s.writing, false, true),
		till(get, "/v1/purchases", t.PurchaseByKey, none, 0, short, desk, false, false),
		till(get, "/v1/terminal", t.Self, none, 0, 0, nil, false, false),
		till(get, "/v1/purchases/today", t.Today, none, 0, short, desk, false, false),
		till(get, "/v1/purchases/:id", t.PurchaseByID, none, 0, short, desk, false, false),
		till(post, "/v1/purchases/:id/void", t.Void, json, smallBody, long, desk, false, true),
		till(post, "/v1/purchases/:id/refunds", t.Refund, json, smallBody, long, desk, false, true),
		till(post, "/v1/reversals", t.Reverse, json, smallBody, long, desk, false, true),

		till(get, "/openapi.yaml", s.docs.OpenAPI, none, 0, 0, nil, true, false),
		till(get, "/docs", s.docs.Docs, none, 0, 0, nil, true, false),
		till(get, "/docs/style.css", s.docs.Style, none, 0, 0, nil, true, false),
	}, slices.Concat(s.peopleRoutes(), s.portalRoutes(), s.phoneRoutes())...)
}

// till is a line of the table above.
func till(method, path string, h exchange.Handler, m exchange.Media, body int, timeout time.Duration, g *gate, open, writes bool) route {
	return route{method: method, path: path, handle: h, media: m, body: body, timeout: timeout, gate: g, open: open, writes: writes}
}

// steps is the middleware, in the order in which it runs.
func (s *server) steps() []step {
	return []step{
		s.identify,     // request id, client address
		s.record,       // sends the answer; access log and metrics
		s.answerErrors, // error → problem document
		s.recover,      // panic → error
		s.limit,        // media type, declared size
		s.timeout,
		s.authenticate,
		s.watch,       // what the terminal did
		s.crossOrigin, // people's forms come from people's pages
		s.signedIn,    // console: session, territory, right
		s.portalSignedIn,
		s.readBody,
		s.admit, // requests worked on at once
	}
}

// server is the API put together.
type server struct {
	tills    *terminal.Handlers
	docs     *page.Docs
	problems *problems
	pool     *exchange.Pool
	metrics  *metrics
	logger   *slog.Logger
	proxies  []netip.Prefix
	date     dateHeader

	people *People
	fleet  *fleet.Signs

	opening, verifying, batches, writing, desk, browsing, signingIn, phones, claiming *gate
}

// NewRouter returns the handler of the API.
func NewRouter(d Deps) http.Handler {
	s := newServer(d)
	return s.engine(s.routes())
}

// engine puts routes and middleware into gin.
func (s *server) engine(routes []route) *gin.Engine {
	// The mode is gin's one global; its debug mode prints every route.
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.RedirectTrailingSlash = false
	engine.HandleMethodNotAllowed = true
	for _, r := range routes {
		engine.Handle(r.method, r.path, s.enter(&r))
	}
	engine.NoRoute(s.enter(&route{method: "ANY", path: "no route", handle: refuse(exchange.ErrNoRoute), open: true, people: s.people != nil}))
	engine.NoMethod(s.enter(&route{method: "ANY", path: "no method", handle: refuse(exchange.ErrMethod), open: true, people: s.people != nil}))
	return engine
}

func refuse(err error) exchange.Handler {
	return func(*exchange.Exchange) error { return err }
}

func newServer(d Deps) *server {
	p := &problems{rows: table(), clock: d.Clock, logger: d.Logger}
	s := &server{
		tills: terminal.New(terminal.Options{
			Verifier: d.Verifier, Committer: d.Committer, Desk: d.Desk,
			Merchants: d.Merchants, Store: d.MerchantStore, Keyring: d.Keyring,
			PublicURL: d.PublicURL, Clock: d.Clock, Logger: d.Logger,
		}),
		docs:      newDocs(tillRows()),
		problems:  p,
		pool:      exchange.NewPool(p),
		metrics:   newMetrics(d.Registerer),
		logger:    d.Logger,
		proxies:   d.TrustedProxies,
		opening:   &gate{max: maxOpening},
		verifying: &gate{max: orDefault(d.MaxVerifying, DefaultMaxVerifying)},
		batches:   &gate{max: int64(batchesPerCPU * runtime.GOMAXPROCS(0))},
		writing:   &gate{max: orDefault(d.MaxWriting, DefaultMaxWriting)},
		desk:      &gate{max: maxDesk},
		browsing:  &gate{max: maxBrowsing},
		signingIn: &gate{max: maxSigningIn},
		phones:    &gate{max: maxPhones},
		claiming:  &gate{max: maxClaiming},
		people:    d.People,
		fleet:     d.Fleet,
	}
	for kind, g := range map[string]*gate{
		"opening": s.opening, "verifying": s.verifying, "batches": s.batches, "writing": s.writing, "desk": s.desk, "browsing": s.browsing,
		"signing_in": s.signingIn, "phones": s.phones, "claiming": s.claiming,
	} {
		s.metrics.watch(d.Registerer, kind, g)
	}
	return s
}

func orDefault(n, otherwise int) int64 {
	if n > 0 {
		return int64(n)
	}
	return int64(otherwise)
}
