package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"unioncard/card/union/staff"
)

// mode is what a configuration is for; it decides which settings exist and
// which are needed.
type mode uint8

const (
	modeRun     mode = 1 << iota // everything on one machine, with a private PostgreSQL
	modeServe                    // one node over a given database
	modeMigrate                  // the schema of a given database
	modeTool                     // a command line tool on either of the two
)

// Config is everything that can be set from outside: by flags, else by the
// environment, else the default. Its string and log forms hold no secret.
type Config struct {
	Data        string // directory of a single machine's data; in run
	Demo        bool   // load the demo data into an empty database; in run
	Listen      string // host:port of the API
	AdminListen string // host:port of metrics and health
	PublicURL   string // under which tills reach the API, "" for each request's own host
	DatabaseURL string // secret; in serve and migrate
	RedisURL    string // secret; "" on a single node
	KeyringFile string // "" in run: keyring.json in Data
	FilesDir    string // of uploads; "": see filesDir

	LogLevel        slog.Level
	FeedMaxAge      time.Duration // past this age of the view nothing is sold
	ShutdownTimeout time.Duration // for draining
	CloseAfter      time.Duration // past midnight, when the day before is closed
	ConfirmDays     int           // in which a merchant may dispute a statement
	Lanes           int           // batches of purchases written at once
	Nodes           int           // among which guess budgets are shared while Redis is away

	PrintedDailyCapFen int64 // discount a card a day by printed code
	TypedDailyCapFen   int64 // the same by typed card number

	TrustedProxies []netip.Prefix // that may name the client in X-Forwarded-For
	Prefix         string         // the province's two digits, first in every code
	CipherSuite    string         // of the first keys of personal data, aes or sm

	SecondFactor           string       // required, off or "": required but in the demo
	HashMemory, HashPasses int          // argon2id's, in KiB and times
	Staff                  staff.Policy // the rest of what is asked of accounts; see staffPolicy

	WebhooksPrivate bool // webhooks may go to inner networks

	Phone   phoneConfig // members' phones; config_phone.go
	Console io.Writer   // where the development sender shows codes; not a setting

	Args []string // what follows the flags; only of a tool
}

// errHelp: the flags ask for help, which usage writes.
var errHelp = errors.New("help asked for")

// parseConfig reads the flags and the environment ("NAME=value" each) of one
// mode. Whatever is wrong is reported at once, one line each: unknown flags and
// UNIONCARD_* variables, bad values, and what is missing or does not go
// together. Values of secrets are never part of an error. An empty variable
// counts as unset.
func parseConfig(args, environ []string, m mode) (Config, error) {
	var c Config
	known := settingsOf(m)
	for _, s := range known {
		if s.preset != "" {
			if err := s.set(&c, s.preset); err != nil {
				return c, fmt.Errorf("default of --%s: %w", s.flag, err)
			}
		}
	}
	env, errs := readEnviron(environ, known)
	flags, rest, flagErrs := readFlags(args, known, m == modeTool)
	if slices.ContainsFunc(flagErrs, func(err error) bool { return errors.Is(err, errHelp) }) {
		return c, errHelp
	}
	errs = append(errs, flagErrs...)
	c.Args = rest
	for _, s := range known {
		value, from := env[s.env], s.env
		if v, ok := flags[s.flag]; ok {
			value, from = v, "--"+s.flag
		} else if value == "" {
			continue
		}
		if err := s.set(&c, value); err != nil {
			if s.secret {
				errs = append(errs, fmt.Errorf("%s: %w", from, err))
			} else {
				errs = append(errs, fmt.Errorf("%s: %w, not %q", from, err, value))
			}
		}
	}
	if len(errs) == 0 { // else what is missing may only be misspelt
		errs = c.together(m)
	}
	return c, errors.Join(errs...)
}

// testEnv begins the variables of the tests, which are nobody's misspelling.
const testEnv = "UNIONCARD_TEST_"

// readEnviron picks our variables and refuses unknown ones. One environment
// serves all commands, so a variable that is another command's is left to it.
func readEnviron(environ []string, known []setting) (values map[string]string, errs []error) {
	values = map[string]string{}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		isKnown := slices.ContainsFunc(known, func(s setting) bool { return s.env == name })
		switch {
		case isKnown:
			values[name] = value
		case value == "" || strings.HasPrefix(name, testEnv):
		case slices.ContainsFunc(settings(), func(s setting) bool { return s.env == name }):
		case strings.HasPrefix(name, "UNIONCARD_"):
			errs = append(errs, fmt.Errorf("%s: unknown", name))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return values, errs
}

// readFlags takes --name value, --name=value and, for switches, --name alone;
// one dash does as well. It goes on after an error. Only a tool has arguments
// after its flags.
func readFlags(args []string, known []setting, tool bool) (values map[string]string, rest []string, errs []error) {
	values = map[string]string{}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			rest = append(rest, arg)
			continue
		}
		name, value, hasValue := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		if name == "help" || name == "h" {
			return nil, nil, []error{errHelp}
		}
		at := slices.IndexFunc(known, func(s setting) bool { return s.flag == name })
		_, twice := values[name]
		switch {
		case at < 0:
			errs = append(errs, unknown("--"+name, func(s setting) bool { return s.flag == name }))
			if !hasValue && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
				i++ // most likely its value
			}
			continue
		case twice:
			errs = append(errs, fmt.Errorf("--%s: given twice", name))
		}
		switch {
		case hasValue:
		case known[at].isSwitch:
			value = "true"
		case i+1 < len(args) && !strings.HasPrefix(args[i+1], "--"):
			i++
			value = args[i]
		default:
			errs = append(errs, fmt.Errorf("--%s: needs a value", name))
			continue
		}
		values[name] = value
	}
	if !tool && len(rest) > 0 { // not shown: it may be a secret whose flag ended too early
		errs = append(errs, fmt.Errorf("%d arguments that belong to no flag", len(rest)))
		rest = nil
	}
	return values, rest, errs
}

// unknown is the error for a name that this mode does not have; it says so if
// another mode does.
func unknown(name string, is func(setting) bool) error {
	if slices.ContainsFunc(settings(), is) {
		return fmt.Errorf("%s: not a setting of this command", name)
	}
	return fmt.Errorf("%s: unknown", name)
}

// dump writes every setting of the mode, one NAME=value a line, secrets only as
// set or not set.
func (c Config) dump(w io.Writer, m mode) error {
	for _, s := range settingsOf(m) {
		if _, err := fmt.Fprintf(w, "%s=%s\n", s.env, s.shown(c)); err != nil {
			return err
		}
	}
	return nil
}

// String is the whole configuration on one line, without secrets.
func (c Config) String() string {
	var b strings.Builder
	for _, s := range settings() {
		if v := s.shown(c); v != "" {
			fmt.Fprintf(&b, "%s=%q ", s.flag, v)
		}
	}
	return strings.TrimSuffix(b.String(), " ")
}

// Format prints String under every verb: %#v and %d would go round it.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// MarshalJSON keeps the secrets out of JSON.
func (c Config) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// LogValue keeps slog from printing the secrets.
func (c Config) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, s := range settings() {
		if v := s.shown(c); v != "" {
			attrs = append(attrs, slog.String(s.flag, v))
		}
	}
	return slog.GroupValue(attrs...)
}
