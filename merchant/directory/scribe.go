package directory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ScribeOptions of a Scribe. Document is needed.
type ScribeOptions struct {
	// Document is the public form of an outlet, JSON; equal outlets must give equal
	// bytes on every node.
	Document func(e *Entry, silent bool) []byte
	Signs    *Signs
	Every    time.Duration // between two writings at least; default 250 ms
	Retry    time.Duration // between two tries to become the writer; default 5 s
	// Keep is how long delistings are kept for mirrors to catch up; default 90 days.
	Keep   time.Duration
	Logger *slog.Logger
}

// Scribe writes what is listed to the table that mirrors read. Of all nodes one
// writes, the one that holds an advisory lock on a connection of its own; when it
// goes, another takes over and compares everything first.
type Scribe struct {
	pool  *pgxpool.Pool
	dir   *Directory
	opts  ScribeOptions
	watch *watch
}

// NewScribe returns a scribe that does nothing until Run.
func NewScribe(pool *pgxpool.Pool, dir *Directory, o ScribeOptions) *Scribe {
	if o.Every == 0 {
		o.Every = 250 * time.Millisecond
	}
	if o.Retry == 0 {
		o.Retry = 5 * time.Second
	}
	if o.Keep == 0 {
		o.Keep = 90 * 24 * time.Hour
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Scribe{pool: pool, dir: dir, opts: o, watch: dir.watchers.watch()}
}

const (
	scribeLock  = 0x75636469 // "ucdi"
	scribeChunk = 1000       // rows a transaction
	forgetEvery = time.Hour
)

var errNotWriter = errors.New("directory: another node writes")

// Run writes until ctx ends, whenever it is this node's turn.
func (s *Scribe) Run(ctx context.Context) error {
	for {
		if err := s.lead(ctx); ctx.Err() == nil && !errors.Is(err, errNotWriter) {
			s.opts.Logger.Warn("directory changes: writing stopped", "error", err)
		}
		if !pause(ctx, s.opts.Retry) {
			return nil
		}
	}
}

// lead writes for as long as it holds the lock. What it may have missed or left half
// done before is compared anew.
func (s *Scribe) lead(ctx context.Context) error {
	lent, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	var mine bool
	if err := lent.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, scribeLock).Scan(&mine); err != nil || !mine {
		lent.Release()
		return errors.Join(errNotWriter, err)
	}
	conn := lent.Hijack() // the lock is the connection's, and ends with it
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(end)
	}()
	s.watch.back(true, nil)
	tidy := time.Now()
	for {
		every, ids := s.watch.take()
		if err := s.write(ctx, conn, every, ids); err != nil {
			return err
		}
		if now := time.Now(); !now.Before(tidy) {
			tidy = now.Add(forgetEvery)
			if err := s.forget(ctx, conn); err != nil {
				return err
			}
		}
		if !pause(ctx, s.opts.Every) {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.watch.told:
		case <-time.After(forgetEvery / 60): // and to notice a connection that is gone
			if err := conn.Ping(ctx); err != nil {
				return err
			}
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// write brings the table up to the present index, for all outlets or for some.
func (s *Scribe) write(ctx context.Context, conn *pgx.Conn, every bool, ids map[int64]struct{}) error {
	if !every {
		for chunk := range slices.Chunk(slices.Sorted(maps.Keys(ids)), scribeChunk) {
			if err := s.writeChunk(ctx, conn, chunk); err != nil {
				return err
			}
		}
		return nil
	}
	known, err := digests(ctx, conn, nil)
	if err != nil {
		return err
	}
	index := s.dir.Index()
	var differ []int64
	index.Each(func(e *Entry) bool {
		if k, ok := known[e.ID]; !ok || !bytes.Equal(k, digest(s.document(e))) {
			differ = append(differ, e.ID)
		}
		return true
	})
	for id, k := range known {
		if len(k) > 0 && index.Outlet(id) == nil {
			differ = append(differ, id)
		}
	}
	slices.Sort(differ)
	for chunk := range slices.Chunk(differ, scribeChunk) {
		if err := s.writeChunk(ctx, conn, chunk); err != nil {
			return err
		}
	}
	return nil
}

func (s *Scribe) document(e *Entry) []byte {
	return s.opts.Document(e, s.opts.Signs != nil && s.opts.Signs.Silent(e.MerchantID))
}

func digest(document []byte) []byte {
	if len(document) == 0 {
		return []byte{}
	}
	sum := sha256.Sum256(document)
	return sum[:16]
}

// writeChunk writes those of the outlets whose listing differs from the table. The
// head's row is locked from before the numbers are given until the commit, which
// makes numbers commit in order.
func (s *Scribe) writeChunk(ctx context.Context, conn *pgx.Conn, ids []int64) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		known, err := digests(ctx, tx, ids)
		if err != nil {
			return err
		}
		var outlets []int64
		var changes []string
		var sums [][]byte
		var docs []*string
		index := s.dir.Index()
		for _, id := range ids {
			before, change := known[id], "delisted"
			var doc []byte
			if e := index.Outlet(id); e != nil {
				doc, change = s.document(e), "changed"
				if len(before) == 0 {
					change = "listed"
				}
			}
			sum := digest(doc)
			if bytes.Equal(sum, before) { // also for one that never was listed
				continue
			}
			outlets, changes, sums = append(outlets, id), append(changes, change), append(sums, sum)
			docs = append(docs, text(doc))
		}
		if len(outlets) == 0 {
			return nil
		}
		_, err = tx.Exec(ctx, `WITH head AS (UPDATE directory_head SET seq = seq + $1 RETURNING seq - $1 AS base)
			INSERT INTO directory_outlets AS o (outlet_id, seq, change, digest, document)
			SELECT n.id, head.base + n.place, n.change, n.digest, n.document::json
			FROM head, unnest($2::bigint[], $3::text[], $4::bytea[], $5::text[])
				WITH ORDINALITY AS n (id, change, digest, document, place)
			ON CONFLICT (outlet_id) DO UPDATE SET seq = excluded.seq, change = excluded.change,
				digest = excluded.digest, document = excluded.document, at = excluded.at`,
			int64(len(outlets)), outlets, changes, sums, docs)
		return err
	})
	if err != nil {
		return fmt.Errorf("directory: write changes: %w", err)
	}
	return nil
}

func text(doc []byte) *string {
	if len(doc) == 0 {
		return nil
	}
	t := string(doc)
	return &t
}

// digests reads the digests of outlets, all of them for nil; an outlet that is
// delisted has an empty one.
func digests(ctx context.Context, q interface {
	Query(context.Context, string, ...any) (pgx.Rows, error)
}, ids []int64) (map[int64][]byte, error) {
	rows, err := q.Query(ctx, `SELECT outlet_id, digest FROM directory_outlets WHERE $1::bigint[] IS NULL OR outlet_id = ANY ($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("directory: read digests: %w", err)
	}
	known := map[int64][]byte{}
	var id int64
	var sum []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &sum}, func() error {
		known[id] = bytes.Clone(sum)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("directory: read digests: %w", err)
	}
	return known, nil
}

// forget deletes delistings that mirrors have had time enough to see, and notes up
// to which number.
func (s *Scribe) forget(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `WITH gone AS (
			DELETE FROM directory_outlets WHERE change = 'delisted' AND at < clock_timestamp() - $1::interval RETURNING seq)
		UPDATE directory_head SET gone = greatest(gone, (SELECT max(seq) FROM gone)) WHERE EXISTS (SELECT FROM gone)`, s.opts.Keep)
	if err != nil {
		return fmt.Errorf("directory: forget delistings: %w", err)
	}
	return nil
}
