// Package application takes in merchants: what they apply with, the office's
// review of it, and the acceptance that makes a merchant, its outlets and a draft
// contract of it (policy article 18: each office answers for the merchants it
// signed).
//
// # States
//
// An application goes through the stages of merchant/lifecycle.go: draft →
// submitted → in_review → negotiating, with returned (to be corrected), rejected
// and ended (withdrawn) beside. From negotiating on the contract it is linked to
// carries on. Every move asks that one table.
//
// # Invariants
//
// Contact and bank details are stored encrypted (Vault) and appear in no event,
// list or log; a keyed hash finds the same phone again. An application has a
// version; who saves or moves an older one is told what changed (ConflictError).
// Accepting happens once: merchant, outlets, contract and link are one
// transaction. A tick of the checklist falls when what it rests on changes.
//
// # The applicant
//
// A merchant that applied on the public form holds a secret link; only the hash
// of its token is stored. It shows the own application and nothing of others:
// that a company is known already is the office's knowledge alone.
package application
