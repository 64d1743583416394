package feed_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card/feed"
	"unioncard/migrations"
	"unioncard/migrations/pgtest"
)

// ownServer is a PostgreSQL of the test's own with the schema in it.
func ownServer(t *testing.T) (dsn string) {
	t.Helper()
	base, stop, err := pgtest.Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	exec(t, base, func(conn *pgx.Conn) error {
		_, err := conn.Exec(t.Context(), `CREATE DATABASE feed`)
		return err
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/feed"
	exec(t, u.String(), func(conn *pgx.Conn) error { return migrations.Apply(t.Context(), conn) })
	return u.String()
}

func exec(t *testing.T, dsn string, fn func(*pgx.Conn) error) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if err := fn(conn); err != nil {
		t.Fatal(err)
	}
}

// postmaster is the parent of the process that serves a connection.
func postmaster(t *testing.T, pool *pgxpool.Pool) int {
	t.Helper()
	var backend int
	// The pool may still hold connections to a killed server; each is tried once.
	for tries := pool.Config().MaxConns; ; tries-- {
		err := pool.QueryRow(t.Context(), `SELECT pg_backend_pid()`).Scan(&backend)
		if err == nil {
			break
		}
		if tries == 0 {
			t.Fatal(err)
		}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", backend))
	if err != nil {
		t.Fatal(err)
	}
	// pid (name) state ppid; the name may hold anything.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		t.Fatal(err)
	}
	return parent
}

// PostgreSQL is killed with kill -9 and comes back: the reader does too, without
// a fresh load, and is woken again.
func TestSurvivesKillOfPostgres(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := thingsAt(t, ownServer(t), 10, 4)
	v := newView()
	v.again = true
	r := feed.NewReader(pool, []feed.Source{v}, feed.Options{})
	start(t, r)
	if err := touch(ctx, pool, 1); err != nil {
		t.Fatal(err)
	}
	v.await(t, patience, "a change before the kill", func() bool { return v.versions[1] == 2 })
	for round := range int64(2) {
		if err := syscall.Kill(postmaster(t, pool), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(2 * patience)
		for touch(ctx, pool, 2) != nil { // each try waits for the pool's dial
			if time.Now().After(deadline) {
				t.Fatal("PostgreSQL did not come back")
			}
		}
		v.await(t, patience, "a change after the kill", func() bool { return v.versions[2] == 2+round })
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.loads != 1 || len(v.faults) > 0 {
		t.Errorf("%d loads, faults %v", v.loads, v.faults)
	}
	if !r.Ready(time.Now()) {
		t.Error("not ready")
	}
}

// A reader started while PostgreSQL is away loads once it is there.
func TestStartsWithoutPostgres(t *testing.T) {
	t.Parallel()
	pool := thingsAt(t, ownServer(t), 10, 4)
	pid := postmaster(t, pool)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	v := newView()
	run(t, feed.NewReader(pool, []feed.Source{v}, feed.Options{}))
	v.await(t, 2*patience, "loaded", func() bool { return v.loads == 1 })
}
