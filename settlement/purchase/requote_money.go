package purchase

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/settlement/budget/voucher"
)

// quoteFunded quotes what the budgets and vouchers in the database give: a budget
// that has too little left for what the quote would draw on it pays nothing of it, and
// the basket is priced again.
func (c *Committer) quoteFunded(ctx context.Context, b *basket, ans *VerifyAnswer) error {
	b.spent = &spent{budgets: map[int64]bool{}}
	ids := append([]int64(nil), b.terms.Terms.Budgets()...)
	for _, f := range b.contract.Lifts(b.at) {
		ids = append(ids, f.Terms.Budgets()...)
	}
	held := c.pricer.held(nil, b)
	for _, h := range held {
		ids = append(ids, h.Series.ID)
	}
	left, err := c.budgetsLeft(ctx, b.serial, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		b.spent.budgets[id] = left[id] <= 0
	}
	if err := c.vouchersHeld(ctx, b, held); err != nil {
		return err
	}
	for range len(ids) + 1 { // each time round takes one budget out
		c.pricer.quote(b, ans)
		var q quote
		if err := c.pricer.signer.decode(string(ans.Token), &q, b.at); err != nil {
			return err
		}
		over := false
		for _, d := range drawsOf(q.applied) {
			if d.fen > left[d.budget] {
				b.spent.budgets[d.budget], over = true, true
			}
		}
		if !over {
			break
		}
	}
	return nil
}

// vouchersHeld reads which voucher of each series the card holds now: the memory, a
// moment behind, may know only of one that another till has just used.
func (c *Committer) vouchersHeld(ctx context.Context, b *basket, held []voucher.Held) error {
	series := make([]int64, len(held))
	for i, h := range held {
		series[i] = h.Series.ID
	}
	b.spent.vouchers = make(map[int64]int16, len(held))
	rows, err := c.pool.Query(ctx, `SELECT series_id, min(no) FROM vouchers
		WHERE card_serial = $1 AND series_id = ANY ($2) AND state = $3 GROUP BY series_id`, b.serial, series, voucherHeld)
	if err != nil {
		return fmt.Errorf("purchase: read vouchers: %w", err)
	}
	var id int64
	var no int16
	_, err = pgx.ForEachRow(rows, []any{&id, &no}, func() error {
		b.spent.vouchers[id] = no
		return nil
	})
	if err != nil {
		return fmt.Errorf("purchase: read vouchers: %w", err)
	}
	return nil
}

// budgetsLeft reads what budgets would pay for a card now, in fen: nothing if they are
// not open, and no more than the bound for one member.
func (c *Committer) budgetsLeft(ctx context.Context, serial int64, ids []int64) (map[int64]int64, error) {
	left := make(map[int64]int64, len(ids))
	if len(ids) == 0 {
		return left, nil
	}
	rows, err := c.pool.Query(ctx, `
		SELECT b.id, least(b.amount_fen - b.granted_fen - b.allocated_fen - b.returned_fen + coalesce((
		           SELECT sum(granted_fen - spent_fen + back_fen) FROM budget_slices WHERE budget_id = b.id), 0)::bigint,
		       b.member_cap_fen - coalesce(c.spent_fen, 0))
		FROM budgets b LEFT JOIN budget_cards c ON c.card_serial = $1 AND c.budget_id = b.id
		WHERE b.id = ANY ($2) AND b.state = 'open' AND (now() AT TIME ZONE 'Asia/Shanghai')::date BETWEEN b.first_day AND b.last_day`,
		serial, ids)
	if err != nil {
		return nil, fmt.Errorf("purchase: read budgets: %w", err)
	}
	var id, fen int64
	_, err = pgx.ForEachRow(rows, []any{&id, &fen}, func() error {
		left[id] = fen
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("purchase: read budgets: %w", err)
	}
	return left, nil
}
