package feed

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Load reads every source under one snapshot, which is also the feed's first
// cursor. Call it before Run, or leave it to Run, which retries.
func (r *Reader) Load(ctx context.Context) error {
	started := r.opts.Clock()
	begun, err := r.load(ctx)
	if err != nil {
		r.metrics.loaded(err, 0)
		return err
	}
	r.prev, r.prevAt, r.timeline = begun.snapshot, begun.at, begun.timeline
	// A connection from before the load is either as alive as it was or fails its
	// next poll, so it has nothing to read again.
	r.again = false
	r.setApplied(started)
	r.metrics.loaded(nil, r.opts.Clock().Sub(started))
	return nil
}

// timelineSQL tells one history of the database from another: it changes when a
// standby is promoted or a backup restored, which may lack what the view has. A
// standby has none of its own; it follows its primary's.
const timelineSQL = `CASE WHEN pg_is_in_recovery() THEN '' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END`

// beginning is where a load leaves the feed to go on from.
type beginning struct {
	snapshot string
	at       time.Time // by the database's clock
	timeline string
}

func (r *Reader) load(ctx context.Context) (b beginning, err error) {
	leader, err := pgx.ConnectConfig(ctx, r.config.Copy())
	if err != nil {
		return b, fmt.Errorf("feed.Load: connect: %w", err)
	}
	defer func() { _ = leader.Close(context.WithoutCancel(ctx)) }()
	tx, err := leader.BeginTx(ctx, readOnly)
	if err != nil {
		return b, fmt.Errorf("feed.Load: begin: %w", err)
	}
	defer rollback(ctx, tx)
	s := &session{config: r.config, workers: r.opts.Workers, slots: make(chan *pgx.Conn, r.opts.Workers)}
	err = tx.QueryRow(ctx, `SELECT pg_export_snapshot(), pg_current_snapshot()::text, clock_timestamp(), `+timelineSQL).
		Scan(&s.exported, &b.snapshot, &b.at, &b.timeline)
	if err != nil {
		return b, fmt.Errorf("feed.Load: snapshot: %w", err)
	}
	for range s.workers {
		s.slots <- nil
	}
	defer s.close(ctx)
	for _, source := range r.sources {
		if err := source.Load(ctx, s); err != nil {
			return b, fmt.Errorf("feed.Load: %w", err)
		}
	}
	return b, nil
}

// session lends connections, at most workers, each in a transaction that has
// taken over the leader's snapshot.
type session struct {
	config   *pgx.ConnConfig
	workers  int
	exported string
	slots    chan *pgx.Conn // a free slot; nil: not connected yet
	closing  sync.Once
}

func (s *session) Workers() int { return s.workers }

func (s *session) InSnapshot(ctx context.Context, fn func(context.Context, pgx.Tx) error) (err error) {
	var conn *pgx.Conn
	select {
	case <-ctx.Done():
		return ctx.Err()
	case conn = <-s.slots:
	}
	defer func() {
		if err != nil && conn != nil {
			_ = conn.Close(context.WithoutCancel(ctx)) // in an unknown state; the error tells why
			conn = nil
		}
		s.slots <- conn
	}()
	if conn == nil {
		if conn, err = pgx.ConnectConfig(ctx, s.config.Copy()); err != nil {
			return fmt.Errorf("connect: %w", err)
		}
	}
	tx, err := conn.BeginTx(ctx, readOnly)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer rollback(ctx, tx)
	// The name comes from pg_export_snapshot and is hexadecimal digits and dashes;
	// SET takes no parameters.
	if _, err := tx.Exec(ctx, `SET TRANSACTION SNAPSHOT '`+s.exported+`'`); err != nil {
		return fmt.Errorf("take over the snapshot: %w", err)
	}
	return fn(ctx, tx)
}

// close ends the connections once every lent one is back.
func (s *session) close(ctx context.Context) {
	s.closing.Do(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		for range s.workers {
			if conn := <-s.slots; conn != nil {
				_ = conn.Close(ctx)
			}
		}
	})
}

// LoadRanges is for Sources: it splits [low, high) into pieces of at most size,
// hands them to the session's workers in ascending order, and returns the first
// error, which stops the others.
func LoadRanges(ctx context.Context, s Session, low, high, size int64,
	fn func(ctx context.Context, tx pgx.Tx, from, to int64) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		mu   sync.Mutex
		next = low
		errs []error
		wg   sync.WaitGroup
	)
	take := func() (from, to int64, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		from = next
		to = min(from+size, high)
		next = to
		return from, to, from < to
	}
	for range s.Workers() {
		wg.Go(func() {
			err := s.InSnapshot(ctx, func(ctx context.Context, tx pgx.Tx) error {
				for from, to, ok := take(); ok; from, to, ok = take() {
					if err := fn(ctx, tx, from, to); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
				cancel()
			}
		})
	}
	wg.Wait()
	if len(errs) > 0 {
		return errs[0] // the others are its cancellations
	}
	return ctx.Err()
}
