package purchase

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Reverse makes sure that nothing stands under an idempotency key of this
// client: a purchase there is undone; where there is none, a tombstone takes the
// key, so that none can come. It is idempotent by the key itself. It works until
// the end of the business day after the purchase's (ErrReversalTooLate) and
// posts to the present day, as an adjustment if the purchase's day is closed. Of
// a purchase that was voided or refunded whole it gives back nothing, at any time,
// but from then on the key is reversed.
func (d *Desk) Reverse(ctx context.Context, c *Client, key string) (a ReversalAnswer, err error) {
	defer func() { d.count(kindReversal, err) }()
	if err := CheckKey(key); err != nil {
		return ReversalAnswer{}, err
	}
	err = d.inTx(ctx, func(tx pgx.Tx) error {
		var err error
		a, err = d.reverseTx(ctx, tx, c, key)
		return err
	})
	if err != nil {
		return ReversalAnswer{}, err
	}
	return a, nil
}

// reverseTx races with the committer through the unique constraint on the key:
// whoever inserts first has it, the other waits for the outcome and sees it.
func (d *Desk) reverseTx(ctx context.Context, tx pgx.Tx, c *Client, key string) (ReversalAnswer, error) {
	t := c.Terminal
	if err := terminalActive(ctx, tx, t); err != nil {
		return ReversalAnswer{}, err
	}
	p, err := purchaseByKey(ctx, tx, t.MerchantID, t.ID, key)
	if errors.Is(err, ErrNotFound) {
		return buryKey(ctx, tx, c, key)
	}
	if err != nil {
		return ReversalAnswer{}, err
	}
	if p.state == StateTombstone {
		return ReversalAnswer{UndoAnswer: UndoAnswer{State: StateTombstone, At: p.at, Replayed: true}}, nil
	}
	s, err := lockUndo(ctx, tx, p)
	if err != nil {
		return ReversalAnswer{}, err
	}
	if p = s.p; p.state == StateReversed {
		return lastReversal(ctx, tx, p)
	}
	w := &undoWork{client: c, id: p.id, kind: kindReversal}
	w.hash = hashUndo(w, 0, nil)
	w.compute = func(s *undoState) (undoing, error) {
		u, err := s.p.undoAll(kindReversal)
		if err == nil && !s.p.undone() && s.today > s.p.day+1 {
			err = ErrReversalTooLate
		}
		return u, err
	}
	u, err := s.apply(ctx, tx, w)
	return ReversalAnswer{UndoAnswer: u, Found: true}, err
}

// buryKey puts a tombstone under a key that holds nothing.
func buryKey(ctx context.Context, tx pgx.Tx, c *Client, key string) (ReversalAnswer, error) {
	if _, err := tx.Exec(ctx, lockDaysSQL); err != nil {
		return ReversalAnswer{}, fmt.Errorf("purchase: lock days: %w", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return ReversalAnswer{}, fmt.Errorf("purchase: tombstone: %w", err)
	}
	t := c.Terminal
	a := ReversalAnswer{UndoAnswer: UndoAnswer{State: StateTombstone}}
	err = tx.QueryRow(ctx, `INSERT INTO purchases (merchant_id, id, terminal_id, idem_key, request_hash, state, outlet_id,
			contract_id, terms_version, card_serial, code_kind, code_key, quote_id, quoted_at, amount_fen, discount_fen,
			union_share_fen, applied, business_day, committed_at)
		VALUES ($1, $2, $3, $4, '', 9, $5, 0, 0, 0, 0, 0, 0, now(), 0, 0, 0, '[]', `+businessDaySQL+`, now())
		ON CONFLICT ON CONSTRAINT purchases_key DO NOTHING RETURNING committed_at`,
		t.MerchantID, id, t.ID, key, t.OutletID).Scan(&a.At)
	if errors.Is(err, pgx.ErrNoRows) {
		return ReversalAnswer{}, errTryAgain // a purchase has just come in; undo it
	}
	if err != nil {
		return ReversalAnswer{}, fmt.Errorf("purchase: tombstone: %w", err)
	}
	a.At = a.At.UTC()
	return a, nil
}

// lastReversal repeats the answer of the reversal that a purchase had.
func lastReversal(ctx context.Context, tx pgx.Tx, p *stored) (ReversalAnswer, error) {
	var answer []byte
	err := tx.QueryRow(ctx, `SELECT answer FROM purchase_undos
		WHERE merchant_id = $1 AND purchase_id = $2 AND kind = $3`, p.merchant, p.id, kindReversal).Scan(&answer)
	if err != nil {
		return ReversalAnswer{}, fmt.Errorf("purchase: read reversal: %w", err)
	}
	u, err := replayedUndo(answer)
	return ReversalAnswer{UndoAnswer: u, Found: true}, err
}
