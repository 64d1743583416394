package account

import (
	"fmt"
	"slices"
	"strconv"

	"unioncard/card/union/event"
)

// Role is what a user is to the merchant.
type Role string

// The roles, as stored.
const (
	Owner   Role = "owner"   // 老板
	Finance Role = "finance" // 财务
	Manager Role = "manager" // 店长, of named shops
)

// Roles is every role, in the order in which people see them.
func Roles() []Role { return []Role{Owner, Finance, Manager} }

// Title is a role in Chinese.
func (r Role) Title() string {
	switch r {
	case Owner:
		return "老板"
	case Finance:
		return "财务"
	case Manager:
		return "店长"
	}
	return string(r)
}

// Right is what a route of the portal asks of a user.
type Right string

// The rights, as notices store them. "" is none: the page is open to who has not
// signed in.
const (
	Anybody Right = "anybody" // of the merchant; a manager's shops only, see Sees
	Money   Right = "money"   // statements, payments, disputes, the till's files
	Shops   Right = "shops"   // outlets and terminals; a manager's own
	Owners  Right = "owner"   // users, contract, webhooks
)

// who may, by right.
func rights() map[Right][]Role {
	return map[Right][]Role{
		Anybody: {Owner, Finance, Manager},
		Money:   {Owner, Finance},
		Shops:   {Owner, Manager},
		Owners:  {Owner},
	}
}

// Rights is every right.
func Rights() []Right { return []Right{Anybody, Money, Shops, Owners} }

// User is who is signed in to the portal.
type User struct {
	ID         int64
	MerchantID int64
	Merchant   string // its name
	Name       string
	Roles      []Role
	// OutletIDs are the shops of a manager; of no meaning while AllOutlets.
	OutletIDs []int64
	// ReadOnly: the merchant is suspended or has left. What it may still do concerns
	// money that is owed already.
	ReadOnly bool
	// Status is the merchant's, as package merchant has it.
	Status string
	// Unread is how many notices the user has not seen.
	Unread int
	// Several: the number is a user of other merchants, too.
	Several bool

	session []byte
}

// Is reports whether the user has a role.
func (u *User) Is(r Role) bool { return slices.Contains(u.Roles, r) }

// May reports whether the user has a right.
func (u *User) May(r Right) bool {
	return slices.ContainsFunc(rights()[r], u.Is)
}

// AllOutlets reports whether the user sees every shop of the merchant.
func (u *User) AllOutlets() bool { return u.Is(Owner) || u.Is(Finance) }

// Sees reports whether the user may know of a shop of the merchant. The caller has
// made sure that it is the merchant's.
func (u *User) Sees(outletID int64) bool {
	return u.AllOutlets() || slices.Contains(u.OutletIDs, outletID)
}

// Outlets narrows a query: nil for every shop of the merchant, else the user's own
// (never nil then).
func (u *User) Outlets() []int64 {
	if u.AllOutlets() {
		return nil
	}
	if u.OutletIDs == nil {
		return []int64{}
	}
	return u.OutletIDs
}

// Runs reports whether the user may change a shop: an owner any, a manager the own.
func (u *User) Runs(outletID int64) bool {
	return u.Is(Owner) || u.Is(Manager) && slices.Contains(u.OutletIDs, outletID)
}

// RoleTitles are the user's roles in Chinese, for the page.
func (u *User) RoleTitles() string { return titles(u.Roles) }

func titles(roles []Role) (s string) {
	for _, r := range Roles() {
		if slices.Contains(roles, r) {
			if s != "" {
				s += "、"
			}
			s += r.Title()
		}
	}
	return s
}

// Actor is the user as the event log names it.
func (u *User) Actor() event.Actor { return actor(u.ID) }

func actor(id int64) event.Actor { return "merchant:" + strconv.FormatInt(id, 10) }

// object is a user as an event's object.
func object(id int64) string { return fmt.Sprintf("merchantuser:%d", id) }

// wantsFactor reports whether roles ask for a second factor.
func wantsFactor(roles []Role) bool {
	return slices.Contains(roles, Owner) || slices.Contains(roles, Finance)
}
