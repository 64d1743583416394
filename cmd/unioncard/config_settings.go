package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"unioncard/card"
)

// setting is one thing that can be set.
type setting struct {
	flag, env string
	modes     mode   // in which it exists
	preset    string // default as it would be typed, "" for none
	usage     string
	secret    bool
	isSwitch  bool // a flag without a value
	set       func(c *Config, v string) error
	get       func(c Config) string
}

// shown is the value as people may see it.
func (s setting) shown(c Config) string {
	v := s.get(c)
	if s.secret && v != "" {
		return "(set)"
	}
	return v
}

const maxCapFen = 100_000_000 // a basket is never larger

// settings is the one list of everything that can be set.
func settings() []setting {
	const all, nodes = modeRun | modeServe | modeMigrate | modeTool, modeRun | modeServe
	list := []setting{
		text("data", "", modeRun|modeTool, "directory for the data of a single machine",
			func(c *Config) *string { return &c.Data }, anyText),
		{flag: "demo", modes: modeRun, isSwitch: true, preset: "false",
			usage: "load the demo data if the database is empty",
			set:   func(c *Config, v string) error { return parseSwitch(v, &c.Demo) },
			get:   func(c Config) string { return strconv.FormatBool(c.Demo) }},
		text("listen", "127.0.0.1:8080", nodes, "host:port of the API",
			func(c *Config) *string { return &c.Listen }, checkListen),
		text("admin-listen", "127.0.0.1:9090", nodes, "host:port of metrics and health; not for the public",
			func(c *Config) *string { return &c.AdminListen }, checkListen),
		text("public-url", "", nodes, "address under which tills reach the API, as in https://card.example.org",
			func(c *Config) *string { return &c.PublicURL }, checkPublicURL),
		hidden(text("database-url", "", modeServe|modeMigrate|modeTool, "PostgreSQL to work on",
			func(c *Config) *string { return &c.DatabaseURL }, checkDatabaseURL), "DATABASE_URL"),
		hidden(text("redis-url", "", modeServe, "Redis that several nodes share",
			func(c *Config) *string { return &c.RedisURL }, checkRedisURL), "REDIS_URL"),
		text("keyring-file", "", nodes|modeTool, "file with the master keys; with run, keyring.json in the data directory",
			func(c *Config) *string { return &c.KeyringFile }, anyText),
		text("files-dir", "", nodes, "directory for uploads, one for all nodes; without it, files in the data directory, or beside the keyring",
			func(c *Config) *string { return &c.FilesDir }, anyText),
		{flag: "log-level", modes: all, preset: "info", usage: "debug, info, warn or error",
			set: func(c *Config, v string) error { return parseLevel(v, &c.LogLevel) },
			get: func(c Config) string { return strings.ToLower(c.LogLevel.String()) }},
		duration("feed-max-age", "30s", nodes, time.Second, 10*time.Minute,
			"age of the view of cards and contracts past which nothing is sold",
			func(c *Config) *time.Duration { return &c.FeedMaxAge }),
		duration("shutdown-timeout", "20s", nodes, time.Second, 10*time.Minute,
			"time for requests to finish when stopping",
			func(c *Config) *time.Duration { return &c.ShutdownTimeout }),
		duration("close-after", "5m", nodes, time.Second, 12*time.Hour,
			"time past midnight, Beijing, when the day before is closed",
			func(c *Config) *time.Duration { return &c.CloseAfter }),
		number("confirm-days", "5", nodes|modeTool, 1, 60, "days in which a merchant may dispute a statement, before it counts as confirmed",
			func(c *Config) *int { return &c.ConfirmDays }),
		number("lanes", "2", nodes, 1, 64, "batches of purchases written at once",
			func(c *Config) *int { return &c.Lanes }),
		number("nodes", "1", modeServe, 1, 1000, "nodes that share the budgets for wrong guesses while Redis is away",
			func(c *Config) *int { return &c.Nodes }),
		number("printed-daily-cap-fen", "50000", nodes, 1, maxCapFen, "discount a card a day by printed code, in fen",
			func(c *Config) *int64 { return &c.PrintedDailyCapFen }),
		number("typed-daily-cap-fen", "20000", nodes, 1, maxCapFen, "discount a card a day by typed card number, in fen",
			func(c *Config) *int64 { return &c.TypedDailyCapFen }),
		{flag: "trusted-proxies", modes: nodes,
			usage: "networks, as in 10.0.0.0/8,::1/128, whose X-Forwarded-For is believed",
			set:   func(c *Config, v string) error { return parsePrefixes(v, &c.TrustedProxies) },
			get:   func(c Config) string { return joinPrefixes(c.TrustedProxies) }},
		text("prefix", "41", nodes|modeTool, "the province's two digits, first in every code",
			func(c *Config) *string { return &c.Prefix }, checkPrefix),
		text("cipher-suite", "aes", nodes|modeTool, "aes or sm (SM4, SM3), in which a fresh database keeps personal data; later, unioncard personal rotate --suite",
			func(c *Config) *string { return &c.CipherSuite }, checkSuite),
	}
	list = append(append(append(list, staffSettings(nodes)...), phoneSettings(nodes)...), webhookSettings(nodes)...)
	for i, s := range list { // a variable's name follows from the flag's
		if s.env == "" {
			list[i].env = "UNIONCARD_" + strings.ToUpper(strings.ReplaceAll(s.flag, "-", "_"))
		}
	}
	return list
}

// settingsOf lists the settings that exist in a mode; the others stay zero.
func settingsOf(m mode) []setting {
	return slices.DeleteFunc(settings(), func(s setting) bool { return s.modes&m == 0 })
}

// together checks what one setting alone cannot show.
func (c Config) together(m mode) (errs []error) {
	need := func(value, what string) {
		if value == "" {
			errs = append(errs, errors.New(what))
		}
	}
	switch m {
	case modeRun:
		need(c.Data, "--data: needed")
	case modeServe:
		need(c.DatabaseURL, "DATABASE_URL: needed")
		need(c.KeyringFile, "--keyring-file: needed, the same keys on every node")
		need(c.PublicURL, "--public-url: needed, tills sign it into their log-ins")
		if c.Nodes > 1 {
			need(c.RedisURL, "REDIS_URL: needed by several nodes")
		}
	case modeMigrate:
		need(c.DatabaseURL, "DATABASE_URL: needed")
	case modeTool:
		if (c.Data == "") == (c.DatabaseURL == "") {
			errs = append(errs, errors.New("either --data of a running service or DATABASE_URL: needed"))
		}
	}
	if m&(modeRun|modeServe) != 0 {
		if c.Listen == c.AdminListen && !strings.HasSuffix(c.Listen, ":0") {
			errs = append(errs, fmt.Errorf("--listen and --admin-listen: both are %s", c.Listen))
		}
		errs = append(errs, c.phoneTogether()...)
		if c.TypedDailyCapFen > c.PrintedDailyCapFen {
			errs = append(errs, errors.New("--typed-daily-cap-fen: above --printed-daily-cap-fen, and typed numbers have the lowest cap"))
		}
	}
	return errs
}

// usage writes the flags of a mode.
func usage(w io.Writer, m mode) error {
	for _, s := range settingsOf(m) {
		preset := ""
		if s.preset != "" && !s.isSwitch {
			preset = " (default " + s.preset + ")"
		}
		if _, err := fmt.Fprintf(w, "  --%-22s %s%s\n  %-24s or %s\n", s.flag, s.usage, preset, "", s.env); err != nil {
			return err
		}
	}
	return nil
}

// text, duration and number make the settings of one kind.

func text(flag, preset string, m mode, usage string, field func(*Config) *string, check func(string) error) setting {
	return setting{flag: flag, preset: preset, modes: m, usage: usage,
		set: func(c *Config, v string) error { *field(c) = v; return check(v) },
		get: func(c Config) string { return *field(&c) }}
}

func hidden(s setting, env string) setting {
	s.secret, s.env = true, env
	return s
}

func duration(flag, preset string, m mode, low, high time.Duration, usage string, field func(*Config) *time.Duration) setting {
	return setting{flag: flag, preset: preset, modes: m, usage: usage,
		set: func(c *Config, v string) error {
			d, err := time.ParseDuration(v)
			if err != nil || d < low || d > high {
				return fmt.Errorf("want a duration from %v to %v, as in %s", low, high, preset)
			}
			*field(c) = d
			return nil
		},
		get: func(c Config) string { return field(&c).String() }}
}

func number[T int | int64](flag, preset string, m mode, low, high T, usage string, field func(*Config) *T) setting {
	return setting{flag: flag, preset: preset, modes: m, usage: usage,
		set: func(c *Config, v string) error {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil || n < int64(low) || n > int64(high) || v[0] == '+' {
				return fmt.Errorf("want a whole number from %d to %d", low, high)
			}
			*field(c) = T(n)
			return nil
		},
		get: func(c Config) string { return strconv.FormatInt(int64(*field(&c)), 10) }}
}

func anyText(v string) error {
	if v == "" || strings.ContainsRune(v, 0) {
		return errors.New("want a path")
	}
	return nil
}

func checkListen(v string) error {
	_, port, err := net.SplitHostPort(v)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New("want host:port")
	}
	return nil
}

func checkPublicURL(v string) error {
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || v != u.Scheme+"://"+u.Host {
		return errors.New("want scheme://host without a path")
	}
	return nil
}

// The two addresses hold passwords, which the parsers' errors might repeat.

func checkDatabaseURL(v string) error {
	_, err := pgx.ParseConfig(v)
	if err != nil || !strings.HasPrefix(v, "postgres://") && !strings.HasPrefix(v, "postgresql://") {
		return errors.New("want a postgres:// address")
	}
	return nil
}

func checkRedisURL(v string) error {
	if _, err := redis.ParseURL(v); err != nil {
		return errors.New("want a redis://, rediss:// or unix:// address")
	}
	return nil
}

func checkPrefix(v string) error {
	if card.CheckPrefix(v) != nil {
		return errors.New("want two digits, the first not 0")
	}
	return nil
}

func parseSwitch(v string, to *bool) error {
	if v != "true" && v != "false" {
		return errors.New("want true or false")
	}
	*to = v == "true"
	return nil
}

func parseLevel(v string, to *slog.Level) error {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	level, ok := levels[v]
	if !ok {
		return errors.New("want debug, info, warn or error")
	}
	*to = level
	return nil
}

func parsePrefixes(v string, to *[]netip.Prefix) error {
	var all []netip.Prefix
	for part := range strings.SplitSeq(v, ",") {
		p, err := netip.ParsePrefix(strings.TrimSpace(part))
		if err != nil || p != p.Masked() {
			return errors.New("want networks as in 10.0.0.0/8,::1/128")
		}
		all = append(all, p)
	}
	*to = all
	return nil
}

func joinPrefixes(ps []netip.Prefix) string {
	var parts []string
	for _, p := range ps {
		parts = append(parts, p.String())
	}
	return strings.Join(parts, ",")
}
