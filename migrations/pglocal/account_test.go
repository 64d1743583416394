package pglocal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCanEnter(t *testing.T) {
	t.Parallel()
	who, err := chooseAccount("/nonexistent")
	if err != nil {
		t.Fatal(err)
	}
	open := tempDir(t)
	closed := filepath.Join(open, "closed")
	inside := filepath.Join(closed, "inside")
	if err := os.MkdirAll(inside, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := who.canEnter(open); err != nil {
		t.Errorf("an open directory: %v", err)
	}
	err = who.canEnter(inside)
	if !who.switched { // our own directories are never closed to us
		if err != nil {
			t.Error(err)
		}
		return
	}
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "chmod o+x "+closed+",") {
		t.Errorf("a closed directory: %v, want the remedy for %s", err, closed)
	}
}

func TestOwnDirRefusesALink(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	link := filepath.Join(dir, "link")
	if err := os.Symlink("/etc", link); err != nil {
		t.Fatal(err)
	}
	who, err := chooseAccount("/nonexistent")
	if err != nil {
		t.Fatal(err)
	}
	if err := who.ownDir(link); err == nil {
		t.Error("ownDir took a link for a directory")
	}
}

func TestChooseBinaries(t *testing.T) {
	t.Parallel()
	found := []binaries{{17, "/17"}, {15, "/15"}, {14, "/14"}}
	tests := []struct {
		name  string
		found []binaries
		data  int
		want  int
		err   error
	}{
		{"newest for new data", found, 0, 17, nil},
		{"the data's own", found, 15, 15, nil},
		{"old data of ours", found, 14, 14, nil},
		{"data of another version", found, 16, 0, ErrVersion},
		{"too old", found[2:], 0, 0, ErrNoPostgres},
		{"none", nil, 0, 0, ErrNoPostgres},
		{"none for the data", nil, 15, 0, ErrVersion},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := chooseBinaries(tt.found, tt.data)
			if got.major != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("chooseBinaries: %d, %v; want %d, %v", got.major, err, tt.want, tt.err)
			}
		})
	}
}

func TestRunsOn(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		argv []string
		want bool
	}{
		{[]string{"/usr/lib/postgresql/15/bin/postgres", "-D", dir}, true},
		{[]string{"postgres", "-c", "port=1", "-D" + dir}, true},
		{[]string{"postgres", "-D", "/"}, false},
		{[]string{"postgres", "-D"}, false},
		{[]string{"postgres"}, false},
		{[]string{"vi", "-D", dir}, false},
		{[]string{""}, false},
	}
	for _, tt := range tests {
		if got := runsOn(tt.argv, info); got != tt.want {
			t.Errorf("runsOn(%q) = %v", tt.argv, got)
		}
	}
}
