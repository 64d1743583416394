package settlement

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/settlement/ledger"
)

// nightlyDays is how many days back the nightly audit recomputes transfers and
// statements one by one. `unioncard audit money` recomputes all.
const nightlyDays = 35

// Run closes days when they are due, confirms statements after the term, and audits
// the money once a night, until ctx ends. What fails is tried again at the next turn.
func (c *Closer) Run(ctx context.Context) error {
	tick := time.NewTicker(c.opt.Every)
	defer tick.Stop()
	for {
		c.turn(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// turn does what is due now.
func (c *Closer) turn(ctx context.Context) {
	store := NewStore(c.pool, Options{Clock: c.opt.Clock})
	chores := []struct {
		name string
		do   func(context.Context) error
	}{
		{"close days", func(ctx context.Context) error {
			_, err := c.closeDue(ctx, c.overByBoth)
			return err
		}},
		{"confirm statements after the term", func(ctx context.Context) error {
			n, err := store.ConfirmDue(ctx)
			if n > 0 {
				c.opt.Logger.Info("statements confirmed after their term", "n", n)
			}
			return err
		}},
		{"audit the money", c.auditDue},
		{"say what was audited", c.show},
	}
	for _, do := range chores {
		err := do.do(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrClosing): // another node is at it
		case err != nil:
			c.metrics.failures.Inc()
			c.opt.Logger.Error("settlement", "chore", do.name, "error", err)
		}
	}
}

// auditDue audits when a day has been closed since the last audit.
func (c *Closer) auditDue(ctx context.Context) error {
	var due bool
	if err := c.pool.QueryRow(ctx, auditDueSQL).Scan(&due); err != nil {
		return fmt.Errorf("settlement: audit: %w", err)
	}
	if !due {
		return nil
	}
	return c.session(ctx, func(conn *pgx.Conn) error {
		// Another node may have been first. The audit runs under the closer's lock but on
		// its own connection, whose silence is the audit's.
		if err := conn.QueryRow(ctx, auditDueSQL).Scan(&due); err != nil || !due {
			return err
		}
		today := ledger.DayOf(c.opt.Clock())
		r, err := Audit(ctx, conn, AuditOptions{Since: today - nightlyDays})
		if err != nil {
			return err
		}
		for i := range r.Proofs {
			if p := &r.Proofs[i]; !p.OK() {
				c.opt.Logger.Error("the money does not add up", "proof", p.Name, "differ", p.Bad, "of", p.Checked, "examples", p.Examples)
			}
		}
		return record(ctx, conn, r)
	})
}

const auditDueSQL = `SELECT EXISTS (SELECT FROM business_days WHERE done_at IS NOT NULL AND
	done_at > coalesce((SELECT max(at) FROM money_audits), '-infinity'))`

// record keeps what an audit found.
func record(ctx context.Context, conn *pgx.Conn, r *Report) error {
	proofs, err := json.Marshal(r.Proofs)
	if err != nil {
		return fmt.Errorf("settlement: record audit: %w", err)
	}
	_, err = conn.Exec(ctx, `INSERT INTO money_audits (at, took_ms, ok, proofs) VALUES ($1, $2, $3, $4)`,
		r.At, r.Took.Milliseconds(), r.OK(), proofs)
	if err != nil {
		return fmt.Errorf("settlement: record audit: %w", err)
	}
	return nil
}

// show sets the metrics to what the last close and the last audit left, on any node.
func (c *Closer) show(ctx context.Context) error {
	var ok *bool
	var at *time.Time
	var last *ledger.Day
	err := c.pool.QueryRow(ctx, `SELECT (SELECT max(day) - date '1970-01-01' FROM business_days WHERE done_at IS NOT NULL), a.ok, a.at
		FROM (SELECT 1) AS one LEFT JOIN (SELECT ok, at FROM money_audits ORDER BY at DESC LIMIT 1) AS a ON true`).Scan(&last, &ok, &at)
	if err != nil {
		return fmt.Errorf("settlement: last audit: %w", err)
	}
	if last != nil {
		c.metrics.lastDay(*last)
	}
	if ok != nil && at != nil {
		c.metrics.audited(*ok, *at)
	}
	return nil
}
