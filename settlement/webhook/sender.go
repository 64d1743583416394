package webhook

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// slots is how many messages a node sends at once; turn is how often it looks when
// nothing is going on.
const (
	slots = 256
	turn  = time.Second
)

// SenderOptions of a Sender.
type SenderOptions struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// Roots are whose certificates are believed; nil: the machine's.
	Roots *x509.CertPool
	// Attempt is how long one sending may take, its answer included; default 10 s.
	Attempt time.Duration
}

// Sender collects and sends. Every node runs one; they share the work.
type Sender struct {
	store    *Store
	log      *slog.Logger
	client   *http.Client
	attempt  time.Duration
	free     chan struct{} // slots
	attempts *prometheus.CounterVec
	under    sync.WaitGroup
	told     chan struct{} // an attempt has ended: its endpoint may have a slot again
}

// NewSender returns a sender; Run sends.
func NewSender(s *Store, o SenderOptions) *Sender {
	if o.Attempt == 0 {
		o.Attempt = attemptTime
	}
	out := &Sender{store: s, log: o.Logger, attempt: o.Attempt, client: newClient(s.o.Private, o.Roots), free: make(chan struct{}, slots), told: make(chan struct{}, 1),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "unioncard_webhook_attempts_total",
			Help: "Attempts to send webhooks, by outcome: delivered, or what was wrong."}, []string{"outcome"})}
	if o.Registerer != nil {
		o.Registerer.MustRegister(out.attempts)
	}
	return out
}

// Run sends until ctx ends, and then waits for what is under way. An attempt that is
// cut off is made again by whoever finds its lease over.
func (s *Sender) Run(ctx context.Context) error {
	defer s.client.CloseIdleConnections()
	defer s.under.Wait()
	tick := time.NewTicker(turn)
	defer tick.Stop()
	for {
		again, err := s.Turn(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("webhooks", "error", err)
		}
		if again && err == nil && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.told:
		}
	}
}

// Turn collects once and begins to send what is due and has a slot. It reports
// whether there was more than one turn's worth.
func (s *Sender) Turn(ctx context.Context) (again bool, err error) {
	_, again, collectErr := s.store.Collect(ctx)
	n := cap(s.free) - len(s.free)
	if n == 0 {
		return false, collectErr
	}
	tasks, err := s.store.claim(ctx, n)
	for _, t := range tasks {
		s.free <- struct{}{}
		s.under.Go(func() {
			defer func() {
				<-s.free
				select {
				case s.told <- struct{}{}:
				default:
				}
			}()
			s.send(ctx, t)
		})
	}
	return again, errors.Join(collectErr, err)
}

// Wait returns when nothing is under way.
func (s *Sender) Wait() { s.under.Wait() }

// send makes one attempt and writes down what came of it, also when the service is
// told to stop meanwhile.
func (s *Sender) send(ctx context.Context, t *task) {
	at := s.store.o.Clock()
	ctx = context.WithoutCancel(ctx)
	attempt, end := context.WithTimeout(ctx, s.attempt)
	defer end()
	o := post(attempt, s.client, t, at)
	outcome := o.fault
	if outcome == "" {
		outcome = "delivered"
	}
	s.attempts.WithLabelValues(outcome).Inc()
	ctx, cancel := context.WithTimeout(ctx, lease/2)
	defer cancel()
	if err := s.store.settle(ctx, t, at, o); err != nil {
		s.log.Error("webhook sent and not written down: it is sent again", "message", t.id, "error", err)
	}
}
