// Package webhook tells merchants' systems of their purchases and statements by
// HTTP, signed after Standard Webhooks (standardwebhooks.com).
//
// An Endpoint is an address of a merchant with its secret and the events it wants.
// Nothing is written on the purchase's path: a Sender reads what is new from the
// purchases, their undoings and the statements behind a cursor of each endpoint,
// always some way back again, as rows become visible out of order, and puts one
// message an event into the outbox (webhook_messages). Then it sends what is due.
//
// States of an endpoint: active, paused (by the merchant), disabled (by the
// service), deleted. States of a message: waiting, delivered, given up, dropped.
//
// Invariants:
//
//   - an event is one message an endpoint, whoever collects and however often, with
//     one id and one body for all its attempts;
//   - a message is sent at least once: who dies between sending and writing that
//     down sends it again. Receivers tell repeats by webhook-id;
//   - no order is promised: a failed message waits while later ones are sent;
//   - only the public internet is reached: addresses are judged after DNS, at the
//     very connection, so that a name can't be turned meanwhile; redirects are not
//     followed and proxies not asked;
//   - a target that hangs holds a few slots of its own for ten seconds, then one;
//   - no body names a card, a member or a union beside the figures (invariant 11).
//
// A message that fails is tried again with growing pauses for 24 hours; an endpoint
// at which everything has failed for 24 hours is disabled, and its merchant told.
package webhook
