package merchant

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/card/feed"
	"unioncard/card/union/event"
)

// DB is what a pool and a transaction have in common.
type DB interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Store reads and changes merchants in PostgreSQL. Given a transaction instead
// of a pool, its changes become part of that transaction.
type Store struct {
	db    DB
	clock func() time.Time
}

// NewStore returns a store. The clock decides what "now" is for activation
// codes, the end of contracts and the start of Terms.
func NewStore(db DB, clock func() time.Time) *Store { return &Store{db: db, clock: clock} }

// now is the clock at PostgreSQL's resolution, so that what is compared in Go is
// what is stored.
func (s *Store) now() time.Time { return s.clock().Truncate(time.Microsecond) }

// By says who makes a change and why (invariant 10). Both must be given.
type By struct {
	Actor  event.Actor // "cli:root", "demo", "staff:123"
	Reason string
}

// system is the actor of what the service does by itself.
const system event.Actor = "system"

// rollbackTimeout bounds a rollback whose caller has gone away.
const rollbackTimeout = 5 * time.Second

// change runs f in a transaction of its own and commits it.
func (s *Store) change(ctx context.Context, f func(tx pgx.Tx) error) error {
	return InTx(ctx, s.db, "merchant", f)
}

// InTx runs f in a transaction of its own and commits it. owner is the package
// that its errors name.
func InTx(ctx context.Context, db DB, owner string, f func(tx pgx.Tx) error) error {
	tx, err := db.Begin(ctx)
	if err != nil {
		return fmt.Errorf("%s: begin: %w", owner, err)
	}
	if err := f(tx); err != nil {
		rollback, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		if rbErr := tx.Rollback(rollback); rbErr != nil && !errors.Is(rbErr, pgx.ErrTxClosed) {
			return errors.Join(err, fmt.Errorf("%s: rollback: %w", owner, rbErr))
		}
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("%s: commit: %w", owner, err)
	}
	return nil
}

// InTxAgain is InTx, run once more if PostgreSQL broke it off for a deadlock: what
// nobody can order beforehand, as a merger's locks and those of who publishes Terms,
// is no failure to whoever waits for it. f must be safe to repeat: it reads all anew
// in the transaction, and leaves nothing outside it but what it sets each time.
func InTxAgain(ctx context.Context, db DB, owner string, f func(tx pgx.Tx) error) error {
	err := InTx(ctx, db, owner, f)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == deadlockDetected {
		err = InTx(ctx, db, owner, f)
	}
	return err
}

// deadlockDetected is the SQLSTATE of a transaction that lost a deadlock.
const deadlockDetected = "40P01"

// record writes a change's event and its rows of the change feed.
func record(ctx context.Context, tx pgx.Tx, by By, action, object string, before, after any, changes ...feed.Change) error {
	if err := event.Record(ctx, tx, by.Actor, action, object, by.Reason, before, after); err != nil {
		return err
	}
	if len(changes) == 0 {
		return nil
	}
	return feed.Record(ctx, tx, changes...)
}

// found turns "no rows" into ErrNotFound and names the statement.
func found(what string, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("merchant: %s: %w", what, err)
	}
	return nil
}

// violates says whether err is PostgreSQL refusing by the named constraint.
func violates(err error, constraint string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.ConstraintName == constraint
}

// lockMerchant locks a merchant's row until the end of the transaction and
// returns it. Whoever changes the merchant, its outlets, contracts or coverage
// holds this lock, so such changes run one after the other. It leaves foreign
// keys to the row alone (NO KEY UPDATE).
func lockMerchant(ctx context.Context, tx pgx.Tx, id int64) (*Merchant, error) {
	m := Merchant{ID: id}
	err := tx.QueryRow(ctx, `SELECT office_id, name, brand, trade, union_owned, status, version
		FROM merchants WHERE id = $1 FOR NO KEY UPDATE`, id).
		Scan(&m.OfficeID, &m.Name, &m.Brand, &m.Trade, &m.UnionOwned, &m.Status, &m.Version)
	if err != nil {
		return nil, found("lock merchant", err)
	}
	return &m, nil
}

// tally is one kind of row with a status and a version.
type tally struct {
	table string // a constant of this package, never input
	name  string // as in event objects
	kind  feed.Kind
}

var (
	merchantRows = tally{"merchants", "merchant", feed.KindMerchant}
	outletRows   = tally{"outlets", "outlet", feed.KindOutlet}
	terminalRows = tally{"terminals", "terminal", feed.KindTerminal}
)

func (k tally) object(id int64) string { return k.name + ":" + strconv.FormatInt(id, 10) }

// setStatus makes one move of a merchant, outlet or terminal. The row lock keeps
// two moves apart.
func setStatus[S ~string](ctx context.Context, s *Store, by By, k tally, moves []move[S], id int64, action string) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		var from S
		err := tx.QueryRow(ctx, `SELECT status FROM `+k.table+` WHERE id = $1 FOR NO KEY UPDATE`, id).Scan(&from)
		if err != nil {
			return found("lock "+k.name, err)
		}
		to, err := next(moves, k.object(id), from, action)
		if err != nil {
			return err
		}
		var version int64
		err = tx.QueryRow(ctx, `UPDATE `+k.table+` SET status = $2, version = version + 1 WHERE id = $1 RETURNING version`,
			id, to).Scan(&version)
		if err != nil {
			return fmt.Errorf("merchant: %s %s: %w", action, k.name, err)
		}
		return record(ctx, tx, by, k.name+"."+action, k.object(id),
			map[string]S{"status": from}, map[string]S{"status": to},
			feed.Change{Kind: k.kind, ObjectID: id, Version: version})
	})
}

// required refuses blank text.
func required(field, value string) error {
	if strings.TrimSpace(value) == "" {
		return &InvalidError{Field: field, Detail: "is empty"}
	}
	return nil
}
