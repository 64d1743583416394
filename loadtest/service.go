package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"unioncard/loadtest/proc"
	"unioncard/loadtest/till"
)

// startupLimit bounds a start with an empty data directory: initdb, migrations and
// the demo's 100,000 cards.
const startupLimit = 3 * time.Minute

// service is our server under test on a data directory of its own.
type service struct {
	program, data, logs string
	listen, admin       string
	extra               []string
	process             *proc.Process
}

// newService chooses addresses; they stay the same over restarts, as a till
// expects.
func newService(program, dir string, extra []string) (*service, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, fmt.Errorf("the unioncard program: %w", err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	s := &service{program: path, data: filepath.Join(dir, "data"), logs: dir, extra: extra}
	if s.listen, err = proc.FreeAddress(); err != nil {
		return nil, err
	}
	s.admin, err = proc.FreeAddress()
	return s, err
}

// launch starts the process without waiting for it to be ready.
func (s *service) launch() error {
	args := append([]string{"run", "--data", s.data, "--listen", s.listen, "--admin-listen", s.admin, "--demo"}, s.extra...)
	p, err := proc.Start(s.logs, "unioncard", 0, s.program, args...)
	if err != nil {
		return err
	}
	s.process = p
	return nil
}

// start launches the server and waits until it takes requests.
func (s *service) start(ctx context.Context) error {
	if err := s.launch(); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, startupLimit)
	defer cancel()
	if err := s.process.Ready(bounded, "http://"+s.admin+"/readyz"); err != nil {
		s.stop()
		return err
	}
	return nil
}

func (s *service) stop() {
	if s.process != nil {
		s.process.Stop(syscall.SIGTERM)
	}
}

func (s *service) base() string  { return "http://" + s.listen }
func (s *service) cli() till.CLI { return till.CLI{Program: s.program, Data: s.data} }

// workspace is a temporary directory that a server run as another user can enter.
func workspace(keep bool) (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp("", "unioncard-load-")
	if err != nil {
		return "", nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", nil, err
	}
	if keep {
		return dir, func() { fmt.Println("kept:", dir) }, nil
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}

// activate sets up n tills, each at an outlet of its own, of as many merchants as
// the demo has.
func activate(ctx context.Context, cli till.CLI, base string, n int) ([]*till.Identity, error) {
	outlets, err := cli.Outlets(ctx, max(4*n, 200))
	if err != nil {
		return nil, err
	}
	outlets = spread(outlets, n)
	if len(outlets) < n {
		return nil, fmt.Errorf("the demo has %d outlets for %d tills", len(outlets), n)
	}
	tills := make([]*till.Identity, n)
	for i := range tills {
		code, err := cli.ActivationCode(ctx, outlets[i].ID)
		if err != nil {
			return nil, err
		}
		if tills[i], err = till.Activate(ctx, base, code, outlets[i]); err != nil {
			return nil, err
		}
	}
	return tills, nil
}

// spread picks n outlets, at first one a merchant.
func spread(outlets []till.Outlet, n int) []till.Outlet {
	var first, later []till.Outlet
	seen := map[string]bool{}
	for _, o := range outlets {
		if seen[o.Merchant] {
			later = append(later, o)
			continue
		}
		seen[o.Merchant] = true
		first = append(first, o)
	}
	all := append(first, later...)
	return all[:min(n, len(all))]
}

// errNotEnough: the demo has too few cards for what was asked.
var errNotEnough = errors.New("not enough unused codes")

// pool hands out phone codes that are accepted now and were never handed out
// before. It belongs to one goroutine.
type pool struct {
	cli   till.CLI
	cards int // cards of the demo
	at    int // next offset
	used  map[string]bool
}

func newPool(cli till.CLI) *pool { return &pool{cli: cli, cards: 100_000, used: map[string]bool{}} }

// take returns n unused codes of n different cards. slots and steps are tried in
// turn, so that codes of the same card can follow each other.
func (p *pool) take(ctx context.Context, n int) ([]string, error) {
	if n > p.cards {
		return nil, fmt.Errorf("%w: %d of %d cards", errNotEnough, n, p.cards)
	}
	// Codes of the present step first, then the next, which live longest.
	for round := 0; ; round++ {
		for _, pick := range []struct{ step, slot int }{{0, 0}, {0, 1}, {1, 0}, {1, 1}} {
			codes, err := p.fetch(ctx, n, pick.step, pick.slot)
			if err != nil || codes != nil {
				return codes, err
			}
		}
		if round == 8 {
			return nil, errNotEnough
		}
		select { // new codes come with the next step
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(5 * time.Second):
		}
	}
}

// fetch returns n unused codes of one step and slot, or nil if there are fewer.
func (p *pool) fetch(ctx context.Context, n, step, slot int) ([]string, error) {
	got, err := p.cli.Codes(ctx, p.at, min(n, p.cards-p.at), []int{step}, []int{slot})
	if err != nil {
		return nil, err
	}
	if len(got) < n { // round the end of the cards
		more, err := p.cli.Codes(ctx, 0, n-len(got), []int{step}, []int{slot})
		if err != nil {
			return nil, err
		}
		got = append(got, more...)
	}
	codes := make([]string, 0, n)
	for _, c := range got {
		if !p.used[c.Text] {
			codes = append(codes, c.Text)
		}
	}
	if len(codes) < n {
		return nil, nil
	}
	for _, c := range codes {
		p.used[c] = true
	}
	p.at = (p.at + n) % p.cards
	return codes, nil
}
