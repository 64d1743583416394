package feed

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	rows  *prometheus.CounterVec
	polls *prometheus.CounterVec
	loads *prometheus.CounterVec
	lag   prometheus.Histogram
	load  prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, age func() float64) *metrics {
	m := &metrics{
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "unioncard_feed_rows_total", Help: "Change feed rows applied, by kind of object."}, []string{"kind"}),
		polls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "unioncard_feed_polls_total", Help: "Polls of the change feed, by outcome."}, []string{"outcome"}),
		loads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "unioncard_feed_loads_total", Help: "Full loads of the view, by outcome."}, []string{"outcome"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "unioncard_feed_lag_seconds",
			Help:    "From a row's commit to its application; an upper bound, as the commit's time is only known to lie after the row's writing and after the poll before.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}}),
		load: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "unioncard_feed_load_duration_seconds", Help: "Duration of the last full load."}),
	}
	ageGauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "unioncard_feed_age_seconds", Help: "Age of the view: time since the last applied poll began."}, age)
	for _, outcome := range []string{"ok", "error"} {
		m.polls.WithLabelValues(outcome)
		m.loads.WithLabelValues(outcome)
	}
	if reg != nil {
		reg.MustRegister(m.rows, m.polls, m.loads, m.lag, m.load, ageGauge)
	}
	return m
}

func (m *metrics) polled(err error) { m.polls.WithLabelValues(outcome(err)).Inc() }

func (m *metrics) loaded(err error, took time.Duration) {
	m.loads.WithLabelValues(outcome(err)).Inc()
	if err == nil {
		m.load.Set(took.Seconds())
	}
}

// appliedRows counts rows applied at now by the database's clock. None was
// visible when the poll before began, age ago, so none committed before that.
func (m *metrics) appliedRows(changes []Change, now time.Time, age time.Duration) {
	for _, c := range changes {
		m.rows.WithLabelValues(c.Kind.String()).Inc()
		m.lag.Observe(max(0, min(age, now.Sub(c.At))).Seconds())
	}
}

func outcome(err error) string {
	if err != nil {
		return "error"
	}
	return "ok"
}
