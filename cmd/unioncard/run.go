package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card"
	"unioncard/card/personal"
	"unioncard/card/phone"
	"unioncard/cmd/unioncard/demo"
	"unioncard/merchant/account"
	"unioncard/merchant/application"
	"unioncard/merchant/draft"
	"unioncard/merchant/exit"
	"unioncard/merchant/signing"
	"unioncard/migrations"
	"unioncard/migrations/pglocal"
	"unioncard/settlement"
	"unioncard/settlement/budget"
	"unioncard/settlement/budget/voucher"
	"unioncard/settlement/recon"
)

const keyringName = "keyring.json"

// runLocal is the service on one machine: it starts the private PostgreSQL,
// brings the schema up to date, loads the demonstration if asked to, and serves.
func runLocal(ctx context.Context, p *program, args []string) (err error) {
	cfg, err := parseConfig(args, p.environ, modeRun)
	if err != nil {
		return err
	}
	cfg.Nodes, cfg.Console = 1, p.stdout
	log, logs := p.logger(cfg.LogLevel)
	defer func() { err = errors.Join(err, logs.Close()) }()
	pg, err := pglocal.Start(ctx, pglocal.Options{Dir: cfg.Data, Logger: log})
	if err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, pg.Stop(stop))
	}()
	pool, err := newPool(ctx, pg.DSN(pglocal.Database))
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := migrations.Apply(ctx, pool); err != nil {
		return fmt.Errorf("schema of %s: %w", cfg.Data, err)
	}
	if cfg.KeyringFile == "" {
		cfg.KeyringFile = filepath.Join(cfg.Data, keyringName)
	}
	keyring, err := ownKeyring(ctx, pool, cfg.KeyringFile)
	if err != nil {
		return err
	}
	if cfg.Demo {
		if err := loadDemo(ctx, cfg, pool, keyring, log); err != nil {
			return err
		}
	}
	n, err := newNode(ctx, cfg, pool, keyring, log)
	if err != nil {
		return err
	}
	logs.Register(n.registry)
	if cfg.Demo {
		// A service whose shops have all ended still serves.
		if err := printWelcome(ctx, p.stdout, n); err != nil {
			log.Warn("no demonstration to show", "error", err)
		}
	}
	log.Info("serving", "api", n.apiAt.Addr().String(), "admin", n.adminAt.Addr().String())
	return n.Run(ctx)
}

// runServe is one node over a database that somebody else runs.
func runServe(ctx context.Context, p *program, args []string) (err error) {
	cfg, err := parseConfig(args, p.environ, modeServe)
	if err != nil {
		return err
	}
	cfg.Console = p.stdout
	log, logs := p.logger(cfg.LogLevel)
	defer func() { err = errors.Join(err, logs.Close()) }()
	keyring, err := card.LoadKeyring(cfg.KeyringFile)
	if err != nil {
		return err
	}
	pool, err := newPool(ctx, cfg.DatabaseURL)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := migrations.Check(ctx, pool); err != nil {
		return fmt.Errorf("schema of DATABASE_URL: %w", err)
	}
	if err := migrations.CheckDurability(ctx, pool); err != nil {
		return err
	}
	n, err := newNode(ctx, cfg, pool, keyring, log)
	if err != nil {
		return err
	}
	logs.Register(n.registry)
	log.Info("serving", "api", n.apiAt.Addr().String(), "admin", n.adminAt.Addr().String())
	return n.Run(ctx)
}

// runMigrate brings a database's schema up to date.
func runMigrate(ctx context.Context, p *program, args []string) error {
	cfg, err := parseConfig(args, p.environ, modeMigrate)
	if err != nil {
		return err
	}
	pool, err := newPool(ctx, cfg.DatabaseURL)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := migrations.Apply(ctx, pool); err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, "the schema is up to date")
	return err
}

// poolSize is how many connections a node keeps for everything but the
// committer's lanes and the change feed, which have their own.
const poolSize = 16

func newPool(ctx context.Context, dsn string) (*pgxpool.Pool, error) {
	conf, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("the database's address can't be read") // err might repeat its password
	}
	conf.MaxConns = max(conf.MaxConns, poolSize)
	conf.ConnConfig.RuntimeParams["application_name"] = "unioncard"
	pool, err := pgxpool.NewWithConfig(ctx, conf)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	return pool, nil
}

// ownKeyring loads a single machine's keys, or makes them for a database without
// cards. With cards and without keys every code in the members' hands would be
// dead, so that is refused.
func ownKeyring(ctx context.Context, pool *pgxpool.Pool, file string) (*card.Keyring, error) {
	k, err := card.LoadKeyring(file)
	if err == nil && !k.Has(card.RingPersonal) { // from before members' personal data
		if err = k.Add(card.RingPersonal, time.Now(), nil); err == nil {
			err = k.Save(file)
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	var cards bool
	if err := pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM cards)`).Scan(&cards); err != nil {
		return nil, fmt.Errorf("look for cards: %w", err)
	}
	if cards {
		return nil, fmt.Errorf("%s is missing, and there are cards made with its keys: put it back from your copy", file)
	}
	if k, err = card.NewKeyring(time.Now(), nil); err != nil {
		return nil, err
	}
	return k, k.Save(file)
}

// loadDemo fills an empty database and says how long it took.
func loadDemo(ctx context.Context, cfg Config, pool *pgxpool.Pool, keyring *card.Keyring, log *slog.Logger) error {
	began := time.Now()
	open := func(ctx context.Context, db personal.DB) (*personal.Vault, error) {
		return openVault(ctx, db, cfg, keyring, time.Now)
	}
	loaded, err := demo.Load(ctx, pool, began, open)
	if err != nil {
		return err
	}
	vault, err := open(ctx, pool)
	if err != nil {
		return err
	}
	_, applications, err := newApplications(pool, cfg, keyring, time.Now)
	if err != nil {
		return err
	}
	money := demoMoney(pool, vault, applications, keyring, log)
	people := demo.People{
		Pool: pool, Staff: newStaff(pool, cfg, keyring, time.Now), Applications: applications,
		Drafts: draft.NewStore(pool, time.Now), Vault: vault, Clock: time.Now, Money: money,
		Signing: signing.New(pool, signing.Options{Clock: time.Now, Kinds: slices.Concat(exit.New(pool, time.Now).Kinds(),
			money.Budgets.Kinds(), money.Vouchers.Kinds(), money.Settlements.Kinds())}),
	}
	if err := demo.LoadPeople(ctx, people); err != nil {
		return err
	}
	if loaded {
		log.Info("demo data loaded", "took_ms", time.Since(began).Milliseconds())
	}
	return nil
}

// demoMoney is what the demonstration furnishes the union's money with, before there is
// a node. Nobody is sent anything.
func demoMoney(pool *pgxpool.Pool, vault *personal.Vault, applications *application.Store, keyring *card.Keyring, log *slog.Logger) demo.Money {
	clock := time.Now
	budgets := budget.NewStore(pool, budget.Options{Clock: clock})
	return demo.Money{
		Budgets: budgets, Vouchers: voucher.NewStore(pool, budgets, clock),
		Settlements: settlement.NewStore(pool, settlement.Options{Clock: clock, Details: applications}),
		Closer:      settlement.NewCloser(pool, settlement.CloserOptions{Clock: clock, Logger: slog.New(slog.DiscardHandler)}), // three weeks of lines say nothing
		Recon:       recon.New(pool, recon.Options{Vault: vault, Clock: clock, Logger: log}),
		Users:       account.NewStore(pool, account.Options{Vault: vault, Keyring: keyring, Counts: phone.NewMemoryCounts(), Clock: clock, Logger: log}),
	}
}

// runKeyring makes or extends a file of master keys.
func runKeyring(ctx context.Context, p *program, args []string) error {
	own, rest, err := takeFlags(args, map[string]string{"overlap": "720h", "keyring-file": "", "data": ""})
	if err != nil {
		return err
	}
	// No database is needed, which parseConfig would ask for.
	cfg, err := parseConfig(append(rest, "--data", "none"), p.environ, modeTool)
	if err != nil {
		return err
	}
	cfg.KeyringFile = cmp.Or(own["keyring-file"], cfg.KeyringFile)
	if cfg.KeyringFile == "" && own["data"] != "" {
		cfg.KeyringFile = filepath.Join(own["data"], keyringName)
	}
	action := ""
	if len(cfg.Args) > 0 {
		action, cfg.Args = cfg.Args[0], cfg.Args[1:]
	}
	if action != "" && cfg.KeyringFile == "" {
		return errors.New("--keyring-file FILE or --data DIR: needed")
	}
	switch {
	case action == "init" && len(cfg.Args) == 0:
		if _, err := os.Stat(cfg.KeyringFile); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is there already", cfg.KeyringFile)
		}
		k, err := card.NewKeyring(time.Now(), nil)
		if err != nil {
			return err
		}
		return k.Save(cfg.KeyringFile)
	case action == "add" && len(cfg.Args) == 1:
		k, err := card.LoadKeyring(cfg.KeyringFile)
		if err != nil {
			return err
		}
		if err := k.Add(card.Ring(cfg.Args[0]), time.Now(), nil); err != nil {
			return err
		}
		return k.Save(cfg.KeyringFile)
	case action == "rotate" && len(cfg.Args) == 1:
		overlap, err := time.ParseDuration(own["overlap"])
		if err != nil || overlap < 0 {
			return errors.New("--overlap: want a duration, as in 720h")
		}
		k, err := card.LoadKeyring(cfg.KeyringFile)
		if err != nil {
			return err
		}
		if !slices.Contains(card.Rings(), card.Ring(cfg.Args[0])) {
			return fmt.Errorf("there is no ring %q, only %v", cfg.Args[0], card.Rings())
		}
		if err := k.Rotate(card.Ring(cfg.Args[0]), time.Now(), overlap, nil); err != nil {
			return err
		}
		return k.Save(cfg.KeyringFile)
	}
	return fmt.Errorf("keyring init, or keyring rotate RING, or keyring add RING, with one of %v", card.Rings())
}

// refuseOtherPrefix refuses a prefix that is not that of the cards: every one of them
// would be refused, and the tills blamed for it.
func refuseOtherPrefix(ctx context.Context, pool *pgxpool.Pool, prefix string) error {
	var other string
	err := pool.QueryRow(ctx, `SELECT left(number::text, 2) FROM cards ORDER BY serial LIMIT 1`).Scan(&other)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && other == prefix {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for cards of another prefix: %w", err)
	}
	return fmt.Errorf("--prefix %s: there are cards that begin with %s", prefix, other)
}
