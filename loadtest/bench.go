package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"unioncard/loadtest/ratio"
)

// benchOptions are the flags of loadtest bench.
type benchOptions struct {
	unioncard, baseline string
	only                []string
	rounds, conns       int
	purchaseConns       int
	cards               int
	phase               time.Duration
	insertPool          int
	selectPool          int
	keep, verbose       bool
}

// groups of comparisons, in the order they run.
var groups = []string{"verify", "purchase", "p99", "directory", "cards"}

// The targets, as the issue sets them.
var (
	verifyOverBare   = ratio.Target{Name: "verify/gin-json", Bound: ratio.AtLeast, Want: 1.1}
	verifyOverRedis  = ratio.Target{Name: "verify/gin-redis-get", Bound: ratio.AtLeast, Want: 2}
	verifyOverSelect = ratio.Target{Name: "verify/gin-pgx-select"}
	batchOverVerify  = ratio.Target{Name: "batch-codes/verify", Bound: ratio.AtLeast, Want: 8}
	batchWithBaskets = ratio.Target{Name: "batch-5-line-baskets/verify", Bound: ratio.AtLeast, Want: 8}
	purchaseOverPgx  = ratio.Target{Name: "purchase/gin-pgx-insert", Bound: ratio.AtLeast, Want: 3}
	verifyP99        = ratio.Target{Name: "verify-p99-at-half-peak/gin-json", Bound: ratio.AtMost, Want: 1.2}
	bytesPerCard     = ratio.Target{Name: "bytes-per-card-at-10M", Bound: ratio.AtMost, Want: 12}
	loadOverRead     = ratio.Target{Name: "load-10M-cards/pgx-read", Bound: ratio.AtMost, Want: 1.5}
)

// bench measures us and the baselines, interleaved, and prints one line a target.
func bench(ctx context.Context, args []string) error {
	opt, err := benchFlags(args)
	if err != nil {
		return err
	}
	dir, remove, err := workspace(opt.keep)
	if err != nil {
		return err
	}
	defer remove()
	b := &benchmark{opt: opt, dir: dir, series: map[string][]float64{}}
	if opt.wants("verify") || opt.wants("purchase") || opt.wants("p99") {
		err = b.services(ctx)
	}
	if err == nil && opt.wants("directory") {
		err = b.directory(ctx)
	}
	if err == nil && opt.wants("cards") {
		err = b.cards(ctx)
	}
	for _, line := range b.lines {
		fmt.Println(line)
	}
	return err
}

func benchFlags(args []string) (benchOptions, error) {
	var opt benchOptions
	var only string
	fs := flag.NewFlagSet("loadtest bench", flag.ContinueOnError)
	fs.StringVar(&opt.unioncard, "unioncard", "bin/unioncard", "our program")
	fs.StringVar(&opt.baseline, "baseline", "bin/baseline", "the baselines' program (loadtest/baseline)")
	fs.StringVar(&only, "only", strings.Join(groups, ","), "groups to run")
	fs.IntVar(&opt.rounds, "rounds", 5, "interleaved rounds")
	fs.IntVar(&opt.conns, "conns", 64, "connections, each a till of its own")
	fs.IntVar(&opt.purchaseConns, "purchase-conns", 256, "the same for purchases, on both sides; at most 1,000")
	fs.DurationVar(&opt.phase, "phase", 3*time.Second, "length of one measurement")
	fs.IntVar(&opt.cards, "cards", 10_000_000, "cards of the memory and load measurement")
	fs.IntVar(&opt.insertPool, "insert-pool", 32, "PostgreSQL connections of the INSERT baseline")
	fs.IntVar(&opt.selectPool, "select-pool", 0, "PostgreSQL connections of the SELECT baseline; 0 is pgx's default")
	fs.BoolVar(&opt.keep, "keep", false, "keep the working directory with data and logs")
	fs.BoolVar(&opt.verbose, "v", false, "print every measurement")
	if err := fs.Parse(args); err != nil {
		return opt, err
	}
	opt.only = strings.Split(only, ",")
	for _, g := range opt.only {
		if !slices.Contains(groups, g) {
			return opt, fmt.Errorf("-only %q: choose from %s", g, strings.Join(groups, ", "))
		}
	}
	if opt.rounds < 1 || opt.conns < 1 || opt.purchaseConns < 1 || opt.purchaseConns > 1000 || opt.cards < 1 || opt.phase <= 0 {
		return opt, fmt.Errorf("-rounds, -conns, -purchase-conns, -cards and -phase must be above zero")
	}
	return opt, nil
}

func (o benchOptions) wants(group string) bool { return slices.Contains(o.only, group) }

// benchmark is one bench in progress.
type benchmark struct {
	opt    benchOptions
	dir    string
	series map[string][]float64 // measurements by name, one a round
	lines  []string
}

// note keeps a measurement.
func (b *benchmark) note(name string, value float64) {
	b.series[name] = append(b.series[name], value)
	if b.opt.verbose {
		fmt.Fprintf(os.Stderr, "  %-22s %12.0f\n", name, value)
	}
}

// compare prints the line of a target from two series.
func (b *benchmark) compare(t ratio.Target, ours, theirs string) error {
	r, err := ratio.OfPairs(b.series[ours], b.series[theirs])
	if err != nil {
		return fmt.Errorf("%s: %w", t.Name, err)
	}
	b.lines = append(b.lines, fmt.Sprintf("%s   (%s %.0f, %s %.0f)", t.Line(r),
		ours, ratio.Median(b.series[ours]), theirs, ratio.Median(b.series[theirs])))
	return nil
}
