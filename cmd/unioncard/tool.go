package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card"
	"unioncard/merchant"
	"unioncard/migrations/pglocal"
)

// tool is what the command line tools work with.
type tool struct {
	*program
	cfg     Config
	own     map[string]string // the command's own flags
	args    []string          // what is not a flag
	pool    *pgxpool.Pool
	keyring *card.Keyring // nil unless asked for
}

// openTool reads the command line and opens the database of a running service,
// by --data or by DATABASE_URL. own holds the command's flags with defaults.
func openTool(ctx context.Context, p *program, args []string, own map[string]string, keys bool) (*tool, error) {
	t := &tool{program: p}
	var err error
	if t.own, args, err = takeFlags(args, own); err != nil {
		return nil, err
	}
	if t.cfg, err = parseConfig(args, p.environ, modeTool); err != nil {
		return nil, err
	}
	t.args = t.cfg.Args
	dsn := t.cfg.DatabaseURL
	if t.cfg.Data != "" {
		if dsn, err = pglocal.RunningDSN(t.cfg.Data, pglocal.Database); err != nil {
			return nil, err
		}
		if t.cfg.KeyringFile == "" {
			t.cfg.KeyringFile = filepath.Join(t.cfg.Data, keyringName)
		}
	}
	if keys {
		if t.cfg.KeyringFile == "" {
			return nil, errors.New("--keyring-file: needed")
		}
		if t.keyring, err = card.LoadKeyring(t.cfg.KeyringFile); err != nil {
			return nil, err
		}
	}
	if t.pool, err = newPool(ctx, dsn); err != nil {
		return nil, err
	}
	if err := t.pool.Ping(ctx); err != nil {
		t.pool.Close()
		return nil, fmt.Errorf("the database does not answer; is the service running? %w", err)
	}
	return t, nil
}

// takeFlags takes a command's own flags, all of them with a value, out of its
// arguments and leaves the rest to the configuration.
func takeFlags(args []string, own map[string]string) (values map[string]string, rest []string, err error) {
	values = maps.Clone(own)
	for i := 0; i < len(args); i++ {
		name, value, hasValue := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if _, is := own[name]; !is || !strings.HasPrefix(args[i], "-") {
			rest = append(rest, args[i])
			continue
		}
		if !hasValue {
			if i++; i == len(args) {
				return nil, nil, fmt.Errorf("--%s: needs a value", name)
			}
			value = args[i]
		}
		values[name] = value
	}
	return values, rest, nil
}

// number is one of the command's own flags as a whole number.
func (t *tool) number(flag string, low, high int64) (int64, error) {
	n, err := strconv.ParseInt(t.own[flag], 10, 64)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("--%s: want a whole number from %d to %d, not %q", flag, low, high, t.own[flag])
	}
	return n, nil
}

// numbers is one of the command's own flags as whole numbers with commas.
func (t *tool) numbers(flag string, low, high int64) ([]int64, error) {
	var out []int64
	for part := range strings.SplitSeq(t.own[flag], ",") {
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil || n < low || n > high || slices.Contains(out, n) {
			return nil, fmt.Errorf("--%s: want whole numbers from %d to %d, each once, with commas, not %q", flag, low, high, t.own[flag])
		}
		out = append(out, n)
	}
	return out, nil
}

// id is the n-th argument as a database id.
func (t *tool) id(n int, what string) (int64, error) {
	if len(t.args) != n+1 {
		return 0, fmt.Errorf("want one %s", what)
	}
	id, err := strconv.ParseInt(t.args[n], 10, 64)
	if err != nil || id <= 0 {
		return 0, fmt.Errorf("%q is no %s", t.args[n], what)
	}
	return id, nil
}

// actor is who the event log names for what the tools change.
const actor = "cli:"

// by says who and why; whoever changes something must give a reason.
func (t *tool) by() (string, string, error) {
	if strings.TrimSpace(t.own["reason"]) == "" {
		return "", "", errors.New("--reason: needed, it is kept in the event log")
	}
	name := os.Getenv("SUDO_USER")
	if name == "" {
		name = strconv.Itoa(os.Getuid())
		if name == "0" {
			name = "root"
		}
	}
	return actor + name, t.own["reason"], nil
}

// runTerminal issues activation codes and stops and starts terminals.
func runTerminal(ctx context.Context, p *program, args []string) error {
	t, err := openTool(ctx, p, args, map[string]string{"reason": "", "merchant": ""}, false)
	if err != nil {
		return err
	}
	defer t.pool.Close()
	if len(t.args) == 0 {
		return wantOneOf(terminalUsage)
	}
	store := merchant.NewStore(t.pool, time.Now)
	if t.args[0] == "activation-code" {
		return t.activationCode(ctx, store)
	}
	moves := map[string]func(context.Context, merchant.By, int64) error{
		"suspend": store.SuspendTerminal, "resume": store.ResumeTerminal, "retire": store.RetireTerminal,
	}
	move, ok := moves[t.args[0]]
	if !ok {
		return wantOneOf(terminalUsage)
	}
	return t.move(ctx, "terminal", move)
}

func (t *tool) activationCode(ctx context.Context, store *merchant.Store) error {
	if t.own["reason"] == "" {
		t.own["reason"] = "activation code from the command line"
	}
	who, why, err := t.by()
	if err != nil {
		return err
	}
	by := merchant.By{Actor: eventActor(who), Reason: why}
	var code merchant.ActivationCode
	if t.own["merchant"] != "" {
		id, err := t.number("merchant", 1, 1<<62)
		if err != nil {
			return err
		}
		if code, err = store.IssuePOSActivationCode(ctx, by, id); err != nil {
			return err
		}
	} else {
		id, err := t.id(1, "outlet id")
		if err != nil {
			return err
		}
		if code, err = store.IssueActivationCode(ctx, by, id); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(t.stdout, "%s  (good once, until %s)\n", code.Code, code.ExpiresAt.In(beijing).Format(time.TimeOnly+" -07:00"))
	return err
}

// beijing is what people are told times in.
var beijing = time.FixedZone("CST", 8*60*60)

// move makes one move of the object whose id is the argument after the action.
func (t *tool) move(ctx context.Context, what string, move func(context.Context, merchant.By, int64) error) error {
	who, why, err := t.by()
	if err != nil {
		return err
	}
	id, err := t.id(1, what+" id")
	if err != nil {
		return err
	}
	if err := move(ctx, merchant.By{Actor: eventActor(who), Reason: why}, id); err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.stdout, "%s %d: %s done\n", what, id, t.args[0])
	return err
}

// runContract stops or ends contracts.
func runContract(ctx context.Context, p *program, args []string) error {
	t, err := openTool(ctx, p, args, map[string]string{"reason": ""}, false)
	if err != nil {
		return err
	}
	defer t.pool.Close()
	if len(t.args) > 0 && t.args[0] == "list" {
		return t.contracts(ctx)
	}
	store := merchant.NewStore(t.pool, time.Now)
	moves := map[string]func(context.Context, merchant.By, int64) error{
		"suspend": store.SuspendContract, "resume": store.ResumeContract,
		"end": func(ctx context.Context, by merchant.By, id int64) error {
			return store.EndContract(ctx, by, id, time.Time{})
		},
	}
	if len(t.args) > 0 && moves[t.args[0]] != nil {
		return t.move(ctx, "contract", moves[t.args[0]])
	}
	return wantOneOf(contractUsage)
}

// contracts lists the contracts that cover an outlet, the latest first.
func (t *tool) contracts(ctx context.Context) error {
	outlet, err := t.id(1, "outlet id")
	if err != nil {
		return err
	}
	rows, err := t.pool.Query(ctx, `SELECT c.id, c.status, c.trade, lower(co.during), upper(co.during)
		FROM contract_outlets co JOIN contracts c ON c.id = co.contract_id
		WHERE co.outlet_id = $1 ORDER BY lower(co.during) DESC`, outlet)
	if err != nil {
		return err
	}
	var id int64
	var status, trade string
	var from, until time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &status, &trade, &from, &until}, func() error {
		_, err := fmt.Fprintf(t.stdout, "contract %d\t%s\t%s\t%s to %s\n", id, status, trade,
			from.In(beijing).Format(time.DateOnly), until.In(beijing).Format(time.DateOnly))
		return err
	})
	return err
}
