// Package pglocal runs a private PostgreSQL from the machine's own binaries.
//
// The server lives in one directory: its data in DIR/postgres, its unix socket
// in DIR/socket, and nothing listens on the network. It runs as an unprivileged
// user when we are root, with full durability, and only root, that user and the
// user we run as may connect (the kernel names them; there is no password).
//
// One process at a time owns the directory, by a lock that dies with it. If
// PostgreSQL is killed it is started again; if we are killed PostgreSQL gets a
// fast shutdown from the kernel, and the next start waits for it or ends it.
//
// A socket path is at most 107 bytes. If DIR is too deep for that (or has a
// comma in its name), the socket goes to /tmp/unioncard-UID-HASH, a directory of
// the server's user alone.
package pglocal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Database is the service's database, which every private server has.
const Database = "unioncard"

const (
	socketName    = ".s.PGSQL.5432"
	maxSocketPath = 107 // sun_path without its final NUL
	stopFast      = 30 * time.Second
	stopImmediate = 10 * time.Second
)

// ErrInUse: another process runs on the same directory.
var ErrInUse = errors.New("data directory is in use")

// Options says where and how the server runs.
type Options struct {
	Dir    string       // made if missing
	Logger *slog.Logger // required
	// Settings override the server's settings by name, as in postgresql.conf.
	Settings map[string]string
	// Throwaway makes the new data directory without waiting for the disk: for
	// tests, whose data nobody keeps. Commits are as durable as Settings say.
	Throwaway bool
}

// Server is a running private PostgreSQL.
type Server struct {
	dir, pgdata, socketDir string
	cluster                string // name in the process titles
	bin                    binaries
	who                    account
	args                   []string
	log                    *slog.Logger
	lock                   *os.File

	stop     chan struct{} // closed by Stop
	stopOnce sync.Once
	done     chan struct{} // closed when the supervisor has ended
	restarts atomic.Int64

	mu    sync.Mutex
	child *os.Process // nil while none runs
}

// Start makes the data directory if it is new, ends what an earlier run left
// behind, starts PostgreSQL and returns when it takes connections; after a crash
// that includes its recovery. Errors: ErrInUse, ErrNoPostgres, ErrVersion,
// ErrNoUser, ErrUnreachable, ErrOrphan, or what PostgreSQL said.
func Start(ctx context.Context, opt Options) (*Server, error) {
	s, err := prepare(ctx, opt)
	if err != nil {
		return nil, fmt.Errorf("pglocal: %w", err)
	}
	first := make(chan error, 1)
	go s.supervise(first)
	select {
	case err = <-first:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err == nil {
		err = s.ensureDatabase(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("pglocal: %w", err), s.Stop(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// prepare does everything that comes before the first start.
func prepare(ctx context.Context, opt Options) (s *Server, err error) {
	dir, err := makeDir(opt.Dir)
	if err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = lock.Close()
		}
	}()
	s = &Server{
		dir: dir, pgdata: filepath.Join(dir, "postgres"), log: opt.Logger, lock: lock,
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	sum := sha256.Sum256([]byte(s.pgdata))
	s.cluster = "unioncard-" + hex.EncodeToString(sum[:6])
	if s.who, err = chooseAccount(s.pgdata); err != nil {
		return nil, err
	}
	if err = s.who.canEnter(dir); err != nil {
		return nil, err
	}
	if err = s.prepareData(ctx, opt); err != nil {
		return nil, err
	}
	if s.socketDir, err = s.prepareSocket(); err != nil {
		return nil, err
	}
	settings := defaultSettings(memory())
	maps.Copy(settings, opt.Settings)
	settings["cluster_name"] = s.cluster
	settings["listen_addresses"] = ""
	settings["port"] = "5432" // part of the socket's name
	settings["unix_socket_directories"] = `"` + strings.ReplaceAll(s.socketDir, `"`, `""`) + `"`
	settings["unix_socket_permissions"] = "0700"
	s.args = append([]string{"-D", s.pgdata}, arguments(settings)...)
	return s, nil
}

// prepareData makes or checks the data directory and picks the programs for it.
func (s *Server) prepareData(ctx context.Context, opt Options) error {
	_, err := os.Stat(s.pgdata)
	isNew := errors.Is(err, os.ErrNotExist)
	major := 0
	if !isNew {
		if major, err = dataVersion(s.pgdata); err != nil {
			return fmt.Errorf("%s is not a complete PostgreSQL data directory: %w", s.pgdata, err)
		}
	}
	if s.bin, err = chooseBinaries(findBinaries(), major); err != nil {
		return err
	}
	if isNew {
		s.log.Info("making a new PostgreSQL data directory", "dir", s.pgdata, "version", s.bin.major)
		if err := initCluster(ctx, s.bin, s.who, s.pgdata, !opt.Throwaway); err != nil {
			return err
		}
	}
	self := s.who.name
	if u, err := user.LookupId(strconv.Itoa(os.Geteuid())); err == nil {
		self = u.Username
	}
	return writeAccess(s.who, self, s.pgdata)
}

func (s *Server) prepareSocket() (string, error) {
	dir := socketDir(s.dir, s.who.uid)
	return dir, s.who.ownDir(dir)
}

// socketDir is where the server on a directory has its socket.
func socketDir(dir string, uid int) string {
	socket := filepath.Join(dir, "socket")
	// A comma separates hosts in a connection address and cannot be escaped there.
	if len(filepath.Join(socket, socketName)) > maxSocketPath || strings.Contains(socket, ",") {
		sum := sha256.Sum256([]byte(dir))
		socket = fmt.Sprintf("/tmp/unioncard-%d-%s", uid, hex.EncodeToString(sum[:6]))
	}
	return socket
}

// makeDir makes the directory and returns its real path. A new one may be
// entered, not listed, by PostgreSQL's user.
func makeDir(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("no data directory given")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
			return "", err
		}
		if err := os.Mkdir(dir, 0o711); err != nil {
			return "", err
		}
	}
	return filepath.EvalSymlinks(dir)
}

// lockDir takes the directory for this process. The kernel releases the lock
// when the process ends, however it ends; PostgreSQL does not inherit it.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder := make([]byte, 20)
		n, _ := f.ReadAt(holder, 0) // only for the message
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s is held by the process %s; stop it, or choose another place with --data",
				ErrInUse, dir, strings.TrimSpace(string(holder[:n])))
		}
		return nil, err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// ensureDatabase makes the service's role and database if they are missing; a
// start killed between the two is completed by the next.
func (s *Server) ensureDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.AdminDSN("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, step := range []struct{ missing, create string }{
		{`SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'unioncard')`,
			`CREATE ROLE unioncard LOGIN`},
		{`SELECT NOT EXISTS (SELECT FROM pg_database WHERE datname = 'unioncard')`,
			`CREATE DATABASE unioncard OWNER unioncard`},
	} {
		var missing bool
		if err := conn.QueryRow(ctx, step.missing).Scan(&missing); err != nil {
			return err
		}
		if missing {
			if _, err := conn.Exec(ctx, step.create); err != nil {
				return err
			}
		}
	}
	return nil
}

// DSN is the address of a database as the service's own role.
func (s *Server) DSN(db string) string { return dsn(s.socketDir, roleService, db) }

// AdminDSN is the address of a database as the server's superuser.
func (s *Server) AdminDSN(db string) string { return dsn(s.socketDir, roleAdmin, db) }

func dsn(socketDir, role, db string) string {
	u := url.URL{Scheme: "postgres", User: url.User(role), Path: "/" + db}
	// Neither pgx nor libpq reads a plus as a space.
	u.RawQuery = "host=" + strings.ReplaceAll(url.QueryEscape(socketDir), "+", "%20") + "&port=5432"
	return u.String()
}

// PID is the postmaster's process id, 0 while none runs: for fault tests.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.child == nil {
		return 0
	}
	return s.child.Pid
}

// Restarts counts how often PostgreSQL was started again after ending by itself.
func (s *Server) Restarts() int64 { return s.restarts.Load() }

// Exited is closed when the server has ended for good, after Stop.
func (s *Server) Exited() <-chan struct{} { return s.done }

// Stop ends PostgreSQL and gives the directory back: a fast shutdown, and when
// ctx ends or 30 s have passed an immediate one, from which the next start
// recovers. It may be called more than once.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopOnce.Do(func() { close(s.stop) })
	child := s.child
	s.mu.Unlock()
	defer func() { _ = s.lock.Close() }()
	if child != nil {
		_ = child.Signal(syscall.SIGINT) // gone already is as good
	}
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
	case <-time.After(stopFast):
	}
	for _, sig := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGKILL} {
		s.log.Warn("PostgreSQL takes too long to stop", "signal", sig.String())
		if child != nil {
			_ = child.Signal(sig)
		}
		select {
		case <-s.done:
			return nil
		case <-time.After(stopImmediate):
		}
	}
	return fmt.Errorf("pglocal: %w", ErrOrphan)
}
