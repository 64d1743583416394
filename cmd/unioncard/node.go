package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"unioncard/api"
	"unioncard/card"
	"unioncard/card/batch"
	"unioncard/card/feed"
	"unioncard/card/member"
	"unioncard/card/personal"
	"unioncard/card/roster"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/application"
	"unioncard/merchant/exit"
	"unioncard/merchant/file"
	"unioncard/merchant/fleet"
	"unioncard/merchant/signing"
	"unioncard/merchant/territory"
	"unioncard/settlement"
	"unioncard/settlement/budget"
	"unioncard/settlement/budget/voucher"
	"unioncard/settlement/purchase"
	"unioncard/settlement/recon"
)

// node is one server process put together: the hot state, the verifier, the
// committer and the HTTP servers over one database. `run`, `serve` and the
// end-to-end tests start the same node.
type node struct {
	cfg        Config
	log        *slog.Logger
	pool       *pgxpool.Pool
	redis      *redis.Client // nil on a single node
	keyring    *card.Keyring
	registry   *prometheus.Registry
	reader     *feed.Reader
	journal    *purchase.Journal
	committer  *purchase.Committer
	codes      *card.Codes
	cards      *card.Store // issues with the deployment's prefix
	batches    *batch.Store
	desk       *purchase.Desk
	merchants  *merchant.Store
	files      *file.Store
	applied    *application.Store
	accounts   *staff.Store
	fleet      *fleet.Signs
	exits      *exit.Store
	contracts  *signing.Contracts
	territory  *territory.Store
	impacts    *signing.Impacts // finds what floors would leave below
	listing    *listing
	vault      *personal.Vault
	members    *member.Store
	rosters    *roster.Store // and their imports' work
	recon      *recon.Store  // and the check of till files
	budgets    *budget.Store
	statements *settlement.Store
	closer     *settlement.Closer
	vouchers   *voucher.Store
	phones     *phones
	webhooks   webhooks
	shared     []part // what shares the guess budgets and bindings; none without Redis
	api        *http.Server
	admin      *http.Server
	apiAt      net.Listener
	// stopping is set when the node is told to stop, before anything closes.
	stopping atomic.Bool
	adminAt  net.Listener
}

// gcPercent lets the heap grow to five times what lives. What lives is the hot
// state, which changes little and holds few pointers, so collecting it twice as
// rarely costs some hundred megabytes and frees the processor for tills. The
// GOGC variable overrides it.
const gcPercent = 400

// newNode loads the hot state and listens; Run serves. The caller keeps the
// pool and closes it after Run.
func newNode(ctx context.Context, cfg Config, pool *pgxpool.Pool, keyring *card.Keyring, log *slog.Logger) (*node, error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if err := refuseOtherPrefix(ctx, pool, cfg.Prefix); err != nil {
		return nil, err
	}
	n := &node{cfg: cfg, log: log, pool: pool, keyring: keyring, registry: prometheus.NewRegistry()}
	n.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), poolMetrics{pool})
	if cfg.RedisURL != "" {
		opts, err := redis.ParseURL(cfg.RedisURL)
		if err != nil {
			return nil, errors.New("REDIS_URL is not a Redis address") // err would repeat its password
		}
		// A feature of one vendor's clusters; elsewhere it only fills the log.
		opts.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
		n.redis = redis.NewClient(opts)
	}
	if err := n.build(ctx); err != nil {
		n.closeRedis()
		return nil, err
	}
	if err := n.listen(ctx); err != nil {
		n.closeRedis()
		return nil, err
	}
	return n, nil
}

// build makes every part and loads the hot state.
func (n *node) build(ctx context.Context) error {
	clock := time.Now
	table, unions := card.NewTable(), card.NewUnions()
	state := merchant.NewState(clock, n.log)
	feedOpts := feed.Options{MaxAge: n.cfg.FeedMaxAge, Clock: clock, Logger: n.log, Registerer: n.registry}
	if n.redis != nil {
		feedOpts.Waker = feed.NewRedisWaker(n.redis, feed.NewListener(n.pool.Config().ConnConfig, n.log), n.log)
	}
	var listed feed.Source
	n.listing, listed = n.newListing(state, unions, clock)
	funds := budget.NewState(state, unions.Tree)
	wallets := voucher.NewState(funds)
	sources := []feed.Source{card.NewUnionSource(unions), card.NewSource(table), merchant.NewSource(state), listed,
		budget.NewSource(funds), voucher.NewSource(wallets, n.log)}
	n.reader = feed.NewReader(n.pool, sources, feedOpts)
	began := time.Now()
	if err := n.reader.Load(ctx); err != nil {
		return fmt.Errorf("load the hot state: %w", err)
	}
	n.log.Info("hot state loaded", "cards", table.Len(), "card_bytes", table.Bytes(),
		"merchants", state.Snapshot().Counts(), "took_ms", time.Since(began).Milliseconds())

	guard, bindings := n.guards(clock)
	age := func() time.Duration { return n.reader.Age(clock()) }
	caps := purchase.Caps{PrintedFen: n.cfg.PrintedDailyCapFen, TypedFen: n.cfg.TypedDailyCapFen}
	n.journal = purchase.NewJournal(n.pool, purchase.JournalOptions{Clock: clock, Logger: n.log, Registerer: n.registry})
	codes := card.NewCodes(n.keyring, n.cfg.Prefix, table.Lookup)
	verifier := purchase.NewVerifier(purchase.VerifierOptions{
		Codes: codes, Guard: guard, Bindings: bindings,
		Table: table, Tree: unions.Tree, Merchants: state, Numbers: card.NewStore(n.pool, card.StoreOptions{}), // looks up only
		Budgets: funds, Vouchers: wallets,
		Journal: n.journal, Keyring: n.keyring, Age: age, Clock: clock, Caps: caps,
		StaleAfter: n.cfg.FeedMaxAge, Registerer: n.registry,
	})
	n.committer = purchase.NewCommitter(n.pool, purchase.CommitterOptions{
		Table: table, Tree: unions.Tree, Merchants: state, Keyring: n.keyring, Bindings: bindings, Sold: n.sold,
		Budgets: funds, Vouchers: wallets,
		Age: age, Clock: clock, Caps: caps, StaleAfter: n.cfg.FeedMaxAge, Lanes: n.cfg.Lanes,
		Logger: n.log, Registerer: n.registry,
	})
	n.desk = purchase.NewDesk(n.pool, purchase.DeskOptions{InFlight: n.committer.InFlight, Logger: n.log, Registerer: n.registry})
	n.merchants = merchant.NewStore(n.pool, clock)
	n.closer = settlement.NewCloser(n.pool, settlement.CloserOptions{Clock: clock, Logger: n.log, Registerer: n.registry,
		After: n.cfg.CloseAfter, Term: n.cfg.ConfirmDays})
	vault, err := openVault(ctx, n.pool, n.cfg, n.keyring, clock)
	if err != nil {
		return fmt.Errorf("personal data: %w", err)
	}
	n.vault = vault
	n.newBatches(codes, clock)
	if n.phones, err = n.newPhones(table, codes, state, clock); err != nil {
		return err
	}
	n.members = newMembers(n.pool, vault, clock, n.phones.Source(), roster.Source())
	n.fleet = fleet.NewSigns(n.pool, clock, n.log)
	n.rosters = roster.NewStore(n.pool, roster.Options{Vault: vault, Members: n.members, Clock: clock, Logger: n.log})
	n.recon = recon.New(n.pool, recon.Options{Vault: vault, Clock: clock, Logger: n.log})
	n.webhooks = n.newWebhooks(clock)
	people, err := n.people(clock)
	if err != nil {
		return fmt.Errorf("pages: %w", err)
	}
	n.api = api.NewServer(n.cfg.Listen, api.NewRouter(api.Deps{
		Verifier: verifier, Committer: n.committer, Desk: n.desk, Merchants: state, MerchantStore: n.merchants,
		Keyring: n.keyring, PublicURL: n.cfg.PublicURL, TrustedProxies: n.cfg.TrustedProxies,
		People: people, Fleet: n.fleet, Clock: clock, Logger: n.log, Registerer: n.registry,
	}))
	n.api.RegisterOnShutdown(n.phones.hub.Close) // streams would be waited for
	n.admin = api.NewAdminServer(n.cfg.AdminListen, api.NewAdmin(api.AdminDeps{Gatherer: n.registry, Probes: n.probes()}))
	return nil
}

// guards are in memory, and shared through Redis when there are several nodes.
func (n *node) guards(clock func() time.Time) (card.Guard, card.Bindings) {
	opts := card.DefaultGuardOptions()
	opts.Nodes = n.cfg.Nodes
	guard, bindings := card.NewMemoryGuard(opts), card.NewMemoryBindings()
	watched := guessMetrics{guard: guard}
	defer func() { n.registry.MustRegister(watched) }()
	if n.redis == nil {
		return guard, bindings
	}
	// Every key of ours names the province, so that deployments can share a Redis.
	prefix := "unioncard:" + n.cfg.Prefix
	watched.sharedGuard = card.NewRedisGuard(guard, n.redis, prefix, clock)
	watched.sharedBindings = card.NewRedisBindings(bindings, n.redis, prefix)
	n.shared = []part{
		{"shared guess budgets", watched.sharedGuard.Run},
		{"shared bindings", watched.sharedBindings.Run},
	}
	return watched.sharedGuard, watched.sharedBindings
}

// probes is what /readyz asks.
func (n *node) probes() []api.Probe {
	return []api.Probe{
		{Name: "serving", Check: func(context.Context) error {
			if n.stopping.Load() {
				return errors.New("told to stop")
			}
			return nil
		}},
		{Name: "view", Check: func(context.Context) error {
			if n.reader.Ready(time.Now()) {
				return nil
			}
			return fmt.Errorf("view is %v old", n.reader.Age(time.Now()).Round(time.Millisecond))
		}},
		{Name: "database", Check: func(ctx context.Context) error {
			if err := n.pool.Ping(ctx); err != nil {
				n.log.Warn("readiness: database", "error", err)
				return errors.New("database does not answer")
			}
			return nil
		}},
	}
}

func (n *node) listen(ctx context.Context) (err error) {
	var lc net.ListenConfig
	if n.apiAt, err = lc.Listen(ctx, "tcp", n.cfg.Listen); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if n.adminAt, err = lc.Listen(ctx, "tcp", n.cfg.AdminListen); err != nil {
		return errors.Join(fmt.Errorf("admin listen: %w", err), n.apiAt.Close())
	}
	return nil
}

func (n *node) closeRedis() {
	if n.redis != nil {
		if err := n.redis.Close(); err != nil {
			n.log.Warn("close redis", "error", err)
		}
	}
}

// part is something that runs until its context ends.
type part struct {
	name string
	run  func(context.Context) error
}

// Run serves until ctx ends, then drains: no new connections, requests under
// way finish, queued purchases and journal entries are written. Parts stop in
// the reverse of the order below, so that none outlives what it needs.
func (n *node) Run(ctx context.Context) error {
	defer n.closeRedis()
	parts := []part{
		{"change feed", n.reader.Run},
		{"housekeeping", n.housekeep},
		{"floor impacts", n.impacts.Run},
		{"roster imports", n.rosters.Run},
		{"till files", n.recon.Run},
		{"event chain", n.newChainer().Run},
		{"keyring", n.reloadKeys},
		{"keys of personal data", n.vault.Run},
		{"journal", n.journal.Run},
		{"terminal signs", n.fleet.Run},
		{"directory", n.listing.run},
		{"phones", n.phones.run},
		{"batches", n.batches.Run},
		{"webhooks", n.webhooks.sender.Run},
		{"day close", n.closer.Run},
		{"committer", n.committer.Run},
	}
	parts = append(append(parts, n.shared...),
		part{"admin server", func(ctx context.Context) error { return n.serve(ctx, n.admin, n.adminAt) }},
		part{"api server", func(ctx context.Context) error { return n.serve(ctx, n.api, n.apiAt) }})
	defer context.AfterFunc(ctx, func() { n.stopping.Store(true) })()
	return runParts(ctx, n.log, parts)
}

// serve answers requests until ctx ends and then lets those under way finish.
func (n *node) serve(ctx context.Context, s *http.Server, at net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(at) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.cfg.ShutdownTimeout)
	defer cancel()
	if err := s.Shutdown(drain); err != nil {
		n.log.Warn("requests cut off at shutdown", "error", err)
		return s.Close()
	}
	return nil
}

// runParts starts the parts in order and, when ctx ends or one of them fails,
// stops them in reverse order, waiting for each.
func runParts(ctx context.Context, log *slog.Logger, parts []part) error {
	type running struct {
		part
		stop context.CancelFunc
		done chan struct{}
		err  error
	}
	failed := make(chan struct{}, len(parts))
	all := make([]*running, 0, len(parts))
	for _, p := range parts {
		partCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
		r := &running{part: p, stop: stop, done: make(chan struct{})}
		all = append(all, r)
		go func() {
			defer close(r.done)
			r.err = r.run(partCtx)
			failed <- struct{}{}
		}()
	}
	select {
	case <-ctx.Done():
	case <-failed:
	}
	log.Info("stopping")
	var errs []error
	for i := len(all) - 1; i >= 0; i-- {
		all[i].stop()
		<-all[i].done
		if all[i].err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", all[i].name, all[i].err))
		}
	}
	log.Info("stopped")
	return errors.Join(errs...)
}

// reloadKeys takes a changed keyring file in when the process is told to
// (SIGHUP), so that a rotation needs no restart. A file that can't be used
// changes nothing.
func (n *node) reloadKeys(ctx context.Context) error {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGHUP)
	defer signal.Stop(told)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-told:
		}
		k, err := card.LoadKeyring(n.cfg.KeyringFile)
		if err != nil {
			n.log.Error("keyring not reloaded", "error", err)
			continue
		}
		n.keyring.Replace(k)
		n.log.Info("keyring reloaded")
	}
}
