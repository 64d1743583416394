// Package staff is who works in the unions' offices: accounts, their roles and
// the territory in which these count.
//
// An account belongs to one union; its territory is that union and everything
// below it in the tree. Outside its territory nothing exists for it; inside,
// its roles say what it may do (invariant 9). Nobody grants beyond their own:
// neither a role they could not give nor a union outside their territory.
package staff

import (
	"errors"
	"slices"

	"unioncard/card/union"
)

// Account is somebody signed in, as the database has it at this request.
type Account struct {
	ID      int64
	Login   string
	Name    string
	UnionID int64
	Union   string // its name
	Path    string // the union's path: what lies at or below it is in the territory
	Roles   []Role
}

// May reports whether one of the account's roles has a right.
func (a *Account) May(right Right) bool {
	return right == SignedIn || slices.ContainsFunc(a.Roles, func(r Role) bool { return r.May(right) })
}

// Covers reports whether the union of a path lies in the account's territory.
func (a *Account) Covers(path string) bool { return union.InScope(a.Path, path) }

// ErrNoSession: no session has this token, or it is over, or its account is
// disabled.
var ErrNoSession = errors.New("staff: no such session")
