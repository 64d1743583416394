package feed

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	leaderKey  = Channel + "_bridge"
	leaderTerm = 3 * time.Second
	renewEvery = time.Second
	publishGap = 5 * time.Millisecond // a burst of commits is one message
)

// RedisWaker wakes by Redis pub/sub, for many nodes on one PostgreSQL: there a
// NOTIFY at every commit would be delivered to every node by the database. One
// of the nodes, whichever holds a key in Redis, listens to PostgreSQL and passes
// its notifications on, so that changes by any program are heard. Two such
// nodes at a time, or none for a few seconds after one died, do no harm.
type RedisWaker struct {
	client   redis.UniversalClient
	listener *Listener
	logger   *slog.Logger
	node     string
	wake     chan struct{}
}

// NewRedisWaker makes a waker; listener is used only while this node is the one
// that passes notifications on. Several deployments on one Redis only wake each
// other needlessly.
func NewRedisWaker(client redis.UniversalClient, listener *Listener, logger *slog.Logger) *RedisWaker {
	return &RedisWaker{client: client, listener: listener, logger: logger, node: rand.Text(), wake: make(chan struct{}, 1)}
}

// Wake implements Waker.
func (w *RedisWaker) Wake() <-chan struct{} { return w.wake }

// Publish wakes every node's reader. A node may call it after a commit of its
// own to save the way through the database.
func (w *RedisWaker) Publish(ctx context.Context) error {
	return w.client.Publish(ctx, Channel, "").Err()
}

// Run implements Waker.
func (w *RedisWaker) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { w.lead(ctx) })
	// Channel pings an idle connection and mends a broken one by itself; what was
	// missed meanwhile, the wake-up at every subscription makes good.
	sub := w.client.Subscribe(ctx, Channel)
	defer func() { _ = sub.Close() }()
	messages := sub.ChannelWithSubscriptions()
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-messages:
			if !ok {
				return
			}
			signal(w.wake)
		}
	}
}

// lead passes PostgreSQL's notifications on for as long as this node holds the key.
func (w *RedisWaker) lead(ctx context.Context) {
	for ctx.Err() == nil {
		if w.holdsKey(ctx) {
			w.bridge(ctx)
		}
		if !wait(ctx, renewEvery) {
			return
		}
	}
}

// holdsKey takes or renews the key. Between the two commands it may run out,
// which only makes for a second leader.
func (w *RedisWaker) holdsKey(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, renewEvery)
	defer cancel()
	taken, err := w.client.SetNX(ctx, leaderKey, w.node, leaderTerm).Result()
	if err != nil || taken {
		return err == nil
	}
	holder, err := w.client.Get(ctx, leaderKey).Result()
	if err != nil || holder != w.node {
		return false
	}
	return w.client.PExpire(ctx, leaderKey, leaderTerm).Err() == nil
}

func (w *RedisWaker) bridge(ctx context.Context) {
	listenCtx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { w.listener.Run(listenCtx) })
	defer wg.Wait()
	defer stop()
	renew := time.NewTicker(renewEvery)
	defer renew.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-renew.C:
			if !w.holdsKey(ctx) {
				return
			}
		case <-w.listener.Wake():
			if err := w.publish(ctx); err != nil && ctx.Err() == nil {
				w.logger.Warn("change feed: redis publish failed, polling goes on", "error", err)
			}
			if !wait(ctx, publishGap) {
				return
			}
		}
	}
}

func (w *RedisWaker) publish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, renewEvery)
	defer cancel()
	return w.Publish(ctx)
}
