package phone

import "github.com/prometheus/client_golang/prometheus"

// metrics count what becomes of codes; no label names anybody.
type metrics struct {
	codes  *prometheus.CounterVec // asked for: sent, nobody, throttled, failed
	guess  *prometheus.CounterVec // sign-ins: right, wrong, throttled
	phones *prometheus.CounterVec // enrolments: made, renewed, repeated, copied
}

func newMetrics(r prometheus.Registerer) *metrics {
	vec := func(name, help string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "unioncard_" + name, Help: help}, []string{"outcome"})
		if r != nil {
			r.MustRegister(v)
		}
		return v
	}
	return &metrics{
		codes:  vec("phone_codes_total", "Codes by SMS that were asked for, by what became of them."),
		guess:  vec("phone_sign_ins_total", "Codes that were typed in, by outcome."),
		phones: vec("phone_enrolments_total", "Enrolments of phones, by what happened."),
	}
}
