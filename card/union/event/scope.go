package event

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

const (
	// scopeLock is the advisory lock under which one node finds scopes ("ucscope").
	scopeLock = 0x75_6373_636f_7065
	// scopeBatch bounds one turn's rows, each of which may be a statement of its own.
	scopeBatch = 200
)

// scope notes which unions the newly linked events concern, for searching: the
// object's by the handed-in Union, the actor's by its account. It is found after
// linking, so that linking never waits for it, and stays as it was found: an
// event is the business of the office that answered for its object then. Two
// nodes at once do it twice and harmlessly; the lock only saves the work.
func (c *Chainer) scope(ctx context.Context) error {
	for {
		n, err := c.scopeSome(ctx)
		if err != nil || n < scopeBatch {
			return err
		}
	}
}

func (c *Chainer) scopeSome(ctx context.Context) (n int, err error) {
	tx, err := c.db.Begin(ctx)
	if err != nil {
		return 0, fmt.Errorf("event.scope: begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // does nothing after the commit
	var mine bool
	if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, int64(scopeLock)).Scan(&mine); err != nil || !mine {
		return 0, wrap("event.scope: lock", err)
	}
	rows, err := tx.Query(ctx, `SELECT c.seq, e.id, e.actor, e.object_kind, e.object_id FROM event_chain c JOIN events e ON e.id = c.event_id
		WHERE c.seq > $1 AND NOT EXISTS (SELECT FROM event_scopes s WHERE s.event_id = e.id) ORDER BY c.seq LIMIT $2`, c.scoped, scopeBatch)
	if err != nil {
		return 0, fmt.Errorf("event.scope: read: %w", err)
	}
	var ids, staff []int64
	var kinds, objects []string
	last := c.scoped
	for rows.Next() {
		var id int64
		var actor, kind, object string
		if err := rows.Scan(&last, &id, &actor, &kind, &object); err != nil {
			rows.Close()
			return 0, fmt.Errorf("event.scope: read: %w", err)
		}
		ids, staff = append(ids, id), append(staff, accountOf(actor))
		kinds, objects = append(kinds, kind), append(objects, object)
	}
	if err := rows.Err(); err != nil {
		return 0, fmt.Errorf("event.scope: read: %w", err)
	}
	if len(ids) == 0 {
		return 0, nil
	}
	unions, err := c.unions(ctx, kinds, objects)
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO event_scopes (event_id, object_union, actor_union)
		SELECT n.id, o.id, st.union_id FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS n(id, object_union, staff_id)
		LEFT JOIN unions o ON o.id = n.object_union LEFT JOIN staff st ON st.id = n.staff_id
		ON CONFLICT DO NOTHING`, ids, unions, staff)
	if err != nil {
		return 0, fmt.Errorf("event.scope: insert: %w", err)
	}
	if err := tx.Commit(ctx); err != nil {
		return 0, fmt.Errorf("event.scope: commit: %w", err)
	}
	c.scoped = last
	return len(ids), nil
}

// unions finds the union of every object, 0 for none; each object is asked for
// once.
func (c *Chainer) unions(ctx context.Context, kinds, objects []string) ([]int64, error) {
	out := make([]int64, len(kinds))
	known := map[string]int64{}
	for i, kind := range kinds {
		key := kind + ":" + objects[i]
		union, seen := known[key]
		if id := objectID(objects[i]); !seen && id != 0 && c.Union != nil {
			found, ok, err := c.Union(ctx, kind, id)
			if err != nil {
				return nil, fmt.Errorf("event.scope: union of %s: %w", key, err)
			}
			if ok {
				union = found
			}
		}
		known[key], out[i] = union, union
	}
	return out, nil
}

// accountOf is the account that an actor is, 0 for none.
func accountOf(actor Actor) int64 {
	id, ok := strings.CutPrefix(actor, "staff:")
	if !ok {
		return 0
	}
	return objectID(id)
}

// objectID is an object's number: all of its id, or what stands before the first
// ':' ("12:3", a part of 12). 0 for an id that is none, as a trade's.
func objectID(s string) int64 {
	s, _, _ = strings.Cut(s, ":")
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
