package pgtest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/jackc/pgx/v5"

	"unioncard/migrations/pglocal"
)

// roomy is how many bytes a memory file system must have free for the test
// server to live there: some hundred databases of 10 MB and the log.
const roomy = 3 << 30

// testSettings make the server small and let many databases share it. It stays
// fully durable, so that tests may boot the real program, which refuses less; on
// a memory file system durability costs nothing.
func testSettings() map[string]string {
	return map[string]string{
		"shared_buffers":     "256MB",
		"max_connections":    "600",
		"max_wal_size":       "512MB",
		"min_wal_size":       "80MB",
		"checkpoint_timeout": "30min",
		"autovacuum":         "off", // would meet the cloning of databases
		// In the data directory, so that it goes with it.
		"dynamic_shared_memory_type": "mmap",
		"log_error_verbosity":        "default",
		"log_min_error_statement":    "error", // tests hold no personal values
	}
}

// janitor is a shell that outlives us: it is told directories, and when our end
// of its pipe closes, however we end, it kills what runs on them and removes them.
type janitor struct{ pipe io.WriteCloser }

const janitorScript = `
dirs=
while IFS= read -r d; do dirs="$dirs $d"; done
using() { grep -lF -- "$1" /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3; }
for d in $dirs; do
  kill -QUIT $(using "$d") 2>/dev/null
  for try in 1 2 3 4 5 6 7 8 9 10; do
    test -z "$(using "$d")" && break
    sleep 0.1
  done
  kill -KILL $(using "$d") 2>/dev/null
  for try in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf -- "$d" 2>/dev/null && break
    sleep 0.1
  done
done
`

func newJanitor() (*janitor, error) {
	cmd := exec.Command("/bin/sh", "-c", janitorScript)
	cmd.Dir = "/"
	// Its own session: what kills our group must not kill it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &janitor{pipe}, nil
}

// tempDir makes a directory that the janitor removes after us. Its name is short
// (it will hold sockets) and free of spaces.
func (j *janitor) tempDir(parent string) (string, error) {
	dir, err := os.MkdirTemp(parent, "unioncard-test-")
	if err != nil {
		return "", err
	}
	if _, err := io.WriteString(j.pipe, dir+"\n"); err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o711) // PostgreSQL's user must get in
}

// serverParent prefers memory over disk.
func serverParent() string {
	const shm = "/dev/shm"
	var st syscall.Statfs_t
	if syscall.Statfs(shm, &st) == nil && st.Bavail*uint64(st.Bsize) >= roomy {
		return shm
	}
	return "/tmp"
}

// Serve starts a private PostgreSQL for tests and returns an address from which
// databases can be made. stop ends it and removes its data; should this process
// end without stop, both happen all the same.
func Serve(ctx context.Context) (dsn string, stop func(), err error) {
	j, err := newJanitor()
	if err != nil {
		return "", nil, fmt.Errorf("pgtest: %w", err)
	}
	defer func() {
		if err != nil {
			_ = j.pipe.Close()
		}
	}()
	dir, err := j.tempDir(serverParent())
	if err != nil {
		return "", nil, fmt.Errorf("pgtest: %w", err)
	}
	srv, err := pglocal.Start(ctx, pglocal.Options{
		Dir: filepath.Join(dir, "pg"), Logger: slog.New(slog.DiscardHandler),
		Settings: testSettings(), Throwaway: true,
	})
	if err != nil {
		return "", nil, fmt.Errorf("pgtest: %w", err)
	}
	stop = func() {
		_ = srv.Stop(context.WithoutCancel(ctx))
		_ = j.pipe.Close()
	}
	// Tests work as the service's own role, not as the superuser, so that what
	// they allow is what production allows; making databases is the one addition.
	conn, err := pgx.Connect(ctx, srv.AdminDSN("postgres"))
	if err == nil {
		_, err = conn.Exec(ctx, `ALTER ROLE unioncard CREATEDB`)
		_ = conn.Close(ctx)
	}
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("pgtest: %w", err)
	}
	return srv.DSN("postgres"), stop, nil
}
