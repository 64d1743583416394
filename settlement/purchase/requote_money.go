package purchase

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// quoteFunded quotes what the budgets and vouchers in the database give: a budget
// that has too little left for what the quote would draw on it pays nothing of it, and
// the basket is priced again.
func (c *Committer) quoteFunded(ctx context.Context, b *basket, ans *VerifyAnswer) error {
	b.spent = &spent{budgets: map[int64]bool{}, vouchers: map[voucherKey]bool{}}
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
	for _, h := range held {
		var there bool
		err := c.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM vouchers WHERE card_serial = $1 AND series_id = $2 AND no = $3 AND state = $4)`,
			b.serial, h.Series.ID, h.No, voucherHeld).Scan(&there)
		if err != nil {
			return fmt.Errorf("purchase: read voucher: %w", err)
		}
		b.spent.vouchers[voucherKey{b.serial, h.Series.ID, h.No}] = !there
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
