// Package card holds members' cards: what is shown at a till (the codes), the
// flat table every verification reads, and the store behind both.
//
// # Codes
//
// Three forms, all ASCII digits, told apart by length, all beginning with the
// province's two digits:
//
//	phone    20  prefix 2, alias 10, TOTP 8                     changes every 30 s
//	printed  36  prefix 2, version 1, serial 11, generation 3, key id 2, MAC 17
//	typed    16  prefix 2, random 13, check digit 1             the card number
//
// The alias is the serial and one of two slots under FF1 (NIST SP 800-38G) with
// the week as tweak, so a shop can not follow a worker from week to week. The
// TOTP key (RFC 6238, HMAC-SHA-256) is derived by HKDF (RFC 5869) from a master
// key over serial, generation, phone epoch, week and slot: no secret is stored per
// card. Raising the generation (a replaced card) ends every older code at once,
// raising the epoch (another phone takes over) every key of the phones before.
//
// # A card's life
//
// Issued active at once, or inactive until its member has it (Activate); suspended
// and resumed, lost and found, replaced, and for good cancelled or ended with the
// membership: the table moves in card.go. A member has at most one live card
// (live_cards). Every change is one transaction with its event and its row of the
// change feed; IssueMany, RenewMany, LeaveMany and the cards of a batch are done
// set-based with the same.
//
// Invariants: every code leads to its serial by arithmetic alone; unknown,
// expired and forged codes get one error after the same work; no key material
// is ever printed; a phone code is bound to the first terminal that scans it;
// what a blind guesser may try is bounded per client, outlet, card, network
// address and in all, without a clean client ever being refused.
package card
