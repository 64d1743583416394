package card

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisProcess is a real redis-server on a unix socket in a folder of the test.
type redisProcess struct {
	t      testing.TB
	socket string
	cmd    *exec.Cmd
}

func startRedis(t testing.TB) *redisProcess {
	t.Helper()
	// Not t.TempDir: a unix socket's path is bounded, and test names are long.
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		t.Fatal(err)
	}
	p := &redisProcess{t: t, socket: filepath.Join(dir, "s")}
	t.Cleanup(func() {
		p.stop()
		_ = os.RemoveAll(dir)
	})
	p.start()
	return p
}

func (p *redisProcess) start() {
	p.t.Helper()
	p.cmd = exec.Command("redis-server", "--port", "0", "--unixsocket", p.socket, "--save", "", "--appendonly", "no", "--dir", filepath.Dir(p.socket))
	if err := p.cmd.Start(); err != nil {
		p.t.Fatalf("start redis-server: %v", err)
	}
	c := p.client()
	eventually(p.t, "redis-server to answer", func() bool { return c.Ping(context.Background()).Err() == nil })
}

// stop kills the server; what it held is gone.
func (p *redisProcess) stop() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.cmd = nil
	_ = os.Remove(p.socket)
}

func (p *redisProcess) client() *redis.Client {
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: p.socket})
	p.t.Cleanup(func() { _ = c.Close() })
	return c
}

// deafRedis takes connections and never answers.
func deafRedis(t testing.TB) *redis.Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var held []net.Conn
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				for _, h := range held {
					_ = h.Close()
				}
				return
			}
			if err == nil {
				held = append(held, c)
			}
		}
	}()
	client := redis.NewClient(&redis.Options{Addr: l.Addr().String()})
	t.Cleanup(func() {
		_ = client.Close()
		_ = l.Close()
		<-done
	})
	return client
}

// runUntilEnd runs a component as its owner would, and waits for it.
func runUntilEnd(t testing.TB, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// eventually waits for what another process is about to do; it polls, as a
// counter can't signal.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}
