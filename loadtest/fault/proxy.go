// Package fault is a TCP proxy that behaves like a bad network: it cuts
// connections, holds data back, and swallows answers whose requests arrived, which
// is the fault that makes a till ask twice.
//
// What happens to a connection is drawn from the seed and the connection's number,
// so a run can be repeated up to the scheduling of the machine.
package fault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Faults are probabilities (0 to 1), drawn for every piece of data that comes
// from the server, which is about once an answer, except where said otherwise.
type Faults struct {
	CutRequest float64       // a request is cut off half-way (drawn per piece from the client)
	DropAnswer float64       // the answer is swallowed and the connection closed
	CutAnswer  float64       // half of the answer arrives, then the connection closes
	Delay      float64       // the answer is held back
	MaxDelay   time.Duration // at most this long
}

// Counts says what was done so far.
type Counts struct {
	Connections, CutRequests, DroppedAnswers, CutAnswers, Delays, Refused int64
}

// Proxy forwards connections to one address.
type Proxy struct {
	ln     net.Listener
	target string
	seed   uint64
	faults atomic.Pointer[Faults]

	conns, cutRequests, dropped, cutAnswers, delays, refused atomic.Int64

	stop context.CancelFunc
	wg   sync.WaitGroup
	mu   sync.Mutex
	open map[net.Conn]struct{} // nil after Close
}

// Listen starts a proxy to target on a loopback port.
func Listen(target string, seed uint64, faults Faults) (*Proxy, error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("fault: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &Proxy{ln: ln, target: target, seed: seed, stop: stop, open: map[net.Conn]struct{}{}}
	p.faults.Store(&faults)
	p.wg.Add(1)
	go p.accept(ctx)
	return p, nil
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// Set changes the faults for all connections from now on. Faults{} heals.
func (p *Proxy) Set(f Faults) { p.faults.Store(&f) }

// CutAll closes every connection at once, as a switch that loses power does.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		reset(c)
	}
}

// Counts returns what was done so far.
func (p *Proxy) Counts() Counts {
	return Counts{
		Connections: p.conns.Load(), CutRequests: p.cutRequests.Load(), DroppedAnswers: p.dropped.Load(),
		CutAnswers: p.cutAnswers.Load(), Delays: p.delays.Load(), Refused: p.refused.Load(),
	}
}

// Close ends the proxy and all its connections, and waits for them.
func (p *Proxy) Close() {
	p.stop()
	_ = p.ln.Close()
	p.mu.Lock()
	for c := range p.open {
		reset(c)
	}
	p.open = nil
	p.mu.Unlock()
	p.wg.Wait()
}

// track remembers a connection for CutAll; false after Close.
func (p *Proxy) track(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		return false
	}
	p.open[c] = struct{}{}
	return true
}

func (p *Proxy) release(c net.Conn) {
	p.mu.Lock()
	delete(p.open, c)
	p.mu.Unlock()
	_ = c.Close()
}

// reset closes a connection with RST instead of FIN, and without waiting for the
// peer to take what is still to be sent.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

func (p *Proxy) accept(ctx context.Context) {
	defer p.wg.Done()
	for n := uint64(0); ; n++ {
		c, err := p.ln.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		if !p.track(c) {
			reset(c)
			return
		}
		p.conns.Add(1)
		p.wg.Add(1)
		go func() {
			defer p.wg.Done()
			p.serve(ctx, c, n)
		}()
	}
}

// serve forwards one connection until either side ends or a fault does it.
func (p *Proxy) serve(ctx context.Context, client net.Conn, n uint64) {
	defer p.release(client)
	server, err := net.DialTimeout("tcp", p.target, 2*time.Second)
	if err != nil {
		p.refused.Add(1) // the server is down: the till sees a reset
		reset(client)
		return
	}
	if !p.track(server) {
		reset(server)
		return
	}
	defer p.release(server)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.upstream(client, server, rand.New(rand.NewPCG(p.seed, 2*n)))
		reset(server)
	}()
	p.downstream(ctx, client, server, rand.New(rand.NewPCG(p.seed, 2*n+1)))
	_ = client.Close() // FIN, so that what was forwarded last still arrives
	reset(server)
	<-done
}

// upstream carries requests.
func (p *Proxy) upstream(client, server net.Conn, rng *rand.Rand) {
	buf := make([]byte, 32<<10)
	for {
		n, err := client.Read(buf)
		if n > 0 {
			if rng.Float64() < p.faults.Load().CutRequest {
				p.cutRequests.Add(1)
				_, _ = server.Write(buf[:n/2])
				reset(client)
				return
			}
			if _, err := server.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// downstream carries answers.
func (p *Proxy) downstream(ctx context.Context, client, server net.Conn, rng *rand.Rand) {
	buf := make([]byte, 32<<10)
	for {
		n, err := server.Read(buf)
		if n > 0 {
			f := p.faults.Load()
			switch draw := rng.Float64(); {
			case draw < f.DropAnswer:
				p.dropped.Add(1)
				return
			case draw < f.DropAnswer+f.CutAnswer:
				p.cutAnswers.Add(1)
				_, _ = client.Write(buf[:n/2])
				_ = client.Close() // FIN: the half must arrive
				return
			case draw < f.DropAnswer+f.CutAnswer+f.Delay && f.MaxDelay > 0:
				p.delays.Add(1)
				if !wait(ctx, time.Duration(rng.Int64N(int64(f.MaxDelay)))) {
					return
				}
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// wait sleeps unless ctx ends first.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
