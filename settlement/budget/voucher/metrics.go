package voucher

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"unioncard/card/phone"
)

// outcomes are the answers to claims by the name that metrics give them.
var outcomes = []struct {
	err  error
	name string
}{
	{ErrSoldOut, "sold_out"}, {ErrBusy, "busy"}, {ErrNotYet, "not_yet"}, {ErrOver, "over"}, {ErrPaused, "paused"},
	{ErrNotEligible, "not_eligible"}, {ErrNoSeries, "no_series"}, {phone.ErrNoSession, "no_session"},
	{phone.ErrNoCard, "no_card"}, {phone.ErrCardUnusable, "card_unusable"},
}

// claimMetrics is what a Claimer tells.
type claimMetrics struct {
	claims *prometheus.CounterVec
	rows   prometheus.Histogram
	wait   prometheus.Histogram
}

func newClaimMetrics(r prometheus.Registerer, depth func() float64) *claimMetrics {
	m := &claimMetrics{
		claims: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "unioncard_voucher_claims_total", Help: "Claims of voucher packs by outcome."}, []string{"outcome"}),
		rows: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "unioncard_voucher_claim_batch_rows", Help: "Claims a batch.", Buckets: prometheus.ExponentialBuckets(1, 2, 10)}),
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "unioncard_voucher_claim_wait_seconds", Help: "Time from queueing a claim to its answer.",
			Buckets: []float64{.002, .004, .008, .016, .032, .064, .128, .256, .512, 1, 2, 4, 8}}),
	}
	if r != nil {
		r.MustRegister(m.claims, m.rows, m.wait, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "unioncard_voucher_claim_queue_depth", Help: "Claims queued and not yet in a batch."}, depth))
	}
	return m
}

func (m *claimMetrics) count(err error) {
	name := "claimed"
	if err != nil {
		name = "failed"
		for _, o := range outcomes {
			if errors.Is(err, o.err) {
				name = o.name
			}
		}
	}
	m.claims.WithLabelValues(name).Inc()
}
