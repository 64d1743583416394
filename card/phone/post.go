package phone

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/personal"
	"unioncard/card/phone/sms"
)

const (
	outboxSize = 10_000
	posters    = 8
	// postTime bounds one message, the look-up included.
	postTime = 30 * time.Second
	// drainTime is what is still sent after the node was told to stop.
	drainTime = 5 * time.Second
)

// letter is a code that waits to be sent. It never prints itself.
type letter struct {
	number string
	hashes []personal.Hash
	code   string
}

func (letter) String() string { return "letter [redacted]" }

// LogValue is String, for slog.
func (l letter) LogValue() slog.Value { return slog.StringValue(l.String()) }

// post hands a code to the posters; ErrBusy when too many wait.
func (s *Store) post(l letter) error {
	select {
	case s.outbox <- l:
		return nil
	default:
		return ErrBusy
	}
}

// Run sends codes until ctx ends, and then for a moment what still waits. A code
// that is lost with the process is asked for again by whoever waits for it.
func (s *Store) Run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(drainTime, cancel) })()
	var all sync.WaitGroup
	for range posters {
		all.Go(func() { s.deliver(ctx, work) })
	}
	all.Wait()
	return nil
}

func (s *Store) deliver(ctx, work context.Context) {
	for {
		select {
		case l := <-s.outbox:
			s.deliverOne(work, l)
		case <-ctx.Done():
			for {
				select {
				case l := <-s.outbox:
					s.deliverOne(work, l)
				default:
					return
				}
			}
		}
	}
}

// known says whether a number is somebody's whom this store signs in.
func (s *Store) known(ctx context.Context, hashes []personal.Hash) (bool, error) {
	if s.opts.Known != nil {
		return s.opts.Known(ctx, hashes)
	}
	_, err := memberOf(ctx, s.db, hashes, "")
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// deliverOne sends a code if its number is somebody's.
func (s *Store) deliverOne(ctx context.Context, l letter) {
	ctx, cancel := context.WithTimeout(ctx, postTime)
	defer cancel()
	outcome := "sent"
	known, err := s.known(ctx, l.hashes)
	switch {
	case err != nil:
		s.opts.Logger.Error("SMS not sent: its number not looked up", "error", err)
	case !known:
		outcome = "nobody"
	default:
		id := rand.Text()
		if err = s.opts.Sender.Send(ctx, sms.Message{ID: id, Phone: l.number, Code: l.code, Valid: s.limits.Valid}); err != nil {
			s.opts.Logger.Error("SMS not sent", "message", id, "error", err)
		}
	}
	if err != nil {
		outcome = "failed"
	}
	s.metrics.codes.WithLabelValues(outcome).Inc()
}

// memberOf finds the member whose number it is: in the union or retired.
// pgx.ErrNoRows if it is nobody's. lock is how the row is held, "" not at all.
func memberOf(ctx context.Context, db interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}, hashes []personal.Hash, lock string) (id int64, err error) {
	err = db.QueryRow(ctx, `SELECT id FROM members WHERE phone_hash = ANY($1) AND status IN (1, 3) ORDER BY id LIMIT 1`+lock, hashes).Scan(&id)
	return id, err
}
