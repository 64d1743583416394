package budget

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"unioncard/card/feed"
	"unioncard/card/union/event"
	"unioncard/merchant"
)

// system is the actor of what the service does by itself.
const system event.Actor = "system"

// alertLevels are the shares of a budget, in per cent, at which its office is told
// once each: 100 is when nothing at all is left.
var alertLevels = [...]int{80, 95, 100}

// level is the highest alert level that a purse has reached, 0 for none.
func (p *purse) level() int { return levelOf(p.amount-p.returned, p.left()) }

// levelOf is the highest level that a budget of so much, with so much left, has
// reached.
func levelOf(amount, left int64) (level int) {
	for _, l := range alertLevels {
		if amount > 0 && (amount-left)*100 >= amount*int64(l) {
			level = l
		}
	}
	return level
}

// metrics is what the chores tell.
type metrics struct {
	alerts *prometheus.CounterVec
	used   *prometheus.GaugeVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		alerts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "unioncard_budget_alerts_total",
			Help: "Alerts given for budgets and voucher series that are nearly spent, by share in per cent."}, []string{"percent"}),
		used: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "unioncard_budgets_nearly_spent",
			Help: "Open and frozen budgets and voucher series of which at least so many per cent are used."}, []string{"percent"}),
	}
	if r != nil {
		r.MustRegister(m.alerts, m.used)
	}
	return m
}

// leftSQL is what is left of budget b.
const leftSQL = `b.amount_fen - b.allocated_fen - b.returned_fen
	- coalesce((SELECT sum(s.spent_fen - s.back_fen) FROM budget_slices s WHERE s.budget_id = b.id), 0)::bigint`

// Alert notes every open budget that has newly reached a level: an event, a metric,
// and budgets.alerted, which the console shows. Harmless on many nodes at once: the
// row's lock lets one of them note it. It returns how many alerts it gave.
func (s *Store) Alert(ctx context.Context) (n int64, err error) {
	rows, err := s.db.Query(ctx, `SELECT b.id, b.amount_fen - b.returned_fen, `+leftSQL+`, b.alerted FROM budgets b WHERE b.state IN ('open', 'frozen')`)
	if err != nil {
		return 0, fmt.Errorf("budget.Alert: %w", err)
	}
	var id, amount, left int64
	var alerted int
	var due []int64
	at := map[int]int{}
	_, err = pgx.ForEachRow(rows, []any{&id, &amount, &left, &alerted}, func() error {
		level := levelOf(amount, left)
		if level > alerted {
			due = append(due, id)
		}
		for _, l := range alertLevels {
			if level >= l {
				at[l]++
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("budget.Alert: %w", err)
	}
	for _, l := range alertLevels {
		s.metrics.used.WithLabelValues(fmt.Sprint(l)).Set(float64(at[l]))
	}
	for _, id := range due {
		given, err := s.alert(ctx, id)
		if err != nil {
			return n, err
		}
		n += given
	}
	return n, nil
}

func (s *Store) alert(ctx context.Context, id int64) (n int64, err error) {
	level := 0
	err = s.change(ctx, func(tx pgx.Tx) error {
		var amount, left int64
		var alerted int
		var kind Kind
		level = 0
		err := tx.QueryRow(ctx, `SELECT b.kind, b.amount_fen - b.returned_fen, `+leftSQL+`, b.alerted FROM budgets b
			WHERE b.id = $1 FOR NO KEY UPDATE OF b`, id).Scan(&kind, &amount, &left, &alerted)
		if err != nil {
			return fmt.Errorf("budget.Alert: %w", err)
		}
		if level = levelOf(amount, left); level <= alerted {
			level = 0
			return nil
		}
		if _, err := tx.Exec(ctx, `UPDATE budgets SET alerted = $2 WHERE id = $1`, id, level); err != nil {
			return fmt.Errorf("budget.Alert: %w", err)
		}
		return event.Record(ctx, tx, system, action(kind, "alert"), object(id), fmt.Sprintf("已使用 %d%%", level),
			map[string]any{"alerted": alerted}, map[string]any{"alerted": level, "left_fen": left})
	})
	if err != nil || level == 0 {
		return 0, err
	}
	s.metrics.alerts.WithLabelValues(fmt.Sprint(level)).Inc()
	return 1, nil
}

// Sweep sends back what undoing purchases gave back to closed budgets since: a
// series' to its parent, a budget's to its office's fund. Series come first, so that
// what a closed parent gets goes on in the same turn. Harmless on many nodes at once.
// It returns how many budgets it emptied.
func (s *Store) Sweep(ctx context.Context) (n int64, err error) {
	for _, kind := range []Kind{KindSeries, KindBudget} {
		rows, err := s.db.Query(ctx, `SELECT b.id FROM budgets b WHERE b.state = 'closed' AND b.kind = $1 AND `+leftSQL+` > 0 ORDER BY b.id`, kind)
		if err != nil {
			return n, fmt.Errorf("budget.Sweep: %w", err)
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return n, fmt.Errorf("budget.Sweep: %w", err)
		}
		for _, id := range ids {
			if err := s.change(ctx, func(tx pgx.Tx) error { return s.sweep(ctx, tx, id) }); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

func (s *Store) sweep(ctx context.Context, tx pgx.Tx, id int64) error {
	parent, err := parentOf(ctx, tx, id)
	if err != nil {
		return err
	}
	p, err := lockPurse(ctx, tx, id)
	if err != nil {
		return err
	}
	if p.status != Closed || p.left() == 0 {
		return nil // another node was first
	}
	rest, err := p.giveBack(ctx, tx, parent)
	if err != nil {
		return err
	}
	by := merchant.By{Actor: system, Reason: "结束后有退款，余额退回"}
	return record(ctx, tx, by, action(p.kind, "return"), id, p.version, nil, map[string]any{"returned_fen": rest})
}

// fed tells the nodes of a purse that was saved beside another one.
func fed(ctx context.Context, tx pgx.Tx, p *purse) error {
	return feed.Record(ctx, tx, feed.Change{Kind: feed.KindBudget, ObjectID: p.id, Version: p.version})
}
