package proc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// postgresSettings are those of our own private server (full durability, memory by
// the same order of size), so that the baselines are measured on the same database.
var postgresSettings = []string{
	"fsync=on", "full_page_writes=on", "synchronous_commit=on",
	"shared_buffers=1GB", "work_mem=16MB", "maintenance_work_mem=256MB", "max_connections=120",
	"max_wal_size=4GB", "min_wal_size=1GB", "checkpoint_timeout=15min", "checkpoint_completion_target=0.9",
	"wal_level=replica", "jit=off", "max_parallel_workers_per_gather=0", "random_page_cost=1.1",
	"autovacuum_naptime=15s", "listen_addresses=", "log_min_messages=warning",
}

// Postgres is a private server for the baselines, on a unix socket in its directory.
type Postgres struct {
	*Process
	socket string
}

// DSN is the connection string of its default database.
func (p *Postgres) DSN() string { return "host=" + p.socket + " user=postgres dbname=postgres" }

// URL is DSN as an address, as our own service takes it.
func (p *Postgres) URL() string {
	return "postgres:///postgres?user=postgres&host=" + url.QueryEscape(p.socket)
}

// StartPostgres makes a new cluster in dir/pg and starts it, as user postgres when
// we are root, because PostgreSQL refuses to run as root.
func StartPostgres(ctx context.Context, dir string) (*Postgres, error) {
	bin, err := postgresBinaries()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "pg")
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, err
	}
	uid := uint32(0)
	if os.Geteuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			return nil, fmt.Errorf("start PostgreSQL as root: %w", err)
		}
		n, err := strconv.Atoi(u.Uid)
		if err != nil {
			return nil, fmt.Errorf("user postgres: %w", err)
		}
		uid = uint32(n)
		if err := errors.Join(os.Chmod(dir, 0o755), os.Chown(data, n, -1)); err != nil {
			return nil, err
		}
	}
	init := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--pgdata="+data, "--username=postgres",
		"--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "--auth=trust", "--no-instructions", "--no-sync")
	init.Dir = "/"
	if uid > 0 {
		init.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	if out, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	args := []string{"-D", data, "-k", data}
	for _, s := range postgresSettings {
		args = append(args, "-c", s)
	}
	p, err := Start(dir, "postgres", uid, filepath.Join(bin, "postgres"), args...)
	if err != nil {
		return nil, err
	}
	for {
		ready := exec.CommandContext(ctx, filepath.Join(bin, "pg_isready"), "-q", "-h", data, "-U", "postgres")
		ready.Dir = "/"
		if ready.Run() == nil {
			return &Postgres{Process: p, socket: data}, nil
		}
		if err := p.pause(ctx); err != nil {
			p.Kill()
			return nil, err
		}
	}
}

// Stop ends the server by a fast shutdown.
func (p *Postgres) Stop() { p.Process.Stop(syscall.SIGINT) }

func postgresBinaries() (string, error) {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		if _, err := os.Stat(filepath.Join(dirs[i], "initdb")); err == nil {
			return dirs[i], nil
		}
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", fmt.Errorf("no PostgreSQL on this machine: %w", err)
	}
	path, err = filepath.EvalSymlinks(path)
	return filepath.Dir(path), err
}

// Postmaster is what postmaster.pid says about a running PostgreSQL.
type Postmaster struct {
	PID       int
	Port      string
	SocketDir string
}

// FindPostmaster reads the postmaster.pid somewhere under dir: how an outsider
// finds the private PostgreSQL of a data directory.
func FindPostmaster(dir string) (Postmaster, error) {
	var found string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // the server works in there
		case err != nil:
			return err
		case d.Name() == "postmaster.pid":
			found = path
			return fs.SkipAll
		case d.IsDir() && (d.Name() == "base" || d.Name() == "pg_wal"):
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return Postmaster{}, err
	}
	if found == "" {
		return Postmaster{}, fmt.Errorf("no postmaster.pid under %s", dir)
	}
	data, err := os.ReadFile(found)
	if err != nil {
		return Postmaster{}, err
	}
	lines := strings.Split(string(data), "\n")
	if len(lines) < 5 {
		return Postmaster{}, fmt.Errorf("%s is not complete", found)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil {
		return Postmaster{}, fmt.Errorf("%s: %w", found, err)
	}
	return Postmaster{PID: pid, Port: strings.TrimSpace(lines[3]), SocketDir: strings.TrimSpace(lines[4])}, nil
}

// KillPostmaster sends SIGKILL to the PostgreSQL of a data directory, after making
// sure that the process of that id is one.
func KillPostmaster(dir string) error {
	pm, err := FindPostmaster(dir)
	if err != nil {
		return err
	}
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pm.PID))
	if err != nil {
		return fmt.Errorf("postmaster %d: %w", pm.PID, err)
	}
	if name := strings.TrimSpace(string(comm)); name != "postgres" && name != "postmaster" {
		return fmt.Errorf("process %d is %s, not PostgreSQL", pm.PID, name)
	}
	return syscall.Kill(pm.PID, syscall.SIGKILL)
}

// StartRedis runs a Redis without persistence on a loopback port.
func StartRedis(ctx context.Context, dir string) (p *Process, addr string, err error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, "", fmt.Errorf("no Redis on this machine: %w", err)
	}
	if addr, err = FreeAddress(); err != nil {
		return nil, "", err
	}
	_, port, _ := strings.Cut(addr, ":")
	p, err = Start(dir, "redis", 0, program, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", dir)
	if err != nil {
		return nil, "", err
	}
	deadline, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		data, err := os.ReadFile(p.Log)
		if err == nil && strings.Contains(string(data), "Ready to accept connections") {
			return p, addr, nil
		}
		if err := p.pause(deadline); err != nil {
			p.Kill()
			return nil, "", err
		}
	}
}
