// Package ledger keeps the double-entry book of union money and discounts.
//
// A Transfer moves an amount from its debit account to its credit account in one
// row, so that the book balances by its shape (invariant 7). Transfers are posted in
// the transaction of what they belong to, and are never changed or deleted: the
// database refuses both. What was wrong is put right by another transfer.
//
// An account's balance is what was credited less what was debited. So a merchant's
// is what the union owes it, a budget's what is left of it, Members' what members
// have saved at merchants' cost, and a fund's is negative by what it has given.
//
//	purchase    leg 1  Discount(m) → Members    the merchant's share
//	            then   Budget(b)   → Merchant(m)  the union's share, a leg a budget
//	void, reversal, refund: the same, the other way round
//	funding     Fund(office) → Budget     allocation  Budget → Budget (series)
//	return      Budget → Fund, or series → Budget
//	payment     Merchant → Payment(batch)  returned   Payment → Merchant
//	adjustment  Adjustment(office) → Merchant, or back
//
// A purchase without a discount posts nothing. All amounts are int64 fen above 0.
package ledger
