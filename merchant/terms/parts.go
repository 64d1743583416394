package terms

import (
	"math/bits"
	"slices"
)

// RestCategory is what a till that knows no goods calls the part of a basket that
// lies in none of a Split's parts. It has a hyphen, which no code of the province's
// list may have, so that no scope ever names it: to Evaluate such a line has a
// known category that is listed nowhere. A line without category would be out of
// every scope that excepts one, and 全部商品（烟草除外） would earn nothing.
const RestCategory = "rest-of-basket"

// Part is a group of categories that all offers at hand treat alike, so that one
// amount for all of them is enough.
type Part struct{ Categories []string }

// Split is how a till that knows amounts alone tells a basket apart.
type Split struct {
	// Parts are to be told by their amounts, each with the first of its categories,
	// and what remains as RestCategory; none: the amount alone.
	Parts []Part
	// ByItems are the offers that amounts earn nothing of: they go by SKU or by
	// quantity, or are told apart by categories that have no parts here.
	ByItems []CompiledOffer
}

// SplitOf finds the parts for the Terms that may apply to a basket, of which the
// best apply whole. A basket told by its parts never earns more than with every one
// of its lines told truly:
//
//   - An offer that goes by categories alone has the same sum in scope, and shares
//     the same lines with others, when the lines that all offers treat alike are put
//     together; so it gives the same fen. One that needs SKUs gives nothing, and an
//     exclusive offer less never makes the best set better.
//   - Where that can not be said there are no parts: with an offer by category or
//     SKU, which would be seen by halves and miss its rivals; with an offer by
//     quantity on a line, as nobody tells the quantity; with stackable offers after
//     what is not seen, which would find more payable than there is; and with a
//     stackable offer after one that reaches beyond its scope, because the odd fen of
//     spreading falls elsewhere when lines are put together.
func SplitOf(docs ...*Compiled) Split {
	seen := make([]mask, len(docs)) // offers whose scope is told by categories alone
	sound := true
	for i, c := range docs {
		seen[i] = c.byCategory()
	}
	var parts []Part
	var signs [][]mask // of each part: its offers, document by document
	rest := signature(docs, RestCategory)
	for i, c := range docs {
		for m := seen[i]; m != 0; m &= m - 1 {
			sc := &c.doc[bits.TrailingZeros64(m)].Scope
			for _, category := range slices.Concat(sc.Categories, sc.ExceptCategories) {
				parts, signs = addPart(parts, signs, rest, signature(docs, category), seen, category)
			}
		}
	}
	classes := append(signs, rest)
	for i, c := range docs {
		var here []mask
		for _, s := range classes {
			here = append(here, s[i])
		}
		sound = sound && c.splits(seen[i], here) && c.scopes.cats.find(RestCategory) < 0
	}
	if !sound {
		parts = nil
	}
	return Split{Parts: parts, ByItems: byItems(docs, parts)}
}

// signature is which offers of each document have a line of this category and of
// unknown SKU in scope.
func signature(docs []*Compiled, category string) []mask {
	out := make([]mask, len(docs))
	for i, c := range docs {
		out[i], _ = c.scopes.match(category, "")
	}
	return out
}

// addPart puts a category to the part with the same signature, or makes it one of
// its own; what is treated as the rest is none.
func addPart(parts []Part, signs [][]mask, rest, sign, seen []mask, category string) ([]Part, [][]mask) {
	alike := func(other []mask) bool {
		for i := range seen {
			if (sign[i]^other[i])&seen[i] != 0 {
				return false
			}
		}
		return true
	}
	if alike(rest) {
		return parts, signs
	}
	for i := range parts {
		if !alike(signs[i]) {
			continue
		}
		if !slices.Contains(parts[i].Categories, category) {
			parts[i].Categories = append(parts[i].Categories, category)
		}
		return parts, signs
	}
	return append(parts, Part{Categories: []string{category}}), append(signs, sign)
}

// byCategory are the offers whose discount follows from the amounts of categories.
func (c *Compiled) byCategory() (m mask) {
	for i := range c.doc {
		sc := c.doc[i].scope()
		if len(sc.SKUs)+len(sc.ExceptSKUs) == 0 && !c.offers[i].benefit.ofQuantity() {
			m |= 1 << i
		}
	}
	return m
}

// splits says whether a basket of these classes of lines, each given by the offers
// that have it in scope, earns from Terms no more than the lines themselves would.
func (c *Compiled) splits(seen mask, classes []mask) bool {
	for _, m := range classes {
		if m&^seen != 0 {
			return false // seen by halves, or by a quantity that nobody told
		}
	}
	unseen := count(seen) < len(c.doc)
	before := c.excl & seen
	for _, i := range c.stack {
		if seen>>i&1 == 0 {
			continue
		}
		if unseen {
			return false
		}
		for m := before; m != 0; m &= m - 1 {
			if j := bits.TrailingZeros64(m); reachesBeyond(classes, j, i) {
				return false
			}
		}
		before |= 1 << i
	}
	return true
}

// reachesBeyond: the scope of offer j has both lines in the scope of i and others.
func reachesBeyond(classes []mask, j, i int) bool {
	var inside, outside bool
	for _, m := range classes {
		inside = inside || m>>j&1 == 1 && m>>i&1 == 1
		outside = outside || m>>j&1 == 1 && m>>i&1 == 0
	}
	return inside && outside
}

// byItems lists, once by its title, what neither the parts nor an amount alone earn.
func byItems(docs []*Compiled, parts []Part) (out []CompiledOffer) {
	for _, c := range docs {
		able := c.byCategory()
		if parts == nil {
			able &= c.scopes.everything
		}
		for i, o := range c.views {
			if able>>i&1 == 0 && !slices.ContainsFunc(out, func(had CompiledOffer) bool { return had.Title() == o.Title() }) {
				out = append(out, o)
			}
		}
	}
	return out
}
