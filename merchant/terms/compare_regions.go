package terms

import "math/bits"

// region is a kind of line: all lines that the same offers of both sides have
// in scope at the same unit prices. A SKU is taken to be of any category.
type region struct {
	local, floor   mask
	skuL, skuF     int // numbers in either dictionary
	category, name string
}

// maxPairs bounds the classes of categories times those of SKUs, each pair of
// which is looked at. A document of a merchant has tens.
const maxPairs = 50_000

// findRegions are all kinds of line there can be; false if there are too many to
// look at. Without prices, SKUs are told apart by scopes only.
func (k *comparer) findRegions(prices bool) ([]region, bool) {
	cats := representatives(k.catNames(), func(c string) [4]mask {
		li, fi := k.local.scopes.cats.find(c), k.floor.scopes.cats.find(c)
		return [4]mask{at(k.local.scopes.catIn, li), at(k.local.scopes.catOut, li),
			at(k.floor.scopes.catIn, fi), at(k.floor.scopes.catOut, fi)}
	})
	skus := k.skuClasses(prices)
	if len(cats)*len(skus) > maxPairs {
		return nil, false
	}
	type key struct {
		local, floor mask
		prices       string
	}
	seen := map[key]bool{}
	var out []region
	for _, cat := range cats {
		for _, sku := range skus {
			r := region{category: cat, name: sku.name}
			r.local, r.skuL = k.local.scopes.match(cat, sku.name)
			r.floor, r.skuF = k.floor.scopes.match(cat, sku.name)
			id := key{r.local, r.floor, sku.prices}
			if !seen[id] && r.local|r.floor != 0 {
				seen[id] = true
				out = append(out, r)
			}
		}
	}
	return out, true
}

// relations are, by offer, those it overlaps without nesting and those it nests
// with.
func relations(n int, regions []region, of func(*region) mask) (crossing, nesting []mask) {
	inside, touch := make([]mask, n), make([]mask, n)
	for i := range inside {
		inside[i] = ^mask(0)
	}
	for i := range regions {
		in := of(&regions[i])
		for m := in; m != 0; m &= m - 1 {
			o := bits.TrailingZeros64(m)
			inside[o] &= in
			touch[o] |= in
		}
	}
	crossing, nesting = make([]mask, n), make([]mask, n)
	for o := range n {
		for m := touch[o] &^ (1 << o); m != 0; m &= m - 1 {
			if p := bits.TrailingZeros64(m); inside[o]>>p&1 == 1 || inside[p]>>o&1 == 1 {
				nesting[o] |= 1 << p
			} else {
				crossing[o] |= 1 << p
			}
		}
	}
	return crossing, nesting
}

func at(s []mask, i int) mask {
	if i < 0 {
		return 0
	}
	return s[i]
}

// catNames are the unknown category, every named one, and one that no offer
// names.
func (k *comparer) catNames() []string {
	names := append([]string{""}, k.local.scopes.cats.names...)
	names = append(names, k.floor.scopes.cats.names...)
	return append(names, unnamed(names))
}

// unnamed is a name that is not among names.
func unnamed(names []string) string {
	fresh := "other"
	for {
		taken := false
		for _, n := range names {
			taken = taken || n == fresh
		}
		if !taken {
			return fresh
		}
		fresh += "_"
	}
}

// representatives keeps one name of each class; the empty name is a class of
// its own.
func representatives[K comparable](names []string, class func(string) K) []string {
	seen := map[K]bool{}
	var out []string
	for _, n := range names {
		if n == "" {
			out = append(out, n)
			continue
		}
		if c := class(n); !seen[c] {
			seen[c] = true
			out = append(out, n)
		}
	}
	return out
}

// skuClass is a SKU that stands for all with the same scopes and unit prices.
type skuClass struct{ name, prices string }

func (k *comparer) skuClasses(prices bool) []skuClass {
	pricesOf := func(string) string { return "" }
	if prices {
		pricesOf = k.pricesOf
	}
	names := append([]string{""}, k.local.scopes.skus.names...)
	names = append(names, k.floor.scopes.skus.names...)
	names = append(names, unnamed(names))
	type class struct {
		m      [4]mask
		prices string
	}
	var out []skuClass
	reps := representatives(names, func(s string) class {
		li, fi := k.local.scopes.skus.find(s), k.floor.scopes.skus.find(s)
		return class{[4]mask{at(k.local.scopes.skuIn, li), at(k.local.scopes.skuOut, li),
			at(k.floor.scopes.skuIn, fi), at(k.floor.scopes.skuOut, fi)}, pricesOf(s)}
	})
	for _, n := range reps {
		out = append(out, skuClass{n, pricesOf(n)})
	}
	return out
}

// pricesOf writes down the unit prices of a SKU in all offers of both sides.
func (k *comparer) pricesOf(sku string) string {
	var b []byte
	for _, c := range []*Compiled{k.local, k.floor} {
		i := c.scopes.skus.find(sku)
		for o := range c.offers {
			if p := c.offers[o].benefit.prices; p != nil {
				price := int64(-1)
				if i >= 0 {
					price = p[i]
				}
				for s := 0; s < 64; s += 8 {
					b = append(b, byte(price>>s))
				}
			}
		}
	}
	return string(b)
}
