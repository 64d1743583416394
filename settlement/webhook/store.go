package webhook

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/card/union/event"
	"unioncard/merchant"
)

// DB is what a pool and a transaction have in common.
type DB interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Sealer keeps secrets unreadable in the database. An object's sealed value opens
// for that object only.
type Sealer interface {
	Seal(object string, plain []byte) ([]byte, error)
	Open(object string, sealed []byte) ([]byte, error)
}

// Options of a Store.
type Options struct {
	Vault Sealer
	Clock func() time.Time
	// Private also takes http and addresses of inner networks: for development.
	Private bool
}

// Store reads and writes endpoints and their messages. Methods that take a merchant
// find only what is that merchant's; else merchant.ErrNotFound.
type Store struct {
	db DB
	o  Options
}

// NewStore returns a store.
func NewStore(db DB, o Options) *Store { return &Store{db, o} }

// MaxEndpoints is how many a merchant may have.
const MaxEndpoints = 5

// Errors of a Store.
var (
	ErrTooMany  = errors.New("webhook: the merchant has as many endpoints as it may")
	ErrConflict = errors.New("webhook: the endpoint was changed meanwhile")
	ErrState    = errors.New("webhook: not in this state")
)

// How long a replaced secret signs beside the new one, and how far back an endpoint
// may be told of what it missed while it was stopped.
const (
	overlapOfSecrets = 24 * time.Hour
	backfillAtMost   = 7 * 24 * time.Hour
)

const rollbackTimeout = 5 * time.Second

func (s *Store) inTx(ctx context.Context, do func(tx pgx.Tx) error) (err error) {
	tx, err := s.db.Begin(ctx)
	if err != nil {
		return fmt.Errorf("webhook: begin: %w", err)
	}
	defer func() {
		rollback, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		if rbErr := tx.Rollback(rollback); rbErr != nil && !errors.Is(rbErr, pgx.ErrTxClosed) {
			err = errors.Join(err, fmt.Errorf("webhook: rollback: %w", rbErr))
		}
	}()
	if err := do(tx); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("webhook: commit: %w", err)
	}
	return nil
}

func sealedAs(endpoint int64) string { return "webhook:" + strconv.FormatInt(endpoint, 10) }

// told is an endpoint as events show it: its address may carry a secret of the
// receiver's.
type told struct {
	Endpoint int64    `json:"endpoint"`
	State    State    `json:"state"`
	Events   []string `json:"events,omitempty"`
}

func objectOf(merchantID int64) string { return "merchant:" + strconv.FormatInt(merchantID, 10) }

// Create makes an endpoint, told of what happens from now on, and returns it with
// its secret, which is shown this once. FieldErrors, ErrTooMany.
func (s *Store) Create(ctx context.Context, by merchant.By, merchantID int64, d Draft) (id int64, secret string, err error) {
	if err := d.check(s.o.Private); err != nil {
		return 0, "", err
	}
	plain := newSecret()
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		// The merchant's row keeps two at once from being one too many.
		var n int
		if err := tx.QueryRow(ctx, `SELECT 1 FROM merchants WHERE id = $1 FOR NO KEY UPDATE`, merchantID).Scan(&n); errors.Is(err, pgx.ErrNoRows) {
			return merchant.ErrNotFound
		} else if err != nil {
			return fmt.Errorf("webhook.Create: lock: %w", err)
		}
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM webhook_endpoints WHERE merchant_id = $1 AND state <> 'deleted'`, merchantID).Scan(&n); err != nil {
			return fmt.Errorf("webhook.Create: count: %w", err)
		}
		if n >= MaxEndpoints {
			return ErrTooMany
		}
		if err := tx.QueryRow(ctx, `SELECT nextval(pg_get_serial_sequence('webhook_endpoints', 'id'))`).Scan(&id); err != nil {
			return fmt.Errorf("webhook.Create: id: %w", err)
		}
		sealed, err := s.o.Vault.Seal(sealedAs(id), plain)
		if err != nil {
			return fmt.Errorf("webhook.Create: %w", err)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO webhook_endpoints (id, merchant_id, name, url, events, secret, since, read_at, swept_at, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $7, $7)`, id, merchantID, d.Name, d.URL, d.Events, sealed, s.o.Clock()); err != nil {
			return fmt.Errorf("webhook.Create: %w", err)
		}
		return event.Record(ctx, tx, by.Actor, "webhook.create", objectOf(merchantID), by.Reason, nil, told{id, Active, d.Events})
	})
	return id, secretText(plain), err
}

const endpointColumns = `e.id, e.merchant_id, e.name, e.url, e.events, e.state, e.why, e.stopped_at, e.failures, e.failing_since,
	e.held_until, e.old_until, e.version, e.created_at,
	(SELECT count(*) FROM (SELECT FROM webhook_messages m WHERE m.endpoint_id = e.id AND m.state = 1 LIMIT 1000) w)`

// List returns a merchant's endpoints, the oldest first.
func (s *Store) List(ctx context.Context, merchantID int64) ([]Endpoint, error) {
	rows, err := s.db.Query(ctx, `SELECT `+endpointColumns+` FROM webhook_endpoints e
		WHERE e.merchant_id = $1 AND e.state <> 'deleted' ORDER BY e.id`, merchantID)
	if err != nil {
		return nil, fmt.Errorf("webhook.List: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Endpoint])
	if err != nil {
		return nil, fmt.Errorf("webhook.List: %w", err)
	}
	return list, nil
}

// Get returns one of a merchant's endpoints.
func (s *Store) Get(ctx context.Context, merchantID, id int64) (*Endpoint, error) {
	return get(ctx, s.db, merchantID, id, "")
}

func get(ctx context.Context, db DB, merchantID, id int64, lock string) (*Endpoint, error) {
	rows, err := db.Query(ctx, `SELECT `+endpointColumns+` FROM webhook_endpoints e
		WHERE e.merchant_id = $1 AND e.id = $2 AND e.state <> 'deleted' `+lock, merchantID, id)
	if err != nil {
		return nil, fmt.Errorf("webhook.Get: %w", err)
	}
	e, err := pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByPos[Endpoint])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, merchant.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("webhook.Get: %w", err)
	}
	return e, nil
}

// change locks an endpoint at the version that the person saw, changes it and
// records that. ErrConflict.
func (s *Store) change(ctx context.Context, by merchant.By, action string, merchantID, id, version int64,
	do func(tx pgx.Tx, e *Endpoint) (*Endpoint, error)) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		e, err := get(ctx, tx, merchantID, id, "FOR UPDATE")
		if err != nil {
			return err
		}
		if e.Version != version {
			return ErrConflict
		}
		before := told{e.ID, e.State, e.Events}
		after, err := do(tx, e)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE webhook_endpoints SET version = version + 1 WHERE id = $1`, id); err != nil {
			return fmt.Errorf("webhook: version: %w", err)
		}
		return event.Record(ctx, tx, by.Actor, action, objectOf(merchantID), by.Reason, before, told{after.ID, after.State, after.Events})
	})
}

// Edit changes an endpoint's name, address and events. What waits goes to the new
// address. FieldErrors, ErrConflict.
func (s *Store) Edit(ctx context.Context, by merchant.By, merchantID, id, version int64, d Draft) error {
	if err := d.check(s.o.Private); err != nil {
		return err
	}
	return s.change(ctx, by, "webhook.edit", merchantID, id, version, func(tx pgx.Tx, e *Endpoint) (*Endpoint, error) {
		// Another address starts with a clean slate. Events that were not asked for before
		// are told from now on, which the cursor's overlap would else reach behind.
		_, err := tx.Exec(ctx, `UPDATE webhook_endpoints SET name = $2, url = $3, events = $4,
			since = CASE WHEN events @> $4 THEN since ELSE $5 END,
			failures = CASE WHEN url = $3 THEN failures ELSE 0 END,
			failing_since = CASE WHEN url = $3 THEN failing_since END, held_until = CASE WHEN url = $3 THEN held_until END
			WHERE id = $1`, id, d.Name, d.URL, d.Events, s.o.Clock())
		if err != nil {
			return nil, fmt.Errorf("webhook.Edit: %w", err)
		}
		e.Events = d.Events
		return e, nil
	})
}

// Rotate gives an endpoint a new secret, shown this once; the old one signs beside
// it for another day, or, at once, no more: for one that got out. ErrConflict.
func (s *Store) Rotate(ctx context.Context, by merchant.By, merchantID, id, version int64, atOnce bool) (secret string, err error) {
	plain := newSecret()
	sealed, err := s.o.Vault.Seal(sealedAs(id), plain)
	if err != nil {
		return "", fmt.Errorf("webhook.Rotate: %w", err)
	}
	err = s.change(ctx, by, "webhook.rotate", merchantID, id, version, func(tx pgx.Tx, e *Endpoint) (*Endpoint, error) {
		sql := `UPDATE webhook_endpoints SET old_secret = secret, old_until = $3, secret = $2 WHERE id = $1`
		args := []any{id, sealed, s.o.Clock().Add(overlapOfSecrets)}
		if atOnce {
			sql, args = `UPDATE webhook_endpoints SET old_secret = NULL, old_until = NULL, secret = $2 WHERE id = $1`, args[:2]
		}
		if _, err := tx.Exec(ctx, sql, args...); err != nil {
			return nil, fmt.Errorf("webhook.Rotate: %w", err)
		}
		return e, nil
	})
	return secretText(plain), err
}

// Pause stops an endpoint. ErrState, ErrConflict.
func (s *Store) Pause(ctx context.Context, by merchant.By, merchantID, id, version int64) error {
	return s.change(ctx, by, "webhook.pause", merchantID, id, version, func(tx pgx.Tx, e *Endpoint) (*Endpoint, error) {
		if e.State != Active {
			return nil, ErrState
		}
		if _, err := tx.Exec(ctx, `UPDATE webhook_endpoints SET state = 'paused', stopped_at = $2 WHERE id = $1`, id, s.o.Clock()); err != nil {
			return nil, fmt.Errorf("webhook.Pause: %w", err)
		}
		e.State = Paused
		return e, nil
	})
}

// Resume starts a paused or disabled endpoint again. With backfill it is told what
// it missed, of the last seven days at most; else what waited is dropped. ErrState,
// ErrConflict.
func (s *Store) Resume(ctx context.Context, by merchant.By, merchantID, id, version int64, backfill bool) error {
	return s.change(ctx, by, "webhook.resume", merchantID, id, version, func(tx pgx.Tx, e *Endpoint) (*Endpoint, error) {
		if e.State == Active {
			return nil, ErrState
		}
		now := s.o.Clock()
		from, messages := now, `UPDATE webhook_messages SET state = 4, done_at = $2, leased_until = NULL WHERE endpoint_id = $1 AND state = 1`
		if backfill {
			from, messages = now.Add(-backfillAtMost), `UPDATE webhook_messages SET next_at = $2, first_at = NULL WHERE endpoint_id = $1 AND state = 1`
		}
		if _, err := tx.Exec(ctx, messages, id, now); err != nil {
			return nil, fmt.Errorf("webhook.Resume: messages: %w", err)
		}
		// Read once more from before the stop; what was a message already is none again.
		_, err := tx.Exec(ctx, `UPDATE webhook_endpoints SET state = 'active', why = '', stopped_at = NULL, failures = 0,
			failing_since = NULL, held_until = NULL, since = greatest(since, $2), read_at = greatest(read_at, $2), swept_at = $3
			WHERE id = $1`, id, from, now)
		if err != nil {
			return nil, fmt.Errorf("webhook.Resume: %w", err)
		}
		e.State = Active
		return e, nil
	})
}

// Delete ends an endpoint for good; what waits is dropped. ErrConflict.
func (s *Store) Delete(ctx context.Context, by merchant.By, merchantID, id, version int64) error {
	return s.change(ctx, by, "webhook.delete", merchantID, id, version, func(tx pgx.Tx, e *Endpoint) (*Endpoint, error) {
		now := s.o.Clock()
		if _, err := tx.Exec(ctx, `UPDATE webhook_messages SET state = 4, done_at = $2, leased_until = NULL
			WHERE endpoint_id = $1 AND state = 1`, id, now); err != nil {
			return nil, fmt.Errorf("webhook.Delete: messages: %w", err)
		}
		if _, err := tx.Exec(ctx, `UPDATE webhook_endpoints SET state = 'deleted', why = '', stopped_at = $2, old_secret = NULL, old_until = NULL, secret = ''
			WHERE id = $1`, id, now); err != nil {
			return nil, fmt.Errorf("webhook.Delete: %w", err)
		}
		e.State = Deleted
		return e, nil
	})
}
