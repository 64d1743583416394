package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"unioncard/loadtest/till"
)

// keeper restarts the server after it was killed, as systemd would, and counts when
// it ended by itself, which it must not: a dead PostgreSQL is for it to restart.
// It belongs to one goroutine until stop.
type keeper struct {
	svc   *service
	acts  map[act]int
	quits int
}

func newKeeper(s *service) *keeper { return &keeper{svc: s, acts: map[act]int{}} }

// ended is closed when the present server process has ended.
func (k *keeper) ended() <-chan struct{} { return k.svc.process.Done() }

// restart starts the server anew, after killing it or after it ended.
func (k *keeper) restart(kill bool) error {
	if kill && k.svc.process.Running() {
		k.svc.process.Kill()
	} else {
		k.quits++
		fmt.Fprintln(os.Stderr, "crash: the server ended by itself:", k.svc.process.Tail())
		time.Sleep(500 * time.Millisecond) // as a supervisor waits between restarts
	}
	return k.svc.launch()
}

// ensure waits until the server is ready, starting it again if need be.
func (k *keeper) ensure(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, startupLimit)
	defer cancel()
	for tries := 0; ; tries++ {
		if !k.svc.process.Running() {
			if err := k.restart(false); err != nil {
				return err
			}
		}
		err := k.svc.process.Ready(bounded, "http://"+k.svc.admin+"/readyz")
		if err == nil || tries == 3 || bounded.Err() != nil {
			return err
		}
	}
}

func (k *keeper) stop() { k.svc.stop() }

// stock hands out codes one by one to many tills, from batches of the pool that are
// thrown away before they expire.
type stock struct {
	mu    sync.Mutex
	pool  *pool
	batch int
	codes []string
	until time.Time
}

// codeLife is how long codes of the present step are surely accepted: until the
// next step ends they are, one step either way.
const codeLife = 20 * time.Second

func newStock(p *pool, batch int) *stock { return &stock{pool: p, batch: batch} }

// take returns one code; it insists while the database that the program asks is
// down.
func (s *stock) take(ctx context.Context) (till.Code, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.codes) == 0 || time.Now().After(s.until) {
		codes, err := s.pool.take(ctx, s.batch)
		if err == nil {
			s.codes, s.until = codes, time.Now().Add(codeLife)
			break
		}
		fmt.Fprintln(os.Stderr, "crash: codes:", err)
		select {
		case <-ctx.Done():
			return till.Code{}, fmt.Errorf("codes: %w", err)
		case <-time.After(time.Second):
		}
	}
	code := s.codes[0]
	s.codes = s.codes[1:]
	return till.Code{Text: code}, nil
}
