package budget

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"

	"unioncard/card/feed"
	"unioncard/card/union/event"
	"unioncard/merchant"
	"unioncard/settlement/ledger"
)

// ErrChanged: somebody else has saved the budget since it was read.
var ErrChanged = errors.New("budget: changed meanwhile")

// Options is what a Store works with. Clock is needed.
type Options struct {
	Clock      func() time.Time
	Registerer prometheus.Registerer
}

// Store reads and changes budgets in PostgreSQL. Given a transaction instead of a
// pool, its changes become part of that transaction.
type Store struct {
	db      merchant.DB
	clock   func() time.Time
	metrics *metrics
}

// NewStore returns a store.
func NewStore(db merchant.DB, o Options) *Store {
	return &Store{db: db, clock: o.Clock, metrics: newMetrics(o.Registerer)}
}

// now is the clock at PostgreSQL's resolution.
func (s *Store) now() time.Time { return s.clock().Truncate(time.Microsecond) }

func (s *Store) change(ctx context.Context, f func(tx pgx.Tx) error) error {
	return merchant.InTxAgain(ctx, s.db, "budget", f)
}

// object is a budget in the event log; a series is one too.
func object(id int64) string { return "budget:" + strconv.FormatInt(id, 10) }

// action names what is done to a budget or a series: "budget.open", "series.open".
func action(k Kind, what string) string { return string(k) + "." + what }

// record writes a change's event and, with a version, its row of the change feed.
func record(ctx context.Context, tx pgx.Tx, by merchant.By, action string, id, version int64, before, after any) error {
	if err := event.Record(ctx, tx, by.Actor, action, object(id), by.Reason, before, after); err != nil {
		return err
	}
	if version == 0 {
		return nil // a draft is in nobody's view
	}
	return feed.Record(ctx, tx, feed.Change{Kind: feed.KindBudget, ObjectID: id, Version: version})
}

// named turns what the database refuses for two of one name into a field at fault.
func named(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.ConstraintName == "one_budget_a_name" {
		return merchant.FieldErrors{{Field: "name", Message: "这段时间里已经有同名的预算或消费券，请换个名称，或改日期"}}
	}
	return err
}

// post writes one transfer of a budget's money, on today's business day by the
// database's clock or the next that is not sealed. No statement holds these transfers,
// so the day's lock, which comes before a budget's, is not taken: a day may still be
// sealed before this transaction ends.
func post(ctx context.Context, tx pgx.Tx, kind ledger.Kind, from, to ledger.Account, fen int64) error {
	doc, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("budget: post: %w", err)
	}
	var day ledger.Day
	err = tx.QueryRow(ctx, `SELECT min(t.d) - date '1970-01-01' FROM (
			SELECT (clock_timestamp() AT TIME ZONE 'Asia/Shanghai')::date + n AS d FROM generate_series(0, 2) AS n) AS t
		WHERE NOT EXISTS (SELECT FROM business_days b WHERE b.day = t.d AND b.closed_at IS NOT NULL)`).Scan(&day)
	if err != nil {
		return fmt.Errorf("budget: post: %w", err)
	}
	return ledger.Post(ctx, tx, ledger.Transfer{Day: day, Doc: doc, Kind: kind, Debit: from, Credit: to, Fen: fen})
}
