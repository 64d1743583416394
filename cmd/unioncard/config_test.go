package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	testDatabase = "postgres://app:hunter2@db/unioncard"
	testRedis    = "redis://:hunter3@cache:6379/0"
)

func defaults() Config {
	return Config{
		Listen: "127.0.0.1:8080", AdminListen: "127.0.0.1:9090",
		FeedMaxAge: 30 * time.Second, ShutdownTimeout: 20 * time.Second, Lanes: 2,
		CloseAfter: 5 * time.Minute, ConfirmDays: 5,
		PrintedDailyCapFen: 50000, TypedDailyCapFen: 20000, Prefix: "41",
		HashMemory: 19456, HashPasses: 2, Staff: staffDefaults(),
		Phone: phoneConfig{AddressHour: 600, Minute: 6000, Streams: 5000}, CipherSuite: "aes",
	}
}

func with(change func(*Config)) Config {
	c := defaults()
	change(&c)
	return c
}

func serving(c *Config) {
	c.DatabaseURL, c.KeyringFile, c.PublicURL, c.Nodes = testDatabase, "/k", "https://card.example.org", 1
}

func TestParseConfig(t *testing.T) {
	t.Parallel()
	serve := []string{"DATABASE_URL=" + testDatabase, "UNIONCARD_KEYRING_FILE=/k", "UNIONCARD_PUBLIC_URL=https://card.example.org"}
	tests := []struct {
		name string
		mode mode
		args []string
		env  []string
		want Config
	}{
		{"defaults", modeRun, []string{"--data", "/d"}, nil, with(func(c *Config) { c.Data = "/d" })},
		{"switch alone, equals sign, one dash", modeRun, []string{"--demo", "--data=/d=e", "-listen", ":0"}, nil,
			with(func(c *Config) { c.Data, c.Demo, c.Listen = "/d=e", true, ":0" })},
		{"switch with value", modeRun, []string{"--demo=false", "--data", "/d"}, []string{"UNIONCARD_DEMO=true"},
			with(func(c *Config) { c.Data = "/d" })},
		{"flag beats environment", modeRun, []string{"--data", "/d", "--lanes", "2"},
			[]string{"UNIONCARD_DATA=/e", "UNIONCARD_LANES=8", "UNIONCARD_LISTEN=[::1]:80"},
			with(func(c *Config) { c.Data, c.Lanes, c.Listen = "/d", 2, "[::1]:80" })},
		{"flag beats even a bad environment", modeRun, []string{"--data", "/d", "--lanes", "2"}, []string{"UNIONCARD_LANES=x"},
			with(func(c *Config) { c.Data, c.Lanes = "/d", 2 })},
		{"empty is unset", modeRun, []string{"--data", "/d"}, []string{"UNIONCARD_LISTEN=", "UNIONCARD_NEW="},
			with(func(c *Config) { c.Data = "/d" })},
		{"others' variables", modeRun, []string{"--data", "/d"}, []string{"UNIONCARD_TEST_DATABASE_URL=x", "HOME=/", "odd"},
			with(func(c *Config) { c.Data = "/d" })},
		{"serve", modeServe, []string{"--nodes", "3", "--trusted-proxies", "10.0.0.0/8, ::1/128", "--log-level", "debug"},
			append(serve, "REDIS_URL="+testRedis),
			with(func(c *Config) {
				serving(c)
				c.RedisURL, c.Nodes, c.LogLevel = testRedis, 3, slog.LevelDebug
				c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
			})},
		{"every number", modeServe, []string{"--feed-max-age", "45s", "--shutdown-timeout=1m", "--printed-daily-cap-fen=40000",
			"--typed-daily-cap-fen=100", "--prefix", "42"}, serve,
			with(func(c *Config) {
				serving(c)
				c.FeedMaxAge, c.ShutdownTimeout = 45*time.Second, time.Minute
				c.PrintedDailyCapFen, c.TypedDailyCapFen, c.Prefix = 40000, 100, "42"
			})},
		{"migrate", modeMigrate, nil, []string{"DATABASE_URL=" + testDatabase}, Config{DatabaseURL: testDatabase}},
		{"tool", modeTool, []string{"4100000000000001", "--data", "/d", "--", "--odd"}, nil,
			Config{ConfirmDays: 5, Data: "/d", Prefix: "41", CipherSuite: "aes", Args: []string{"4100000000000001", "--odd"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseConfig(tt.args, tt.env, tt.mode)
			if err != nil {
				t.Fatal(err)
			}
			// Through a type without methods, or cmp would compare the redacted forms.
			if diff := cmp.Diff(plain(tt.want), plain(got), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
				t.Errorf("config (-want +got):\n%s", diff)
			}
		})
	}
}

type plain Config

func TestParseConfigRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		mode mode
		args []string
		env  []string
		want []string
	}{
		{"everything at once", modeRun,
			[]string{"--lanes", "0", "--colour", "red", "stray", "--listen=nowhere", "--data", "/d", "--data", "/e", "--prefix"},
			[]string{"UNIONCARD_LISTENS=:1", "UNIONCARD_FEED_MAX_AGE=30", "UNIONCARD_COLOUR=red"},
			[]string{
				"UNIONCARD_COLOUR: unknown",
				"UNIONCARD_LISTENS: unknown",
				"--colour: unknown",
				"--data: given twice",
				"--prefix: needs a value",
				"1 arguments that belong to no flag",
				`--listen: want host:port, not "nowhere"`,
				`UNIONCARD_FEED_MAX_AGE: want a duration from 1s to 10m0s, as in 30s, not "30"`,
				`--lanes: want a whole number from 1 to 64, not "0"`,
			}},
		{"run needs a directory", modeRun, nil, nil, []string{"--data: needed"}},
		{"serve needs its parts", modeServe, []string{"--nodes=2"}, nil, []string{
			"DATABASE_URL: needed", "--keyring-file: needed, the same keys on every node",
			"--public-url: needed, tills sign it into their log-ins", "REDIS_URL: needed by several nodes"}},
		{"migrate needs a database", modeMigrate, nil, nil, []string{"DATABASE_URL: needed"}},
		{"a tool needs one place", modeTool, nil, nil, []string{"either --data of a running service or DATABASE_URL: needed"}},
		{"a tool needs just one place", modeTool, []string{"--data=/d", "--database-url=" + testDatabase}, nil,
			[]string{"either --data of a running service or DATABASE_URL: needed"}},
		{"other command's settings", modeMigrate, []string{"--demo"}, []string{"DATABASE_URL=" + testDatabase, "UNIONCARD_LANES=2"},
			[]string{"--demo: not a setting of this command"}},
		{"run has its own database", modeRun, []string{"--data=/d", "--database-url", testDatabase}, nil,
			[]string{"--database-url: not a setting of this command"}},
		{"one address twice", modeRun, []string{"--data=/d", "--listen=:1", "--admin-listen=:1"}, nil,
			[]string{"--listen and --admin-listen: both are :1"}},
		{"caps upside down", modeRun, []string{"--data=/d", "--typed-daily-cap-fen=50001"}, nil,
			[]string{"--typed-daily-cap-fen: above --printed-daily-cap-fen, and typed numbers have the lowest cap"}},
		{"codes in plain", modeRun, []string{"--data=/d", "--sms=off", "--sms-gateway=http://sms.example.org/v1"}, nil,
			[]string{`--sms-gateway: want an https address; http only to a loopback address, not "http://sms.example.org/v1"`}},
		{"odd values", modeRun, []string{"--demo=1", "--data=", "--public-url=https://a/b", "--log-level=INFO",
			"--printed-daily-cap-fen=+5", "--trusted-proxies=10.1.0.0/8", "--prefix=041", "--shutdown-timeout", "-5s"}, nil,
			[]string{
				`--data: want a path, not ""`,
				`--demo: want true or false, not "1"`,
				`--public-url: want scheme://host without a path, not "https://a/b"`,
				`--log-level: want debug, info, warn or error, not "INFO"`,
				`--shutdown-timeout: want a duration from 1s to 10m0s, as in 20s, not "-5s"`,
				`--printed-daily-cap-fen: want a whole number from 1 to 100000000, not "+5"`,
				`--trusted-proxies: want networks as in 10.0.0.0/8,::1/128, not "10.1.0.0/8"`,
				`--prefix: want two digits, the first not 0, not "041"`,
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := parseConfig(tt.args, tt.env, tt.mode)
			if err == nil {
				t.Fatal("accepted")
			}
			if diff := cmp.Diff(tt.want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

// A wrong secret must be refused without being repeated, whatever is wrong.
func TestRefusalsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	tests := [][]string{
		{"--database-url=mysql://app:hunter2@db/x"},
		{"--database-url=postgres://app:hunter2@db:x/y%zz"},
		{"--database-url=host=db password=hunter2 port=x"},
		{"--redis-url=redis://:hunter2@cache:x/%zz"},
		{"--redis-url=http://:hunter2@cache"},
		{"--database-url", "--redis-url", "hunter2"},
		{"--database-url=", "postgres://app:hunter2@db/x"},
		{"--database-uri=postgres://app:hunter2@db/x"},
		{"--database-uri", "postgres://app:hunter2@db/x"},
	}
	for _, args := range tests {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			_, err := parseConfig(args, []string{"UNIONCARD_DATABASE_URL=hunter2"}, modeServe)
			if err == nil || strings.Contains(err.Error(), "hunter") {
				t.Errorf("error: %v", err)
			}
		})
	}
}

func TestConfigPrintsNoSecrets(t *testing.T) {
	t.Parallel()
	c := with(func(c *Config) { serving(c); c.RedisURL = testRedis })
	var log, dumped bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("starting", "config", c)
	slog.New(slog.NewTextHandler(&log, nil)).Info("starting", "config", c)
	if err := c.dump(&dumped, modeServe); err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]string{
		"%v": fmt.Sprintf("%v", c), "%+v": fmt.Sprintf("%+v", c), "%#v": fmt.Sprintf("%#v", c),
		"%v of a pointer": fmt.Sprintf("%v", &c), "%s": c.String(), "%d": fmt.Sprintf("%d", c),
		"log": log.String(), "dump": dumped.String(), "json": string(encoded),
	} {
		if strings.Contains(s, "hunter") {
			t.Errorf("%s shows a secret: %s", name, s)
		}
		if !strings.Contains(s, "127.0.0.1:8080") {
			t.Errorf("%s does not show the address: %s", name, s)
		}
	}
	if !strings.Contains(dumped.String(), "\nDATABASE_URL=(set)\n") {
		t.Errorf("dump does not tell that the database is set:\n%s", dumped.String())
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	if _, err := parseConfig([]string{"--lanes=x", "--help"}, nil, modeRun); !errors.Is(err, errHelp) {
		t.Errorf("--help: %v", err)
	}
	var b strings.Builder
	if err := usage(&b, modeServe); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"--listen ", "UNIONCARD_LISTEN", "DATABASE_URL", "(default 30s)"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("usage lacks %q:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "--demo") {
		t.Error("usage of serve shows a flag of run")
	}
}
