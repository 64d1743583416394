package api

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// logEvery is how long a record waits at most before it is written out.
	logEvery = 100 * time.Millisecond
	// logSoon is how many bytes are written out without waiting.
	logSoon = 256 << 10
	// logBound is how many bytes may wait. When the disk is that far behind,
	// records are dropped and counted: a request never waits for its log.
	logBound = 8 << 20
)

// LogWriter gathers log records and writes them out together from one
// goroutine, so that a request costs no system call for its record. Write takes
// whole records, as slog's handlers hand them over.
type LogWriter struct {
	out     io.Writer
	dropped atomic.Int64
	failed  atomic.Int64

	mu      sync.Mutex
	pending []byte
	spare   []byte
	closed  bool

	soon chan struct{}
	stop chan struct{}
	done chan struct{}
}

// NewLogWriter starts a writer to out. Close it to write out the rest.
func NewLogWriter(out io.Writer) *LogWriter {
	w := &LogWriter{
		out: out, soon: make(chan struct{}, 1),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	go w.run()
	return w
}

// Write takes one record. It never fails and never waits for out.
func (w *LogWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	if len(w.pending)+len(p) > logBound || w.closed {
		w.mu.Unlock()
		w.dropped.Add(1)
		return len(p), nil
	}
	w.pending = append(w.pending, p...)
	full := len(w.pending) >= logSoon
	w.mu.Unlock()
	if full {
		select {
		case w.soon <- struct{}{}:
		default:
		}
	}
	return len(p), nil
}

// Dropped is how many records were thrown away because out was too slow, or
// came after Close.
func (w *LogWriter) Dropped() int64 { return w.dropped.Load() }

// Failed is how many writes to out failed.
func (w *LogWriter) Failed() int64 { return w.failed.Load() }

// Register shows in reg how many records were lost.
func (w *LogWriter) Register(reg prometheus.Registerer) {
	reg.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "unioncard_log_dropped_total",
			Help: "Log records thrown away because the output was too slow.",
		}, func() float64 { return float64(w.Dropped()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "unioncard_log_failed_writes_total",
			Help: "Writes of gathered log records that failed.",
		}, func() float64 { return float64(w.Failed()) }),
	)
}

// Close writes out what waits and ends the goroutine.
func (w *LogWriter) Close() error {
	w.mu.Lock()
	already := w.closed
	w.closed = true
	w.mu.Unlock()
	if !already {
		close(w.stop)
	}
	<-w.done
	return nil
}

func (w *LogWriter) run() {
	defer close(w.done)
	tick := time.NewTicker(logEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-w.soon:
		case <-w.stop:
			w.flush()
			return
		}
		w.flush()
	}
}

// flush swaps the two buffers and writes the full one out.
func (w *LogWriter) flush() {
	w.mu.Lock()
	full := w.pending
	w.pending, w.spare = w.spare[:0], nil
	w.mu.Unlock()
	if len(full) > 0 {
		if _, err := w.out.Write(full); err != nil {
			w.failed.Add(1)
		}
	}
	w.mu.Lock()
	w.spare = full[:0]
	w.mu.Unlock()
}
