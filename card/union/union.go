// Package union is the union tree (工会组织) and its territories.
//
// The province is the root. Cities answer to it, and so do the directly
// administered counties (省直管县), which article 27 of 豫工发〔2014〕25号 ranks
// beside the cities; every other county and functional zone answers to its
// city. Industry unions (产业工会) and the province-direct union (省直工会) have no
// territory of their own, and grassroots unions (基层工会) hang under any level.
//
// Invariants: a union's Path is its parent's Path and its own id, so that
// "inside the scope of X" is a prefix test; its Territory is the Division of
// the nearest territorial union at or above it, never empty. What others are
// shown of a member's union is that territory, never the grassroots union,
// which would name the employer.
//
// A union is never deleted. Merged into another it stays where it was, inactive,
// with its division and without anything below it; MergedInto leads, in as many
// steps as there were mergers, to the active union that took it in. What a
// territory's code means then is that union's territory.
//
// A merger has the tree's lock to itself (Merge); whoever writes down what follows
// from the tree's shape, as a union's path or a card's territory, shares it (Hold).
package union

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind is a union's level or sort.
type Kind string

// The kinds of unions.
const (
	Province   Kind = "province"
	City       Kind = "city"
	County     Kind = "county"
	Industry   Kind = "industry"   // 产业工会
	Direct     Kind = "direct"     // 省直工会
	Grassroots Kind = "grassroots" // 基层工会
)

// Territorial reports whether unions of this kind carry a Division.
func (k Kind) Territorial() bool { return k == Province || k == City || k == County }

// under reports whether a union of kind k may hang under one of kind parent.
func (k Kind) under(parent Kind) bool {
	switch k {
	case City:
		return parent == Province
	case County:
		return parent == City || parent == Province
	case Industry, Direct:
		return parent.Territorial()
	case Grassroots:
		return true
	}
	return false
}

// Union is a node of the tree.
type Union struct {
	ID       int64
	Kind     Kind
	Name     string
	ParentID int64  // 0 at the root
	Path     string // ids from the root: /1/20/300/
	Division int32  // GB/T 2260 of a territorial union, else 0
	// Territory is the Division of the nearest territorial union at or above.
	Territory    int32
	DirectCounty bool // 省直管县: under the province, ranked beside the cities
	Zone         bool // 功能区: a functional zone under its city
	// Active: a union that was merged is inactive for good.
	Active     bool
	MergedInto int64 // the union that took it in, 0 for none
	Version    int64
}

// Contains reports whether other lies in u's scope: u itself or anything below.
func (u *Union) Contains(other *Union) bool { return InScope(u.Path, other.Path) }

// Ranked reports whether offices of this union are ranked in public: cities and
// directly administered counties (article 27).
func (u *Union) Ranked() bool { return u.Kind == City || u.DirectCounty }

// InScope reports whether path is at or below scope. Both end in '/', so that
// /1/2/ does not take in /1/20/. An empty scope takes in nothing.
func InScope(scope, path string) bool {
	return scope != "" && scope[len(scope)-1] == '/' && strings.HasPrefix(path, scope)
}

// place sets what follows from u's parent (nil for the province): its Path and
// Territory. It refuses a union that can not hang there.
func (u *Union) place(parent *Union) error {
	if u.Name == "" {
		return fmt.Errorf("union: no name")
	}
	if (u.Division != 0) != u.Kind.Territorial() {
		return fmt.Errorf("union: %s %q with division %d", u.Kind, u.Name, u.Division)
	}
	if (u.DirectCounty || u.Zone) && u.Kind != County || u.DirectCounty && u.Zone {
		return fmt.Errorf("union: %s %q can't be a direct county or a zone", u.Kind, u.Name)
	}
	up := "/"
	u.Territory = u.Division
	if u.Kind == Province {
		if parent != nil {
			return fmt.Errorf("union: the province %q has a parent", u.Name)
		}
	} else {
		if parent == nil || !u.Kind.under(parent.Kind) ||
			u.Kind == County && u.DirectCounty != (parent.Kind == Province) {
			return fmt.Errorf("union: %s %q can't hang there", u.Kind, u.Name)
		}
		u.ParentID, up = parent.ID, parent.Path
		if u.Territory == 0 {
			u.Territory = parent.Territory
		}
	}
	u.Path = up + strconv.FormatInt(u.ID, 10) + "/"
	return nil
}
