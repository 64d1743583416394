package voucher

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/merchant"
)

// system is the actor of what the service does by itself.
const system event.Actor = "system"

// expirePart is how many vouchers expire in one transaction.
const expirePart = 20_000

// Expire ends every series whose last day is over: vouchers nobody used expire, and
// what they would have cost goes back to the budget. The vouchers of a series that
// was ended before its time expire too. It returns how many series it ended; harmless
// on many nodes at once.
func (s *Store) Expire(ctx context.Context) (n int64, err error) {
	ids, err := s.series(ctx, `SELECT id FROM budgets WHERE kind = 'series' AND state IN ('open', 'frozen')
		AND last_day < (clock_timestamp() AT TIME ZONE 'Asia/Shanghai')::date ORDER BY id`)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		by := merchant.By{Actor: system, Reason: "使用期已过，余额退回预算"}
		err := s.change(ctx, func(tx pgx.Tx) error { return s.budgets.CloseTx(ctx, tx, by, id) })
		if _, moved := errors.AsType[*merchant.MoveError](err); moved {
			continue // another node was first
		}
		if err != nil {
			return n, err
		}
		n++
	}
	// No purchase uses a voucher of a closed budget any more, and undoing one gives none
	// back, so what is held now is all there is.
	ids, err = s.series(ctx, `SELECT b.id FROM budgets b JOIN voucher_series v ON v.budget_id = b.id
		WHERE b.state = 'closed' AND NOT v.settled ORDER BY b.id`)
	if err != nil {
		return n, err
	}
	for _, id := range ids {
		if err := s.settle(ctx, id); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (s *Store) series(ctx context.Context, sql string) ([]int64, error) {
	rows, err := s.db.Query(ctx, sql)
	if err != nil {
		return nil, fmt.Errorf("voucher.Expire: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("voucher.Expire: %w", err)
	}
	return ids, nil
}

// settle lets the held vouchers of a closed series expire, a part at a time. A row
// that somebody has locked is skipped, not waited for; then the series is looked at
// again at the next turn.
func (s *Store) settle(ctx context.Context, id int64) error {
	for {
		tag, err := s.db.Exec(ctx, `WITH o AS (SELECT card_serial, no FROM vouchers WHERE series_id = $1 AND state = 1
				ORDER BY card_serial, no LIMIT $2 FOR UPDATE SKIP LOCKED)
			UPDATE vouchers v SET state = 3 FROM o WHERE v.card_serial = o.card_serial AND v.series_id = $1 AND v.no = o.no`, id, expirePart)
		if err != nil {
			return fmt.Errorf("voucher.Expire: %w", err)
		}
		if tag.RowsAffected() < expirePart {
			break
		}
	}
	// A batch of claims that found the series open may still give packs out: it is
	// waited for, and then what it gave is there to be seen.
	return s.change(ctx, func(tx pgx.Tx) error {
		if err := lockSeries(ctx, tx, []int64{id}); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE voucher_series SET settled = true WHERE budget_id = $1
			AND NOT EXISTS (SELECT FROM vouchers WHERE series_id = $1 AND state = 1)`, id)
		if err != nil {
			return fmt.Errorf("voucher.Expire: %w", err)
		}
		return nil
	})
}
