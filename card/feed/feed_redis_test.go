package feed_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"unioncard/card/feed"
	"unioncard/migrations/pgtest"
)

func redisWaker(t *testing.T, addr string, pool *pgxpool.Pool) *feed.RedisWaker {
	t.Helper()
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: addr})
	t.Cleanup(func() { _ = client.Close() })
	logger := slog.New(slog.DiscardHandler)
	return feed.NewRedisWaker(client, feed.NewListener(pool.Config().ConnConfig, logger), logger)
}

// Several nodes, one of which listens to PostgreSQL: a change wakes them all, and
// when that one stops another takes its place.
func TestRedisWakesEveryNode(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	addr := pgtest.Redis(t)
	pool := newThings(t, 10, 4)
	type node struct {
		view *view
		stop func()
	}
	var nodes []node
	for range 3 {
		v := newView()
		r := feed.NewReader(pool, []feed.Source{v}, feed.Options{Waker: redisWaker(t, addr, pool), Poll: time.Hour})
		if err := r.Load(ctx); err != nil {
			t.Fatal(err)
		}
		runCtx, cancel := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- r.Run(runCtx) }()
		stop := func() { cancel(); <-done }
		t.Cleanup(cancel)
		nodes = append(nodes, node{v, stop})
		// The first node becomes the one that listens: it is awake alone.
		if err := touch(ctx, pool, 1); err != nil {
			t.Fatal(err)
		}
		want := int64(len(nodes)) + 1
		v.await(t, patience, "woken by redis", func() bool { return v.versions[1] == want })
	}
	// Connecting wakes too, so it takes several changes to tell.
	for i := range int64(5) {
		if err := touch(ctx, pool, 3); err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			n.view.await(t, patience, "every change wakes every node", func() bool { return n.view.versions[3] == i+2 })
		}
	}
	nodes[0].stop()
	if err := touch(ctx, pool, 2); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes[1:] {
		n.view.await(t, patience, "woken by another's bridge", func() bool { return n.view.versions[2] == 2 })
	}
	for _, n := range nodes[1:] {
		n.stop()
	}
}

// Publish wakes without the way through the database.
func TestPublish(t *testing.T) {
	t.Parallel()
	addr := pgtest.Redis(t)
	pool := newThings(t, 1, 2)
	a, b := redisWaker(t, addr, pool), redisWaker(t, addr, pool)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); a.Run(ctx) }()
	defer func() { stop(); <-done }()
	<-a.Wake() // its subscription
	for woken := false; !woken; {
		if err := b.Publish(ctx); err != nil {
			t.Fatal(err)
		}
		select {
		case <-a.Wake():
			woken = true
		case <-ctx.Done():
			t.Fatal("never woken")
		default:
		}
	}
}

// Without Redis the poll remains.
func TestRedisLost(t *testing.T) {
	t.Parallel()
	addr, kill := pgtest.StartRedis(t)
	pool := newThings(t, 10, 4)
	v := newView()
	start(t, feed.NewReader(pool, []feed.Source{v}, feed.Options{Waker: redisWaker(t, addr, pool)}))
	kill()
	if err := touch(t.Context(), pool, 1); err != nil {
		t.Fatal(err)
	}
	v.await(t, patience, "a change without redis", func() bool { return v.versions[1] == 2 })
}
