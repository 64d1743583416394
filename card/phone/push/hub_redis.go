package push

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"crypto/rand"

	"unioncard/card"
)

const (
	relayQueue   = 8192
	relayBatch   = 256
	relayTimeout = time.Second
	usedSize     = 8 + 8 + 8 + 16 + 1 + 1 + 8 + 8 + 8
	nodeIDLen    = 8
)

// Relay passes what one node recorded to the phones at the others, by Redis
// publish/subscribe, behind and in batches. The queue is bounded; what does not fit
// is dropped and counted.
type Relay struct {
	hub     *Hub
	client  *redis.Client
	channel string
	id      [nodeIDLen]byte
	queue   chan Used
	dropped atomic.Int64
	ready   chan struct{} // closed once it hears
}

// NewRelay joins a hub to those of the other nodes under a key prefix
// ("unioncard:41"). Nothing is passed before Run.
func NewRelay(hub *Hub, client *redis.Client, prefix string) *Relay {
	r := &Relay{hub: hub, client: client, channel: prefix + ":used", queue: make(chan Used, relayQueue), ready: make(chan struct{})}
	_, _ = rand.Read(r.id[:]) // never fails
	hub.relay = r.pass
	return r
}

// Dropped is how many were not passed on.
func (r *Relay) Dropped() int64 { return r.dropped.Load() }

func (r *Relay) pass(u Used) {
	select {
	case r.queue <- u:
	default:
		r.dropped.Add(1)
	}
}

// Run passes on and hears until ctx ends. Redis may come and go meanwhile.
func (r *Relay) Run(ctx context.Context) error {
	sub := r.client.Subscribe(ctx, r.channel)
	var wg sync.WaitGroup
	wg.Go(func() { r.listen(sub.ChannelWithSubscriptions(redis.WithChannelSize(1024))) })
	msg := make([]byte, 0, nodeIDLen+relayBatch*usedSize)
	for {
		select {
		case <-ctx.Done():
			err := sub.Close() // ends listen
			wg.Wait()
			return err
		case u := <-r.queue:
			msg = appendUsed(append(msg[:0], r.id[:]...), &u)
			for n := 1; n < relayBatch && len(r.queue) > 0; n++ {
				u = <-r.queue
				msg = appendUsed(msg, &u)
			}
			r.publish(ctx, msg)
		}
	}
}

func (r *Relay) publish(ctx context.Context, msg []byte) {
	ctx, cancel := context.WithTimeout(ctx, relayTimeout)
	defer cancel()
	if err := r.client.Publish(ctx, r.channel, msg).Err(); err != nil {
		r.dropped.Add(int64((len(msg) - nodeIDLen) / usedSize))
	}
}

func (r *Relay) listen(messages <-chan any) {
	var once sync.Once
	for m := range messages {
		switch m := m.(type) {
		case *redis.Subscription:
			once.Do(func() { close(r.ready) })
		case *redis.Message:
			used, err := readUsed([]byte(m.Payload), r.id)
			if err != nil {
				continue // another version's
			}
			for _, u := range used {
				r.hub.hear(u)
			}
		}
	}
}

var errRelay = errors.New("push: not a relay's message")

// readUsed reads a message; nothing of one's own.
func readUsed(msg []byte, own [nodeIDLen]byte) ([]Used, error) {
	if len(msg) < nodeIDLen || (len(msg)-nodeIDLen)%usedSize != 0 {
		return nil, errRelay
	}
	if [nodeIDLen]byte(msg) == own {
		return nil, nil
	}
	var out []Used
	for b := msg[nodeIDLen:]; len(b) > 0; b = b[usedSize:] {
		u := Used{Kind: card.CodeKind(b[40]), Slot: b[41]}
		number := func(at int) int64 { return int64(binary.BigEndian.Uint64(b[at:])) }
		u.Serial, u.MerchantID, u.OutletID = number(0), number(8), number(16)
		copy(u.Purchase[:], b[24:40])
		u.AmountFen, u.DiscountFen, u.At = number(42), number(50), time.UnixMicro(number(58)).UTC()
		out = append(out, u)
	}
	return out, nil
}

func appendUsed(b []byte, u *Used) []byte {
	for _, n := range []int64{u.Serial, u.MerchantID, u.OutletID} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	b = append(b, u.Purchase[:]...)
	b = append(b, byte(u.Kind), u.Slot)
	for _, n := range []int64{u.AmountFen, u.DiscountFen, u.At.UnixMicro()} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return b
}
