package main

import (
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"unioncard/card"
)

// poolMetrics shows how the database pool is used.
type poolMetrics struct{ pool *pgxpool.Pool }

var (
	poolInUse   = prometheus.NewDesc("unioncard_db_pool_in_use", "Connections handed out.", nil, nil)
	poolIdle    = prometheus.NewDesc("unioncard_db_pool_idle", "Connections waiting to be used.", nil, nil)
	poolMax     = prometheus.NewDesc("unioncard_db_pool_max", "Connections there may be.", nil, nil)
	poolWaited  = prometheus.NewDesc("unioncard_db_pool_waits_total", "Acquisitions that had to wait.", nil, nil)
	poolWaiting = prometheus.NewDesc("unioncard_db_pool_wait_seconds_total", "Time spent waiting for a connection.", nil, nil)
)

// Describe implements prometheus.Collector.
func (poolMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{poolInUse, poolIdle, poolMax, poolWaited, poolWaiting} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (p poolMetrics) Collect(ch chan<- prometheus.Metric) {
	s := p.pool.Stat()
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	gauge(poolInUse, float64(s.AcquiredConns()))
	gauge(poolIdle, float64(s.IdleConns()))
	gauge(poolMax, float64(s.MaxConns()))
	ch <- prometheus.MustNewConstMetric(poolWaited, prometheus.CounterValue, float64(s.EmptyAcquireCount()))
	ch <- prometheus.MustNewConstMetric(poolWaiting, prometheus.CounterValue, s.AcquireDuration().Seconds())
}

// guessMetrics shows the budgets for wrong guesses and what nodes tell each other.
type guessMetrics struct {
	guard          *card.MemoryGuard
	sharedGuard    *card.RedisGuard    // nil without Redis
	sharedBindings *card.RedisBindings // likewise
}

var (
	guessMisses    = prometheus.NewDesc("unioncard_guess_misses_total", "Codes that proved nothing.", nil, nil)
	guessRefused   = prometheus.NewDesc("unioncard_guess_refused_total", "Codes refused unread, by the budget that was spent.", []string{"budget"}, nil)
	guessForgotten = prometheus.NewDesc("unioncard_guess_forgotten_total", "Subjects forgotten because the memory for them was full.", nil, nil)
	guessAlone     = prometheus.NewDesc("unioncard_guess_alone", "1 while Redis is away and this node keeps its share of the budgets.", nil, nil)
	guessUnshared  = prometheus.NewDesc("unioncard_guess_unshared_total", "Misses that other nodes were not told of.", nil, nil)
	bindFallbacks  = prometheus.NewDesc("unioncard_binding_fallbacks_total", "Bindings decided by this node's memory alone.", nil, nil)
	bindUnshared   = prometheus.NewDesc("unioncard_binding_unshared_total", "Used codes that other nodes were not told of.", nil, nil)
)

// Describe implements prometheus.Collector.
func (guessMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{guessMisses, guessRefused, guessForgotten, guessAlone, guessUnshared, bindFallbacks, bindUnshared} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g guessMetrics) Collect(ch chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	s := g.guard.Stats()
	count(guessMisses, s.Misses)
	count(guessForgotten, s.Forgotten)
	for budget, n := range s.Refused {
		count(guessRefused, n, budget)
	}
	if g.sharedGuard == nil {
		return
	}
	shared := g.sharedGuard.SharedStats()
	alone := 0.0
	if shared.Alone {
		alone = 1
	}
	ch <- prometheus.MustNewConstMetric(guessAlone, prometheus.GaugeValue, alone)
	count(guessUnshared, shared.Dropped)
	bound := g.sharedBindings.Stats()
	count(bindFallbacks, bound.Fallbacks)
	count(bindUnshared, bound.Dropped)
}
