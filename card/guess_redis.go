package card

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	missQueue = 8192
	missBatch = 256
	missSize  = 8 + 8 + 8 + 16 + 1 // terminal, outlet, claim, network, kind
	nodeIDLen = 8
	// guardBeat is how often a node says it is there; after guardDeaf without
	// hearing itself, it takes Redis for gone.
	guardBeat = time.Second
	guardDeaf = 3 * guardBeat
)

// RedisGuard is the Guard of one node among several. It decides from its own
// memory only, so no verification waits for Redis; misses are told to the other
// nodes by publish/subscribe, behind and in batches. The queue is bounded, what
// does not fit is dropped and counted. A node publishes a beat every second;
// as long as it hears its own, both ways work and the whole budgets apply, else
// its share of them (see GuardOptions.Nodes).
type RedisGuard struct {
	*MemoryGuard
	client    *redis.Client
	channel   string
	clock     func() time.Time
	id        [nodeIDLen]byte
	queue     chan sharedMiss
	lastHeard atomic.Int64 // unix nanoseconds of the last own beat heard
	dropped   atomic.Int64
	heard     atomic.Int64
}

type sharedMiss struct {
	Subjects
	kind CodeKind
}

// NewRedisGuard shares local's misses on a channel named after prefix
// ("unioncard:41"). Nothing is shared before Run.
func NewRedisGuard(local *MemoryGuard, client *redis.Client, prefix string, clock func() time.Time) *RedisGuard {
	g := &RedisGuard{
		MemoryGuard: local,
		client:      client,
		channel:     prefix + ":misses",
		clock:       clock,
		queue:       make(chan sharedMiss, missQueue),
	}
	_, _ = rand.Read(g.id[:]) // never fails (crypto/rand)
	return g
}

// Miss implements Guard.
func (g *RedisGuard) Miss(s Subjects, kind CodeKind, now time.Time) {
	g.MemoryGuard.Miss(s, kind, now)
	select {
	case g.queue <- sharedMiss{s, kind}:
	default:
		g.dropped.Add(1)
	}
}

// RedisGuardStats counts since the start.
type RedisGuardStats struct {
	Dropped int64 // misses not told to others
	Heard   int64 // misses heard from others
	Alone   bool  // Redis is away, shares apply
}

// SharedStats returns the counts of sharing; Stats has those of the budgets.
func (g *RedisGuard) SharedStats() RedisGuardStats {
	return RedisGuardStats{Dropped: g.dropped.Load(), Heard: g.heard.Load(), Alone: g.alone.Load()}
}

// Run shares misses until ctx ends, and returns nil then. Redis may come and go
// meanwhile.
func (g *RedisGuard) Run(ctx context.Context) error {
	sub := g.client.Subscribe(ctx, g.channel)
	var wg sync.WaitGroup
	wg.Go(func() { g.listen(sub.Channel(redis.WithChannelSize(1024))) })
	g.tell(ctx)
	err := sub.Close() // ends listen
	wg.Wait()
	g.alone.Store(true)
	return err
}

// tell publishes what is queued, and the beat.
func (g *RedisGuard) tell(ctx context.Context) {
	beat := time.NewTicker(guardBeat)
	defer beat.Stop()
	msg := make([]byte, 0, nodeIDLen+missBatch*missSize)
	for {
		msg = append(msg[:0], g.id[:]...)
		g.publish(ctx, msg) // the beat, and at once at the start
		g.alone.Store(g.deaf(g.clock()))
		for next := false; !next; {
			select {
			case <-ctx.Done():
				return
			case <-beat.C:
				next = true
			case m := <-g.queue:
				g.publish(ctx, g.collect(msg[:nodeIDLen], m))
			}
		}
	}
}

// deaf reports whether the node has not heard itself for so long that Redis must
// be gone.
func (g *RedisGuard) deaf(now time.Time) bool {
	return now.UnixNano()-g.lastHeard.Load() > int64(guardDeaf)
}

// collect adds m and what else is queued, up to a batch.
func (g *RedisGuard) collect(msg []byte, m sharedMiss) []byte {
	msg = appendMiss(msg, m)
	for range missBatch - 1 {
		select {
		case m = <-g.queue:
			msg = appendMiss(msg, m)
		default:
			return msg
		}
	}
	return msg
}

func (g *RedisGuard) publish(ctx context.Context, msg []byte) {
	ctx, cancel := context.WithTimeout(ctx, guardBeat)
	defer cancel()
	if err := g.client.Publish(ctx, g.channel, msg).Err(); err != nil {
		g.dropped.Add(int64((len(msg) - nodeIDLen) / missSize))
	}
}

// listen counts the misses of other nodes until the subscription is closed. The
// client subscribes again by itself after a lost connection.
func (g *RedisGuard) listen(messages <-chan *redis.Message) {
	for m := range messages {
		g.hear([]byte(m.Payload))
	}
}

func (g *RedisGuard) hear(msg []byte) {
	if len(msg) < nodeIDLen || (len(msg)-nodeIDLen)%missSize != 0 {
		return // another version's
	}
	now := g.clock()
	if [nodeIDLen]byte(msg) == g.id {
		g.lastHeard.Store(now.UnixNano())
		g.alone.Store(false)
		return
	}
	for msg = msg[nodeIDLen:]; len(msg) > 0; msg = msg[missSize:] {
		m := readMiss(msg)
		g.MemoryGuard.Miss(m.Subjects, m.kind, now)
		g.heard.Add(1)
	}
}

func appendMiss(b []byte, m sharedMiss) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(m.Terminal))
	b = binary.BigEndian.AppendUint64(b, uint64(m.Outlet))
	b = binary.BigEndian.AppendUint64(b, uint64(m.Claim))
	n := network(m.Addr)
	b = append(b, n[:]...)
	return append(b, byte(m.kind))
}

func readMiss(b []byte) sharedMiss {
	m := sharedMiss{kind: CodeKind(b[40])}
	m.Terminal = int64(binary.BigEndian.Uint64(b[0:]))
	m.Outlet = int64(binary.BigEndian.Uint64(b[8:]))
	m.Claim = int64(binary.BigEndian.Uint64(b[16:]))
	if a := [16]byte(b[24:40]); a != [16]byte{} {
		m.Addr = netip.AddrFrom16(a).Unmap()
	}
	return m
}
