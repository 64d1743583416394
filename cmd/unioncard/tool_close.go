package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"unioncard/card/union/event"
	"unioncard/merchant"
	"unioncard/settlement"
	"unioncard/settlement/ledger"
)

const closeUsage = `
  close-day                                     close every day that is over and not closed yet
  close-day --day 2026-11-22                    close the days up to and with this one
  close-day --day TODAY --even-if-not-over yes --reason WHY
                                                close today before midnight: purchases count for tomorrow from
                                                then on, and today's can't be voided any more, only refunded
`

// runCloseDay closes business days by hand, as the service does by itself.
func runCloseDay(ctx context.Context, p *program, args []string) error {
	t, err := openTool(ctx, p, args, map[string]string{"day": "", "even-if-not-over": "", "reason": ""}, false)
	if err != nil {
		return err
	}
	defer t.pool.Close()
	early := t.own["even-if-not-over"]
	if len(t.args) != 0 || early != "" && (early != "yes" || t.own["day"] == "") {
		return wantOneOf(closeUsage)
	}
	var by merchant.By // a day that is over closes by itself too
	if early != "" || t.own["reason"] != "" {
		who, why, err := t.by()
		if err != nil {
			return err
		}
		by = merchant.By{Actor: event.Actor(who), Reason: why}
	}
	closer := settlement.NewCloser(t.pool, settlement.CloserOptions{Clock: time.Now, Term: t.cfg.ConfirmDays,
		After: time.Nanosecond, By: by})
	var closed []settlement.Closed
	if t.own["day"] == "" {
		closed, err = closer.CloseDue(ctx)
	} else {
		var day ledger.Day
		if day, err = ledger.ParseDay(t.own["day"]); err != nil {
			return fmt.Errorf("--day: want a day as 2026-11-22, not %q", t.own["day"])
		}
		closed, err = closer.Close(ctx, day, early == "yes")
	}
	for _, c := range closed {
		if _, err := fmt.Fprintf(t.stdout, "%v\t%d purchases\t%d statements\t%d ms\n", c.Day, c.Purchases, c.Statements, c.Took.Milliseconds()); err != nil {
			return err
		}
	}
	if err == nil && len(closed) == 0 {
		_, err = fmt.Fprintln(t.stdout, "nothing to close")
	}
	return err
}

// errMoney: the money does not add up; what differs has been printed.
var errMoney = errors.New("the money does not add up")

// auditMoney prints each proof as a line.
func auditMoney(ctx context.Context, t *tool) error {
	var o settlement.AuditOptions
	var err error
	if t.own["since"] != "" {
		if o.Since, err = ledger.ParseDay(t.own["since"]); err != nil {
			return fmt.Errorf("--since: want a day as 2026-11-01, not %q", t.own["since"])
		}
	}
	r, err := settlement.Audit(ctx, t.pool, o)
	if err != nil {
		return err
	}
	for i := range r.Proofs {
		if _, err := fmt.Fprintln(t.stdout, r.Proofs[i].String()); err != nil {
			return err
		}
	}
	if !r.OK() {
		return errMoney
	}
	_, err = fmt.Fprintf(t.stdout, "the money adds up: %d proofs in %v\n", len(r.Proofs), r.Took.Round(time.Millisecond))
	return err
}
