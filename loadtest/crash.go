package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"unioncard/loadtest/fault"
	"unioncard/loadtest/proc"
	"unioncard/loadtest/till"
	"unioncard/loadtest/verdict"
)

// crashOptions are the flags of loadtest crash.
type crashOptions struct {
	unioncard        string
	tills            int
	duration, settle time.Duration
	every            time.Duration
	seed             uint64
	keep             bool
	serverKills      bool
	postgresKills    bool
	connectionFaults bool
}

// crash runs tills through a bad network while the server and PostgreSQL are
// killed, and then judges the database by the tills' books.
func crash(ctx context.Context, args []string) error {
	opt, err := crashFlags(args)
	if err != nil {
		return err
	}
	dir, remove, err := workspace(opt.keep)
	if err != nil {
		return err
	}
	defer remove()
	s, err := newService(opt.unioncard, dir, nil)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "crash: loading the demo")
	if err := s.start(ctx); err != nil {
		return err
	}
	tills, err := activate(ctx, s.cli(), s.base(), opt.tills)
	if err != nil {
		s.stop()
		return err
	}
	proxy, err := fault.Listen(s.listen, opt.seed, opt.network())
	if err != nil {
		s.stop()
		return err
	}
	defer proxy.Close()
	w := newWorkshop(opt, s, proxy, tills)
	workErr := w.work(ctx)
	defer w.keeper.stop()
	if workErr != nil {
		return workErr
	}
	return w.judge(ctx)
}

func crashFlags(args []string) (crashOptions, error) {
	var opt crashOptions
	fs := flag.NewFlagSet("loadtest crash", flag.ContinueOnError)
	fs.StringVar(&opt.unioncard, "unioncard", "bin/unioncard", "our program")
	fs.IntVar(&opt.tills, "tills", 24, "tills that sell")
	fs.DurationVar(&opt.duration, "for", time.Minute, "how long the tills sell")
	fs.DurationVar(&opt.settle, "settle", time.Minute, "how long tills may then insist on their last answers")
	fs.DurationVar(&opt.every, "every", 6*time.Second, "mean time between kills")
	fs.Uint64Var(&opt.seed, "seed", 1, "seed of faults, kills and what the tills do")
	fs.BoolVar(&opt.keep, "keep", false, "keep the working directory with data and logs")
	fs.BoolVar(&opt.serverKills, "kill-server", true, "kill -9 the server")
	fs.BoolVar(&opt.postgresKills, "kill-postgres", true, "kill -9 PostgreSQL")
	fs.BoolVar(&opt.connectionFaults, "cut", true, "cut and delay connections, drop answers")
	if err := fs.Parse(args); err != nil {
		return opt, err
	}
	if opt.tills < 1 || opt.duration <= 0 || opt.settle <= 0 || opt.every <= 0 {
		return opt, errors.New("-tills, -for, -settle and -every must be above zero")
	}
	return opt, nil
}

// network is how bad the network is while the tills sell.
func (o crashOptions) network() fault.Faults {
	if !o.connectionFaults {
		return fault.Faults{}
	}
	return fault.Faults{CutRequest: 0.01, DropAnswer: 0.03, CutAnswer: 0.01, Delay: 0.05, MaxDelay: 200 * time.Millisecond}
}

// workshop is one crash test at work.
type workshop struct {
	opt    crashOptions
	svc    *service
	proxy  *fault.Proxy
	keeper *keeper
	tills  []*till.Identity
	shifts []*till.Shift
	tally  till.Tally
}

func newWorkshop(opt crashOptions, s *service, proxy *fault.Proxy, tills []*till.Identity) *workshop {
	w := &workshop{opt: opt, svc: s, proxy: proxy, keeper: newKeeper(s), tills: tills}
	codes := newStock(newPool(s.cli()), 2000)
	for i, id := range tills {
		session := func(stream uint64) *till.Session {
			return &till.Session{Identity: id, Addr: proxy.Addr(), Timeout: 5 * time.Second, Tally: &w.tally,
				Rand: rand.New(rand.NewPCG(opt.seed, 1000+2*uint64(i)+stream))}
		}
		w.shifts = append(w.shifts, &till.Shift{
			Name: fmt.Sprintf("s%d-t%d", opt.seed, i), Session: session(0), Twin: session(1), Codes: codes.take,
		})
	}
	return w
}

// work lets the tills sell while things break, then heals everything and lets them
// finish.
func (w *workshop) work(ctx context.Context) error {
	selling, stopSelling := context.WithTimeout(ctx, w.opt.duration)
	defer stopSelling()
	finishing, stopFinishing := context.WithTimeout(ctx, w.opt.duration+w.opt.settle)
	defer stopFinishing()
	var wg sync.WaitGroup
	failed := make([]error, len(w.shifts)+1)
	wg.Add(1)
	go func() {
		defer wg.Done()
		failed[len(w.shifts)] = w.havoc(selling)
		w.proxy.Set(fault.Faults{})
	}()
	for i, s := range w.shifts {
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer s.Session.Close()
			defer s.Twin.Close()
			failed[i] = s.Work(selling, finishing)
		}()
	}
	wg.Wait()
	return errors.Join(failed...)
}

// havoc kills by the seed until ctx ends, and then makes sure that the server is up.
func (w *workshop) havoc(ctx context.Context) error {
	var acts []act
	if w.opt.serverKills {
		acts = append(acts, killServer)
	}
	if w.opt.postgresKills {
		acts = append(acts, killPostgres)
	}
	if w.opt.serverKills && w.opt.postgresKills {
		acts = append(acts, killBoth)
	}
	if w.opt.connectionFaults {
		acts = append(acts, cutAll)
	}
	rng := rand.New(rand.NewPCG(w.opt.seed, 1))
	for n := 0; len(acts) > 0; n++ {
		// The first acts take turns, so that a short run has seen every kind.
		a := acts[n%len(acts)]
		if n >= len(acts) {
			a = acts[rng.IntN(len(acts))]
		}
		wait := w.opt.every/2 + time.Duration(rng.Int64N(int64(w.opt.every)))
		select {
		case <-ctx.Done():
			return w.keeper.ensure(context.WithoutCancel(ctx))
		case <-w.keeper.ended():
			if err := w.keeper.restart(false); err != nil {
				return err
			}
			continue
		case <-time.After(wait):
		}
		if err := w.do(a); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return w.keeper.ensure(context.WithoutCancel(ctx))
}

// act is one kind of fault.
type act string

const (
	killServer   act = "kill -9 server"
	killPostgres act = "kill -9 PostgreSQL"
	killBoth     act = "kill -9 both"
	cutAll       act = "cut all connections"
)

func (w *workshop) do(a act) error {
	fmt.Fprintln(os.Stderr, "crash:", a)
	w.keeper.acts[a]++
	switch a {
	case killServer:
		return w.keeper.restart(true)
	case killPostgres:
		return ignoreDown(proc.KillPostmaster(w.svc.data))
	case killBoth:
		if err := ignoreDown(proc.KillPostmaster(w.svc.data)); err != nil {
			return err
		}
		return w.keeper.restart(true)
	case cutAll:
		w.proxy.CutAll()
	}
	return nil
}

// ignoreDown: a PostgreSQL that is still coming up after the last kill has none to
// be killed now.
func ignoreDown(err error) error {
	if err != nil {
		fmt.Fprintln(os.Stderr, "crash: not killed:", err)
	}
	return nil
}

// judge compares books and database and prints the verdict.
func (w *workshop) judge(ctx context.Context) error {
	var books []verdict.Entry
	var clients []string
	var verified, notVerified int
	for i, s := range w.shifts {
		books = append(books, s.Books...)
		clients = append(clients, w.tills[i].ClientID)
		verified += s.Verified
		notVerified += s.NotVerified
	}
	pm, err := proc.FindPostmaster(w.svc.data)
	if err != nil {
		return err
	}
	dsn := fmt.Sprintf("host=%s port=%s user=postgres dbname=unioncard", pm.SocketDir, pm.Port)
	rows, err := verdict.Rows(ctx, dsn, clients)
	if err != nil {
		return err
	}
	breaches := verdict.Judge(books, rows)
	strays, err := verdict.Strays(ctx, dsn)
	if err != nil {
		return err
	}
	w.report(books, rows, verified, notVerified)
	for i, b := range breaches {
		if i == 20 {
			fmt.Printf("  … and %d more\n", len(breaches)-i)
			break
		}
		fmt.Println("  BREACH", b)
	}
	return w.verdict(books, len(breaches), strays)
}

// verdict turns the findings into the exit status.
func (w *workshop) verdict(books []verdict.Entry, breaches, strays int) error {
	acknowledged := 0
	for _, e := range books {
		if e.Outcome == verdict.Acknowledged {
			acknowledged++
		}
	}
	var errs []error
	if breaches > 0 {
		errs = append(errs, fmt.Errorf("%d breaches", breaches))
	}
	if strays > 0 {
		errs = append(errs, fmt.Errorf("%d code uses of purchases that do not exist", strays))
	}
	if w.keeper.quits > 0 {
		errs = append(errs, fmt.Errorf("the server ended %d times by itself", w.keeper.quits))
	}
	if acknowledged < w.opt.tills {
		errs = append(errs, fmt.Errorf("only %d purchases acknowledged: nothing is proved", acknowledged))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("crash FAILED (seed %d): %w", w.opt.seed, err)
	}
	fmt.Printf("crash PASS (seed %d)\n", w.opt.seed)
	return nil
}

func (w *workshop) report(books []verdict.Entry, rows []verdict.Row, verified, notVerified int) {
	var outcome [3]int
	var voided, reversed, refunded, open int
	for _, e := range books {
		outcome[e.Outcome]++
		if e.Voided {
			voided++
		}
		if e.Reversed {
			reversed++
		}
		if e.ReturnedFen > 0 {
			refunded++
		}
		if e.Open {
			open++
		}
	}
	c := w.proxy.Counts()
	fmt.Printf("tills %d, requests %d, answers lost %d, asked to wait %d, verified %d, refused %d\n",
		w.opt.tills, w.tally.Sent.Load(), w.tally.Lost.Load(), w.tally.Busy.Load(), verified, notVerified)
	fmt.Printf("faults %v, requests cut %d, answers dropped %d, answers cut %d, delays %d, refused while down %d\n",
		w.keeper.acts, c.CutRequests, c.DroppedAnswers, c.CutAnswers, c.Delays, c.Refused)
	fmt.Printf("keys %d: acknowledged %d, refused %d, unknown %d; refunded %d, voided %d, reversed %d, undo unknown %d; rows %d\n",
		len(books), outcome[verdict.Acknowledged], outcome[verdict.Refused], outcome[verdict.Unknown],
		refunded, voided, reversed, open, len(rows))
}
