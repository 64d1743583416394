package pgtest

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

var redisJanitor = sync.OnceValues(newJanitor)

// redisLimit is how long a Redis may take to answer its first PING.
const redisLimit = 30 * time.Second

// Redis starts a Redis of the test's own and returns the path of its unix
// socket, which go-redis takes as Addr (RedisURL gives it as an address). It ends
// with the test.
func Redis(t testing.TB) string {
	t.Helper()
	path, _ := StartRedis(t)
	return path
}

// RedisURL is Redis as an address for REDIS_URL.
func RedisURL(t testing.TB) string {
	t.Helper()
	return "unix://" + Redis(t)
}

// StartRedis is Redis with a way to kill it early, for tests of its loss. kill
// returns when the process is gone and may be called more than once.
func StartRedis(t testing.TB) (path string, kill func()) {
	t.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatalf("pgtest: redis-server is not installed, run make deps: %v", err)
	}
	j, err := redisJanitor()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	dir, err := j.tempDir("/tmp")
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	path = filepath.Join(dir, "redis.sock")
	var said bytes.Buffer
	cmd := exec.Command(bin, "--port", "0", "--unixsocket", path, "--dir", dir,
		"--save", "", "--appendonly", "no", "--daemonize", "no", "--set-proc-title", "no")
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started, gone := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the death signal is tied to the forking thread
		defer close(gone)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // it ends by being killed
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("pgtest: redis-server: %v", err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		<-gone
	})
	t.Cleanup(func() {
		kill()
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	if err := awaitRedis(t.Context(), path, gone); err != nil {
		kill() // before its output is read
		t.Fatalf("pgtest: redis-server: %v\n%s", err, said.String())
	}
	return path, kill
}

// awaitRedis returns when the server answers PING.
func awaitRedis(ctx context.Context, path string, gone <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := pingRedis(path)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-gone:
			return err
		case <-ctx.Done():
			return err
		}
	}
}

func pingRedis(path string) error {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 7)) // +PONG
	return err
}
