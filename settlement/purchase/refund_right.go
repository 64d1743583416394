package purchase

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant"
)

// ErrRefundNotAllowed: the merchant lets the terminals of this outlet void or refund
// only so far, or not at all.
var ErrRefundNotAllowed = errors.New("purchase: the merchant does not let this outlet take purchases back")

// mayTakeBack holds a terminal to what its merchant lets the outlet take back
// (outlets.refunds). A POS server acts for the merchant itself; a reversal of a lost
// answer is none of this. It is read with every undoing, so a change counts at once.
func mayTakeBack(ctx context.Context, tx pgx.Tx, t *merchant.Terminal, kind int16) error {
	if t.POSServer || kind == kindReversal {
		return nil
	}
	var refunds string
	err := tx.QueryRow(ctx, `SELECT refunds FROM outlets WHERE id = $1 AND merchant_id = $2`, t.OutletID, t.MerchantID).Scan(&refunds)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNotFound
	case err != nil:
		return fmt.Errorf("purchase: read refund right: %w", err)
	case refunds == "none", refunds == "void" && kind != kindVoid:
		return ErrRefundNotAllowed
	}
	return nil
}
