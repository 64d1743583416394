package merchant

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant/terms"
)

// checkBudgets refuses Terms with a union's share that no budget pays, or one that
// is not there for the contract: a budget of the contract's office or of one above it,
// or of one below it that names the merchant. What is absent and what is another
// office's look the same. Whether it pays at a moment is decided at the till.
func checkBudgets(ctx context.Context, tx pgx.Tx, c *Contract, doc *terms.Terms) error {
	for _, o := range doc.Offers {
		if o.Budget == 0 && o.FundingBP < 10_000 {
			return &InvalidError{Field: "terms", Detail: fmt.Sprintf("offer %s: budget: the union's share needs one", o.ID)}
		}
		if o.Budget == 0 {
			continue
		}
		var there bool
		err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM budgets b
			JOIN unions theirs ON theirs.id = b.office_id JOIN unions ours ON ours.id = $2
			WHERE b.id = $1 AND b.kind = 'budget' AND b.state IN ('open', 'frozen')
			  AND (starts_with(ours.path, theirs.path) OR starts_with(theirs.path, ours.path) AND $3 = ANY (b.merchants)))`,
			o.Budget, c.OfficeID, c.MerchantID).Scan(&there)
		if err != nil {
			return fmt.Errorf("merchant: check budgets: %w", err)
		}
		if !there {
			return &InvalidError{Field: "terms", Detail: fmt.Sprintf("offer %s: budget: there is none of number %d that pays for this contract", o.ID, o.Budget)}
		}
	}
	return nil
}

// checkUnfunded refuses a floor whose discounts the union would pay: it binds whether
// there is money left or not.
func checkUnfunded(doc *terms.Terms) error {
	for _, o := range doc.Offers {
		if o.Budget != 0 {
			return &InvalidError{Field: "terms", Detail: fmt.Sprintf("offer %s: budget: a floor names none", o.ID)}
		}
	}
	return nil
}
