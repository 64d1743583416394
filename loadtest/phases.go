package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"unioncard/loadtest/drive"
	"unioncard/loadtest/ratio"
	"unioncard/loadtest/till"
)

const (
	// codesPerTill is how many different cards a till sees in one measurement:
	// with 64 tills 64,000 cards, so that no cache holds them all.
	codesPerTill = 1000
	// batchSize is the most verifications one batch may hold.
	batchSize = 1000
	// batchTills is how many tills send batches at once: enough to keep every core
	// busy, and few enough that what is under way at the end of a measurement does
	// not matter. batchesPerTill is how many different ones each sends in turn.
	batchTills, batchesPerTill = 8, 6
	// drivePatience bounds requests outside the measurements.
	drivePatience = 10 * time.Second
	// poissonSeed makes both sides of a latency pair see the same arrivals.
	poissonSeed = 2014
)

// services runs every comparison that needs servers.
func (b *benchmark) services(ctx context.Context) error {
	f, err := b.build(ctx)
	if err != nil {
		return err
	}
	defer f.stop()
	if b.opt.wants("verify") || b.opt.wants("p99") {
		if err := b.verifyRounds(ctx, f); err != nil {
			return err
		}
	}
	if b.opt.wants("purchase") {
		if err := b.purchaseRounds(ctx, f); err != nil {
			return err
		}
	}
	if b.opt.wants("p99") {
		return b.latencyRounds(ctx, f)
	}
	return nil
}

// phase is one measurement of a round.
type phase struct {
	name string
	run  func() (float64, error)
}

// interleave runs the phases round by round, every second round backwards, so that
// what drifts does not always hit the same one. The first round warms up and is
// thrown away.
func (b *benchmark) interleave(ctx context.Context, phases []phase) error {
	for round := 0; round <= b.opt.rounds; round++ {
		order := slices.Clone(phases)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, p := range order {
			if err := ctx.Err(); err != nil {
				return err
			}
			value, err := p.run()
			if err != nil {
				return err
			}
			if round > 0 {
				b.note(p.name, value)
			} else if b.opt.verbose {
				fmt.Fprintf(os.Stderr, "  %-22s %12.0f (warm-up)\n", p.name, value)
			}
		}
	}
	return nil
}

// verifyRate measures verifications a second at full load.
func (b *benchmark) verifyRate(ctx context.Context, f *field, name, addr string) phase {
	return phase{name, func() (float64, error) {
		src, err := b.verifications(ctx, f, addr)
		if err != nil {
			return 0, err
		}
		res, err := b.measure(name, addr, nil, src)
		return res.Rate(), err
	}}
}

// verifications deals fresh codes to us; a baseline takes any digits.
func (b *benchmark) verifications(ctx context.Context, f *field, addr string) (*till.Verifications, error) {
	if addr != f.service.listen {
		return till.NewVerifications(addr, f.inventedCodes())
	}
	stands, err := f.deal(ctx, codesPerTill)
	if err != nil {
		return nil, err
	}
	return till.NewVerifications(addr, stands)
}

func (f *field) inventedCodes() []till.Stand {
	stands := slices.Clone(f.stands)
	for i := range stands {
		stands[i].Codes = make([]string, codesPerTill)
		for k := range stands[i].Codes {
			stands[i].Codes[k] = fmt.Sprintf("41%018d", i*codesPerTill+k)
		}
	}
	return stands
}

// batchRate measures codes a second in batches.
func (b *benchmark) batchRate(ctx context.Context, f *field, name string, bare bool) phase {
	return phase{name, func() (float64, error) {
		stands, err := f.dealTo(ctx, f.stands[:min(batchTills, len(f.stands))], batchesPerTill*batchSize)
		if err != nil {
			return 0, err
		}
		src, err := till.NewBatches(f.service.listen, stands, batchSize, bare)
		if err != nil {
			return 0, err
		}
		res, err := b.measureOver(len(stands), name, f.service.listen, nil, src)
		return res.Rate() * batchSize, err
	}}
}

func (b *benchmark) verifyRounds(ctx context.Context, f *field) error {
	phases := []phase{
		b.verifyRate(ctx, f, "verify", f.service.listen),
		b.verifyRate(ctx, f, "gin-json", f.baselines["bare"]),
	}
	if b.opt.wants("verify") {
		phases = append(phases,
			b.verifyRate(ctx, f, "gin-redis", f.baselines["redis"]),
			b.verifyRate(ctx, f, "gin-select", f.baselines["select"]),
			b.batchRate(ctx, f, "batch-codes", true),
			b.batchRate(ctx, f, "batch-baskets", false))
	}
	if err := b.interleave(ctx, phases); err != nil {
		return err
	}
	if !b.opt.wants("verify") {
		return nil
	}
	for _, c := range []struct {
		target       ratio.Target
		ours, theirs string
	}{
		{verifyOverBare, "verify", "gin-json"},
		{verifyOverRedis, "verify", "gin-redis"},
		{verifyOverSelect, "verify", "gin-select"},
		{batchOverVerify, "batch-codes", "verify"},
		{batchWithBaskets, "batch-baskets", "verify"},
	} {
		if err := b.compare(c.target, c.ours, c.theirs); err != nil {
			return err
		}
	}
	return nil
}

// heldQuotes is how many quotes are got for one measurement of purchases: more
// than can be sold in it, and fewer than the demo has cards.
const heldQuotes = 90_000

// journalLag is how long the service may take to write down what it verified.
const journalLag = 2 * time.Second

// purchaseRounds commits held quotes at full speed. The quotes are got before, by
// batches, and not measured.
func (b *benchmark) purchaseRounds(ctx context.Context, f *field) error {
	round := 0
	each := min(heldQuotes/len(f.buyers), batchSize)
	ours := phase{"purchase", func() (float64, error) {
		round++
		quotes, err := b.quotes(ctx, f, each)
		if err != nil {
			return 0, err
		}
		// The verifications that got the quotes are still being written to the
		// journal, which is no part of what is measured.
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(journalLag):
		}
		src := till.NewPurchases(f.service.listen, fmt.Sprintf("bench-%d", round), f.buyers, quotes)
		res, err := b.measureOver(len(f.buyers), "purchase", f.service.listen, nil, src)
		return res.Rate(), err
	}}
	theirs := phase{"gin-insert", func() (float64, error) {
		round++
		src := till.NewPurchases(f.baselines["insert"], fmt.Sprintf("bench-%d", round), f.buyers, inventedQuotes(round, len(f.buyers), each))
		res, err := b.measureOver(len(f.buyers), "gin-insert", f.baselines["insert"], nil, src)
		return res.Rate(), err
	}}
	if err := b.interleave(ctx, []phase{ours, theirs}); err != nil {
		return err
	}
	return b.compare(purchaseOverPgx, "purchase", "gin-insert")
}

// quotes verifies each fresh codes for every buyer.
func (b *benchmark) quotes(ctx context.Context, f *field, each int) ([][]string, error) {
	stands, err := f.dealTo(ctx, f.buyers, each)
	if err != nil {
		return nil, err
	}
	quotes := make([][]string, 0, len(stands))
	// A few at a time, since a server takes only so many batches at once.
	for group := range slices.Chunk(stands, batchTills) {
		src, err := till.NewBatches(f.service.listen, group, each, false)
		if err != nil {
			return nil, err
		}
		src.Keep = true
		res, err := drive.Run(drive.Options{Addr: f.service.listen, Conns: len(group), Duration: time.Minute}, src)
		if err != nil {
			return nil, err
		}
		if res.Errors > 0 {
			return nil, fmt.Errorf("quotes for purchases: %d of %d batches failed, statuses %v", res.Errors, res.Errors+res.Done, res.Status)
		}
		quotes = append(quotes, src.Quotes...)
	}
	return quotes, nil
}

func inventedQuotes(round, stands, each int) [][]string {
	quotes := make([][]string, stands)
	for i := range quotes {
		quotes[i] = make([]string, each)
		for k := range quotes[i] {
			quotes[i][k] = fmt.Sprintf("%d-%d-%d-%s", round, i, k, strings.Repeat("q", 280))
		}
	}
	return quotes
}

// latencyRounds compares p99 when each side runs at half of its own peak, as
// measured just before.
func (b *benchmark) latencyRounds(ctx context.Context, f *field) error {
	at := func(name, peak, addr string) phase {
		rate := ratio.Median(b.series[peak]) / 2
		return phase{name, func() (float64, error) {
			src, err := b.verifications(ctx, f, addr)
			if err != nil {
				return 0, err
			}
			res, err := b.measure(name, addr, drive.Poisson(rate, poissonSeed), src)
			if err != nil {
				return 0, err
			}
			return float64(res.Quantile(99).Microseconds()), nil
		}}
	}
	err := b.interleave(ctx, []phase{
		at("verify-p99-us", "verify", f.service.listen),
		at("gin-json-p99-us", "gin-json", f.baselines["bare"]),
	})
	if err != nil {
		return err
	}
	return b.compare(verifyP99, "verify-p99-us", "gin-json-p99-us")
}
