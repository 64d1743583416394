// Package feed is the change feed: how every node's view in memory follows the
// database.
//
// A change writes one row per changed object to the table changes, in its own
// transaction, and wakes the readers at its commit (LISTEN/NOTIFY, or Redis
// pub/sub between many nodes; a poll every 500 ms is the fallback). A reader
// loads everything once under one exported snapshot and from then on polls: each
// poll is one REPEATABLE READ transaction that takes every row visible to it
// that the previous poll's snapshot did not see. That is independent of ids and
// of commit order: a transaction that was open for a minute while thousands
// with higher ids committed is taken by the first poll after its commit.
// pg_snapshot_xmin only bounds from below what has to be looked at.
//
// Rows carry no content. A Source re-reads the changed objects' present state in
// the poll's own snapshot, and as snapshots only move forward, so do the states
// it applies.
//
// Invariants: no row is skipped, also across a crash of PostgreSQL, after which it
// may give out ids of transactions again; none is applied twice, except that a
// reader whose poll failed half-way applies those rows again, and that the first
// poll on a new connection applies the last minute's again; a reader's Age never
// understates how old its view is; a reader that fell behind what has been
// pruned, or by more changes than are worth applying one by one, or that meets
// another timeline of the database, loads afresh.
package feed

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Kind says what sort of object changed.
type Kind int16

// The kinds of objects.
const (
	KindUnion    Kind = 1
	KindCard     Kind = 2 // object id: the card's serial
	KindMerchant Kind = 3
	KindOutlet   Kind = 4
	KindTerminal Kind = 5
	KindContract Kind = 6 // its terms and outlets too
	KindFloor    Kind = 7
	KindCategory Kind = 8
	KindBudget   Kind = 9  // a voucher series is one too
	KindWallet   Kind = 10 // the vouchers of a card; object id: the card's serial
)

var kindNames = [...]string{
	KindUnion: "union", KindCard: "card", KindMerchant: "merchant", KindOutlet: "outlet",
	KindTerminal: "terminal", KindContract: "contract", KindFloor: "floor", KindCategory: "category",
	KindBudget: "budget", KindWallet: "wallet",
}

func (k Kind) String() string {
	if k > 0 && int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "other"
}

// Change is one row of the feed.
type Change struct {
	ID       int64 // given by Record's database, not by the caller
	Kind     Kind
	ObjectID int64
	Version  int64     // the object's version after the change
	At       time.Time // database clock when the row was written, not when it committed
}

// Channel is the name of the NOTIFY channel and of the Redis one.
const Channel = "unioncard_changes"

// Record writes the changes' rows in the transaction that made them and wakes
// the readers when it commits. Only Kind, ObjectID and Version are used.
func Record(ctx context.Context, tx pgx.Tx, changes ...Change) error {
	if len(changes) == 0 {
		return nil
	}
	kinds := make([]int16, len(changes))
	objects := make([]int64, len(changes))
	versions := make([]int64, len(changes))
	for i, c := range changes {
		kinds[i], objects[i], versions[i] = int16(c.Kind), c.ObjectID, c.Version
	}
	// One statement for both. PostgreSQL drops repeated notifications of one
	// transaction by itself.
	_, err := tx.Exec(ctx, `WITH written AS (
			INSERT INTO changes (kind, object_id, version)
			SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bigint[])
			RETURNING 1)
		SELECT pg_notify($4, '') FROM written LIMIT 1`, kinds, objects, versions, Channel)
	if err != nil {
		return fmt.Errorf("feed.Record: %w", err)
	}
	return nil
}

// Source is a part of the view in memory that follows the feed.
type Source interface {
	// Kinds are the kinds of changes that Apply wants.
	Kinds() []Kind
	// Load reads everything under the session's snapshot. It is called again
	// when the reader fell too far behind, and then replaces the view.
	Load(ctx context.Context, s Session) error
	// Apply re-reads the changed objects in tx, a REPEATABLE READ snapshot that
	// sees every one of the changes, and brings the view up to it. One object
	// may be named several times. The changes come in order of ID; a call holds
	// some thousands at most, further ones follow in the same tx.
	Apply(ctx context.Context, tx pgx.Tx, changes []Change) error
}

// Session gives a Source's Load transactions that all see one snapshot.
type Session interface {
	// Workers is how many InSnapshot calls may usefully run at once.
	Workers() int
	// InSnapshot runs fn in a read-only transaction of its own connection that
	// sees the session's snapshot. It may be called concurrently.
	InSnapshot(ctx context.Context, fn func(ctx context.Context, tx pgx.Tx) error) error
}

// ObjectIDs returns the objects of one kind among the changes, each once, in
// ascending order.
func ObjectIDs(changes []Change, kind Kind) []int64 {
	ids := make([]int64, 0, len(changes))
	for _, c := range changes {
		if c.Kind == kind {
			ids = append(ids, c.ObjectID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
