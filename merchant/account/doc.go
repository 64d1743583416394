// Package account is the people of a merchant: who of it may use the portal, how
// they sign in, what they may do there and what they are told (policy article 18:
// offices and merchants deal with each other openly).
//
// # Who
//
// A User is one mobile number at one merchant. An owner does everything, finance
// what concerns money, a manager what concerns the shops named with it, and sees no
// other. The first owner is invited by the office that answers for the merchant, all
// others by an owner. A merchant that is suspended or has left reads on and changes
// nothing (ReadOnly), for as long as ReadableAfter says, but what settles money owed and
// what takes access away.
//
// # Signing in
//
//	number ── code by SMS ──> choose (a user of several merchants)
//	                     ──> code   (has a second factor)
//	                     ──> enrol  (owner or finance without one)
//	                     ──> full
//
// Each stage has a token of its own, which replaces the last; only a full one opens
// the portal, and whoever becomes owner or finance later signs in again with the
// second factor. Roles, shops and the merchant's state are read afresh with every
// request.
//
// # Invariants
//
// A number is a user of a merchant at most once (unique index). A merchant that has
// users keeps an owner, unless its office takes the last one away. Known and unknown
// numbers get the same answer (package phone). Numbers are sealed and found by keyed
// hash (package personal); events hold neither numbers nor names. The merchant's row
// lock keeps two changes to its users apart.
package account
