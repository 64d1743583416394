package terms

import (
	"fmt"
	"slices"
)

// mask is a set of offers, one bit each, bit i for the offer at index i.
type mask = uint64

// dict numbers names; it is built once and then only read. Open addressing on a
// cheap hash: the lists are short and the lookup is on the hot path of a till.
type dict struct {
	names []string
	slots []int32 // index into names plus 1; 0 is empty
	shift uint8
}

func newDict(names []string) dict {
	slices.Sort(names)
	d := dict{names: slices.Compact(names)}
	bits := uint8(3)
	for 1<<bits < 4*len(d.names) {
		bits++
	}
	d.shift = 64 - bits
	d.slots = make([]int32, 1<<bits)
	for i, s := range d.names {
		at := d.home(s)
		for d.slots[at] != 0 {
			at = (at + 1) & (len(d.slots) - 1)
		}
		d.slots[at] = int32(i + 1)
	}
	return d
}

// home is the first slot for s: a hash of its length and of its first and last
// eight bytes.
func (d *dict) home(s string) int {
	h := uint64(len(s))
	if len(s) >= 8 {
		h ^= load8(s) ^ load8(s[len(s)-8:])*0xff51afd7ed558ccd
	} else {
		for i := 0; i < len(s); i++ {
			h = h<<8 ^ uint64(s[i])
		}
	}
	h ^= h >> 29
	return int(h * 0x9e3779b97f4a7c15 >> d.shift)
}

func load8(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// find returns the number of s, or -1.
func (d *dict) find(s string) int {
	if len(d.names) == 0 || s == "" {
		return -1
	}
	at := d.home(s)
	for {
		i := d.slots[at]
		if i == 0 {
			return -1
		}
		if d.names[i-1] == s {
			return int(i - 1)
		}
		at = (at + 1) & (len(d.slots) - 1)
	}
}

// scopes answers for all offers of a document at once which of them have a line
// in scope.
type scopes struct {
	cats, skus     dict
	catIn, catOut  []mask // by number of the category
	skuIn, skuOut  []mask // by number of the SKU
	all            mask   // offers without lists of inclusion
	needCat        mask   // offers that except categories: out for a line without one
	needSKU        mask   // offers that except SKUs: out for a line without one
	everything     mask   // offers without any list: the only ones for an amount alone
	catless, plain bool   // no offer names a category; no offer names anything
}

// match returns the offers that have a line of this category and SKU in scope,
// and the number of its SKU.
func (s *scopes) match(category, sku string) (mask, int) {
	if s.plain {
		return s.all, -1
	}
	in, out := s.all, mask(0)
	if category == "" {
		out = s.needCat
	} else if !s.catless {
		if i := s.cats.find(category); i >= 0 {
			in |= s.catIn[i]
			out = s.catOut[i]
		}
	}
	number := -1
	if sku == "" {
		out |= s.needSKU
	} else if number = s.skus.find(sku); number >= 0 {
		in |= s.skuIn[number]
		out |= s.skuOut[number]
	}
	return in &^ out, number
}

func compileScopes(offers []Offer) scopes {
	var s scopes
	var cats, skus []string
	for i := range offers {
		sc := offers[i].scope()
		cats = append(append(cats, sc.Categories...), sc.ExceptCategories...)
		skus = append(append(skus, sc.SKUs...), sc.ExceptSKUs...)
	}
	s.cats, s.skus = newDict(cats), newDict(skus)
	s.catIn, s.catOut = make([]mask, len(s.cats.names)), make([]mask, len(s.cats.names))
	s.skuIn, s.skuOut = make([]mask, len(s.skus.names)), make([]mask, len(s.skus.names))
	for i := range offers {
		sc, bit := offers[i].scope(), mask(1)<<i
		set(s.catIn, &s.cats, sc.Categories, bit)
		set(s.catOut, &s.cats, sc.ExceptCategories, bit)
		set(s.skuIn, &s.skus, sc.SKUs, bit)
		set(s.skuOut, &s.skus, sc.ExceptSKUs, bit)
		if len(sc.Categories)+len(sc.SKUs) == 0 {
			s.all |= bit
		}
		if len(sc.ExceptCategories) > 0 {
			s.needCat |= bit
		}
		if len(sc.ExceptSKUs) > 0 {
			s.needSKU |= bit
		}
	}
	s.everything = s.all &^ s.needCat &^ s.needSKU
	s.catless = len(s.cats.names) == 0
	s.plain = s.catless && len(s.skus.names) == 0
	return s
}

func set(to []mask, d *dict, names []string, bit mask) {
	for _, n := range names {
		to[d.find(n)] |= bit
	}
}

// scope is the scope in force: a unit price offer has its listed SKUs.
func (o *Offer) scope() Scope {
	if o.Benefit.Kind != KindUnitPrice {
		return o.Scope
	}
	var s Scope
	for _, p := range o.Benefit.Prices {
		s.SKUs = append(s.SKUs, p.SKU)
	}
	return s
}

func (s *Scope) validate() error {
	lists := []struct {
		field string
		names []string
	}{
		{"categories", s.Categories}, {"skus", s.SKUs},
		{"except_categories", s.ExceptCategories}, {"except_skus", s.ExceptSKUs},
	}
	for _, l := range lists {
		if len(l.names) > MaxListed {
			return fmt.Errorf("scope.%s: more than %d", l.field, MaxListed)
		}
		seen := make(map[string]bool, len(l.names))
		for _, n := range l.names {
			if !validName(n) || seen[n] {
				return fmt.Errorf("scope.%s: %.70q is empty, over 64 bytes, has control characters or is there twice", l.field, n)
			}
			seen[n] = true
		}
	}
	return nil
}

// validName holds for categories and SKUs: 1 to 64 bytes, nothing unprintable.
func validName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return false
		}
	}
	return true
}
