package purchase

import (
	"context"
	"errors"

	"unioncard/card"
	"unioncard/merchant"
	"unioncard/merchant/terms"
)

// outcomes names what can come of a verification or a purchase, in the journal
// and in metrics: the API's codes. The first that errors.Is finds counts.
var outcomes = [...]struct {
	err  error
	name string
}{
	{card.ErrCodeFormat, "code_format"},
	{card.ErrCodeInvalid, "code_invalid"},
	{card.ErrCodeBound, "code_bound"},
	{ErrCodeUsed, "code_used"},
	{card.ErrGuessBlocked, "guess_blocked"},
	{card.ErrTypedBlocked, "typed_blocked"},
	{merchant.ErrTypedNotAllowed, "typed_not_allowed"},
	{card.ErrCardSuspended, "card_suspended"},
	{card.ErrCardLost, "card_lost"},
	{card.ErrCardCancelled, "card_cancelled"},
	{card.ErrCardExpired, "card_expired"},
	{card.ErrMemberLeft, "member_left"},
	{card.ErrCardInactive, "card_inactive"},
	{merchant.ErrTerminalSuspended, "terminal_suspended"},
	{merchant.ErrNoContract, "no_contract"},
	{merchant.ErrContractSuspended, "contract_suspended"},
	{merchant.ErrContractEnded, "contract_ended"},
	{merchant.ErrOutletClosed, "outlet_closed"},
	{merchant.ErrMerchantExited, "merchant_exited"},
	{ErrOutletRequired, "outlet_required"},
	{ErrNotFound, "not_found"},
	{merchant.ErrNotFound, "not_found"},
	{terms.ErrAmount, "amount_invalid"},
	{ErrQuoteInvalid, "quote_invalid"},
	{ErrQuoteExpired, "quote_expired"},
	{ErrQuoteMismatch, "quote_mismatch"},
	{ErrQuoteOtherClient, "quote_other_terminal"},
	{ErrQuoteUsed, "quote_used"},
	{ErrLimitReached, "limit_reached"},
	{ErrCapReached, "cap_reached"},
	{ErrBudgetExhausted, "budget_exhausted"},
	{ErrBudgetClosed, "budget_closed"},
	{ErrBudgetCardCap, "budget_card_cap"},
	{ErrVoucherUsed, "voucher_used"},
	{ErrKeyInvalid, "idempotency_key_invalid"},
	{ErrKeyReused, "idempotency_key_reused"},
	{ErrKeyInFlight, "idempotency_key_in_flight"},
	{ErrKeyReversed, "key_reversed"},
	{ErrTextInvalid, "text_invalid"},
	{ErrViewStale, "view_stale"},
	{ErrOverloaded, "overloaded"},
	{ErrOutcomeUnknown, "outcome_unknown"},
	{context.Canceled, "gone"},
	{context.DeadlineExceeded, "gone"},
}

// The outcomes that are no error of the table, after it.
const (
	outcomeGood = len(outcomes) + iota
	outcomeInternal
	outcomeCount
)

// outcomeOf returns the number of an outcome.
func outcomeOf(err error) int {
	if err == nil {
		return outcomeGood
	}
	for i := range outcomes {
		if errors.Is(err, outcomes[i].err) {
			return i
		}
	}
	return outcomeInternal
}

func outcomeName(i int) string {
	switch i {
	case outcomeGood:
		return "good"
	case outcomeInternal:
		return "internal"
	}
	return outcomes[i].name
}
