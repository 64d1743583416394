package main

import (
	"context"
	"time"

	"unioncard/card/feed"
	"unioncard/settlement/report"
)

const (
	housekeepEvery = time.Minute
	changesKept    = 24 * time.Hour
)

// housekeep does, on every node and harmlessly twice, what nobody asks for:
// suspends contracts whose renegotiation deadline has passed and prunes what is
// no longer read. A failure is logged and tried again at the next turn.
func (n *node) housekeep(ctx context.Context) error {
	tick := time.NewTicker(housekeepEvery)
	defer tick.Stop()
	for {
		n.housekeepOnce(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (n *node) housekeepOnce(ctx context.Context) {
	chores := []struct {
		name string
		do   func(context.Context) (int64, error)
	}{
		{"suspend overdue contracts", func(ctx context.Context) (int64, error) {
			ids, err := n.merchants.SuspendOverdue(ctx, time.Now())
			return int64(len(ids)), err
		}},
		{"end expired contracts", func(ctx context.Context) (int64, error) {
			ids, err := n.merchants.EndExpired(ctx, time.Now())
			return int64(len(ids)), err
		}},
		{"move exits on", func(ctx context.Context) (int64, error) {
			moved, err := n.exits.Advance(ctx, time.Now())
			return int64(moved), err
		}},
		{"add purchases up", func(ctx context.Context) (int64, error) {
			_, err := report.NewStore(n.pool, time.Now).Roll(ctx)
			return 0, err // every minute, all day: not worth a line in the log
		}},
		{"add spending up", func(ctx context.Context) (int64, error) {
			_, err := report.NewStore(n.pool, time.Now).RollSpending(ctx)
			return 0, err // every minute, too
		}},
		{"settle member transfers", n.members.SettleTransfers},
		{"let vouchers expire", n.vouchers.Expire},
		{"return what closed budgets got back", n.budgets.Sweep},
		{"tell of budgets nearly spent", n.budgets.Alert},
		{"remind of renewals and renegotiations", func(ctx context.Context) (int64, error) { return n.contracts.Remind(ctx, time.Now()) }},
		{"settle mergers of unions", n.territory.Settle},
		{"prune the change feed", func(ctx context.Context) (int64, error) { return feed.Prune(ctx, n.pool, changesKept) }},
		{"delete applications never sent", n.applied.Prune},
		{"delete uploads that nothing names", func(ctx context.Context) (int64, error) {
			const onceAnHour = 17 // minute; it walks the whole directory
			if time.Now().Minute() != onceAnHour {
				return 0, nil
			}
			gone, err := n.files.Sweep(ctx)
			return int64(gone), err
		}},
		{"prune rosters", n.rosters.Prune},
		{"prune till files", n.recon.Prune},
		{"prune sign-ins", n.accounts.Prune},
		{"end phones whose number changed", n.phones.EndDue},
		{"prune phones", n.phones.Prune},
		{"hash merchants' users anew", n.phones.portal.Rehash},
		{"prune merchants' sign-ins", n.phones.portal.Prune},
		{"prune webhooks", n.webhooks.store.Prune},
		{"prune what has run out", func(ctx context.Context) (int64, error) { return n.merchants.Prune(ctx, time.Now()) }},
	}
	for _, c := range chores {
		done, err := c.do(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			n.log.Error("housekeeping", "chore", c.name, "error", err)
		case done > 0:
			n.log.Info("housekeeping", "chore", c.name, "done", done)
		}
	}
}
