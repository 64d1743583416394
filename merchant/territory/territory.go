// Package territory is the care of the union tree where it touches merchants and
// members: grassroots unions are added, unions renamed, and one merged into another.
//
// # What a merger moves
//
// The union merged (from) stays where it was, inactive, and leads to its successor
// (into). In one transaction these go over to the successor:
//
//   - the unions below it, with their paths, and the territory of those that had
//     theirs from it;
//   - its own members, and the territory on the cards of all whose union changed it,
//     with a change feed row each: nodes obey within a second;
//   - its staff, who thereby see the successor's territory;
//   - its merchants, contracts, applications and uploads that an office answers for,
//     and the proposals about them. Versions rise, so a form opened before is told;
//     an agreement not yet published names the office, so its approval no longer
//     holds and it is proposed and printed again;
//   - outlets that stand in a merged division, whoever signed them.
//
// These stay as they are, being history: events and whom they concerned, the settled
// days of purchases (purchase_days), the impact lists of floors, what was signed and
// scanned. Everything else follows its contract, merchant or member and names no
// union. A test finds every column that names a union or a territory and fails for
// one that is neither moved nor history.
//
// # Terms that name a territory
//
// Published Terms never change, so a code listed in their eligibility goes on
// meaning what it says, and after the merger no card carries the merged code. A
// merger is refused with the list of Terms and floors, in force or to come, by which
// any member concerned would earn less than before; they are published anew with the
// successor's code first. What members gain by it is shown, and allowed. New Terms
// that name a merged territory are refused (merchant.PublishTerms).
//
// # Who decides
//
// Grassroots unions are merged by one person who answers for both. Others are
// proposed (signing.Kind "union.merge") to the nearest office at or above both.
//
// # Who protects what
//
// The tree's lock keeps two mergers apart, and out whoever holds the tree
// (union.Hold). A writer that read the tree before and does not hold it may leave
// something behind; Settle looks once more, minutes later, and moves it too.
package territory

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
	"unioncard/card/union"
	"unioncard/card/union/event"
	"unioncard/merchant"
)

// Options of a Store.
type Options struct {
	Clock func() time.Time
	// HandOver are told in the merger's transaction which office goes, by parts that
	// keep figures of offices (report.HandOver).
	HandOver []func(ctx context.Context, tx pgx.Tx, office int64) error
}

// Store changes the union tree.
type Store struct {
	db       merchant.DB
	clock    func() time.Time
	handOver []func(ctx context.Context, tx pgx.Tx, office int64) error
}

// New returns a store.
func New(db merchant.DB, o Options) *Store {
	return &Store{db: db, clock: o.Clock, handOver: o.HandOver}
}

func (s *Store) now() time.Time { return s.clock().Truncate(time.Microsecond) }

func object(id int64) string { return "union:" + strconv.FormatInt(id, 10) }

// Add makes a grassroots union (article 22: they register the members) under an
// active union and returns its id. merchant.FieldErrors on "name" or "parent".
func (s *Store) Add(ctx context.Context, by merchant.By, parent int64, name string) (id int64, err error) {
	err = s.change(ctx, func(tx pgx.Tx) error {
		u, err := union.Add(ctx, tx, parent, name)
		if err != nil {
			return inForm(err, "name", "parent")
		}
		id = u.ID
		if err := feed.Record(ctx, tx, feed.Change{Kind: feed.KindUnion, ObjectID: u.ID, Version: u.Version}); err != nil {
			return err
		}
		return event.Record(ctx, tx, by.Actor, "union.create", object(u.ID), by.Reason, nil,
			map[string]any{"kind": u.Kind, "path": u.Path})
	})
	return id, err
}

// Rename gives a union that is still at a version another name; tills show it within
// a second where it is a territory's. merchant.FieldErrors on "name", union.ErrStale,
// union.ErrInactive, union.ErrNotFound. A name is no personal value: the event keeps
// both.
func (s *Store) Rename(ctx context.Context, by merchant.By, id, version int64, name string) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		was, is, err := union.Rename(ctx, tx, id, version, name, s.now())
		if errors.Is(err, union.ErrStale) || errors.Is(err, union.ErrInactive) || errors.Is(err, union.ErrNotFound) {
			return err
		}
		if err != nil {
			return inForm(err, "name", "name")
		}
		if was == is {
			return nil
		}
		if err := feed.Record(ctx, tx, feed.Change{Kind: feed.KindUnion, ObjectID: id, Version: is.Version}); err != nil {
			return err
		}
		return event.Record(ctx, tx, by.Actor, "union.rename", object(id), by.Reason,
			map[string]any{"name": was.Name}, map[string]any{"name": is.Name})
	})
}

// inForm puts a refusal of the tree at the field that it is about.
func inForm(err error, name, other string) error {
	say := func(field, message string) error {
		return errors.Join(merchant.FieldErrors{{Field: field, Message: message}}, err)
	}
	switch {
	case errors.Is(err, union.ErrName):
		return say(name, fmt.Sprintf("请填写工会的全称，2 至 %d 个字，不要有看不见的字符。", union.MaxName))
	case errors.Is(err, union.ErrNameTaken):
		return say(name, "同一个上级下面已经有一个同名的工会，请核对是不是同一个；不是的，请写得更具体。")
	case errors.Is(err, union.ErrInactive):
		return say(other, "这个工会已经并入别的工会，请选并入后的工会。")
	case errors.Is(err, union.ErrNotFound):
		return say(other, "没有这个工会，请重新选择。")
	case errors.Is(err, union.ErrNoMerger):
		return say(other, "这两个工会不能合并：只有同一级、同一类的工会可以合并，区县级也可以并入所属的市；不能并入自己的下级。")
	}
	return err
}

// change runs f in a transaction of its own and commits it.
func (s *Store) change(ctx context.Context, f func(tx pgx.Tx) error) error {
	return merchant.InTx(ctx, s.db, "territory", f)
}
