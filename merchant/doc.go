// Package merchant holds the merchants that give members discounts: companies,
// their outlets, the terminals in them, the contracts offices sign with them,
// and the province's floors (policy articles 4, 5 and 18).
//
// # Who is under which contract
//
// A contract with an outlet (Contract.OutletID) covers that outlet; one without
// covers every outlet of the merchant that has none of its own at that moment.
// An outlet has at most one contract in force at a moment: the table
// contract_outlets is derived from the contracts by a pure rule (coverage.go)
// and an exclusion constraint stands behind it.
//
// # Terms
//
// A contract carries published versions of its Terms. Publishing is refused with
// BelowFloorError if the Terms are worse for the member than any floor that
// applies while contract and floor are both valid (invariant 1). A floor that
// rises later finds the contracts below it: with the floor clause (随省条款) they
// are lifted at the till from the floor's start, without it they get a deadline,
// after which SuspendOverdue suspends them.
//
// # The view of the tills
//
// State holds an immutable Snapshot of all this in memory, kept current by the
// change feed; verification reads nothing else. A purchase asks PostgreSQL again
// by StatusSQL (status.go).
//
// # Who protects what
//
// Read Committed throughout. Every change of a merchant, its outlets, contracts
// and coverage locks the merchant's row first, so that changes within one
// merchant run one after the other; floors are kept apart from publishing by
// advisory locks (lock.go); every method names what protects it.
package merchant
