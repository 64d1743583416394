package proc

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func sh(t *testing.T, script string) *Process {
	t.Helper()
	p, err := Start(t.TempDir(), "sh", 0, "/bin/sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func TestAddress(t *testing.T) {
	t.Parallel()
	p := sh(t, "echo listening on 127.0.0.1:4711; exec sleep 60")
	addr, err := p.Address(t.Context())
	if err != nil || addr != "127.0.0.1:4711" {
		t.Errorf("%q, %v", addr, err)
	}
	if !p.Running() {
		t.Error("not running")
	}
	p.Stop(syscall.SIGTERM)
	if p.Running() {
		t.Error("still running")
	}
}

// TestEndedBeforeReady: waiting for a process that has ended is in vain and says
// what it printed last.
func TestEndedBeforeReady(t *testing.T) {
	t.Parallel()
	p := sh(t, "echo no such data directory >&2; exit 3")
	_, err := p.Address(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no such data directory") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("err = %v", err)
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(srv.Close)
	p := sh(t, "exec sleep 60")
	if err := p.Ready(t.Context(), srv.URL); err != nil || n.Load() != 3 {
		t.Errorf("ready after %d tries: %v", n.Load(), err)
	}
	n.Store(-1 << 40)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Ready(ctx, srv.URL); err == nil {
		t.Error("ready although it never was")
	}
}

func TestFindPostmaster(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := FindPostmaster(dir); err == nil {
		t.Error("found one in an empty directory")
	}
	if err := os.MkdirAll(filepath.Join(dir, "data", "postgres", "base"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "data", "postgres", "postmaster.pid")
	write := func(pid int) {
		text := fmt.Sprintf("%d\n/data\n1700000000\n5432\n/run/socket\n\n  1 2\nready   \n", pid)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(4711)
	got, err := FindPostmaster(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Postmaster{PID: 4711, Port: "5432", SocketDir: "/run/socket"}, got); diff != "" {
		t.Error(diff)
	}
	// A stale file may name a process that is somebody else's: this very test.
	write(os.Getpid())
	if err := KillPostmaster(dir); err == nil {
		t.Error("killed a process that is not PostgreSQL")
	}
	if err := os.WriteFile(file, []byte("12\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := FindPostmaster(dir); err == nil {
		t.Error("took half a file")
	}
}

// TestKillPostmaster: the real one dies at once.
func TestKillPostmaster(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "proc-test-") // short: a socket's path has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	pg, err := StartPostgres(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pg.Stop)
	if err := KillPostmaster(dir); err != nil {
		t.Fatal(err)
	}
	select {
	case <-pg.Done():
	case <-time.After(10 * time.Second):
		t.Error("PostgreSQL still runs")
	}
}
