package feed

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// Waker tells a Reader that something has probably been committed. A wake-up
// lost or too many cost nothing but time: the poll is the fallback.
type Waker interface {
	// Wake has room for one wake-up, so that a burst of them is one.
	Wake() <-chan struct{}
	// Run delivers wake-ups until ctx ends; it mends its connection by itself.
	Run(ctx context.Context)
}

// Listener wakes by LISTEN/NOTIFY on a connection of its own.
type Listener struct {
	config *pgx.ConnConfig
	logger *slog.Logger
	wake   chan struct{}
}

// NewListener makes the waker of a node without Redis.
func NewListener(config *pgx.ConnConfig, logger *slog.Logger) *Listener {
	return &Listener{config: config, logger: logger, wake: make(chan struct{}, 1)}
}

// Wake implements Waker.
func (l *Listener) Wake() <-chan struct{} { return l.wake }

// Run implements Waker.
func (l *Listener) Run(ctx context.Context) {
	back := backoff{}
	for {
		began := time.Now()
		err := listen(ctx, l.config, func() error { signal(l.wake); return nil })
		if ctx.Err() != nil {
			return
		}
		l.logger.Warn("change feed: listening failed, polling goes on", "error", err)
		if time.Since(began) > 5*time.Second {
			back = backoff{}
		}
		if !wait(ctx, back.next()) {
			return
		}
	}
}

// listen calls notified once connected, as something may have been missed, and
// at every notification. It returns when the connection breaks, notified
// fails or ctx ends.
func listen(ctx context.Context, config *pgx.ConnConfig, notified func() error) error {
	conn, err := pgx.ConnectConfig(ctx, config.Copy())
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	return listenOn(ctx, conn, notified)
}

func listenOn(ctx context.Context, conn *pgx.Conn, notified func() error) error {
	if _, err := conn.Exec(ctx, `LISTEN `+Channel); err != nil {
		return err
	}
	for {
		if err := notified(); err != nil {
			return err
		}
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}

func signal(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
