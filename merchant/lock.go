package merchant

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Publishing a floor and publishing or activating what it binds must not pass
// each other unseen: the floor would miss the contract and the contract the
// floor. Each trade and each brand has an advisory lock, which a floor takes
// exclusively and a contract shared, before any row lock and in ascending order.

// floorLockKey is the advisory lock of a trade's or a brand's floors. A
// collision only makes two wait for each other that need not.
func floorLockKey(trade Trade, brand string) int64 {
	h := fnv.New64a()
	if brand != "" {
		fmt.Fprintf(h, "unioncard floor brand %s", brand)
	} else {
		fmt.Fprintf(h, "unioncard floor trade %s", trade)
	}
	return int64(h.Sum64())
}

// lockFloor keeps everyone else off the floors of one trade or brand until the
// end of the transaction.
func lockFloor(ctx context.Context, tx pgx.Tx, trade Trade, brand string) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, floorLockKey(trade, brand)); err != nil {
		return fmt.Errorf("merchant: lock floor: %w", err)
	}
	return nil
}

// holdFloors keeps the floors that bind a contract as they are until the end of
// the transaction.
func holdFloors(ctx context.Context, tx pgx.Tx, trade Trade, brand string) error {
	keys := []int64{floorLockKey(trade, "")}
	if brand != "" {
		keys = append(keys, floorLockKey("", brand))
	}
	slices.Sort(keys)
	for _, k := range keys {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock_shared($1)`, k); err != nil {
			return fmt.Errorf("merchant: hold floors: %w", err)
		}
	}
	return nil
}
