package union

import (
	"cmp"
	"fmt"
	"slices"
)

// Tree is the whole union tree in memory. It never changes; a changed tree is a
// new one, swapped in whole.
type Tree struct {
	byID       map[int64]*Union
	byDivision map[int32]*Union
	// places holds what every verification asks of a territory.
	places  map[int32]place
	root    *Union
	ranked  []*Union
	version int64
}

// place is a territory as tills and Terms see it.
type place struct {
	name string
	city int32
}

// NewTree builds a tree. It refuses unions whose parents are missing, whose
// paths do not follow from them, or whose territories do not exist. An empty
// tree is one: a database before its unions are seeded.
func NewTree(unions []Union) (*Tree, error) {
	t := &Tree{byID: make(map[int64]*Union, len(unions)), byDivision: make(map[int32]*Union)}
	own := slices.Clone(unions)
	for i := range own {
		u := &own[i]
		if t.byID[u.ID] != nil {
			return nil, fmt.Errorf("union: %d is there twice", u.ID)
		}
		t.byID[u.ID] = u
		if u.Division != 0 {
			t.byDivision[u.Division] = u
		}
		if u.Kind == Province {
			if t.root != nil {
				return nil, fmt.Errorf("union: two provinces, %d and %d", t.root.ID, u.ID)
			}
			t.root = u
		}
		if u.Ranked() && u.Active {
			t.ranked = append(t.ranked, u)
		}
		t.version = max(t.version, u.Version)
	}
	for i := range own {
		want := own[i]
		if err := want.place(t.byID[want.ParentID]); err != nil {
			return nil, err
		}
		if _, ok := t.byID[want.MergedInto]; want.MergedInto != 0 && (!ok || want.Active) {
			return nil, fmt.Errorf("union: %d was merged into %d, active %v", want.ID, want.MergedInto, want.Active)
		}
		if want.Path != own[i].Path || want.Territory != own[i].Territory {
			return nil, fmt.Errorf("union: %d has path %s and territory %d, want %s and %d",
				want.ID, own[i].Path, own[i].Territory, want.Path, want.Territory)
		}
	}
	t.places = make(map[int32]place, len(t.byDivision))
	for code := range t.byDivision {
		t.places[code] = place{t.name(code), t.city(code)}
	}
	slices.SortFunc(t.ranked, func(a, b *Union) int { return cmp.Compare(a.Division, b.Division) })
	return t, nil
}

// Len is the number of unions.
func (t *Tree) Len() int { return len(t.byID) }

// Root is the province, nil in an empty tree.
func (t *Tree) Root() *Union { return t.root }

// ByID finds a union.
func (t *Tree) ByID(id int64) (*Union, bool) {
	u, ok := t.byID[id]
	return u, ok
}

// ByDivision finds the territorial union of a GB/T 2260 code.
func (t *Tree) ByDivision(code int32) (*Union, bool) {
	u, ok := t.byDivision[code]
	return u, ok
}

// Ranked returns what is ranked in public, by division: the cities and beside
// them the directly administered counties (article 27).
func (t *Tree) Ranked() []*Union { return slices.Clone(t.ranked) }

// Name is what a till shows as a card's union: the union of the territory, as
// 金水区总工会. A territory without a union of its own gets that of its city,
// else the province's, else "". What was merged is called as its successor.
func (t *Tree) Name(territory int32) string {
	if p, ok := t.places[territory]; ok {
		return p.name
	}
	return t.name(territory)
}

func (t *Tree) name(territory int32) string {
	for _, code := range [...]int32{territory, cityCode(territory)} {
		if u := t.successor(t.byDivision[code]); u != nil {
			return u.Name
		}
	}
	if t.root != nil {
		return t.root.Name
	}
	return ""
}

// City is the division of the city that a territory lies in: a city's own, a
// county's parent, and for a directly administered county the city around it,
// whose offers cover it too; of what was merged, its successor's. 0 for the
// province and for what is unknown.
func (t *Tree) City(territory int32) int32 { return t.places[territory].city }

func (t *Tree) city(territory int32) int32 {
	u := t.successor(t.byDivision[territory])
	if u == nil {
		return 0
	}
	switch {
	case u.Kind == City:
		return u.Division
	case u.Kind == County:
		if c := t.successor(t.byDivision[cityCode(u.Division)]); c != nil && c.Kind == City {
			return c.Division
		}
		if p := t.byID[u.ParentID]; p != nil && p.Kind == City {
			return p.Division
		}
	}
	return 0
}

// RankedUnit is the division a territory counts for in the public ranking
// (article 27): itself for a directly administered county, else its city; 0 for
// the province.
func (t *Tree) RankedUnit(territory int32) int32 {
	if u := t.successor(t.byDivision[territory]); u != nil && u.DirectCounty {
		return u.Division
	}
	return t.City(territory)
}

// Successor is the active union that a union is by now: itself, or what it was
// merged into; nil for an id that is unknown.
func (t *Tree) Successor(id int64) *Union { return t.successor(t.byID[id]) }

// successor follows mergers; u may be nil.
func (t *Tree) successor(u *Union) *Union {
	// A merged union never becomes active again, so no chain comes back to itself;
	// the bound holds for a damaged table too.
	for range len(t.byID) {
		if u == nil || u.MergedInto == 0 {
			return u
		}
		u = t.byID[u.MergedInto]
	}
	return nil
}

// InScope reports whether the union id lies in the scope of the union of.
func (t *Tree) InScope(of, id int64) bool {
	a, okA := t.byID[of]
	b, okB := t.byID[id]
	return okA && okB && a.Contains(b)
}

// cityCode is the city's code by the build of GB/T 2260: the first four digits.
func cityCode(code int32) int32 { return code / 100 * 100 }
