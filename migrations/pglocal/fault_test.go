package pglocal

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

func TestPostgresKilled(t *testing.T) {
	t.Parallel()
	ready := newReadySignals()
	s := start(t, Options{Dir: tempDir(t), Logger: slog.New(ready)})
	do(t, s, `CREATE TABLE n (v int)`)
	for range 2 {
		pid := <-ready.pids
		do(t, s, `INSERT INTO n VALUES (1)`)
		if pid != s.PID() {
			t.Errorf("PID %d, the ready server is %d", s.PID(), pid)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	<-ready.pids
	if v := ask(t, s, `SELECT count(*)::text FROM n`); v != "2" {
		t.Errorf("%s of 2 committed rows are there", v)
	}
	if s.Restarts() != 2 {
		t.Errorf("%d restarts, want 2", s.Restarts())
	}
}

// A stop that meets a server which is just being restarted must end it too.
func TestStopDuringRestart(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	s := start(t, Options{Dir: dir})
	if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	left, err := processes(s.pgdata, s.cluster, s.who.uid)
	if err != nil {
		t.Fatal(err)
	}
	if hasPostmaster(left) {
		t.Errorf("a server runs on after Stop: %v", left)
	}
	start(t, Options{Dir: dir}) // which also takes back the dead server's shared memory
}

func TestOwnerKilled(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	for range 2 {
		startChild(t, dir, nil)()
	}
	s := start(t, Options{Dir: dir})
	ask(t, s, `SELECT 'reached'`)
}

// The owner is an ordinary user, not root: nobody is switched to.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // then every other test here already is this one
	}
	who, err := chooseAccount("/nonexistent")
	if err != nil {
		t.Fatal(err)
	}
	dir := tempDir(t)
	if err := os.Chown(dir, who.uid, who.gid); err != nil {
		t.Fatal(err)
	}
	startChild(t, dir, &syscall.Credential{Uid: uint32(who.uid), Gid: uint32(who.gid)})()
	// Root goes on with the same data, as its owner.
	s := start(t, Options{Dir: dir})
	if s.who.uid != who.uid {
		t.Errorf("runs as uid %d, the data belong to %d", s.who.uid, who.uid)
	}
}

// startOrphan starts PostgreSQL on a stopped server's data without a supervisor,
// by another path of the same directory, and returns when it is ready.
func startOrphan(t *testing.T, s *Server) *exec.Cmd {
	t.Helper()
	alias := filepath.Join(tempDir(t), "alias")
	if err := os.Symlink(s.pgdata, alias); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-D", alias}, s.args[2:]...)
	cmd := exec.Command(filepath.Join(s.bin.dir, "postgres"), args...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = s.pgdata, childEnv(), s.who.procAttr()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // if it was not ended as it should
	if !s.awaitReady(t.Context(), cmd.Process.Pid) {
		t.Fatal("the orphan did not come up")
	}
	return cmd
}

func TestOrphanIsEndedCleanly(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	s := start(t, Options{Dir: dir})
	stop(t, s)
	orphan := startOrphan(t, s)
	s = start(t, Options{Dir: dir})
	if err := orphan.Wait(); err != nil {
		t.Errorf("the orphan ended with %v, want a clean shutdown", err)
	}
	ask(t, s, `SELECT 'reached'`)
}

// The pid in a stale pid file, or in the socket's lock, may by now be another
// process of the same user, which PostgreSQL would take for a running server.
func TestStalePidFiles(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	s := start(t, Options{Dir: dir})
	stop(t, s)
	other := exec.Command("sleep", "600")
	other.SysProcAttr = s.who.procAttr()
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
	pid := strconv.Itoa(other.Process.Pid)
	for path, text := range map[string]string{
		filepath.Join(s.pgdata, "postmaster.pid"):      pid + "\n" + s.pgdata + "\n1\n5432\n" + s.socketDir + "\n\n",
		filepath.Join(s.socketDir, socketName+".lock"): pid + "\n" + s.pgdata + "\n1\n5432\n" + s.socketDir + "\n",
		filepath.Join(s.socketDir, socketName):         "not a socket",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, s.who.uid, s.who.gid); err != nil {
			t.Fatal(err)
		}
	}
	s = start(t, Options{Dir: dir})
	ask(t, s, `SELECT 'reached'`)
	if err := syscall.Kill(other.Process.Pid, 0); err != nil {
		t.Errorf("the bystander was harmed: %v", err)
	}
}
