package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"unioncard/card"
)

// A node is told to stop by its probe before it stops answering, so that a load
// balancer sends it nothing more.
func TestNotReadyWhileStopping(t *testing.T) {
	t.Parallel()
	p := newProvince(t)
	n := p.node(t, "--data", "unused")
	ready := func() string {
		for _, probe := range n.probes() {
			if err := probe.Check(t.Context()); err != nil {
				return probe.Name
			}
		}
		return ""
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	if failing := ready(); failing != "" {
		t.Errorf("probe %q fails while serving", failing)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if failing := ready(); failing != "serving" {
		t.Errorf("the failing probe is %q, want serving", failing)
	}
}

func TestRefusesAnotherPrefix(t *testing.T) {
	t.Parallel()
	p := newProvince(t)
	cfg, err := parseConfig([]string{"--data", "unused", "--prefix", "42"}, nil, modeRun)
	if err != nil {
		t.Fatal(err)
	}
	_, err = newNode(t.Context(), cfg, p.pool, p.keyring, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "--prefix 42: there are cards that begin with 41") {
		t.Errorf("newNode with another province's prefix: %v", err)
	}
}

// SIGHUP takes a rotated keyring in; a file that cannot be used changes nothing.
func TestKeyringReload(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keyring.json")
	run := func(args ...string) {
		t.Helper()
		p := &program{stdout: t.Output(), stderr: t.Output()}
		if err := p.main(t.Context(), append([]string{"keyring"}, args...)); err != nil {
			t.Fatalf("keyring %v: %v", args, err)
		}
	}
	run("init", "--keyring-file", file)
	held, err := card.LoadKeyring(file)
	if err != nil {
		t.Fatal(err)
	}
	before := held.Active(card.RingPhone, time.Now()).ID

	// Whether or not the node listens, a signal must not end the test process: it
	// may be delivered after the test, so this is never stopped.
	ours := make(chan os.Signal, 1)
	signal.Notify(ours, syscall.SIGHUP)
	refused := make(chan struct{}, 1)
	log := slog.New(slog.NewTextHandler(writer(func(line []byte) {
		if bytes.Contains(line, []byte("keyring not reloaded")) {
			select {
			case refused <- struct{}{}:
			default:
			}
		}
	}), nil))
	n := &node{cfg: Config{KeyringFile: file}, keyring: held, log: log}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.reloadKeys(ctx) }()

	tell := func(until func() bool) {
		t.Helper()
		again := time.NewTicker(10 * time.Millisecond)
		defer again.Stop()
		for !until() {
			if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			select {
			case <-again.C:
			case <-t.Context().Done():
				t.Fatal("not reloaded")
			}
		}
	}
	run("rotate", "phone", "--overlap", "1h", "--keyring-file", file)
	tell(func() bool { return held.Active(card.RingPhone, time.Now()).ID != before })
	after := held.Active(card.RingPhone, time.Now()).ID

	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	tell(func() bool {
		select {
		case <-refused:
			return true
		default:
			return false
		}
	})
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if held.Active(card.RingPhone, time.Now()).ID != after {
		t.Error("a broken file changed the keys")
	}
}

func TestKeyringRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "keyring.json")
	run := func(args ...string) error {
		p := &program{stdout: t.Output(), stderr: t.Output()}
		return p.main(t.Context(), append([]string{"keyring"}, args...))
	}
	if err := run("init", "--data", dir); err != nil {
		t.Fatal(err)
	}
	if _, err := card.LoadKeyring(file); err != nil {
		t.Fatalf("init wrote no keyring: %v", err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"init", "--data", dir}, "is there already"},
		{[]string{"init"}, "--keyring-file FILE or --data DIR: needed"},
		{[]string{"rotate", "phone", "--overlap", "-1h", "--data", dir}, "--overlap: want a duration"},
		{[]string{"rotate", "phone", "--overlap", "soon", "--data", dir}, "--overlap: want a duration"},
		{[]string{"rotate", "nonsense", "--data", dir}, `there is no ring "nonsense"`},
		{[]string{"rotate", "--data", dir}, "keyring init, or keyring rotate RING"},
		{[]string{"melt", "--data", dir}, "keyring init, or keyring rotate RING"},
	} {
		if err := run(c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("keyring %v: %v, want %q", c.args, err, c.want)
		}
	}
}

func TestContractTool(t *testing.T) {
	t.Parallel()
	p := newProvince(t)
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		prog := &program{stdout: &out, stderr: t.Output(), environ: []string{"DATABASE_URL=" + p.pool.Config().ConnString()}}
		err := prog.main(t.Context(), append([]string{"contract"}, args...))
		return out.String(), err
	}
	id := itoa(p.contract)
	list := func() string {
		t.Helper()
		out, err := run("list", itoa(p.outlet))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := list(); !strings.HasPrefix(out, "contract "+id+"\tactive\tshopping\t") || strings.Count(out, "\n") != 1 {
		t.Errorf("contract list: %q", out)
	}
	if _, err := run("suspend", id); err == nil || !strings.Contains(err.Error(), "--reason: needed") {
		t.Errorf("suspended without a reason: %v", err)
	}
	if _, err := run("suspend", id, "--reason", "test"); err != nil {
		t.Error(err)
	}
	if out := list(); !strings.Contains(out, "\tsuspended\t") {
		t.Errorf("contract list after suspend: %q", out)
	}
	for _, args := range [][]string{{"list"}, {"list", "x"}, {"suspend", "0", "--reason", "r"}, {"suspend", "99999", "--reason", "r"}, {"melt"}} {
		if _, err := run(args...); err == nil {
			t.Errorf("contract %v was taken", args)
		}
	}
}

// writer is a function that takes what is written.
type writer func([]byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// node makes a node of the province that nobody runs yet.
func (p *province) node(t *testing.T, args ...string) *node {
	t.Helper()
	cfg, err := parseConfig(append([]string{"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...), nil, modeRun)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Nodes = 1
	n, err := newNode(t.Context(), cfg, p.pool, p.keyring, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
