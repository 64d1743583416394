// Package drive sends requests to a server over many keep-alive connections and
// measures what comes back.
//
// Open loop: a Schedule fixes beforehand when each request is to be sent, and its
// latency counts from that moment, whether or not a connection was free then. A
// server that stalls is charged for every request that should have gone out
// meanwhile (no coordinated omission). Closed loop: every connection sends its next
// request when the last one is answered, which finds the peak throughput.
//
// One thread runs one epoll loop over all connections and allocates nothing per
// request, so that on a shared machine the server gets the cores. Linux only.
package drive

import (
	"math"
	"math/rand/v2"
	"time"
)

// Schedule is a sequence of intended send times, relative to the start, never
// decreasing. It does not know how the server is doing.
type Schedule interface {
	Next() time.Duration
}

// uniform spaces requests evenly.
type uniform struct {
	gap float64 // ns
	n   float64
}

// Uniform is a schedule of rate requests a second at equal distances.
func Uniform(rate float64) Schedule { return &uniform{gap: float64(time.Second) / rate} }

func (u *uniform) Next() time.Duration {
	at := time.Duration(u.n * u.gap)
	u.n++
	return at
}

// poisson draws exponential gaps: tills do not agree with each other when to scan.
type poisson struct {
	rng *rand.Rand
	gap float64 // mean, ns
	at  float64
}

// Poisson is a schedule of rate requests a second on average with independent
// arrivals; the same seed gives the same schedule.
func Poisson(rate float64, seed uint64) Schedule {
	return &poisson{rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), gap: float64(time.Second) / rate}
}

func (p *poisson) Next() time.Duration {
	p.at += p.rng.ExpFloat64() * p.gap
	return time.Duration(math.Min(p.at, math.MaxInt64/2))
}
