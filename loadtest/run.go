package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"unioncard/loadtest/drive"
	"unioncard/loadtest/till"
)

// runOptions are the flags of loadtest run.
type runOptions struct {
	cli      till.CLI
	base     string
	rate     float64 // 0: closed loop
	duration time.Duration
	conns    int
	seed     uint64
	mix      [till.Kinds]int
}

// runMix plays a mix against a running service and prints what came back, by kind.
func runMix(ctx context.Context, args []string) error {
	opt, err := runFlags(args)
	if err != nil {
		return err
	}
	u, err := url.Parse(opt.base)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return fmt.Errorf("-addr %q: http://host:port is needed", opt.base)
	}
	tills, err := activate(ctx, opt.cli, opt.base, opt.conns)
	if err != nil {
		return err
	}
	stands := make([]till.Stand, len(tills))
	for i, id := range tills {
		if stands[i].Token, err = id.Token(ctx); err != nil {
			return err
		}
		stands[i].Basket = till.FiveLines(id.Outlet.Basket)
	}
	codes := newPool(opt.cli)
	codes.at = rand.IntN(codes.cards) // the codes of a run just before are bound to its tills
	supply, stop, err := supplyCodes(ctx, codes)
	if err != nil {
		return err
	}
	defer stop()
	rng := rand.New(rand.NewPCG(opt.seed, 2))
	src := till.NewMix(u.Host, fmt.Sprintf("run-%d-%d", opt.seed, time.Now().UnixMilli()), stands, opt.mix, supply, rng)
	o := drive.Options{Addr: u.Host, Conns: opt.conns, Duration: opt.duration}
	if opt.rate > 0 {
		o.Schedule = drive.Poisson(opt.rate, opt.seed)
	}
	res, err := drive.Run(o, src)
	if err != nil {
		return err
	}
	printMix(res, src)
	return res.Valid()
}

func runFlags(args []string) (runOptions, error) {
	var opt runOptions
	var mix string
	fs := flag.NewFlagSet("loadtest run", flag.ContinueOnError)
	fs.StringVar(&opt.base, "addr", "http://127.0.0.1:8080", "the service")
	fs.StringVar(&opt.cli.Program, "unioncard", "bin/unioncard", "our program, for codes")
	fs.StringVar(&opt.cli.Data, "data", ".data", "the service's data directory")
	fs.Float64Var(&opt.rate, "rate", 1000, "requests a second on average; 0 runs closed-loop, as fast as it goes")
	fs.DurationVar(&opt.duration, "for", 30*time.Second, "how long")
	fs.IntVar(&opt.conns, "conns", 64, "connections, each a till of its own")
	fs.Uint64Var(&opt.seed, "seed", 1, "seed of arrivals and of the mix")
	fs.StringVar(&mix, "mix", "verify=70,purchase=20,repeat=5,refund=5", "shares of the kinds of requests")
	if err := fs.Parse(args); err != nil {
		return opt, err
	}
	if opt.conns < 1 || opt.duration <= 0 || opt.rate < 0 {
		return opt, errors.New("-conns and -for must be above zero, -rate not below")
	}
	var err error
	opt.mix, err = parseMix(mix)
	return opt, err
}

// parseMix reads "verify=70,purchase=20"; kinds not named get no share.
func parseMix(s string) (mix [till.Kinds]int, err error) {
	total := 0
	for _, part := range strings.Split(s, ",") {
		name, share, found := strings.Cut(part, "=")
		kind := slices.Index(till.KindNames[:], name)
		n, err := strconv.Atoi(share)
		if !found || kind < 0 || err != nil || n < 0 {
			return mix, fmt.Errorf("-mix %q: kinds are %s", part, strings.Join(till.KindNames[:], ", "))
		}
		mix[kind] = n
		total += n
	}
	if total == 0 {
		return mix, fmt.Errorf("-mix %q: all shares are zero", s)
	}
	return mix, nil
}

// supplyCodes keeps a batch of fresh codes ready, so that the load does not wait for
// the program that makes them.
func supplyCodes(ctx context.Context, p *pool) (<-chan till.Supply, func(), error) {
	const batch = 10_000
	first, err := p.take(ctx, batch)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	supply := make(chan till.Supply)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for codes := first; ctx.Err() == nil; {
			offer(ctx, supply, till.Supply{Codes: codes, Until: time.Now().Add(codeLife)})
			for codes, err = p.take(ctx, batch); err != nil && ctx.Err() == nil; {
				codes, err = p.take(ctx, batch)
			}
		}
	}()
	return supply, func() { cancel(); <-done }, nil
}

// offer waits until somebody takes the batch or half its life is over.
func offer(ctx context.Context, supply chan<- till.Supply, s till.Supply) {
	stale := time.NewTimer(codeLife / 2)
	defer stale.Stop()
	select {
	case <-ctx.Done():
	case supply <- s:
	case <-stale.C:
	}
}

func printMix(res drive.Result, src *till.Mix) {
	fmt.Printf("%d answers in %v, %.0f/s, unexpected %d, statuses %v\n", res.Done, res.Elapsed, res.Rate(), res.Errors, res.Status)
	fmt.Printf("%-10s %10s %10s %10s %10s %10s %10s\n", "kind", "answers", "p50", "p90", "p99", "p99.9", "max")
	for k, h := range src.Latency {
		if h.TotalCount() == 0 {
			continue
		}
		at := func(q float64) time.Duration { return time.Duration(h.ValueAtQuantile(q)) * time.Microsecond }
		fmt.Printf("%-10s %10d %10v %10v %10v %10v %10v\n", till.KindNames[k], h.TotalCount(), at(50), at(90), at(99), at(99.9), at(100))
	}
	for code, n := range src.Refusals {
		fmt.Printf("refused %s: %d\n", code, n)
	}
}
