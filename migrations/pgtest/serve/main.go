// Command serve runs a command with a PostgreSQL server for its tests:
//
//	go run ./migrations/pgtest/serve go test ./...
//
// The command finds the server's address in UNIONCARD_TEST_DATABASE_URL. The
// server ends with the command, whose exit status becomes ours. Without a
// command it prints the address and serves until interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"unioncard/migrations/pgtest"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	dsn := os.Getenv(pgtest.EnvURL)
	if dsn == "" {
		var stop func()
		var err error
		if dsn, stop, err = pgtest.Serve(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "serve:", err)
			return 1
		}
		defer stop()
	}
	if len(args) == 0 {
		fmt.Printf("export %s='%s'\n", pgtest.EnvURL, dsn)
		<-signals
		return 0
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), pgtest.EnvURL+"="+dsn)
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		return 127
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case sig := <-signals:
			_ = cmd.Process.Signal(sig) // gone already is as good
		case err := <-done:
			var exit *exec.ExitError
			switch {
			case err == nil:
				return 0
			case errors.As(err, &exit) && exit.ExitCode() >= 0:
				return exit.ExitCode()
			default:
				fmt.Fprintln(os.Stderr, "serve:", err)
				return 1
			}
		}
	}
}
