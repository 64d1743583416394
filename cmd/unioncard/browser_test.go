package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"unioncard/card/union/staff"
	"unioncard/web"
)

// site is the small province served on a port of its own, with accounts at the
// province's union, for tests with a real browser.
type site struct {
	*province
	node     *node
	base     string
	accounts *staff.Store
	union    int64 // the province's
}

// sitePassword is every test account's.
const sitePassword = "Kx7-Wander-42"

// newSite serves the small province. The program must have been built with its
// assets: `make test` does, or `make assets` before `go test`.
func newSite(t *testing.T, change ...func(*Config)) *site {
	t.Helper()
	if _, err := web.Dist.ReadFile("dist/manifest.json"); err != nil {
		t.Fatal("styles and scripts were not built: make assets")
	}
	s := &site{province: newProvince(t)}
	cfg, err := parseConfig([]string{"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--keyring-file", "unused",
		"--database-url", "postgres://unused", "--second-factor", "off", "--public-url", "http://127.0.0.1"}, nil, modeServe)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Data = t.TempDir()
	for _, c := range change {
		c(&cfg)
	}
	s.node, err = newNode(t.Context(), cfg, s.pool, s.keyring, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatal(err)
	}
	s.base = "http://" + s.node.apiAt.Addr().String()
	s.accounts = newStaff(s.pool, cfg, s.keyring, time.Now)
	if err := s.pool.QueryRow(t.Context(), `SELECT id FROM unions WHERE parent_id IS NULL`).Scan(&s.union); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.node.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// account makes an account of a union's.
func (s *site) account(t *testing.T, login string, union int64, roles ...staff.Role) {
	t.Helper()
	_, err := s.accounts.Create(t.Context(), staff.By{Actor: "test", Reason: "test"},
		staff.NewAccount{Login: login, Name: "测试" + login, UnionID: union, Roles: roles, Password: sitePassword})
	if err != nil {
		t.Fatal(err)
	}
}

// browse runs one of web/test's scripts in chromium and reads its answer.
// SHOTS=/some/folder keeps screenshots of every page at three widths.
func browse(t *testing.T, script string, wish, answer any) {
	t.Helper()
	in, err := json.Marshal(wish)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "test/"+script)
	cmd.Dir, cmd.Stdin = "../../web", bytes.NewReader(in)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v (make test installs what it needs)\n%s", script, err, said.String())
	}
	if err := json.Unmarshal(out.Bytes(), answer); err != nil {
		t.Fatalf("%s: %v\n%s%s", script, err, out.String(), said.String())
	}
}

type walker struct {
	Login    string   `json:"login"`
	Password string   `json:"password"`
	Starts   []string `json:"starts"`
	Keyboard []string `json:"keyboard"`
}

// TestPages walks every page that a link leads to, in public and as five kinds
// of staff, in a real browser: no serious breach of accessibility (axe-core), no
// breach of the Content-Security-Policy, no error in a script, nothing wider than
// its screen at 390, 1366 and 1920, every control in reach of the keyboard.
func TestPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.account(t, "negotiator", s.union, staff.Negotiator, staff.TerminalManager)
	s.account(t, "approver", s.union, staff.Approver)
	s.account(t, "operator", s.union, staff.Operator)
	s.account(t, "registrar", s.union, staff.Registrar)
	s.account(t, "cardmanager", s.union, staff.CardManager)
	keeping := s.membership(t)
	starts := []string{"/console"}
	for _, object := range []string{"merchants", "contracts"} {
		starts = append(starts, "/console/"+object+"/1")
	}
	starts = append(starts, fmt.Sprintf("/console/outlets/%d", s.outlet))
	wish := map[string]any{
		"base": s.base, "shots": os.Getenv("SHOTS"),
		"public": []string{"/", "/apply", "/console/login"}, "keyboard": []string{"/", "/apply", "/console/login"},
		"accounts": []walker{
			{"negotiator", sitePassword, starts, []string{"/console", "/console/outlets", "/console/merchants"}},
			{"approver", sitePassword, []string{"/console"}, nil},
			{"operator", sitePassword, []string{"/console"}, nil},
			{"registrar", sitePassword, keeping, []string{"/console/members", "/console/rosters", "/console/unions"}},
			{"cardmanager", sitePassword, keeping, []string{"/console/cards", "/console/batches", "/console/batches/new"}},
		},
	}
	var saw struct {
		Pages []struct {
			Pattern, URL string
			Status       int
			Faults       []string
		}
		Faults []struct{ Page, Fault string }
	}
	browse(t, "pages.mjs", wish, &saw)
	var seen []string
	for _, p := range saw.Pages {
		seen = append(seen, p.Pattern)
		for _, fault := range p.Faults {
			t.Errorf("%s: %s", p.URL, fault)
		}
	}
	for _, f := range saw.Faults {
		t.Errorf("%s: %s", f.Page, f.Fault)
	}
	t.Logf("%d pages: %s", len(seen), strings.Join(seen, " "))
	for _, want := range []string{"/console/merchants/:id", "/console/members/:id", "/console/members/:id/transfer", "/console/rosters/:id",
		"/console/transfers/:id/decide", "/console/cards/:id", "/console/batches/:id", "/console/unions/:id/merge", "/console/unions/:id/register"} {
		if !slices.Contains(seen, want) {
			t.Errorf("no link leads to %s", want)
		}
	}
}
