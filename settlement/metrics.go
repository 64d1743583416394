package settlement

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"unioncard/settlement/ledger"
)

// closerMetrics say when days were closed and whether the money adds up. What they say
// of the last audit is read from the database, so every node says the same.
type closerMetrics struct {
	day        prometheus.Gauge
	took       prometheus.Gauge
	statements prometheus.Counter
	failures   prometheus.Counter
	auditOK    prometheus.Gauge
	auditAt    prometheus.Gauge
}

func newCloserMetrics(r prometheus.Registerer) *closerMetrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "unioncard_" + name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "unioncard_" + name, Help: help})
	}
	m := &closerMetrics{
		day:        gauge("business_day_closed_timestamp_seconds", "End of the last business day that is closed."),
		took:       gauge("day_close_seconds", "How long this node's last close of a day took."),
		statements: counter("statements_closed_total", "Statements of the days that this node closed."),
		failures:   counter("day_close_failures_total", "Closes, confirmations and audits that failed on this node."),
		auditOK:    gauge("money_audit_ok", "1 if the last audit of the money proved everything, else 0."),
		auditAt:    gauge("money_audit_timestamp_seconds", "When the last audit of the money was made."),
	}
	if r != nil {
		r.MustRegister(m.day, m.took, m.statements, m.failures, m.auditOK, m.auditAt)
	}
	return m
}

func (m *closerMetrics) closed(c Closed) {
	m.took.Set(c.Took.Seconds())
	m.statements.Add(float64(c.Statements))
	m.lastDay(c.Day)
}

func (m *closerMetrics) lastDay(d ledger.Day) { m.day.Set(float64((d + 1).Start().Unix())) }

func (m *closerMetrics) audited(ok bool, at time.Time) {
	m.auditOK.Set(0)
	if ok {
		m.auditOK.Set(1)
	}
	m.auditAt.Set(float64(at.Unix()))
}
