package purchase

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// outcomeCounters are the counters of one family by outcome, looked up once so
// that counting on the hot path is an addition.
type outcomeCounters [outcomeCount]prometheus.Counter

func newOutcomeCounters(r prometheus.Registerer, name, help string) (c outcomeCounters) {
	vec := register(r, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"outcome"}))
	for i := range c {
		c[i] = vec.WithLabelValues(outcomeName(i))
	}
	return c
}

func (c *outcomeCounters) count(err error) { c[outcomeOf(err)].Inc() }

// register adds a collector where there is a registerer.
func register[C prometheus.Collector](r prometheus.Registerer, c C) C {
	if r != nil {
		r.MustRegister(c)
	}
	return c
}

type verifyMetrics struct{ outcomeCounters }

func newVerifyMetrics(r prometheus.Registerer) *verifyMetrics {
	return &verifyMetrics{newOutcomeCounters(r, "unioncard_verifications_total", "Verifications by outcome.")}
}

// commitMetrics is what a Committer tells.
type commitMetrics struct {
	outcomes  outcomeCounters
	rows      prometheus.Histogram // a batch
	batch     prometheus.Histogram // seconds in PostgreSQL
	wait      prometheus.Histogram // seconds from queueing to answer
	retries   *prometheus.CounterVec
	adjourned prometheus.Counter
	fen       prometheus.Counter
}

func newCommitMetrics(r prometheus.Registerer, depth func() float64) *commitMetrics {
	register(r, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "unioncard_commit_queue_depth", Help: "Purchases queued and not yet in a batch."}, depth))
	seconds := []float64{.0005, .001, .002, .004, .008, .016, .032, .064, .128, .256, .512, 1, 2, 4, 8}
	return &commitMetrics{
		outcomes: newOutcomeCounters(r, "unioncard_purchases_total", "Purchase requests by outcome."),
		rows: register(r, prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "unioncard_commit_batch_rows", Help: "Purchases a batch.", Buckets: prometheus.ExponentialBuckets(1, 2, 10)})),
		batch: register(r, prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "unioncard_commit_batch_seconds", Help: "Time of a batch's transaction.", Buckets: seconds})),
		wait: register(r, prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "unioncard_commit_wait_seconds", Help: "Time from queueing a purchase to its answer.", Buckets: seconds})),
		retries: register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "unioncard_commit_retries_total", Help: "Batches written again, by reason."}, []string{"reason"})),
		adjourned: register(r, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "unioncard_commit_adjourned_total", Help: "Purchases put off to the next batch as their code is in this one already."})),
		fen: register(r, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "unioncard_discount_fen_total", Help: "Discount granted by committed purchases, in fen."})),
	}
}

// answered counts a row's outcome.
func (m *commitMetrics) answered(r *row, now time.Time) {
	m.outcomes.count(r.err)
	m.wait.Observe(now.Sub(r.queued).Seconds())
	if r.err == nil && !r.receipt.Replayed {
		m.fen.Add(float64(r.receipt.DiscountFen))
	}
}
