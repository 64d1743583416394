package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
)

// demoKeys is how many card states the Redis and SELECT baselines hold.
const demoKeys = 100_000

// routeRedis looks the card's state up by one GET. The key comes from the code's
// digits, so that lookups spread over all keys as real ones would.
func routeRedis(ctx context.Context, r gin.IRouter, c config, sample verifyAnswer) (func(), error) {
	network := "tcp"
	if strings.HasPrefix(c.redis, "/") {
		network = "unix"
	}
	rdb := redis.NewClient(&redis.Options{Network: network, Addr: c.redis, PoolSize: c.pool})
	closer := func() { _ = rdb.Close() }
	const batch = 1000
	for from := 0; from < demoKeys; from += batch {
		pipe := rdb.Pipeline()
		for k := from; k < from+batch; k++ {
			pipe.Set(ctx, cardKey(k), `{"status":1,"generation":1,"holder":"张**","union":410100,"valid_until":"2028-12-31"}`, 0)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			closer()
			return nil, fmt.Errorf("fill redis: %w", err)
		}
	}
	r.POST("/v1/verifications", func(g *gin.Context) {
		body, ok := decode[verifyRequest](g)
		if !ok {
			return
		}
		if _, err := rdb.Get(g.Request.Context(), cardKey(keyOf(body.Code))).Result(); err != nil {
			g.JSON(http.StatusInternalServerError, gin.H{"error": err.Error()})
			return
		}
		g.JSON(http.StatusOK, sample)
	})
	return closer, nil
}

func cardKey(k int) string { return fmt.Sprintf("card:%06d", k) }

// keyOf maps a code's digits to one of the demoKeys cards.
func keyOf(code string) int {
	h := uint64(1469598103934665603) // FNV-1a
	for i := range len(code) {
		h = (h ^ uint64(code[i])) * 1099511628211
	}
	return int(h % demoKeys)
}
