// Package proc starts, watches and kills the programs of a load test: our server,
// the baselines, PostgreSQL and Redis. Everything listens on loopback or in a
// directory of its own.
package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a child with its output kept in a file.
type Process struct {
	Name string
	Log  string // path of stdout and stderr together

	cmd  *exec.Cmd
	out  *os.File
	done chan struct{}
	once sync.Once
	err  error
}

// Start runs a program. Its output is appended to dir/name.log. With uid > 0 it
// runs as that user. It has a process group of its own, so that Ctrl-C reaches only
// us, who stop it.
func Start(dir, name string, uid uint32, program string, args ...string) (*Process, error) {
	out, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{Name: name, Log: out.Name(), out: out, done: make(chan struct{})}
	p.cmd = exec.Command(program, args...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if uid > 0 {
		p.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: uid}
	}
	if err := p.cmd.Start(); err != nil {
		_ = out.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running says whether the process has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Kill ends the process at once (SIGKILL) and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.done
	p.close()
}

// Stop asks the process to end and kills it after ten seconds.
func (p *Process) Stop(sig os.Signal) {
	_ = p.cmd.Process.Signal(sig)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	p.close()
}

func (p *Process) close() { p.once.Do(func() { _ = p.out.Close() }) }

// Tail returns the last lines of the process's output, for an error message.
func (p *Process) Tail() string {
	data, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	const keep = 2000
	if len(data) > keep {
		data = data[len(data)-keep:]
	}
	return strings.TrimSpace(string(data))
}

var listening = regexp.MustCompile(`listening on (\S+:\d+)`)

// Address waits until the process has printed "listening on ADDRESS".
func (p *Process) Address(ctx context.Context) (string, error) {
	for {
		data, err := os.ReadFile(p.Log)
		if err != nil {
			return "", err
		}
		if m := listening.FindSubmatch(data); m != nil {
			return string(m[1]), nil
		}
		if err := p.pause(ctx); err != nil {
			return "", err
		}
	}
}

// Ready waits until a GET of url answers 200 or 204.
func (p *Process) Ready(ctx context.Context, url string) error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		res, err := client.Get(url)
		if err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK || res.StatusCode == http.StatusNoContent {
				return nil
			}
		}
		if err := p.pause(ctx); err != nil {
			return err
		}
	}
}

// pause waits a moment, or returns why waiting for the process is in vain.
func (p *Process) pause(ctx context.Context) error {
	select {
	case <-p.done:
		return fmt.Errorf("%s ended (%w): %s", p.Name, errors.Join(p.err, errEnded), p.Tail())
	case <-ctx.Done():
		return fmt.Errorf("%s not ready: %w: %s", p.Name, ctx.Err(), p.Tail())
	case <-time.After(50 * time.Millisecond):
		return nil
	}
}

var errEnded = errors.New("before it was ready")

// FreeAddress returns a loopback address that nobody listens on at the moment.
func FreeAddress() (string, error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}
