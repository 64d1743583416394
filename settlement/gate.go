package settlement

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant"
	"unioncard/settlement/ledger"
)

// ExitGate keeps a contract open while money is open between the union and its
// merchant: disputed or unpaid statements, a payment under way, a balance. It looks at
// the merchant as a whole, whose balance no contract divides; so a merchant with
// another contract in force keeps none open.
type ExitGate struct{}

// Name is the gate's name.
func (ExitGate) Name() string { return "statements" }

// Open lists what is open of the contract's merchant, once it is the last that has
// not ended.
func (ExitGate) Open(ctx context.Context, tx pgx.Tx, contractID int64) (open []merchant.Blocker, err error) {
	var id, balance, unconfirmed, disputed, paying int64
	var last bool
	err = tx.QueryRow(ctx, `SELECT c.merchant_id, NOT EXISTS (SELECT FROM contracts o
				WHERE o.merchant_id = c.merchant_id AND o.id <> c.id AND o.status IN ('active', 'suspended', 'ending')),
			(SELECT coalesce(sum(CASE WHEN credit >> 56 = $2 THEN fen WHEN debit >> 56 = $2 THEN -fen ELSE 0 END), 0)::bigint
				FROM transfers WHERE merchant_id = c.merchant_id),
			(SELECT count(*) FROM statements WHERE merchant_id = c.merchant_id AND state = 'closed' AND due_fen <> 0),
			(SELECT count(*) FROM statements WHERE merchant_id = c.merchant_id AND state = 'disputed'),
			(SELECT count(*) FROM payment_lines l JOIN payments p ON p.id = l.payment_id
				WHERE l.merchant_id = c.merchant_id AND l.state = 'waiting' AND p.state IN ('draft', 'sent'))
		FROM contracts c WHERE c.id = $1`, contractID, int64(ledger.KindMerchant)).Scan(&id, &last, &balance, &unconfirmed, &disputed, &paying)
	if err != nil {
		return nil, fmt.Errorf("settlement: exit gate: %w", err)
	}
	if !last {
		return nil, nil
	}
	note := func(n int64, url, format string, args ...any) {
		if n != 0 {
			open = append(open, merchant.Blocker{What: fmt.Sprintf(format, args...), URL: url})
		}
	}
	list := fmt.Sprintf("/console/statements?merchant=%d", id)
	note(disputed, list, "还有 %d 张结算单商家有异议，请先答复。", disputed)
	note(unconfirmed, list, "还有 %d 张结算单等商家确认，请催商家确认，或等确认期满。", unconfirmed)
	note(paying, "/console/payments", "还有 %d 笔付款没有登记银行结果，请先登记付讫或退回。", paying)
	switch {
	case balance > 0:
		note(balance, list, "还欠商家 %s 元没有付，请先付清。", yuan(balance))
	case balance < 0:
		note(balance, list, "商家还要退回 %s 元，请先收回，再登记一笔调整。", yuan(-balance))
	}
	return open, nil
}
