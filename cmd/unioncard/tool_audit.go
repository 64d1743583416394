package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"unioncard/card/union/event"
)

const auditUsage = `
  audit verify [--head SEQ:HASH]                prove the chain over the event log; prints its head
                                                keep the head outside, and give it to a later verify
  audit money [--since 2026-11-01]              recompute ledger, budgets, limits, vouchers, statements and payments
                                                from the purchases; since a day: its transfers and statements one by one
`

// settleTime is how long an event may wait for its link before it counts as left
// out: the running service links within a second.
const settleTime = 5 * time.Second

// errAudit: the chain does not hold; what is wrong has been printed.
var errAudit = errors.New("the event log is not what was written")

// runAudit proves the chain over the event log.
func runAudit(ctx context.Context, p *program, args []string) error {
	t, err := openTool(ctx, p, args, map[string]string{"head": "", "since": ""}, false)
	if err != nil {
		return err
	}
	defer t.pool.Close()
	if len(t.args) == 1 && t.args[0] == "money" {
		return auditMoney(ctx, t)
	}
	if len(t.args) != 1 || t.args[0] != "verify" {
		return wantOneOf(auditUsage)
	}
	var known event.Head
	if t.own["head"] != "" {
		if known, err = event.ParseHead(t.own["head"]); err != nil {
			return fmt.Errorf("--head: %w", err)
		}
	}
	r, err := settled(ctx, t, known)
	if err != nil {
		return err
	}
	return printAudit(t.stdout, r)
}

// settled verifies, and again while what was just committed is being linked.
func settled(ctx context.Context, t *tool, known event.Head) (*event.Report, error) {
	deadline := time.Now().Add(settleTime)
	for {
		r, err := event.Verify(ctx, t.pool, known)
		if err != nil || r.UnlinkedCount == 0 || r.FaultCount > 0 || time.Now().After(deadline) {
			return r, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(settleTime / 10):
		}
	}
}

func printAudit(w io.Writer, r *event.Report) error {
	for _, f := range r.Faults {
		if _, err := fmt.Fprintln(w, f); err != nil {
			return err
		}
	}
	for _, id := range r.Unlinked {
		if _, err := fmt.Fprintln(w, event.Fault{EventID: id, What: event.FaultUnlinked}); err != nil {
			return err
		}
	}
	if r.FaultCount+r.UnlinkedCount > 0 {
		return fmt.Errorf("%w: %d faults in %d links, %d events without a link (is the service running?)",
			errAudit, r.FaultCount, r.Links, r.UnlinkedCount)
	}
	_, err := fmt.Fprintf(w, "%d links hold\nhead %s\n", r.Links, r.Head)
	return err
}
