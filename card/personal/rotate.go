package personal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/card/union/event"
)

// RotateOptions of Rotate.
type RotateOptions struct {
	Actor, Reason string // for the event log
	// Suite of the new keys; that of the present ones if nil.
	Suite Suite
	// Settle is how long a new key is only read before it is used, so that every node
	// has it; five times what Run waits between two readings if 0.
	Settle time.Duration
	// Batch is how many members one transaction holds; 500 if 0.
	Batch int
	// Progress is told after every batch how many members have been done in all.
	Progress func(done int64)
}

// Errors of rotations.
var (
	errOtherSuite = errors.New("personal: a rotation to another suite is under way, finish it first")
	errDamaged    = errors.New("personal: members could not be read and keep their older keys")
)

// Rotate makes a new data key and a new index key, has every node use them, and
// seals and hashes every member anew, in batches, while the service runs. A
// rotation that was broken off is gone on with; then no further keys are made.
// Two at once share the work. continued says which of the two it was.
func (v *Vault) Rotate(ctx context.Context, o RotateOptions) (continued bool, err error) {
	if o.Settle == 0 {
		o.Settle = 5 * reread
	}
	if o.Batch == 0 {
		o.Batch = 500
	}
	pending, err := v.prepare(ctx, &o)
	if err != nil {
		return false, fmt.Errorf("personal.Rotate: %w", err)
	}
	if pending.switchAt.IsZero() {
		continued = true
	} else {
		continued = pending.continued
		if err := v.switchKeys(ctx, &o, pending); err != nil {
			return continued, fmt.Errorf("personal.Rotate: %w", err)
		}
	}
	if err := v.Reload(ctx); err != nil {
		return continued, fmt.Errorf("personal.Rotate: %w", err)
	}
	if err := v.resealAll(ctx, &o); err != nil {
		return continued, fmt.Errorf("personal.Rotate: %w", err)
	}
	if err := v.retire(ctx, &o); err != nil {
		return continued, fmt.Errorf("personal.Rotate: %w", err)
	}
	return continued, nil
}

// next is a pair of keys that waits to be used.
type next struct {
	data, index int16
	switchAt    time.Time // by the database's clock; zero: they are in use already
	now         time.Time // by the database's clock
	continued   bool
}

// prepare finds the pair that a broken-off rotation has made, or makes one. An
// unfinished re-encryption (older index keys not retired) needs none.
func (v *Vault) prepare(ctx context.Context, o *RotateOptions) (n next, err error) {
	err = inTx(ctx, v.db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, making); err != nil {
			return err
		}
		var suite string
		var older bool
		var made *time.Time
		err := tx.QueryRow(ctx, `SELECT coalesce(max(k.id) FILTER (WHERE k.kind = 'data'), 0), coalesce(max(k.id) FILTER (WHERE k.kind = 'index'), 0),
			coalesce(max(k.suite), (SELECT suite FROM data_keys WHERE id = s.data_key)), max(k.created_at), clock_timestamp(),
			EXISTS (SELECT FROM data_keys WHERE kind = 'index' AND retired_at IS NULL AND id < s.index_key)
			FROM personal_state s LEFT JOIN data_keys k ON k.id > s.index_key GROUP BY s.data_key, s.index_key`).
			Scan(&n.data, &n.index, &suite, &made, &n.now, &older)
		switch {
		case err != nil:
			return err
		case o.Suite == nil:
			if o.Suite, err = SuiteNamed(suite); err != nil {
				return err
			}
		case o.Suite.Name() != suite && (older || made != nil):
			return errOtherSuite
		}
		switch {
		case made != nil:
			n.switchAt, n.continued = made.Add(o.Settle), true
			return nil
		case older:
			return nil
		}
		if n.data, err = v.makeKey(ctx, tx, kindData, o.Suite); err != nil {
			return err
		}
		if n.index, err = v.makeKey(ctx, tx, kindIndex, o.Suite); err != nil {
			return err
		}
		n.switchAt = n.now.Add(o.Settle)
		return event.Record(ctx, tx, o.Actor, "personal.key_made", fmt.Sprintf("datakey:%d", n.index), o.Reason, nil,
			map[string]any{"data_key": n.data, "index_key": n.index, "suite": o.Suite.Name()})
	})
	return n, err
}

// patience bounds how long the switch makes writers wait behind it.
const patience = 2 * time.Second

// switchKeys puts a pair to use once every node has read it. The fence is taken
// alone, so no writer is under way with the older key; while one takes its time,
// as a large roster does, the switch steps back and tries again.
func (v *Vault) switchKeys(ctx context.Context, o *RotateOptions, n next) error {
	if err := wait(ctx, n.switchAt.Sub(n.now)); err != nil {
		return err
	}
	for {
		err := inTx(ctx, v.db, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, fmt.Sprintf(`SET LOCAL lock_timeout = %d`, patience.Milliseconds())); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, fence); err != nil {
				return err
			}
			tag, err := tx.Exec(ctx, `UPDATE personal_state SET data_key = $1, index_key = $2 WHERE index_key < $2`, n.data, n.index)
			if err != nil || tag.RowsAffected() == 0 { // another one of us was quicker
				return err
			}
			return event.Record(ctx, tx, o.Actor, "personal.rotate", fmt.Sprintf("datakey:%d", n.index), o.Reason, nil,
				map[string]any{"data_key": n.data, "index_key": n.index})
		})
		const lockNotAvailable = "55P03"
		if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != lockNotAvailable {
			return err
		}
		if err := wait(ctx, patience); err != nil {
			return err
		}
	}
}

// wait waits for a time or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// resealAll goes over the members again and again until none has an older key. A
// row that somebody holds is passed over and met again. Members that do not open
// are named in the error and left as they are.
func (v *Vault) resealAll(ctx context.Context, o *RotateOptions) error {
	var done int64
	damaged := map[int64]bool{}
	for {
		var cursor, changed int64
		for {
			n, last, err := v.resealSome(ctx, o.Batch, cursor, damaged)
			if err != nil {
				return err
			}
			changed, done = changed+n, done+n
			if o.Progress != nil && n > 0 {
				o.Progress(done)
			}
			if last == cursor {
				break
			}
			cursor = last
		}
		left, err := v.left(ctx)
		switch {
		case err != nil:
			return err
		case left == 0:
			return nil
		case left <= int64(len(damaged)):
			return fmt.Errorf("%w: %d of them, among them member %d", errDamaged, len(damaged), first(damaged))
		case changed == 0: // all that is left is held by somebody
			if err := wait(ctx, time.Second); err != nil {
				return err
			}
		}
	}
}

func first(ids map[int64]bool) (least int64) {
	for id := range ids {
		if least == 0 || id < least {
			least = id
		}
	}
	return least
}

// left is how many members have an older key.
func (v *Vault) left(ctx context.Context) (n int64, err error) {
	err = v.db.QueryRow(ctx, `SELECT count(*) FROM members m, personal_state s
		WHERE m.index_key IS NOT NULL AND (m.data_key, m.index_key) <> (s.data_key, s.index_key)`).Scan(&n)
	return n, err
}

const sealedColumns = `id_hash, phone_hash, id_sealed, phone_sealed, name_sealed, data_key, index_key`

// resealSome seals up to a batch of members behind the cursor anew, in one
// transaction under their row locks. last is the cursor if there were none.
func (v *Vault) resealSome(ctx context.Context, batch int, cursor int64, damaged map[int64]bool) (n, last int64, err error) {
	last = cursor
	err = inTx(ctx, v.db, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT m.id, `+sealedColumns+` FROM members m
			WHERE m.id > $1 AND m.index_key IS NOT NULL
			AND (m.data_key, m.index_key) <> (SELECT data_key, index_key FROM personal_state)
			ORDER BY m.id LIMIT $2 FOR UPDATE SKIP LOCKED`, cursor, batch)
		if err != nil {
			return err
		}
		var ids []int64
		var old []Sealed
		var id int64
		var s Sealed
		_, err = pgx.ForEachRow(rows, []any{&id, &s.IDHash, &s.PhoneHash, &s.ID, &s.Phone, &s.Name, &s.Key, &s.IndexKey}, func() error {
			ids, old = append(ids, id), append(old, s)
			s = Sealed{} // scanning may write into the slices again
			return nil
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		last = ids[len(ids)-1]
		n, err = v.resealRows(ctx, tx, ids, old, damaged)
		return err
	})
	return n, last, err
}

func (v *Vault) resealRows(ctx context.Context, tx pgx.Tx, ids []int64, old []Sealed, damaged map[int64]bool) (int64, error) {
	var done []int64
	var idHashes, phoneHashes []Hash
	var sealed [3][][]byte
	keys := v.keys.Load()
	for i, id := range ids {
		p, err := v.Reveal(old[i])
		if err != nil {
			if !errors.Is(err, errOpen) {
				return 0, err
			}
			damaged[id] = true
			continue
		}
		s, err := v.Seal(p)
		if err != nil {
			return 0, err
		}
		done, idHashes, phoneHashes = append(done, id), append(idHashes, s.IDHash), append(phoneHashes, s.PhoneHash)
		for at, b := range [...][]byte{s.ID, s.Phone, s.Name} {
			sealed[at] = append(sealed[at], b)
		}
	}
	tag, err := tx.Exec(ctx, `UPDATE members m SET id_hash = n.a, phone_hash = n.b, id_sealed = n.c, phone_sealed = n.d,
		name_sealed = n.e, data_key = $7, index_key = $8
		FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[]) AS n (id, a, b, c, d, e)
		WHERE m.id = n.id`, done, idHashes, phoneHashes, sealed[0], sealed[1], sealed[2], keys.seal.id, keys.hash.id)
	return tag.RowsAffected(), err
}

// retire marks older keys that no member's row names. An index key is looked up no
// more from then on; a data key stays readable for other texts sealed with it.
func (v *Vault) retire(ctx context.Context, o *RotateOptions) error {
	err := inTx(ctx, v.db, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE data_keys k SET retired_at = clock_timestamp() FROM personal_state s
			WHERE k.retired_at IS NULL AND k.id < least(s.data_key, s.index_key)
			AND NOT EXISTS (SELECT FROM members m WHERE m.index_key = k.id OR m.data_key = k.id)`)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		return event.Record(ctx, tx, o.Actor, "personal.retire", "datakey:all", o.Reason, nil, map[string]any{"retired": tag.RowsAffected()})
	})
	if err != nil {
		return err
	}
	return v.Reload(ctx)
}

// Rewrap wraps every data and index key that another KEK wraps with the active one,
// after the ring "personal" was rotated, and returns how many.
func (v *Vault) Rewrap(ctx context.Context, actor, reason string) (n int, err error) {
	err = inTx(ctx, v.db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, making); err != nil {
			return err
		}
		var seal, hash int16
		keys, err := readKeys(ctx, tx, &seal, &hash)
		if err != nil {
			return err
		}
		active, _ := v.keks.Active()
		for _, k := range keys {
			if k.kek == active {
				continue
			}
			_, secret, err := v.unwrap(&k)
			if err != nil {
				return err
			}
			if err := v.wrap(&k, secret); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `UPDATE data_keys SET kek = $2, wrapped = $3 WHERE id = $1`, k.id, int32(k.kek), k.wrapped); err != nil {
				return err
			}
			n++
		}
		if n == 0 {
			return nil
		}
		return event.Record(ctx, tx, actor, "personal.rewrap", "datakey:all", reason, nil, map[string]any{"kek": active, "keys": n})
	})
	if err != nil {
		return 0, fmt.Errorf("personal.Rewrap: %w", err)
	}
	return n, nil
}
