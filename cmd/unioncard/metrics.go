package main

import (
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
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
