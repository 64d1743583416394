package phone

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"unioncard/migrations/pgtest"
)

// TestRedisCounts: nodes count together; alone, each counts for all.
func TestRedisCounts(t *testing.T) {
	t.Parallel()
	path, kill := pgtest.StartRedis(t)
	node := func() *RedisCounts {
		client := redis.NewClient(&redis.Options{Network: "unix", Addr: path})
		t.Cleanup(func() { _ = client.Close() })
		return NewRedisCounts(NewMemoryCounts(), client, "unioncard:41", 2)
	}
	a, b := node(), node()
	ctx, s := t.Context(), Subject{9}
	now := time.Now()
	a.Add(ctx, s, time.Hour, 1, now)
	if n := b.Add(ctx, s, time.Hour, 1, now); n != 2 {
		t.Errorf("together %d", n)
	}
	keys, err := a.client.Keys(ctx, "*").Result()
	if err != nil || len(keys) != 1 {
		t.Errorf("keys %q, %v", keys, err)
	}
	if ttl := a.client.TTL(ctx, keys[0]).Val(); ttl <= 0 || ttl > 2*time.Hour {
		t.Errorf("a count is kept for %v", ttl)
	}
	kill()
	if n := a.Add(ctx, s, time.Hour, 1, now); n != 4 { // its own two, for both
		t.Errorf("alone %d", n)
	}
}
