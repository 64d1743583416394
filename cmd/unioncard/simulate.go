package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/merchant"
)

// runSimulate plays tills against a running service: it activates some, and
// then sells to random members at a given rate, with repeats, refunds, voids and
// the mistakes that shops make. It needs the database for activation codes and
// for the codes that the members' phones would show.
func runSimulate(ctx context.Context, p *program, args []string) error {
	own := map[string]string{"url": "http://127.0.0.1:8080", "rate": "20", "tills": "10", "for": "1m"}
	t, err := openTool(ctx, p, args, own, true)
	if err != nil {
		return err
	}
	defer t.pool.Close()
	rate, errRate := t.number("rate", 1, 10_000)
	tills, errTills := t.number("tills", 1, 1_000)
	length, errFor := time.ParseDuration(t.own["for"])
	if errFor != nil || length <= 0 {
		errFor = errors.New("--for: want a duration, as in 1m")
	}
	base, errURL := url.Parse(t.own["url"])
	if errURL != nil || base.Host == "" {
		errURL = errors.New("--url: want the address of the API, as in http://127.0.0.1:8080")
	}
	if err := errors.Join(errRate, errTills, errFor, errURL); err != nil {
		return err
	}
	s := &simulation{
		tool: t, base: strings.TrimSuffix(base.String(), "/"), seen: map[string]int{},
		latency: hdrhistogram.New(1, 60_000_000, 3),
		codes:   card.NewCodes(t.keyring, t.cfg.Prefix, func(int64) (uint16, uint8, bool) { return 0, 0, false }),
		http: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
			MaxIdleConnsPerHost: int(tills) * 4, MaxConnsPerHost: 512}},
	}
	if err := s.open(ctx, int(tills)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	return s.play(ctx, float64(rate))
}

type simulation struct {
	*tool
	base  string
	http  *http.Client
	codes *card.Codes
	tills []*simTill
	cards []simCard

	mu      sync.Mutex
	seen    map[string]int // outcomes since the last line
	latency *hdrhistogram.Histogram
}

type simCard struct {
	serial     int64
	generation uint16
	epoch      uint8
}

// open activates the tills and draws the members.
func (s *simulation) open(ctx context.Context, tills int) error {
	rows, err := s.pool.Query(ctx, `SELECT serial, generation, phone_epoch FROM cards ORDER BY random() LIMIT 20000`)
	if err != nil {
		return err
	}
	s.cards, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (c simCard, err error) {
		return c, r.Scan(&c.serial, &c.generation, &c.epoch)
	})
	if err != nil {
		return err
	}
	rows, err = s.pool.Query(ctx, `SELECT o.id, c.trade FROM outlets o
		JOIN contract_outlets co ON co.outlet_id = o.id AND co.during @> clock_timestamp()
		JOIN contracts c ON c.id = co.contract_id AND c.status = 'active'
		WHERE o.status = 'active' ORDER BY random() LIMIT $1`, tills)
	if err != nil {
		return err
	}
	s.tills, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (*simTill, error) {
		t := &simTill{sim: s}
		return t, r.Scan(&t.outlet, &t.trade)
	})
	if err != nil {
		return err
	}
	if len(s.tills) == 0 || len(s.cards) == 0 {
		return errors.New("there is no shop with a contract, or no card: run with --demo")
	}
	store := merchant.NewStore(s.pool, time.Now)
	for _, t := range s.tills {
		code, err := store.IssueActivationCode(ctx, merchant.By{Actor: "cli:simulate", Reason: "simulated till"}, t.outlet)
		if err != nil {
			return err
		}
		if err := t.activate(ctx, code.Code); err != nil {
			return fmt.Errorf("activate a till of outlet %d: %w", t.outlet, err)
		}
	}
	return nil
}

// play starts sales as a Poisson process, whether earlier ones have been
// answered or not, and prints a line a second.
func (s *simulation) play(ctx context.Context, rate float64) error {
	var sales sync.WaitGroup
	defer sales.Wait()
	line := time.NewTicker(time.Second)
	defer line.Stop()
	began := time.Now()
	next := began
	for {
		next = next.Add(time.Duration(rand.ExpFloat64() / rate * float64(time.Second)))
		for wait := time.NewTimer(time.Until(next)); ; {
			select {
			case <-ctx.Done():
				sales.Wait()
				return s.report(time.Since(began))
			case <-line.C:
				if err := s.report(time.Since(began)); err != nil {
					return err
				}
				continue
			case <-wait.C:
			}
			break
		}
		till, c := s.tills[rand.IntN(len(s.tills))], s.cards[rand.IntN(len(s.cards))]
		sales.Go(func() { till.sell(context.WithoutCancel(ctx), c) })
	}
}

// count keeps an outcome and how long the call took.
func (s *simulation) count(outcome string, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[outcome]++
	if err := s.latency.RecordValue(took.Microseconds()); err != nil {
		s.seen["over a minute"]++
	}
}

// report prints what happened since the last line.
func (s *simulation) report(since time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := make([]string, 0, len(s.seen))
	for _, k := range slices.Sorted(maps.Keys(s.seen)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, s.seen[k]))
	}
	_, err := fmt.Fprintf(s.stdout, "%4.0fs  p50 %.1f ms  p99 %.1f ms  %s\n", since.Seconds(),
		float64(s.latency.ValueAtQuantile(50))/1000, float64(s.latency.ValueAtQuantile(99))/1000, strings.Join(parts, ", "))
	clear(s.seen)
	s.latency.Reset()
	return err
}

// drain reads an answer to its end, so that its connection is used again.
func drain(body io.ReadCloser) {
	_, _ = io.Copy(io.Discard, io.LimitReader(body, 1<<20))
	_ = body.Close()
}
