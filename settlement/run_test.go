package settlement

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"unioncard/merchant"
)

// TestRun: a node closes the days that are over by itself, confirms and audits, and its
// metrics say so; a second node does nothing of it again.
func TestRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, CloserOptions{})
	w.buy(1, w.today-3, 1000, 100, 50)
	w.buy(3, w.today-1, 1000, 100, 50)
	registry := prometheus.NewRegistry()
	c := NewCloser(w.pool, CloserOptions{Registerer: registry, After: time.Nanosecond, Every: time.Hour, Duty: 1})
	ctx, cancel := context.WithCancel(w.ctx)
	cancel() // one turn, then the end; its work must not need another
	w.must(c.Run(ctx))
	if n := w.count(`SELECT count(*) FROM business_days WHERE done_at IS NOT NULL`); n != 0 {
		t.Fatal("worked after its end")
	}
	c.turn(w.ctx)
	c.turn(w.ctx)
	if n := w.count(`SELECT count(*) FROM business_days WHERE done_at IS NOT NULL`); n < 3 {
		t.Errorf("%d days closed", n)
	}
	if n := w.count(`SELECT count(*) FROM money_audits WHERE ok`); n != 1 {
		t.Errorf("%d audits that found nothing", n)
	}
	got := gathered(t, registry)
	for name, want := range map[string]float64{"unioncard_money_audit_ok": 1, "unioncard_day_close_failures_total": 0,
		"unioncard_statements_closed_total": 2, "unioncard_business_day_closed_timestamp_seconds": float64(w.today.Start().Unix())} {
		if got[name] != want && !w.turned() {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}

	// What is wrong is seen on every node, and by the next audit.
	w.exec(`UPDATE budget_slices SET spent_fen = spent_fen + 1`)
	w.exec(`DELETE FROM money_audits`)
	c.turn(w.ctx)
	registry = prometheus.NewRegistry()
	other := NewCloser(w.pool, CloserOptions{Registerer: registry})
	w.must(other.show(w.ctx))
	if got := gathered(t, registry); got["unioncard_money_audit_ok"] != 0 || got["unioncard_money_audit_timestamp_seconds"] == 0 {
		t.Errorf("a failed audit shows as %v at %v", got["unioncard_money_audit_ok"], got["unioncard_money_audit_timestamp_seconds"])
	}
}

func gathered(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		m := f.GetMetric()[0]
		out[f.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
	}
	return out
}

func TestExitGate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, CloserOptions{})
	w.buy(1, w.today-1, 1000, 100, 50)
	w.buy(3, w.today-1, 1000, 100, 0) // the merchant's own money: nothing is open
	w.close(w.today - 1)
	open := func(contract int64) (all []string) {
		w.must(pgx.BeginFunc(w.ctx, w.pool, func(tx pgx.Tx) error {
			found, err := ExitGate{}.Open(w.ctx, tx, contract)
			for _, b := range found {
				all = append(all, b.What)
			}
			return err
		}))
		return all
	}
	want := []string{"还有 1 张结算单等商家确认，请催商家确认，或等确认期满。", "还欠商家 0.50 元没有付，请先付清。"}
	if diff := cmp.Diff(want, open(1)); diff != "" {
		t.Errorf("open (-want +got):\n%s", diff)
	}
	if got := open(2); got != nil {
		t.Errorf("nothing is owed, and open is %q", got)
	}
	w.must(w.store.Confirm(w.ctx, merchant.By{Actor: "merchant:1", Reason: "无误"}, 1, w.statement(1, w.today-1).ID, 0))
	w.banked(1)
	id := w.make()
	if diff := cmp.Diff([]string{"还有 1 笔付款没有登记银行结果，请先登记付讫或退回。", want[1]}, open(1)); diff != "" {
		t.Errorf("under way (-want +got):\n%s", diff)
	}
	w.approve(id)
	w.must(errOf(w.store.AnswerAll(w.ctx, finance, id, "R")))
	if got := open(1); got != nil {
		t.Errorf("all is paid, and open is %q", got)
	}
}

func TestMonth(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, CloserOptions{})
	first := w.today - 40
	for d := first; d < w.today; d += 3 {
		w.buy(1, d, 1000, 100, 50)
	}
	w.close(w.today - 1)
	at := (first + 5).Date()
	m, err := w.store.Month(w.ctx, 1, at.Year(), at.Month())
	w.must(err)
	var n, due int64
	for d := first; d < w.today; d += 3 {
		if d >= m.From && d <= m.Until {
			n++
			due += 50
		}
	}
	if m.Statements != n || int64(len(m.Days)) != n || m.DueFen != due || m.Figures.Purchases != n || m.ClosingFen != m.OpeningFen+due ||
		m.Days[n-1].ClosingFen != m.ClosingFen || m.Complete != (m.Until < w.today) {
		t.Errorf("month %+v, want %d statements of %d fen", m, n, due)
	}
}
