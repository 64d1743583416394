package pgtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// envChild makes the test program, started anew, do one thing and then wait to
// be killed.
const envChild = "PGTEST_CHILD"

func TestMain(m *testing.M) {
	var said string
	var err error
	switch os.Getenv(envChild) {
	case "":
		os.Exit(m.Run())
	case "serve":
		var stop func()
		said, stop, err = Serve(context.Background())
		defer stop()
	case "clone":
		var c *cluster
		if c, err = connect(context.Background()); err == nil {
			said, err = c.clone(context.Background())
		}
	}
	fmt.Println(said, err)
	select {}
}

// runChild starts a child and returns what it said. kill is kill -9.
func runChild(t *testing.T, what string, env ...string) (said string, kill func()) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(append(os.Environ(), envChild+"="+what), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	said, ok := strings.CutSuffix(line, " <nil>\n")
	if !ok {
		t.Fatalf("the child said %q, %v", line, err)
	}
	return said, kill
}

// eventually waits for what another process does without telling us.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	t.Parallel()
	a, b := New(t), New(t)
	if _, err := a.Exec(t.Context(), `CREATE TABLE only_here ()`); err != nil {
		t.Fatal(err)
	}
	var seen, migrated bool
	err := b.QueryRow(t.Context(), `SELECT to_regclass('only_here') IS NOT NULL,
		EXISTS (SELECT FROM schema_migrations)`).Scan(&seen, &migrated)
	if err != nil {
		t.Fatal(err)
	}
	if seen || !migrated {
		t.Errorf("seen in another's database: %v; migrated: %v", seen, migrated)
	}
}

func TestDatabaseIsDroppedAfterTheTest(t *testing.T) {
	t.Parallel()
	var dsn string
	t.Run("inner", func(t *testing.T) {
		pool := New(t)
		dsn = pool.Config().ConnString()
		if _, err := pool.Exec(t.Context(), `SELECT 1`); err != nil {
			t.Fatal(err)
		}
		// A connection that the test forgets must not keep the database.
		if _, err := pgx.Connect(t.Context(), dsn); err != nil {
			t.Fatal(err)
		}
	})
	if conn, err := pgx.Connect(t.Context(), dsn); err == nil {
		_ = conn.Close(t.Context())
		t.Error("the database is still there")
	}
}

func TestTxIsRolledBack(t *testing.T) {
	t.Parallel()
	for range 2 { // the second would fail if the first had stayed
		t.Run("inner", func(t *testing.T) {
			if _, err := Tx(t).Exec(t.Context(), `CREATE TABLE rolled_back ()`); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRedis(t *testing.T) {
	t.Parallel()
	path, kill := StartRedis(t)
	if other := Redis(t); other == path {
		t.Error("two tests share a Redis")
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("SET a 1\r\n")); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != "+OK\r\n" {
		t.Errorf("SET: %q, %v", line, err)
	}
	kill()
	if conn, err := net.Dial("unix", path); err == nil {
		_ = conn.Close()
		t.Error("Redis answers after kill")
	}
}

func TestKilledProcessLeavesNoServer(t *testing.T) {
	t.Parallel()
	dsn, kill := runChild(t, "serve")
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	dir, _, _ := strings.Cut(cfg.Host, "/pg/") // the socket is in DIR/pg/socket
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	kill()
	eventually(t, "the server's directory is gone", func() bool {
		_, err := os.Stat(dir)
		return errors.Is(err, os.ErrNotExist)
	})
}

func TestAbandonedDatabasesAreDropped(t *testing.T) {
	t.Parallel()
	c, err := theCluster()
	if err != nil {
		t.Fatal(err)
	}
	ours, err := c.clone(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	theirs, kill := runChild(t, "clone", EnvURL+"="+c.adminDSN)
	exists := func(name string) (yes bool) {
		err := c.admin.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name).Scan(&yes)
		if err != nil {
			t.Error(err)
		}
		return yes
	}
	// While its process lives, a newcomer leaves it alone.
	if _, kill := runChild(t, "clone", EnvURL+"="+c.adminDSN); !exists(theirs) || !exists(ours) {
		t.Error("a living process's database was dropped")
	} else {
		kill()
	}
	kill()
	// The server notices the dead connection, and with it the lock, in its own time.
	eventually(t, "a newcomer drops the dead process's database", func() bool {
		_, kill := runChild(t, "clone", EnvURL+"="+c.adminDSN)
		kill()
		return !exists(theirs)
	})
	if !exists(ours) {
		t.Error("a living process's database was dropped")
	}
}

func BenchmarkClone(b *testing.B) {
	for b.Loop() {
		URL(b)
	}
}
