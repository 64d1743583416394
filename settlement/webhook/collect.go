package webhook

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// How new things are found. Rows become visible after the moment they carry (a
// purchase's id is made before its batch commits, on a node whose clock may be
// off), so every reading begins overlap before the last one, and now and then
// sweepBack before it; webhook_once keeps an event to one message.
const (
	overlap    = 2 * time.Minute
	sweepEvery = 10 * time.Minute
	sweepBack  = 2 * time.Hour
	// readEvery is how often an endpoint's merchant is looked at.
	readEvery = time.Second
	// endpointsATurn and eventsATurn bound one transaction; an endpoint of which more
	// was found than that is read again from where it stood.
	endpointsATurn = 200
	eventsATurn    = 500
)

// reading is an endpoint whose merchant is being looked at.
type reading struct {
	ID    int64
	From  time.Time
	Swept time.Time
}

// source reads what the endpoints ask for and have no message of yet, at most
// eventsATurn each, the oldest first.
type source func(ctx context.Context, tx pgx.Tx, list []reading) ([]found, error)

// found is a message to be.
type found struct {
	endpoint int64
	id, kind string
	at       time.Time
	body     string
}

// Collect reads what has happened since the last time into the outbox, for
// endpoints whose turn it is, and returns how many messages that made and whether
// there is more to read at once. Nodes share the endpoints by their rows' locks.
func (s *Store) Collect(ctx context.Context) (made int, more bool, err error) {
	now := s.o.Clock()
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id, read_at, swept_at FROM webhook_endpoints
			WHERE state = 'active' AND read_at <= $1 ORDER BY read_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED`,
			now.Add(-readEvery), endpointsATurn)
		if err != nil {
			return fmt.Errorf("webhook.Collect: endpoints: %w", err)
		}
		list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[reading])
		if err != nil {
			return fmt.Errorf("webhook.Collect: endpoints: %w", err)
		}
		if len(list) == 0 {
			return nil
		}
		more = len(list) == endpointsATurn
		full, swept := map[int64]bool{}, map[int64]bool{}
		for i := range list {
			e := &list[i]
			back := overlap
			if now.Sub(e.Swept) >= sweepEvery {
				back, swept[e.ID] = sweepBack, true
			}
			e.From = e.From.Add(-back)
		}
		for _, read := range []source{purchasesOf, undosOf, statementsOf, paidOf} {
			news, err := read(ctx, tx, list)
			if err != nil {
				return err
			}
			counts := map[int64]int{}
			for _, f := range news {
				if counts[f.endpoint]++; counts[f.endpoint] == eventsATurn {
					full[f.endpoint], more = true, true
				}
			}
			n, err := put(ctx, tx, news, now)
			if err != nil {
				return err
			}
			made += n
		}
		var ids, sweeps []int64
		for _, e := range list {
			if !full[e.ID] {
				ids = append(ids, e.ID)
				if swept[e.ID] {
					sweeps = append(sweeps, e.ID)
				}
			}
		}
		_, err = tx.Exec(ctx, `UPDATE webhook_endpoints SET read_at = greatest(read_at, $3),
			swept_at = CASE WHEN id = ANY($2) THEN $3 ELSE swept_at END WHERE id = ANY($1)`, ids, sweeps, now)
		if err != nil {
			return fmt.Errorf("webhook.Collect: cursor: %w", err)
		}
		return nil
	})
	return made, more, err
}

// put writes messages that are not there yet.
func put(ctx context.Context, tx pgx.Tx, news []found, now time.Time) (int, error) {
	if len(news) == 0 {
		return 0, nil
	}
	n := len(news)
	endpoints, ids, kinds, bodies, ats := make([]int64, n), make([]string, n), make([]string, n), make([]string, n), make([]time.Time, n)
	for i, f := range news {
		endpoints[i], ids[i], kinds[i], bodies[i], ats[i] = f.endpoint, f.id, f.kind, f.body, f.at
	}
	tag, err := tx.Exec(ctx, `INSERT INTO webhook_messages (endpoint_id, event_id, type, event_at, body, next_at, made_at)
		SELECT v.endpoint_id, v.event_id, v.type, v.event_at, v.body, $6, $6
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::text[])
		  WITH ORDINALITY AS v (endpoint_id, event_id, type, event_at, body, i) ORDER BY i
		ON CONFLICT ON CONSTRAINT webhook_once DO NOTHING`, endpoints, ids, kinds, ats, bodies, now)
	if err != nil {
		return 0, fmt.Errorf("webhook: put: %w", err)
	}
	return int(tag.RowsAffected()), nil
}

// firstID is the least UUIDv7 of a moment (RFC 9562, 5.7).
func firstID(t time.Time) uuid.UUID {
	var id uuid.UUID
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(max(t.UnixMilli(), 0)))
	copy(id[:6], ms[2:])
	id[6] = 0x70
	return id
}

// columns are what the sources read by.
func columns(list []reading) (ids []int64, from []time.Time, firsts []uuid.UUID) {
	for _, e := range list {
		ids, from, firsts = append(ids, e.ID), append(from, e.From), append(firsts, firstID(e.From))
	}
	return ids, from, firsts
}
