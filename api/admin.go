package api

import (
	"context"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"unioncard/api/strictjson"
)

// Probe is one thing that must be right for this node to take traffic.
type Probe struct {
	// Name is shown, e.g. "view", "database", "committer".
	Name string
	// Check returns nil when all is well. It must end with its context.
	Check func(ctx context.Context) error
}

// AdminDeps is what the admin address shows.
type AdminDeps struct {
	Gatherer prometheus.Gatherer
	Probes   []Probe
}

// readyTimeout bounds all probes of one question together.
const readyTimeout = 2 * time.Second

// NewAdmin returns the handler of the admin address: /metrics, /healthz (the
// process answers), /readyz (it may take traffic) and /debug/pprof/. It has no
// authentication and belongs on an address that only operators reach.
func NewAdmin(d AdminDeps) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(d.Gatherer, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeStatus(w, http.StatusOK, []byte(`{"status":"ok"}`))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { ready(w, r, d.Probes) })
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// ready answers 200 when every probe passes, else 503, and names each result.
func ready(w http.ResponseWriter, r *http.Request, probes []Probe) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	status, verdict := http.StatusOK, "ready"
	var checks []byte
	for i, p := range probes {
		result := "ok"
		if err := p.Check(ctx); err != nil {
			status, verdict, result = http.StatusServiceUnavailable, "not ready", err.Error()
		}
		if i > 0 {
			checks = append(checks, ',')
		}
		checks = strictjson.AppendString(checks, p.Name)
		checks = append(checks, ':')
		checks = strictjson.AppendString(checks, result)
	}
	body := strictjson.AppendString([]byte(`{"status":`), verdict)
	body = append(body, `,"checks":{`...)
	body = append(body, checks...)
	writeStatus(w, status, append(body, '}', '}'))
}

func writeStatus(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// Whoever asked has gone; there is nobody to tell.
	_, _ = w.Write(body)
}
