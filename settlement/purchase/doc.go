// Package purchase turns a shown card into a recorded discount: the quote, the
// purchase and its undoing.
//
// A Verifier answers without the database whether a card is good and what a
// basket earns, and signs the answer as a Quote: a token that pins everything a
// purchase needs, valid for three minutes. A Committer records quotes in
// groups, one transaction a batch. A Desk voids, refunds and reverses.
//
// States of a purchase are in state.go: committed, voided, reversed, partially
// refunded, refunded, and tombstone, a reversed key that never became one.
//
// What this package keeps true (DESIGN, "What must always hold"):
//   - a purchase acknowledged to a till exists after any crash, exactly once a
//     (merchant, terminal, idempotency key), forever (2);
//   - a phone code (card, slot, step) yields at most one purchase and stays used
//     after an undoing; any quote yields at most one (3);
//   - the status of card, terminal, outlet, merchant and contract is read again
//     by the transaction that records the purchase (4);
//   - no refund exceeds what was paid, and undoing gives usage back on the path
//     that took it (5); usage limits, caps and budgets hold however many tills race,
//     and a voucher is used once (6);
//   - every purchase and undoing posts its transfers in its own transaction (7).
//
// All money is int64 fen. Business days are days in Beijing (UTC+8) by the
// database's clock.
package purchase
