// Package fleet knows how the terminals are doing: when each was last heard of,
// which program it runs, what it did today, which are silent and which fail.
//
// Each node gathers in memory (Signs) what its requests tell and adds it to the
// table terminal_signs every half minute, so that the hot path waits for nothing.
// A crash loses at most that half minute. It is a help to the offices; nothing is
// settled or decided by it.
package fleet

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"unioncard/merchant"
)

// Deed is what a terminal asked for.
type Deed uint8

// The deeds that are counted; anything else only says that it lives.
const (
	Other Deed = iota
	Verify
	Purchase
)

// Result is how it went.
type Result uint8

// The results.
const (
	Done    Result = iota
	Refused        // the caller's or the card's fault
	Failed         // ours
)

const (
	// flushEvery is how often signs are written.
	flushEvery = 30 * time.Second
	// maxAgent is the longest program name kept, in characters.
	maxAgent = 80
	// maxSaid is how much of it is looked at, in bytes: maxAgent characters at least.
	maxSaid = maxAgent * utf8.UTFMax
)

// Signs gathers what this node's requests tell. The zero value is not usable.
type Signs struct {
	db     merchant.DB
	clock  func() time.Time
	logger *slog.Logger
	of     sync.Map // terminal id → *sign
}

// sign is a terminal's tally.
type sign struct {
	mu sync.Mutex
	tally
}

// tally is what one terminal did since the last flush, all on one day.
type tally struct {
	fresh bool // something to write
	seen  time.Time
	said  string // the agent as it came, up to maxSaid bytes, which seldom changes
	agent string
	day   int // days since 1970 in Beijing
	counts
}

type counts struct{ verified, purchased, refused, failed int64 }

// NewSigns returns an empty gathering; Run writes it.
func NewSigns(db merchant.DB, clock func() time.Time, logger *slog.Logger) *Signs {
	return &Signs{db: db, clock: clock, logger: logger}
}

// dayOf is the day in Beijing, counted from 1970.
func dayOf(t time.Time) int { return int((t.Unix() + 8*3600) / 86400) }

// Note takes in one request of a terminal. It waits for nothing; agent is the
// request's User-Agent, of which it keeps a copy of the beginning.
func (s *Signs) Note(terminal int64, did Deed, went Result, agent string, now time.Time) {
	v, ok := s.of.Load(terminal)
	if !ok {
		v, _ = s.of.LoadOrStore(terminal, new(sign))
	}
	g := v.(*sign)
	g.mu.Lock()
	defer g.mu.Unlock()
	if day := dayOf(now); day != g.day {
		g.day, g.counts = day, counts{}
	}
	g.fresh, g.seen = true, now
	if agent = agent[:min(len(agent), maxSaid)]; agent != g.said {
		g.said, g.agent = strings.Clone(agent), plain(agent) // never the request's buffer
	}
	switch {
	case went == Refused:
		g.refused++
	case went == Failed:
		g.failed++
	case did == Verify:
		g.verified++
	case did == Purchase:
		g.purchased++
	}
}

// plain bounds a client's word about itself and takes out what can't be shown.
func plain(agent string) string {
	out := make([]rune, 0, min(len(agent), maxAgent))
	for _, r := range agent {
		if len(out) == maxAgent {
			break
		}
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			r = '?'
		}
		out = append(out, r)
	}
	return string(out)
}

// Run writes what was gathered every half minute, and the rest when ctx ends.
func (s *Signs) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.Flush(ctx); err != nil {
				s.logger.Warn("terminal signs not written", "error", err)
			}
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := s.Flush(last); err != nil {
				s.logger.Warn("terminal signs not written", "error", err)
			}
			return nil
		}
	}
}

// taken is a sign on its way to the table.
type taken struct {
	terminal int64
	from     *sign
	tally
}

// Flush writes what was gathered since the last one. What could not be written is
// put back.
func (s *Signs) Flush(ctx context.Context) error {
	all := s.take()
	if len(all) == 0 {
		return nil
	}
	n := len(all)
	ids, seen, agents, days := make([]int64, n), make([]time.Time, n), make([]string, n), make([]time.Time, n)
	var did [4][]int64
	for i := range all {
		t := &all[i]
		ids[i], seen[i], agents[i] = t.terminal, t.seen, t.agent
		days[i] = time.Unix(int64(t.day)*86400, 0).UTC()
		for k, v := range [4]int64{t.verified, t.purchased, t.refused, t.failed} {
			did[k] = append(did[k], v)
		}
	}
	// In order of id, so that nodes that write at once never wait in a circle. The
	// older of two days is over: what a slow node still has of it is dropped.
	_, err := s.db.Exec(ctx, `INSERT INTO terminal_signs AS t (terminal_id, seen_at, agent, day, verified, purchased, refused, failed)
		SELECT u.* FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::date[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
			AS u (id, seen, agent, day, v, p, r, f) WHERE EXISTS (SELECT FROM terminals x WHERE x.id = u.id)
		ON CONFLICT (terminal_id) DO UPDATE SET
			seen_at = greatest(t.seen_at, excluded.seen_at),
			agent = CASE WHEN excluded.seen_at >= t.seen_at THEN excluded.agent ELSE t.agent END,
			day = greatest(t.day, excluded.day),
			verified  = CASE WHEN excluded.day > t.day THEN 0 ELSE t.verified  END + CASE WHEN excluded.day < t.day THEN 0 ELSE excluded.verified  END,
			purchased = CASE WHEN excluded.day > t.day THEN 0 ELSE t.purchased END + CASE WHEN excluded.day < t.day THEN 0 ELSE excluded.purchased END,
			refused   = CASE WHEN excluded.day > t.day THEN 0 ELSE t.refused   END + CASE WHEN excluded.day < t.day THEN 0 ELSE excluded.refused   END,
			failed    = CASE WHEN excluded.day > t.day THEN 0 ELSE t.failed    END + CASE WHEN excluded.day < t.day THEN 0 ELSE excluded.failed    END`,
		ids, seen, agents, days, did[0], did[1], did[2], did[3])
	if err != nil {
		giveBack(all)
		return fmt.Errorf("fleet: write signs: %w", err)
	}
	return nil
}

// take empties every fresh sign, in order of terminal.
func (s *Signs) take() (all []taken) {
	s.of.Range(func(id, v any) bool {
		g := v.(*sign)
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.fresh {
			all = append(all, taken{id.(int64), g, g.tally})
			g.fresh, g.counts = false, counts{}
		}
		return true
	})
	slices.SortFunc(all, func(a, b taken) int { return cmp.Compare(a.terminal, b.terminal) })
	return all
}

func giveBack(all []taken) {
	for i := range all {
		t := &all[i]
		g := t.from
		g.mu.Lock()
		if g.day == t.day {
			g.verified += t.verified
			g.purchased += t.purchased
			g.refused += t.refused
			g.failed += t.failed
		}
		g.fresh = true
		g.mu.Unlock()
	}
}
