package budget

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant"
	"unioncard/settlement/ledger"
)

// purse is a budget's money, with the budget's row and all its slices locked until
// the end of the transaction. Amounts are fen.
type purse struct {
	id, parent, office int64
	kind               Kind
	status             Status
	name               string
	first, last        ledger.Day
	version            int64
	alerted            int
	amount             int64 // ever put in
	granted            int64 // handed to slices
	allocated          int64 // handed to series below
	returned           int64 // went back where it came from
	slices             []pocket
}

// pocket is one slice: spent less back never exceeds granted.
type pocket struct{ granted, spent, back, uses int64 }

// lockPurse locks a budget, then its slices in order, which is how everybody does.
// merchant.ErrNotFound.
func lockPurse(ctx context.Context, tx pgx.Tx, id int64) (*purse, error) {
	p := &purse{id: id}
	var first, last time.Time
	err := tx.QueryRow(ctx, `SELECT coalesce(parent_id, 0), office_id, kind, state, name, first_day, last_day, version, alerted,
			amount_fen, granted_fen, allocated_fen, returned_fen
		FROM budgets WHERE id = $1 FOR NO KEY UPDATE`, id).
		Scan(&p.parent, &p.office, &p.kind, &p.status, &p.name, &first, &last, &p.version, &p.alerted,
			&p.amount, &p.granted, &p.allocated, &p.returned)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, merchant.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("budget: lock: %w", err)
	}
	p.first, p.last = ledger.DayOf(first), ledger.DayOf(last)
	rows, err := tx.Query(ctx, `SELECT granted_fen, spent_fen, back_fen, uses FROM budget_slices
		WHERE budget_id = $1 ORDER BY slice FOR UPDATE`, id)
	if err != nil {
		return nil, fmt.Errorf("budget: lock slices: %w", err)
	}
	p.slices, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (k pocket, err error) {
		err = row.Scan(&k.granted, &k.spent, &k.back, &k.uses)
		return k, err
	})
	if err != nil {
		return nil, fmt.Errorf("budget: lock slices: %w", err)
	}
	return p, nil
}

// object is the budget in the event log.
func (p *purse) object() string { return object(p.id) }

// spent is what purchases hold of it now.
func (p *purse) spent() (fen int64) {
	for _, k := range p.slices {
		fen += k.spent - k.back
	}
	return fen
}

// left is what could still be spent, allocated or returned.
func (p *purse) left() int64 { return p.amount - p.allocated - p.returned - p.spent() }

// What a slice holds at least when money is first spread: less is not worth a slice.
const (
	minSlice  = 100_000 // fen
	maxSpread = 16
)

// spread lays the money out anew: slice 0 keeps what is spent, and half of what is
// left is divided among as many slices as it is worth, in whole units of so many fen;
// the rest stays with the budget, for the slices that run out first.
func (p *purse) spread(unit int64) {
	p.gather()
	left := p.left()
	n := min(max(left/minSlice, 1), maxSpread)
	share := left / 2 / n / unit * unit
	if n == 1 {
		share = left
	}
	for len(p.slices) < int(n) {
		p.slices = append(p.slices, pocket{})
	}
	for i := range int(n) {
		p.slices[i].granted += share
		p.granted += share
	}
}

// gather takes what is left in the slices back and brings what was spent together in
// slice 0, whose grant then is exactly that.
func (p *purse) gather() {
	if len(p.slices) == 0 {
		p.slices = []pocket{{}}
	}
	var all pocket
	for i, k := range p.slices {
		all.spent, all.back, all.uses = all.spent+k.spent, all.back+k.back, all.uses+k.uses
		p.slices[i] = pocket{}
	}
	all.granted = all.spent - all.back
	p.slices[0], p.granted = all, all.granted
}

// save writes the purse back and raises its version.
func (p *purse) save(ctx context.Context, tx pgx.Tx) error {
	live := 1
	var no []int16
	var granted, spent, back, uses []int64
	for i, k := range p.slices {
		if k.granted > k.spent-k.back {
			live = max(live, i+1)
		}
		no = append(no, int16(i))
		granted, spent, back, uses = append(granted, k.granted), append(spent, k.spent), append(back, k.back), append(uses, k.uses)
	}
	p.version++
	_, err := tx.Exec(ctx, `WITH b AS (UPDATE budgets SET state = $2, amount_fen = $3, granted_fen = $4, allocated_fen = $5,
			returned_fen = $6, slices = $7, alerted = $8, version = $9 WHERE id = $1)
		INSERT INTO budget_slices (budget_id, slice, granted_fen, spent_fen, back_fen, uses)
		SELECT $1, * FROM unnest($10::smallint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[])
		ON CONFLICT (budget_id, slice) DO UPDATE SET granted_fen = excluded.granted_fen, spent_fen = excluded.spent_fen,
			back_fen = excluded.back_fen, uses = excluded.uses`,
		p.id, p.status, p.amount, p.granted, p.allocated, p.returned, live, p.alerted, p.version, no, granted, spent, back, uses)
	if err != nil {
		return fmt.Errorf("budget: save: %w", err)
	}
	return nil
}
