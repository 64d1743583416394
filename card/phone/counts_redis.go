package phone

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	countTimeout = 50 * time.Millisecond
	// countPause is how long a failing Redis is left alone, so that an outage costs
	// one slow request a second and not every one.
	countPause = time.Second
)

// RedisCounts is Counts among several nodes. While Redis is away each node counts
// for itself, and as if it were all of them: its own counts times their number.
type RedisCounts struct {
	local     *MemoryCounts
	client    *redis.Client
	prefix    string
	nodes     int64
	pausedTil atomic.Int64 // unix nanoseconds
}

// NewRedisCounts counts under a key prefix ("unioncard:41").
func NewRedisCounts(local *MemoryCounts, client *redis.Client, prefix string, nodes int) *RedisCounts {
	return &RedisCounts{local: local, client: client, prefix: prefix + ":phone:", nodes: int64(max(nodes, 1))}
}

// Add implements Counts.
func (r *RedisCounts) Add(ctx context.Context, subject Subject, window time.Duration, n int64, now time.Time) int64 {
	own := r.local.Add(ctx, subject, window, n, now) * r.nodes
	if now.UnixNano() < r.pausedTil.Load() {
		return own
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countTimeout)
	defer cancel()
	end := windowEnd(window, now)
	key := r.prefix + string(windowed{subject, end.Unix()}.append(nil))
	pipe := r.client.Pipeline()
	count := pipe.IncrBy(ctx, key, n)
	pipe.ExpireAt(ctx, key, end.Add(window))
	if _, err := pipe.Exec(ctx); err != nil {
		r.pausedTil.Store(now.Add(countPause).UnixNano())
		return own
	}
	return count.Val()
}
