package pglocal

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// minMajor is the oldest PostgreSQL that the schema is written for.
const minMajor = 15

var (
	// ErrNoPostgres: this machine has no PostgreSQL server of version 15 or later.
	ErrNoPostgres = errors.New("no PostgreSQL server program found")
	// ErrVersion: the data directory belongs to a PostgreSQL version whose
	// programs are not on this machine.
	ErrVersion = errors.New("data directory belongs to another PostgreSQL version")
)

// binaries is one installed PostgreSQL.
type binaries struct {
	major int
	dir   string // holds postgres and initdb
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) ([0-9]+)`)

// findBinaries lists the PostgreSQL servers of this machine, newest first: those
// in Debian's /usr/lib/postgresql/*/bin and the one in PATH.
func findBinaries() []binaries {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the only error is a bad pattern
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	var found []binaries
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
			continue
		}
		out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
		if err != nil {
			continue
		}
		m := versionLine.FindSubmatch(out)
		if m == nil {
			continue
		}
		if major, err := strconv.Atoi(string(m[1])); err == nil {
			found = append(found, binaries{major, dir})
		}
	}
	slices.SortStableFunc(found, func(a, b binaries) int { return b.major - a.major })
	return found
}

// chooseBinaries picks the programs for a data directory of version dataMajor,
// or the newest for a new one (dataMajor 0).
func chooseBinaries(found []binaries, dataMajor int) (binaries, error) {
	var versions []string
	for _, b := range found {
		if b.major == dataMajor || dataMajor == 0 && b.major >= minMajor {
			return b, nil
		}
		versions = append(versions, strconv.Itoa(b.major))
	}
	have := "none"
	if len(versions) > 0 {
		have = strings.Join(versions, ", ")
	}
	if dataMajor == 0 {
		return binaries{}, fmt.Errorf("%w: version %d or later is needed, installed: %s; install it with: apt-get install postgresql",
			ErrNoPostgres, minMajor, have)
	}
	return binaries{}, fmt.Errorf("%w: the data is version %d, installed: %s; install it with: apt-get install postgresql-%d, or convert the data with pg_upgrade",
		ErrVersion, dataMajor, have, dataMajor)
}

// dataVersion reads the major version a data directory was made by.
func dataVersion(pgdata string) (int, error) {
	b, err := os.ReadFile(filepath.Join(pgdata, "PG_VERSION"))
	if err != nil {
		return 0, err
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, fmt.Errorf("%s: PG_VERSION is not a version: %w", pgdata, err)
	}
	return major, nil
}
