// Command loadtest drives the unioncard service as outsiders would: over HTTP, with
// codes got from the unioncard program.
//
//	loadtest bench   ratios against the baselines, interleaved, one line each
//	loadtest run     a mix of verifications, purchases, repeats and refunds at a rate
//	loadtest claims a crowd that claims vouchers at once, while tills verify
//	loadtest crash   load while server, PostgreSQL and network are killed, then the verdict
//
// It imports nothing of the service's own code.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := dispatch(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadtest:", err)
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: loadtest bench|run|claims|crash [flags]")
	}
	switch args[0] {
	case "bench":
		return bench(ctx, args[1:])
	case "run":
		return runMix(ctx, args[1:])
	case "claims":
		return claims(ctx, args[1:])
	case "crash":
		return crash(ctx, args[1:])
	}
	return fmt.Errorf("no command %q: bench, run, claims or crash", args[0])
}
