package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// running is the real program as `make run` starts it.
type running struct {
	cmd                    *exec.Cmd
	program, data          string
	api, admin, card, till string
	shopID                 string
	stderr                 string
	stopped                bool
}

// buildProgram builds the program once a test.
func buildProgram(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "unioncard")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

// publicTemp is a directory that PostgreSQL's user can reach, unlike t.TempDir.
func publicTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "unioncard-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

var welcome = map[string]*regexp.Regexp{
	"api":   regexp.MustCompile(`API\s+(http://\S+)`),
	"admin": regexp.MustCompile(`operations\s+(http://[^/]+)`),
	"till":  regexp.MustCompile(`till\s+(\S+)`),
	"card":  regexp.MustCompile(`card\s+(\d{16})`),
	"shop":  regexp.MustCompile(`shop\s+(\d+)`),
}

// startProgram runs the program with the demonstration in data and waits until
// it has printed its addresses.
func startProgram(t *testing.T, program, data string) *running {
	t.Helper()
	r := &running{program: program, data: data, stderr: filepath.Join(t.TempDir(), "log")}
	log, err := os.Create(r.stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	r.cmd = exec.Command(program, "run", "--data", data, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--demo")
	r.cmd.Stderr = log
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.stop(t) })
	found := map[string]string{}
	for lines := bufio.NewScanner(out); len(found) < len(welcome) && lines.Scan(); {
		for name, re := range welcome {
			if m := re.FindStringSubmatch(lines.Text()); m != nil && found[name] == "" {
				found[name] = m[1]
			}
		}
	}
	if len(found) < len(welcome) {
		t.Fatalf("the program printed only %v; its log:\n%s", found, r.log(t))
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	r.api, r.admin, r.till, r.card, r.shopID = found["api"], found["admin"], found["till"], found["card"], found["shop"]
	return r
}

func (r *running) log(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(r.stderr)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// stop ends the program as an operator would and holds it to a clean end.
func (r *running) stop(t *testing.T) {
	if r.stopped {
		return
	}
	r.stopped = true
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Errorf("the program ended with %v; its log:\n%s", err, r.log(t))
	}
}

// TestQuickstart follows the README alone, with curl and openssl: activate a
// till, get a token, verify a code, sell, lose the answer and ask again, refund a
// line and reverse another sale.
func TestQuickstart(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	r := startProgram(t, program, filepath.Join(publicTemp(t), "data"))
	script, err := filepath.Abs("testdata/quickstart.sh")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-eu", script)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "API="+r.api, "ACTIVATION="+r.till,
		fmt.Sprintf("CARD_CODE=%s card code %s --data %s", program, r.card, r.data))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("quick start: %v\n%s\n%s", err, out, r.log(t))
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i, want := range []string{
		`^client \S+`, `^token \S+`,
		`"card":.*"quote":.*"discount_fen":[1-9]`,
		`"state":"committed"`, `"state":"committed"`,
		`"state":"partially_refunded".*"returned_fen":[1-9]`,
		`"state":"reversed"`, `"state":"reversed"`,
	} {
		if i >= len(lines) || !regexp.MustCompile(want).MatchString(lines[len(lines)-8+i]) {
			t.Errorf("line %d does not match %s; all of it:\n%s", i, want, out)
		}
	}
	for path, want := range map[string]string{
		r.admin + "/readyz": "ready", r.admin + "/healthz": "ok", r.api + "/docs": "</html>",
		r.api + "/openapi.yaml": "openapi: 3.1", r.admin + "/metrics": "unioncard_",
	} {
		if got := fetch(t, path); !strings.Contains(got, want) {
			t.Errorf("%s does not say %q: %.200s", path, want, got)
		}
	}
	if personal := regexp.MustCompile(`41\d{14,}`).FindString(r.log(t)); personal != "" {
		t.Errorf("the log holds a code or a card number: %s", personal)
	}
	// Killed, it comes back by itself with what it had acknowledged.
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = r.cmd.Wait()
	r.stopped = true
	again := startProgram(t, program, r.data)
	if got := fetch(t, again.admin+"/readyz"); !strings.Contains(got, "ready") {
		t.Errorf("after kill -9: %s", got)
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("%s: %d %v", url, res.StatusCode, err)
	}
	return string(b)
}

// TestReadmeHoldsTheQuickstart keeps the tested script and the documented one the
// same.
func TestReadmeHoldsTheQuickstart(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("testdata/quickstart.sh")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), string(script)) {
		t.Error("README.md does not hold testdata/quickstart.sh as it is")
	}
}
