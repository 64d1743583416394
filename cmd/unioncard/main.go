// Command unioncard is the member card and merchant discount service of a
// provincial trade union: the server, its schema and the tools round it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"unioncard/api"
)

// program is what a command sees of the outside.
type program struct {
	stdout, stderr io.Writer
	environ        []string
}

// command is one line of the usage.
type command struct {
	name, args, about string
	mode              mode
	run               func(ctx context.Context, p *program, args []string) error
	// details are the forms of a tool, with its own flags.
	details string
}

func commands() []command {
	return []command{
		{"run", "[flags]", "the service on one machine, with a private PostgreSQL in --data", modeRun, runLocal, ""},
		{"serve", "[flags]", "one node over DATABASE_URL (and REDIS_URL, for several nodes)", modeServe, runServe, ""},
		{"migrate", "[flags]", "bring the schema of DATABASE_URL up to date", modeMigrate, runMigrate, ""},
		{"keyring", "init|add|rotate RING [flags]", "make the master keys, or add a key to one ring", modeTool, runKeyring, keyringUsage},
		{"card", "code|codes|printed|lost|found|… NUMBER", "codes and the life of a card", modeTool, runCard, cardUsage},
		{"personal", "status|rewrap|rotate …", "keys of members' personal data", modeTool, runPersonal, personalUsage},
		{"terminal", "activation-code|suspend|resume|retire …", "terminals and POS servers", modeTool, runTerminal, terminalUsage},
		{"contract", "list|suspend|resume|end …", "find, stop or end a contract", modeTool, runContract, contractUsage},
		{"staff", "create|reset|list|roles …", "accounts, for the first operator of a fresh installation", modeTool, runStaff, staffUsage},
		{"audit", "verify [--head SEQ:HASH]|money [--since DAY]", "prove that the event log is what was written, and that the money adds up", modeTool, runAudit, auditUsage},
		{"close-day", "[--day DAY]", "close business days by hand", modeTool, runCloseDay, closeUsage},
		{"demo", "outlets|cards [--count N]", "what the demo data holds", modeTool, runDemo, demoUsage},
		{"roster", "sample --rows N --out FILE", "make a sample roster of members with planted faults", modeTool, runRoster, rosterUsage},
		{"simulate", "--url URL --rate N …", "play tills against a running service", modeTool, runSimulate, simulateUsage},
	}
}

const (
	keyringUsage = `
  keyring init --keyring-file FILE
  keyring add personal --keyring-file FILE|--data DIR     for a file from before members' personal data
  keyring rotate alias|phone|printed|quote|token|personal [--overlap 720h] --keyring-file FILE|--data DIR
`
	cardUsage = `
  card code NUMBER [--slot 0|1]                 the code that the card's phone would show now
  card codes [--count 10] [--offset 0] [--steps -1,0,1] [--slots 0,1]
  card printed NUMBER                           the code that is printed on the card
  card activate|lost|found|suspend|resume|replace|cancel NUMBER --reason WHY
`
	terminalUsage = `
  terminal activation-code OUTLET               for a till; good once, 15 minutes
  terminal activation-code --merchant ID        for a POS server, which acts for all outlets
  terminal suspend|resume|retire TERMINAL --reason WHY
`
	contractUsage = `
  contract list OUTLET                          those that cover the outlet
  contract suspend|resume|end CONTRACT --reason WHY
`
	demoUsage = `
  demo outlets [--count 10] [--trade shopping]  outlet, merchant, trade and a basket
  demo cards [--count 10]                       number, status and holder
`
	simulateUsage = `
  simulate [--url http://127.0.0.1:8080] [--rate 20] [--tills 10] [--for 1m]
  prints a line a second: latencies, and how often each thing happened; Ctrl-C stops it
`
)

// wantOneOf refuses a tool's command line and shows its forms.
func wantOneOf(forms string) error {
	return fmt.Errorf("want one of:\n%s", strings.TrimRight(strings.TrimLeft(forms, "\n"), "\n"))
}

// errUsage: the command line is wrong and the usage has been shown.
var errUsage = errors.New("wrong command line")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	p := &program{stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ()}
	switch err := p.main(ctx, os.Args[1:]); {
	case err == nil:
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintf(os.Stderr, "unioncard: %v\n", err)
		os.Exit(1)
	}
}

func (p *program) main(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		p.usage()
		if len(args) == 0 {
			return errUsage
		}
		return nil
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		err := c.run(ctx, p, args[1:])
		if errors.Is(err, errHelp) {
			fmt.Fprintf(p.stdout, "unioncard %s %s\n%s\n%s\n", c.name, c.args, c.about, c.details)
			return usage(p.stdout, c.mode)
		}
		return err
	}
	fmt.Fprintf(p.stderr, "unioncard: there is no command %q\n", args[0])
	p.usage()
	return errUsage
}

func (p *program) usage() {
	fmt.Fprint(p.stderr, "usage: unioncard COMMAND …\n\n")
	for _, c := range commands() {
		fmt.Fprintf(p.stderr, "  %-10s %-52s %s\n", c.name, c.args, c.about)
	}
	fmt.Fprint(p.stderr, "\nunioncard COMMAND --help lists the flags of a command.\n")
}

// logger writes JSON records through a buffer, so that a request never waits
// for its record. Close the writer last.
func (p *program) logger(level slog.Level) (*slog.Logger, *api.LogWriter) {
	w := api.NewLogWriter(p.stderr)
	return slog.New(api.NewLogHandler(w, level)), w
}
