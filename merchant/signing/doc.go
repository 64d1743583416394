// Package signing is how an office binds itself: what one person proposes
// another decides, what was agreed is printed, stamped and bound to its hash,
// and only that is published (policy article 18).
//
// # Proposals
//
// A proposal (提请) is of a Kind and about an object ("contract:12"). It waits
// until it is approved or declined by another person, or withdrawn by its maker;
// each takes a reason, and none can be undone. At most one proposal of a kind
// waits for an object. A proposal carries a fingerprint of what its maker saw;
// if that has changed when it is to be approved, the approval is refused with
// ErrStale. What an approval does, it does in its own transaction.
//
// # Who checks
//
// The checker of a proposal is decided at the moment of the decision, by the
// accounts as they are then:
//
//   - The desk is the union of the proposal's office, if it has an account that
//     is in use, may decide (staff.Decide) and is not the maker's; else the
//     nearest union above it that has one.
//   - Every such account of that one union, and nobody else, may decide. So an
//     upper office decides only where the office itself has no second person,
//     and stops as soon as it has one.
//   - The maker never decides, wherever they have moved and whatever roles they
//     have since been given. The checker's account is read again in the
//     decision's transaction and locked: a right that was taken away a moment
//     before counts no more.
//   - Who has moved to another office decides there and no longer here.
//
// Two accounts of one person are outside what a program can see.
//
// # Signatures
//
// Approved Terms are printed as an agreement, every page of which carries the
// SHA-256 of the whole (Agreement). The stamped scan is uploaded under that code
// and bound to it; publishing refuses whatever differs from what was approved
// and signed.
//
// # Who protects what
//
// Read Committed; every step is one transaction, so a process that dies leaves
// either all of it or nothing. A proposal's row is locked before anything else,
// then the accounts, then what package merchant locks.
package signing
