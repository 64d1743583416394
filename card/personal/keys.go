package personal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DB is what a pool and a transaction have in common.
type DB interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Advisory locks. Every writer of hashes shares the fence, and switching keys takes
// it alone; migration 0017 has its number, too. Making keys has a lock of its own,
// for which no writer waits.
const (
	fence  = 1970303091
	making = fence + 1
)

// stateMoved is the error code of migration 0017's fence.
const stateMoved = "UC001"

// KeysMoved reports whether a write was refused because its hashes were made with
// an index key that has been replaced meanwhile: Reload, seal and look up anew,
// and write again.
func KeysMoved(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == stateMoved
}

// Open reads the keys, and makes the first ones in a database that has none.
// Several nodes may open at once. A data key whose KEK is not in keks is an error:
// part of the members would be unreadable.
func Open(ctx context.Context, db DB, keks KEKs, o Options) (*Vault, error) {
	v := &Vault{db: db, keks: keks, suite: o.Suite, clock: o.Clock, log: o.Logger}
	if v.suite == nil {
		v.suite = AES()
	}
	if v.clock == nil {
		v.clock = time.Now
	}
	if v.log == nil {
		v.log = slog.Default()
	}
	err := v.Reload(ctx)
	if errors.Is(err, errNoState) {
		if err = v.makeFirst(ctx); err == nil {
			err = v.Reload(ctx)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("personal.Open: %w", err)
	}
	return v, nil
}

// errNoState: the database has no keys yet.
var errNoState = errors.New("personal: no keys have been made")

// makeFirst makes a data and an index key unless another node just has.
func (v *Vault) makeFirst(ctx context.Context) error {
	return inTx(ctx, v.db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, making); err != nil {
			return err
		}
		var there bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM personal_state)`).Scan(&there); err != nil || there {
			return err
		}
		data, err := v.makeKey(ctx, tx, kindData, v.suite)
		if err != nil {
			return err
		}
		index, err := v.makeKey(ctx, tx, kindIndex, v.suite)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO personal_state (data_key, index_key) VALUES ($1, $2)`, data, index)
		return err
	})
}

// The kinds of keys in data_keys.
const (
	kindData  = "data"
	kindIndex = "index"
)

// storedKey is a row of data_keys.
type storedKey struct {
	id      int16
	kind    string
	suite   string
	kek     uint16
	wrapped []byte
	retired bool
}

// makeKey draws a key, wraps it and stores it. The caller holds the lock for making keys.
func (v *Vault) makeKey(ctx context.Context, tx pgx.Tx, kind string, s Suite) (int16, error) {
	k := storedKey{kind: kind, suite: s.Name()}
	err := tx.QueryRow(ctx, `SELECT coalesce(max(id), 0) + 1 FROM data_keys`).Scan(&k.id)
	if err != nil {
		return 0, err
	}
	secret := make([]byte, secretSize)
	_, _ = rand.Read(secret) // never fails
	if err := v.wrap(&k, secret); err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO data_keys (id, kind, suite, kek, wrapped) VALUES ($1, $2, $3, $4, $5)`,
		k.id, k.kind, k.suite, int32(k.kek), k.wrapped)
	return k.id, err
}

// wrap seals a key's secret under the active KEK, bound to its row.
func (v *Vault) wrap(k *storedKey, secret []byte) error {
	id, kek := v.keks.Active()
	s, err := SuiteNamed(k.suite)
	if err != nil {
		return err
	}
	if len(kek) != secretSize {
		return errors.New("personal: there is no key to wrap data keys with")
	}
	aead, err := newAEAD(s, kek, "wrap")
	if err != nil {
		return err
	}
	k.kek = id
	k.wrapped, _ = (&dataKey{aead: aead}).append(nil, k.aad(), string(secret))
	return nil
}

func (k *storedKey) aad() []byte { return fmt.Appendf(nil, "%s %s %d", k.kind, k.suite, k.id) }

func (v *Vault) unwrap(k *storedKey) (Suite, []byte, error) {
	s, err := SuiteNamed(k.suite)
	if err != nil {
		return nil, nil, err
	}
	kek, ok := v.keks.ByID(k.kek)
	if !ok {
		return nil, nil, fmt.Errorf("data key %d is wrapped by key %d of the ring \"personal\", which the keyring file does not hold", k.id, k.kek)
	}
	aead, err := newAEAD(s, kek, "wrap")
	if err != nil {
		return nil, nil, err
	}
	secret, err := (&dataKey{aead: aead}).open(k.wrapped, k.aad())
	if err != nil {
		return nil, nil, fmt.Errorf("data key %d does not open with key %d of the ring \"personal\": is this another deployment's keyring?", k.id, k.kek)
	}
	return s, []byte(secret), nil
}

// Reload reads the keys again. Those already unwrapped are kept.
func (v *Vault) Reload(ctx context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var seal, hash int16
	rows, err := readKeys(ctx, v.db, &seal, &hash)
	if err != nil {
		return err
	}
	old := v.keys.Load()
	if old == nil {
		old = new(keySet)
	}
	next := &keySet{data: make(map[int16]*dataKey, len(rows))}
	for i := range rows {
		if err := v.take(next, old, &rows[i]); err != nil {
			return err
		}
	}
	for _, k := range next.index {
		if k.id == hash {
			next.hash = k
		}
	}
	if next.seal = next.data[seal]; next.seal == nil || next.hash == nil {
		return errors.New("personal: the keys in use are not there")
	}
	v.keys.Store(next)
	return nil
}

// take adds a stored key to a set, from the old set or unwrapped.
func (v *Vault) take(next, old *keySet, k *storedKey) error {
	if k.kind == kindData {
		if next.data[k.id] = old.data[k.id]; next.data[k.id] != nil {
			return nil
		}
	} else {
		if k.retired {
			return nil
		}
		for _, have := range old.index {
			if have.id == k.id {
				next.index = append(next.index, have)
				return nil
			}
		}
	}
	suite, secret, err := v.unwrap(k)
	if err != nil {
		return err
	}
	if k.kind == kindIndex {
		index, err := newIndexKey(k.id, suite, secret)
		next.index = append(next.index, index)
		return err
	}
	aead, err := newAEAD(suite, secret, "data")
	next.data[k.id] = &dataKey{id: k.id, suite: k.suite, aead: aead}
	return err
}

// readKeys reads all keys, newest first, and which are in use. errNoState if
// none are.
func readKeys(ctx context.Context, db DB, seal, hash *int16) ([]storedKey, error) {
	// One statement, so one view: a switch between two would show keys of one
	// state and the state of another.
	rows, err := db.Query(ctx, `SELECT k.id, k.kind, k.suite, k.kek, k.wrapped, k.retired_at IS NOT NULL, s.data_key, s.index_key
		FROM data_keys k, personal_state s ORDER BY k.id DESC`)
	if err != nil {
		return nil, err
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (k storedKey, err error) {
		var kek int32
		err = row.Scan(&k.id, &k.kind, &k.suite, &kek, &k.wrapped, &k.retired, seal, hash)
		k.kek = uint16(kek)
		return k, err
	})
	if err == nil && len(keys) == 0 {
		err = errNoState
	}
	return keys, err
}

// inTx runs fn in a transaction (a savepoint when db is one) and commits it.
func inTx(ctx context.Context, db DB, fn func(pgx.Tx) error) error {
	tx, err := db.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = tx.Rollback(ctx) // does nothing after the commit
	}()
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
