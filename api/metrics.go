package api

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics is what the API counts.
type metrics struct {
	seconds *prometheus.HistogramVec
	panics  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "unioncard_http_request_seconds",
			Help: "Time to answer by route and outcome, the code of the problem or ok.",
			Buckets: []float64{
				.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10,
			},
		}, []string{"route", "outcome"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "unioncard_http_panics_total",
			Help: "Requests whose handler panicked.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.seconds, m.panics)
	}
	return m
}

// watch shows how many requests a gate has let in.
func (m *metrics) watch(reg prometheus.Registerer, name string, g *gate) {
	if reg == nil {
		return
	}
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "unioncard_http_admitted",
		Help:        "Requests being worked on, by gate.",
		ConstLabels: prometheus.Labels{"gate": name},
	}, func() float64 { return float64(g.inside.Load()) }))
}

// routeMetrics counts one route. The child for "ok" is at hand; those for
// problems are looked up once each.
type routeMetrics struct {
	vec   *prometheus.HistogramVec
	route string
	ok    prometheus.Observer
	other sync.Map // outcome -> prometheus.Observer
}

func (m *metrics) route(name string) *routeMetrics {
	return &routeMetrics{vec: m.seconds, route: name, ok: m.seconds.WithLabelValues(name, "ok")}
}

func (m *routeMetrics) observe(outcome string, took time.Duration) {
	if outcome == "ok" {
		m.ok.Observe(took.Seconds())
		return
	}
	child, found := m.other.Load(outcome)
	if !found {
		child, _ = m.other.LoadOrStore(outcome, m.vec.WithLabelValues(m.route, outcome))
	}
	child.(prometheus.Observer).Observe(took.Seconds())
}
