package pglocal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrOrphan: processes of an earlier run still use the data and do not end.
var ErrOrphan = errors.New("an earlier PostgreSQL does not end")

// How long leftovers are given before the next, harder signal.
const (
	orphanFast      = 60 * time.Second // a fast shutdown writes a checkpoint
	orphanImmediate = 10 * time.Second
	orphanKill      = 5 * time.Second
	pollEvery       = 20 * time.Millisecond
)

// process is a running PostgreSQL process that uses our data directory.
type process struct {
	pid        int
	postmaster bool // else a child of one
}

// processes lists what runs on the data directory as the given user. A
// postmaster is known by its -D argument, which may name the directory by
// another path; its children by the cluster name in their titles. Command lines
// are readable without privileges, unlike the other links in /proc.
func processes(pgdata, cluster string, uid int) ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	dataInfo, err := os.Stat(pgdata)
	if err != nil {
		return nil, err
	}
	title := []byte("postgres: " + cluster + ": ")
	var found []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		st, err := os.Stat("/proc/" + e.Name())
		if err != nil || int(st.Sys().(*syscall.Stat_t).Uid) != uid {
			continue
		}
		line, err := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if err != nil || len(line) == 0 { // gone, or a zombie
			continue
		}
		switch {
		case bytes.HasPrefix(line, title):
			found = append(found, process{pid, false})
		case runsOn(strings.Split(string(line), "\x00"), dataInfo):
			found = append(found, process{pid, true})
		}
	}
	return found, nil
}

// runsOn reports whether argv is a postmaster started on that directory.
func runsOn(argv []string, dataInfo os.FileInfo) bool {
	if base := filepath.Base(argv[0]); base != "postgres" && base != "postmaster" {
		return false
	}
	for i, arg := range argv {
		dir, ok := strings.CutPrefix(arg, "-D")
		if !ok {
			continue
		}
		if dir == "" && i+1 < len(argv) {
			dir = argv[i+1]
		}
		st, err := os.Stat(dir)
		return err == nil && filepath.IsAbs(dir) && os.SameFile(st, dataInfo)
	}
	return false
}

// clearLeftovers ends what an earlier run left on the data directory: a
// postmaster whose supervisor was killed gets a fast shutdown, then an immediate
// one; children whose postmaster was killed notice by themselves or are told to
// quit. When nothing is left, the pid file can only be stale and is removed: its
// number may by now belong to somebody else, which PostgreSQL would take for a
// running server. The caller holds the directory's lock.
func (s *Server) clearLeftovers(ctx context.Context) error {
	steps := []struct {
		toPostmaster, toChild syscall.Signal
		wait                  time.Duration
	}{
		{syscall.SIGINT, 0, orphanFast},
		{syscall.SIGQUIT, syscall.SIGQUIT, orphanImmediate},
		{syscall.SIGKILL, syscall.SIGKILL, orphanKill},
	}
	for _, step := range steps {
		left, err := processes(s.pgdata, s.cluster, s.who.uid)
		if err != nil {
			return err
		}
		wait := step.wait
		if len(left) > 0 && !left[0].postmaster && !hasPostmaster(left) {
			wait = min(wait, orphanKill) // no shutdown to wait for
		}
		for _, p := range left {
			sig := step.toChild
			if p.postmaster {
				sig = step.toPostmaster
			}
			if sig != 0 {
				s.log.Warn("ending a PostgreSQL process of an earlier run", "pid", p.pid, "signal", sig.String())
				_ = syscall.Kill(p.pid, sig) // gone already is as good
			}
		}
		gone, err := s.waitGone(ctx, wait)
		if err != nil {
			return err
		}
		if gone {
			return s.removeStale()
		}
	}
	left, err := processes(s.pgdata, s.cluster, s.who.uid)
	return errors.Join(fmt.Errorf("%w: %d processes on %s", ErrOrphan, len(left), s.pgdata), err)
}

func hasPostmaster(ps []process) bool {
	for _, p := range ps {
		if p.postmaster {
			return true
		}
	}
	return false
}

// waitGone waits until nothing runs on the data directory.
func (s *Server) waitGone(ctx context.Context, limit time.Duration) (bool, error) {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		left, err := processes(s.pgdata, s.cluster, s.who.uid)
		if err != nil || len(left) == 0 {
			return err == nil, err
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-deadline.C:
			return false, nil
		case <-tick.C:
		}
	}
}

// removeStale removes the pid file and the socket of a server that is gone.
func (s *Server) removeStale() error {
	for _, path := range []string{
		filepath.Join(s.pgdata, "postmaster.pid"),
		filepath.Join(s.socketDir, socketName),
		filepath.Join(s.socketDir, socketName+".lock"),
	} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
