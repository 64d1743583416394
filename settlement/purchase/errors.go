package purchase

import (
	"errors"
	"time"
)

// What a caller can be told. Errors of card, merchant and terms come through as
// they are; api/problem.go maps all of them to status, code and sentence.
var (
	// ErrCodeUsed: the phone code has had its one purchase. Only said to a caller
	// who has proved the code; comes in a Refusal with RetryAfter.
	ErrCodeUsed = errors.New("purchase: code already used")
	// ErrOutletRequired: a POS server acts for many outlets and must name one.
	ErrOutletRequired = errors.New("purchase: a POS server must name an outlet")
	// ErrNotFound: there is nothing of that name inside the caller's scope;
	// what belongs to another merchant or outlet looks the same.
	ErrNotFound = errors.New("purchase: not found")

	// ErrQuoteInvalid: the token is not one of ours, or was altered.
	ErrQuoteInvalid = errors.New("purchase: quote is not valid")
	// ErrQuoteExpired: the token is older than QuoteLife.
	ErrQuoteExpired = errors.New("purchase: quote has expired")
	// ErrQuoteMismatch: the items are not the quoted ones.
	ErrQuoteMismatch = errors.New("purchase: items are not the quoted ones")
	// ErrQuoteOtherClient: another client of the same merchant got the quote.
	ErrQuoteOtherClient = errors.New("purchase: quote belongs to another client")
	// ErrQuoteUsed: the quote has had its one purchase, under another key.
	ErrQuoteUsed = errors.New("purchase: quote already used")

	// ErrLimitReached: an offer's usage limit is spent; the Refusal names the
	// offer and carries a fresh quote.
	ErrLimitReached = errors.New("purchase: usage limit reached")
	// ErrCapReached: the card's daily cap for printed or typed codes is spent; the
	// Refusal carries a fresh quote.
	ErrCapReached = errors.New("purchase: daily cap of static codes reached")

	// ErrBudgetExhausted: a budget has less left, all of it together, than the
	// purchase draws on it. This and the three below come in a Refusal that names the
	// offer and carries a fresh quote without it.
	ErrBudgetExhausted = errors.New("purchase: budget exhausted")
	// ErrBudgetClosed: a budget is frozen, closed or past its last day.
	ErrBudgetClosed = errors.New("purchase: budget is not open")
	// ErrBudgetCardCap: the card has had of a budget what one member may have.
	ErrBudgetCardCap = errors.New("purchase: member cap of a budget reached")
	// ErrVoucherUsed: the voucher was used, has expired or was revoked meanwhile.
	ErrVoucherUsed = errors.New("purchase: voucher is not to be had any more")

	// ErrKeyInvalid: an idempotency key has 1 to 64 printable ASCII characters.
	ErrKeyInvalid = errors.New("purchase: idempotency key is not valid")
	// ErrKeyReused: the key was used before with another payload.
	ErrKeyReused = errors.New("purchase: idempotency key reused with another payload")
	// ErrKeyInFlight: a request under this key is being worked on.
	ErrKeyInFlight = errors.New("purchase: idempotency key in flight")
	// ErrKeyReversed: the key was reversed; nothing can be bought under it.
	ErrKeyReversed = errors.New("purchase: idempotency key was reversed")
	// ErrTextInvalid: merchant_ref, operator or reason is too long or holds control
	// characters.
	ErrTextInvalid = errors.New("purchase: text is not valid")

	// ErrVoidTooLate: voids end with the purchase's business day; a full refund
	// does the same later.
	ErrVoidTooLate = errors.New("purchase: void is too late")
	// ErrReversalTooLate: reversals end with the business day after the purchase's.
	ErrReversalTooLate = errors.New("purchase: reversal is too late")
	// ErrPurchaseUndone: nothing is left of the purchase to undo.
	ErrPurchaseUndone = errors.New("purchase: already undone")
	// ErrRefundExceeds: more than what remains of the purchase or the line.
	ErrRefundExceeds = errors.New("purchase: refund exceeds what remains")
	// ErrRefundByLineRefused: no lines are known, or a refund by amount went before.
	ErrRefundByLineRefused = errors.New("purchase: refund by line refused")
	// ErrRefundByAmountRefused: nothing was paid, so there is only a refund by line.
	ErrRefundByAmountRefused = errors.New("purchase: refund by amount refused")
	// ErrRefundLineUnknown: the purchase has no line of that number.
	ErrRefundLineUnknown = errors.New("purchase: purchase has no such line")
	// ErrRefundInvalid: a refund names either an amount or lines, each line once.
	ErrRefundInvalid = errors.New("purchase: refund names neither amount nor lines, or both")
	// ErrRefundTailOver: the contract's refund tail is over.
	ErrRefundTailOver = errors.New("purchase: refund tail is over")

	// ErrViewStale: this node's view of cards and contracts is too old to sell on.
	ErrViewStale = errors.New("purchase: view is stale")
	// ErrOverloaded: the queue is full or the database is away; nothing was
	// recorded. Comes in a Refusal with RetryAfter.
	ErrOverloaded = errors.New("purchase: overloaded")
	// ErrOutcomeUnknown: whether the purchase was recorded could not be found out
	// in time; ask again by key.
	ErrOutcomeUnknown = errors.New("purchase: outcome unknown")
)

// Refusal wraps an error with what the till needs to go on. errors.Is sees
// through it.
type Refusal struct {
	Err error
	// RetryAfter is how long to wait before the same can succeed; 0 if waiting
	// does not help.
	RetryAfter time.Duration
	// Offer is the id of the offer whose limit, budget or voucher is spent.
	Offer string
	// Quote is a fresh quote on the same code step, nil if there is none.
	Quote *VerifyAnswer
}

func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap returns the sentinel.
func (r *Refusal) Unwrap() error { return r.Err }
