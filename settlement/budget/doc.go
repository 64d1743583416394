// Package budget keeps union money that pays part of a discount (补贴预算): who put
// how much in, where and when it pays, and what is left of it.
//
// # States
//
// A budget is a draft until a second person approves its opening, which puts the
// money in. An open one pays on its days; a frozen one pays nothing until it is
// opened again; a closed one never pays again, and what is left of its money goes
// back to where it came from. What undoing a purchase gives back to a closed budget
// later goes back likewise (Store.Sweep). A voucher series is a budget too, whose
// money is allocated out of its parent when it opens (package voucher).
//
// # Where it pays
//
// At merchants whose office lies in the territory of the budget's own office, if it
// names trades only in these, if it names merchants only at these. A merchant that
// an upper office signed, as a chain is by the province, has to be named.
//
// # What always holds
//
// All money is int64 fen. amount = granted + allocated + returned + what is not
// handed out yet (budget_not_overdrawn); a slice's spent less given back never
// exceeds what it was granted (slice_not_overspent); so a budget is never overspent
// (invariant 6). Every step posts its transfers in its own transaction.
//
// # Who protects what
//
// Read Committed. A step locks the budget's row first, a series' parent before the
// series, and its slices after that; purchases lock slices only. Freezing, closing
// and whatever else a purchase must obey at once locks the slices too, so that none
// that started after the step's commit passes it by.
package budget
