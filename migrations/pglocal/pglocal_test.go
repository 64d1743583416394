package pglocal

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStartStopStart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "new")
	s := start(t, Options{Dir: dir})
	got := map[string]string{}
	for _, name := range []string{"fsync", "full_page_writes", "synchronous_commit", "data_checksums",
		"listen_addresses", "server_encoding", "jit", "unix_socket_permissions"} {
		got[name] = ask(t, s, `SELECT setting FROM pg_settings WHERE name = '`+name+`'`)
	}
	got["collation"] = ask(t, s, `SELECT datcollate FROM pg_database WHERE datname = 'unioncard'`)
	want := map[string]string{
		"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "data_checksums": "on",
		"listen_addresses": "", "server_encoding": "UTF8", "collation": "C.UTF-8", "jit": "off",
		"unix_socket_permissions": "0700",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if super := ask(t, s, `SELECT rolsuper::text FROM pg_roles WHERE rolname = current_user`); super != "false" {
		t.Error("the service's role is a superuser")
	}
	if got, err := RunningDSN(dir, Database); err != nil || got != s.DSN(Database) {
		t.Errorf("RunningDSN: %q, %v; want %q", got, err, s.DSN(Database))
	}
	do(t, s, `CREATE TABLE kept AS SELECT 'still here' AS v`)
	stop(t, s)
	stop(t, s) // harmless
	select {
	case <-s.Exited():
	default:
		t.Error("Exited is open after Stop")
	}
	if _, err := RunningDSN(dir, Database); !errors.Is(err, ErrNotRunning) {
		t.Errorf("RunningDSN after Stop: %v", err)
	}
	if s.PID() != 0 {
		t.Errorf("PID %d after Stop", s.PID())
	}

	s = start(t, Options{Dir: dir, Settings: map[string]string{"work_mem": "7MB"}})
	if v := ask(t, s, `SELECT v FROM kept`); v != "still here" {
		t.Errorf("after a restart: %q", v)
	}
	if v := ask(t, s, `SHOW work_mem`); v != "7MB" {
		t.Errorf("work_mem = %s, want what Settings say", v)
	}
}

func TestSecondRunIsRefused(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	kill := startChild(t, dir, nil)
	_, err := Start(t.Context(), Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second run: %v, want ErrInUse naming the directory", err)
	}
	kill()
	start(t, Options{Dir: dir})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		files map[string]string
		want  error
		says  string
	}{
		{"older version", map[string]string{"postgres/PG_VERSION": "9\n"}, ErrVersion, "the data is version 9, installed: "},
		{"newer version", map[string]string{"postgres/PG_VERSION": "99\n"}, ErrVersion, "postgresql-99"},
		{"no data directory", map[string]string{"postgres/stray": ""}, os.ErrNotExist, "not a complete PostgreSQL data directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := tempDir(t)
			for name, text := range tt.files {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			giveAway(t, filepath.Join(dir, "postgres"))
			_, err := Start(t.Context(), Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Start: %v, want %v saying %q", err, tt.want, tt.says)
			}
		})
	}
}

// giveAway makes a directory the server's user's own, as Start leaves it.
func giveAway(t *testing.T, dir string) {
	t.Helper()
	who, err := chooseAccount(filepath.Join(dir, "none"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, who.uid, who.gid); err != nil {
		t.Fatal(err)
	}
}

func TestBadSettingSaysWhy(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Options{
		Dir: tempDir(t), Logger: slog.New(slog.DiscardHandler), Throwaway: true,
		Settings: map[string]string{"shared_buffers": "a lot"},
	})
	if err == nil || !strings.Contains(err.Error(), `"shared_buffers"`) {
		t.Errorf("Start: %v, want PostgreSQL's own words", err)
	}
}

func TestHalfMadeDirectoryIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	half := filepath.Join(dir, "postgres.new")
	if err := os.Mkdir(half, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(half, "PG_VERSION"), []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, Options{Dir: dir})
	if _, err := os.Stat(half); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half-made directory is still there: %v", err)
	}
}

func TestDeepDirectoryGetsShortSocket(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), strings.Repeat("deep/", 20), `odd "name", with a comma`)
	for range 2 { // the second finds the socket's directory there
		s := start(t, Options{Dir: dir})
		if !strings.HasPrefix(s.socketDir, "/tmp/unioncard-") {
			t.Errorf("socket in %s", s.socketDir)
		}
		ask(t, s, `SELECT 'reached'`)
		stop(t, s)
		t.Cleanup(func() { _ = os.RemoveAll(s.socketDir) })
	}
}

func TestOddDirectoryName(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Dir: filepath.Join(tempDir(t), `odd "é" & 50% +x?y=#`)})
	ask(t, s, `SELECT 'reached'`)
}
