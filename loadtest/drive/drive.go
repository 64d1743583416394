package drive

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"unioncard/loadtest/wire"
)

// Latencies are kept in microseconds from 1 µs to 2 minutes at 3 significant digits.
const (
	lowestMicros  = 1
	highestMicros = 120 * 1000 * 1000
	digits        = 3
)

// maxErrorShare is the share of unexpected answers above which a run is void: a
// server must not look fast by refusing.
const maxErrorShare = 0.001

// Source says what to send and judges what came back. It is called from one
// goroutine only.
type Source interface {
	// Request appends the next request for a connection (0 ≤ conn < Conns) to dst.
	// more is false when this connection has nothing left to send; in a closed loop
	// that ends the measured time, while the others finish their work.
	Request(dst []byte, conn int) (request []byte, more bool)
	// Answer takes the answer to the connection's last request and says whether it
	// was the expected one. a is valid only during the call; latency counts from
	// the intended moment. A broken connection gives status 0.
	Answer(conn int, a wire.Answer, latency time.Duration) bool
}

// Options of one run.
type Options struct {
	Addr     string // IPv4 address and port
	Conns    int
	Duration time.Duration
	// Schedule makes the run open-loop; nil is closed-loop.
	Schedule Schedule
	// Drain bounds the wait for outstanding answers after Duration. What is still
	// unanswered then counts as an error, with the latency it had by then.
	// Default 10 s.
	Drain time.Duration
}

// Result of one run.
type Result struct {
	Done    int // answers within the measured time (closed loop) or at all (open)
	Errors  int // unexpected, broken or missing answers
	Elapsed time.Duration
	Latency *hdrhistogram.Histogram // µs, from the intended send time
	Status  map[int]int             // answers by status; 0 is no answer
	// FirstBad is the first unexpected answer, shortened.
	FirstBad string
}

// NewHistogram is the histogram every latency of the load test is kept in (µs).
func NewHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(lowestMicros, highestMicros, digits)
}

// Record adds a latency to h, held to its range.
func Record(h *hdrhistogram.Histogram, d time.Duration) {
	us := min(max(d.Microseconds(), lowestMicros), highestMicros)
	_ = h.RecordValue(us) // can't fail within the range
}

// Rate is answers a second.
func (r Result) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Done) / r.Elapsed.Seconds()
}

// Quantile is the latency at q percent.
func (r Result) Quantile(q float64) time.Duration {
	return time.Duration(r.Latency.ValueAtQuantile(q)) * time.Microsecond
}

// Valid refuses a run with nothing done or more than 0.1 % errors.
func (r Result) Valid() error {
	if r.Done == 0 {
		return fmt.Errorf("drive: no answer counted, statuses %v, first: %s", r.Status, r.FirstBad)
	}
	if share := float64(r.Errors) / float64(r.Done+r.Errors); share > maxErrorShare {
		return fmt.Errorf("drive: void, %.2f %% errors, statuses %v, first: %s", 100*share, r.Status, r.FirstBad)
	}
	return nil
}
