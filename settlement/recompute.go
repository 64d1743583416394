package settlement

import (
	"context"
	"crypto/sha256"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant"
	"unioncard/settlement/ledger"
)

// Recompute gives a statement's bytes and their SHA-256 from the purchases, undoings
// and adjustments, and the opening balance from the ledger: the same as were closed
// (invariant 7), or, of a day that is open, as they would be now. merchant.ErrNotFound
// if nothing happened.
func (s *Store) Recompute(ctx context.Context, merchantID int64, day ledger.Day) (body []byte, sum [sha256.Size]byte, err error) {
	err = s.change(ctx, func(tx pgx.Tx) error {
		b, ok, err := recompute(ctx, tx, merchantID, day)
		if err != nil {
			return err
		}
		if !ok {
			return merchant.ErrNotFound
		}
		body, sum, err = b.Marshal()
		return err
	})
	return body, sum, err
}
