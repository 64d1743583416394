package merchant

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union"
	"unioncard/merchant/terms"
)

// holdTerritories refuses Terms that name the territory of a union which was merged:
// no card carries its code any more, so they would promise nobody anything. It keeps
// the tree as it is until the end of the transaction, since a merger looks at the
// published Terms (merchant/territory), and so comes before the first row lock.
func holdTerritories(ctx context.Context, tx pgx.Tx, doc *terms.Terms) error {
	var named []int32
	for _, o := range doc.Offers {
		named = append(named, o.Eligibility.Territories...)
	}
	if len(named) == 0 {
		return nil
	}
	if err := union.Hold(ctx, tx); err != nil {
		return err
	}
	var merged *int32
	err := tx.QueryRow(ctx, `SELECT min(division) FROM unions WHERE division = ANY ($1) AND merged_into IS NOT NULL`, named).Scan(&merged)
	if err != nil {
		return fmt.Errorf("merchant: check territories: %w", err)
	}
	if merged != nil {
		return &InvalidError{Field: "territory", Detail: fmt.Sprintf("%d was merged into another territory", *merged)}
	}
	return nil
}
