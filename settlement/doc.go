// Package settlement closes business days, gives merchants their statements, pays
// them, and proves the money from the purchases.
//
// # Close
//
// A Closer closes the days of Beijing in their order, never one that is not over
// (unless told to, from the command line). It first seals the day: whoever stamps a
// day holds its lock shared (purchase.DayLock), the closer takes it exclusively once
// and writes business_days.closed_at, after which nothing can be stamped with the
// day. Then it reads the day's purchases in one pass and writes the statements in
// chunks of merchants, each chunk a transaction; what a killed closer has left out
// the next one writes. There is one closer at a time: it holds a session's advisory
// lock on the one connection that it writes on, and a session that is silent for a
// minute is ended by the server.
//
// # Statements
//
// A statement is one merchant and one business day. Its body is canonical JSON with
// its SHA-256; neither ever changes (the table refuses it), and Recompute gives the
// same bytes from the purchases (invariant 7). Corrections come as later entries:
// undoings of earlier days' purchases and what people post (Adjust) are adjustments
// of the day on which they came. A merchant without a movement has no statement of
// the day. The balance is what the union owes the merchant:
//
//	opening + due − paid = closing,  due = union share − union share given back + adjustments
//
// States of a statement (state.go): closed, then confirmed by the merchant or by
// itself after the term, or disputed and resolved; payable from there on; paid.
//
// # Payments
//
// A payment is a batch of an office, of draft, sent, done or dropped: finance makes
// it, a second person approves it (proposal payment.send), the bank file is had with
// its control totals, and each line is paid or returned by the bank. What came back of
// any day is taken off, whatever days are paid for. A statement is in at most one live
// payment. A line's account is what it was when the batch was made,
// sealed; no page but the bank file opens it.
//
// # Audit
//
// Audit recomputes ledger, budgets, limits, vouchers, statements and payments from
// the purchases in one snapshot, and says of each proof whether it holds.
//
// Isolation is Read Committed; each method names the locks that protect it. All money
// is int64 fen; days are days in Beijing by the database's clock.
package settlement
