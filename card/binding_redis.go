package card

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// bindTimeout is what Redis may take to answer; then this node's memory does.
	bindTimeout = 20 * time.Millisecond
	// bindDialTimeout bounds making a connection.
	bindDialTimeout = 100 * time.Millisecond
	// bindPause is how long a failing Redis is left alone, so that an outage costs
	// one slow verification a second and not every one.
	bindPause  = time.Second
	usedQueue  = 4096
	usedBatch  = 256
	usedPrefix = "u"
)

// RedisBindings is Bindings among several nodes: the first node's SET NX wins.
// Every answer is kept in the node's own memory too, which answers alone while
// Redis is away or slow; two terminals on two nodes may then both verify a code,
// and PostgreSQL still lets one purchase through. Used marks are sent behind by
// Run, bounded; what does not fit is dropped and counted.
type RedisBindings struct {
	local     *MemoryBindings
	client    *redis.Client
	prefix    string
	pausedTil atomic.Int64 // unix nanoseconds
	queue     chan usedMark
	dropped   atomic.Int64
	fallbacks atomic.Int64
}

type usedMark struct {
	code   Code
	holder Holder
}

// NewRedisBindings returns bindings shared under a key prefix ("unioncard:41").
// It opens a client of its own with base's options but short timeouts, no
// retries, and contexts obeyed, which a general client would not do; Run closes it.
func NewRedisBindings(local *MemoryBindings, base *redis.Client, prefix string) *RedisBindings {
	o := *base.Options()
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = bindDialTimeout, bindTimeout, bindTimeout
	o.PoolTimeout = bindTimeout
	o.MaxRetries, o.DialerRetries = -1, 1
	o.ContextTimeoutEnabled = true
	return &RedisBindings{local: local, client: redis.NewClient(&o), prefix: prefix + ":bind:", queue: make(chan usedMark, usedQueue)}
}

// RedisBindingStats counts since the start.
type RedisBindingStats struct {
	Fallbacks int64 // answers from this node's memory alone
	Dropped   int64 // used marks not shared
	Entries   int
}

// Stats returns the counts.
func (r *RedisBindings) Stats() RedisBindingStats {
	return RedisBindingStats{Fallbacks: r.fallbacks.Load(), Dropped: r.dropped.Load(), Entries: r.local.Len()}
}

// Bind implements Bindings.
func (r *RedisBindings) Bind(ctx context.Context, c Code, h Holder, now time.Time) Binding {
	b, made := r.local.bind(c, h, now)
	if c.UseKey() == 0 || b.State != BindOwn {
		return b
	}
	if r.paused(now) {
		r.fallbacks.Add(1)
		return b
	}
	limit, cancel := context.WithTimeout(ctx, bindTimeout)
	defer cancel()
	key := r.key(c)
	if made {
		err := r.client.SetArgs(limit, key, holderText("", h), redis.SetArgs{Mode: "NX", TTL: BindTime}).Err()
		if err == nil {
			return b
		}
		if !errors.Is(err, redis.Nil) {
			r.failed(ctx, now)
			return b
		}
	}
	// Bound before, here or at another node; it may have been used there since.
	text, err := r.client.Get(limit, key).Result()
	if errors.Is(err, redis.Nil) {
		// Over in Redis in this very moment, or bound while Redis was away: tell it now.
		err = r.client.SetArgs(limit, key, holderText("", h), redis.SetArgs{Mode: "NX", TTL: BindTime}).Err()
		if err == nil || errors.Is(err, redis.Nil) {
			return b
		}
	}
	if err != nil {
		r.failed(ctx, now)
		return b
	}
	e, ok := parseHolder(text)
	if !ok {
		return b
	}
	e.until = now.Add(BindTime).UnixNano()
	if e.used || e.Holder != h {
		r.local.learn(c, e, now)
		return r.local.Bind(ctx, c, h, now)
	}
	return b
}

// Holds implements Bindings. When this node knows nothing of the code it asks
// Redis, also for a code that was never bound.
func (r *RedisBindings) Holds(ctx context.Context, c Code, h Holder, now time.Time) bool {
	if r.local.Holds(ctx, c, h, now) {
		return true
	}
	if r.paused(now) {
		r.fallbacks.Add(1)
		return false
	}
	limit, cancel := context.WithTimeout(ctx, bindTimeout)
	defer cancel()
	text, err := r.client.Get(limit, r.key(c)).Result()
	if err != nil {
		if !errors.Is(err, redis.Nil) {
			r.failed(ctx, now)
		}
		return false
	}
	e, ok := parseHolder(text)
	return ok && e.Holder == h
}

// MarkUsed implements Bindings: at once in this node's memory, behind in Redis.
func (r *RedisBindings) MarkUsed(ctx context.Context, c Code, h Holder, now time.Time) {
	if c.UseKey() == 0 {
		return
	}
	r.local.MarkUsed(ctx, c, h, now)
	select {
	case r.queue <- usedMark{c, h}:
	default:
		r.dropped.Add(1)
	}
}

// Run sends used marks until ctx ends, then closes the client and returns nil.
func (r *RedisBindings) Run(ctx context.Context) error {
	defer r.client.Close()
	batch := make([]usedMark, 0, usedBatch)
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-r.queue:
			batch = append(batch[:0], m)
		}
	fill:
		for len(batch) < usedBatch {
			select {
			case m := <-r.queue:
				batch = append(batch, m)
			default:
				break fill
			}
		}
		r.sendUsed(ctx, batch)
	}
}

func (r *RedisBindings) sendUsed(ctx context.Context, batch []usedMark) {
	ctx, cancel := context.WithTimeout(ctx, bindDialTimeout)
	defer cancel()
	_, err := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, m := range batch {
			p.Set(ctx, r.key(m.code), holderText(usedPrefix, m.holder), bindKeep)
		}
		return nil
	})
	if err != nil {
		r.dropped.Add(int64(len(batch)))
	}
}

func (r *RedisBindings) paused(now time.Time) bool { return now.UnixNano() < r.pausedTil.Load() }

// failed notes that Redis did not answer, unless it was the caller who gave up.
func (r *RedisBindings) failed(ctx context.Context, now time.Time) {
	r.fallbacks.Add(1)
	if ctx.Err() == nil {
		r.pausedTil.Store(now.Add(bindPause).UnixNano())
	}
}

func (r *RedisBindings) key(c Code) string {
	b := make([]byte, 0, len(r.prefix)+20)
	b = append(b, r.prefix...)
	b = strconv.AppendInt(b, c.Serial, 10)
	b = append(b, ':')
	return string(strconv.AppendInt(b, c.UseKey(), 10))
}

// holderText is what Redis keeps: "terminal:outlet", with a "u" before it once
// the code was used.
func holderText(prefix string, h Holder) string {
	return prefix + strconv.FormatInt(h.Terminal, 10) + ":" + strconv.FormatInt(h.Outlet, 10)
}

func parseHolder(text string) (bindEntry, bool) {
	rest, used := strings.CutPrefix(text, usedPrefix)
	left, right, _ := strings.Cut(rest, ":")
	terminal, err1 := strconv.ParseInt(left, 10, 64)
	outlet, err2 := strconv.ParseInt(right, 10, 64)
	return bindEntry{Holder: Holder{terminal, outlet}, used: used}, err1 == nil && err2 == nil
}
