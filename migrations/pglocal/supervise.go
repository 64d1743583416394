package pglocal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Pauses between restarts double from the first to the last; a server that ran
// longer than steady starts the count anew.
const (
	backoffFirst = 100 * time.Millisecond
	backoffLast  = 5 * time.Second
	steady       = time.Minute
)

// errStopping ends the supervisor when Stop was called before a start.
var errStopping = errors.New("stopping")

// supervise keeps PostgreSQL running until Stop. It owns every child: the kernel
// ties the signal that a child gets at our death to the thread that forked it,
// so this goroutine keeps one thread to itself for as long as it lives.
// first, which holds one value, is told the outcome of the first start; a
// failure of that one is final.
func (s *Server) supervise(first chan<- error) {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	defer close(s.done)
	var once sync.Once
	tell := func(err error) (told bool) {
		once.Do(func() { first <- err; told = true })
		return told
	}
	pause := backoffFirst
	for {
		began := time.Now()
		err := s.runOnce(func() { tell(nil) })
		if s.stopping() {
			tell(errStopping)
			return
		}
		if tell(err) {
			return
		}
		if time.Since(began) > steady {
			pause = backoffFirst
		}
		s.log.Error("PostgreSQL ended by itself, starting it again", "err", err, "pause", pause.String())
		select {
		case <-s.stop:
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, backoffLast)
		s.restarts.Add(1)
	}
}

// runOnce starts PostgreSQL and waits until it has ended. onReady is called once
// it takes connections.
func (s *Server) runOnce(onReady func()) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // ends with cancel
		select {
		case <-s.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := s.clearLeftovers(ctx); err != nil {
		return err
	}
	out, err := os.Create(s.startLog())
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command(filepath.Join(s.bin.dir, "postgres"), s.args...)
	cmd.Dir, cmd.Env = s.pgdata, childEnv()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = s.who.procAttr()
	cmd.SysProcAttr.Pdeathsig = syscall.SIGINT // fast shutdown if we are killed
	if err := s.launch(cmd); err != nil {
		return err
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if s.awaitReady(ctx, cmd.Process.Pid) {
			s.log.Info("PostgreSQL is ready", "pid", cmd.Process.Pid, "version", s.bin.major)
			onReady()
		}
	}()
	err = cmd.Wait()
	cancel()
	<-watched
	s.mu.Lock()
	s.child = nil
	s.mu.Unlock()
	if err == nil {
		err = errors.New("exit status 0")
	}
	return fmt.Errorf("postgres: %w%s", err, s.startTail())
}

// launch forks under the mutex, so that Stop sees either no child and the
// supervisor sees stop, or the child it has to signal.
func (s *Server) launch(cmd *exec.Cmd) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping() {
		return errStopping
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.child = cmd.Process
	return nil
}

// awaitReady watches the pid file, in which the server tells its state, until it
// says ready or ctx ends. Recovery after a crash may take its time.
func (s *Server) awaitReady(ctx context.Context, pid int) bool {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if b, err := os.ReadFile(filepath.Join(s.pgdata, "postmaster.pid")); err == nil {
			// Line 1 is the pid, line 8 the state (PostgreSQL's pidfile.h).
			lines := strings.Split(string(b), "\n")
			if len(lines) >= 8 && strings.TrimSpace(lines[0]) == strconv.Itoa(pid) &&
				strings.TrimSpace(lines[7]) == "ready" {
				return true
			}
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

func (s *Server) startLog() string { return filepath.Join(s.dir, "postgres-start.log") }

// startTail returns the end of what PostgreSQL said before its own log began.
func (s *Server) startTail() string {
	const most = 2000
	b, err := os.ReadFile(s.startLog())
	if err != nil || len(b) == 0 {
		return "; see " + filepath.Join(s.pgdata, "log")
	}
	if len(b) > most {
		b = b[len(b)-most:]
	}
	return ": " + strings.TrimSpace(string(b)) + "; see also " + filepath.Join(s.pgdata, "log")
}

func (s *Server) stopping() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}
