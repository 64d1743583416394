package pglocal

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// defaultMemory, in bytes, is assumed where /proc/meminfo cannot be read.
const defaultMemory = 2 << 30

// memory returns the machine's memory in bytes.
func memory() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return defaultMemory
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemTotal:" {
			if kb, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				return kb << 10
			}
		}
	}
	return defaultMemory
}

// defaultSettings returns the server settings for a machine with mem bytes of
// memory that PostgreSQL shares with the service. The durability settings are
// spelled out although they are the defaults: settings on the command line win
// over postgresql.conf and ALTER SYSTEM.
func defaultSettings(mem int64) map[string]string {
	mb := func(bytes int64) string { return strconv.FormatInt(bytes>>20, 10) + "MB" }
	return map[string]string{
		"fsync":              "on",
		"full_page_writes":   "on",
		"synchronous_commit": "on",

		// An eighth of the memory: the service's own tables take their share,
		// and the kernel caches the rest.
		"shared_buffers":       mb(min(max(mem/8, 128<<20), 8<<30)),
		"effective_cache_size": mb(max(mem/2, 256<<20)),
		"work_mem":             "16MB",
		"maintenance_work_mem": mb(min(max(mem/64, 64<<20), 1<<30)),
		"max_connections":      "120",

		// Checkpoints are rare and spread out; recovery after a crash reads at
		// most this much log, some seconds.
		"max_wal_size":                 mb(min(max(mem/6, 512<<20), 8<<30)),
		"min_wal_size":                 mb(min(max(mem/24, 80<<20), 1<<30)),
		"checkpoint_timeout":           "15min",
		"checkpoint_completion_target": "0.9",
		"wal_level":                    "replica", // backups need it

		// Statements are short: compiling and parallel plans cost more than they give.
		"jit":                             "off",
		"max_parallel_workers_per_gather": "0",
		"random_page_cost":                "1.1",
		"autovacuum_naptime":              "15s",

		"timezone":     "UTC",
		"log_timezone": "UTC",

		// The log holds no statement and no row: both could carry personal values
		// (DESIGN invariant 11).
		"log_error_verbosity":               "terse",
		"log_min_error_statement":           "panic",
		"log_statement":                     "none",
		"log_parameter_max_length":          "0",
		"log_parameter_max_length_on_error": "0",
		"logging_collector":                 "on",
		"log_directory":                     "log",
		"log_filename":                      "postgresql-%a.log", // a week, then overwritten
		"log_truncate_on_rotation":          "on",
		"log_rotation_age":                  "1d",
		"log_rotation_size":                 "0",
		"log_line_prefix":                   "%m [%p] %q%a ",
	}
}

// arguments turns settings into the server's command line, sorted so that two
// starts look alike in the process list.
func arguments(settings map[string]string) []string {
	var args []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}
