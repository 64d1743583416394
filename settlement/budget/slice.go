package budget

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant"
)

// worthSlices is how many times what a lane needs at once each slice must hold when
// the money is laid out anew; below that, spreading it only makes lanes run out.
const worthSlices = 4

// Rebalance sees to it that the slice that a lane draws on, pick modulo the number of
// slices, holds need fen, if the whole budget does: from what has not been handed out
// yet, and when that is too little by laying out anew what all slices have left. Once
// it is little, all of it goes into one slice, on which all lanes then draw: the tail.
//
// It reports no money and changes none, so nobody is told. It locks the budget and
// all its slices in their order, in a transaction of its own, as the caller must hold
// no other lock: merchant.ErrNotFound for no such budget.
func Rebalance(ctx context.Context, db merchant.DB, id int64, pick int, need int64) error {
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		p, err := lockPurse(ctx, tx, id)
		if err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow(ctx, `SELECT slices FROM budgets WHERE id = $1`, id).Scan(&n); err != nil {
			return err
		}
		return p.lay(ctx, tx, p.deal(n, pick, need))
	})
	if err != nil && !errors.Is(err, merchant.ErrNotFound) {
		return fmt.Errorf("budget: rebalance: %w", err)
	}
	return err
}

// rest is what a slice has left.
func (k pocket) rest() int64 { return k.granted - k.spent + k.back }

// unhanded is what has not been handed to slices, series or back.
func (p *purse) unhanded() int64 { return p.amount - p.granted - p.allocated - p.returned }

// deal brings need fen together in the slice that pick means among n and returns over
// how many slices the money is spread then.
func (p *purse) deal(n, pick int, need int64) int {
	for len(p.slices) < n {
		p.slices = append(p.slices, pocket{})
	}
	if p.left() <= 0 {
		return n
	}
	k := &p.slices[pick%n]
	missing := need - k.rest()
	if missing <= 0 {
		return n
	}
	if free := p.unhanded(); free >= missing && n > 1 {
		// Half of what is there, shared by all: each slice comes for more rarely, and
		// what remains for the last ones shrinks by degrees.
		grant := min(max(missing, free/2/int64(n)), free)
		k.granted += grant
		p.granted += grant
		return n
	}
	p.gather()
	left := p.left()
	n = int(max(min(int64(n), left/max(worthSlices*need, minSlice)), 1))
	for i := range n {
		share := left / int64(n)
		if i == 0 {
			share += left % int64(n)
		}
		p.slices[i].granted += share
		p.granted += share
	}
	return n
}

// lay writes what deal did.
func (p *purse) lay(ctx context.Context, tx pgx.Tx, n int) error {
	var no []int16
	var granted, spent, back, uses []int64
	for i, k := range p.slices {
		no = append(no, int16(i))
		granted, spent, back, uses = append(granted, k.granted), append(spent, k.spent), append(back, k.back), append(uses, k.uses)
	}
	_, err := tx.Exec(ctx, `WITH b AS (UPDATE budgets SET granted_fen = $2, slices = $3 WHERE id = $1)
		INSERT INTO budget_slices (budget_id, slice, granted_fen, spent_fen, back_fen, uses)
		SELECT $1, * FROM unnest($4::smallint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
		ON CONFLICT (budget_id, slice) DO UPDATE SET granted_fen = excluded.granted_fen, spent_fen = excluded.spent_fen,
			back_fen = excluded.back_fen, uses = excluded.uses`, p.id, p.granted, n, no, granted, spent, back, uses)
	return err
}
