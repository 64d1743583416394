package push

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"unioncard/migrations/pgtest"
)

// TestRelay: what one node recorded, the phone at another hears, once; Redis may be
// gone without harm.
func TestRelay(t *testing.T) {
	t.Parallel()
	path, kill := pgtest.StartRedis(t)
	var nodes []*Hub
	var relays []*Relay
	ctx, stop := context.WithCancel(t.Context())
	var run sync.WaitGroup
	for range 2 {
		client := redis.NewClient(&redis.Options{Network: "unix", Addr: path})
		defer client.Close()
		h := newHub(10)
		r := NewRelay(h, client, "unioncard:41")
		nodes, relays = append(nodes, h), append(relays, r)
		run.Go(func() { _ = r.Run(ctx) })
	}
	defer run.Wait()
	defer stop()
	for _, r := range relays {
		select {
		case <-r.ready:
		case <-time.After(20 * time.Second):
			t.Fatal("a node does not hear")
		}
	}
	here, err := nodes[0].Open(1, 7)
	if err != nil {
		t.Fatal(err)
	}
	there, err := nodes[1].Open(1, 7)
	if err != nil {
		t.Fatal(err)
	}
	want := used(7)
	nodes[0].Sold(want)
	last := used(7)
	last.Slot = 0
	for _, s := range []*Stream{here, there} {
		if d := cmp.Diff(&want, next(t, s)); d != "" {
			t.Error(d)
		}
	}
	nodes[0].Sold(last)
	for _, s := range []*Stream{here, there} {
		if d := cmp.Diff(&last, next(t, s)); d != "" {
			t.Errorf("heard twice, or another: %s", d)
		}
	}
	kill()
	nodes[0].Sold(want)
	if next(t, here) == nil {
		t.Error("without Redis the own node's phone hears nothing")
	}
}

func FuzzRelay(f *testing.F) {
	u := used(7)
	own := [nodeIDLen]byte{1}
	f.Add(appendUsed(make([]byte, nodeIDLen), &u))
	f.Add([]byte{})
	f.Add(make([]byte, nodeIDLen+usedSize-1))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readUsed(b, own)
		if err != nil || bytes.HasPrefix(b, own[:]) {
			return
		}
		back := append([]byte{}, b[:nodeIDLen]...)
		for _, u := range got {
			back = appendUsed(back, &u)
		}
		if again, err := readUsed(back, own); err != nil || !cmp.Equal(got, again) {
			t.Errorf("%v, %v and %v", err, got, again)
		}
	})
}
