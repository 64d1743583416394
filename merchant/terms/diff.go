package terms

import (
	"encoding/json"
	"slices"
)

// Changes is what leads from one document to another, by offers' ids.
type Changes struct {
	Added, Removed []Offer // in the order of the document that has them
	Changed        []Change
	// Reordered: offers that both have stand in another order. Among equal
	// discounts the earlier offer applies, so the order may show on a receipt.
	Reordered bool
}

// Change is one offer that both documents have, and not the same.
type Change struct{ Old, New Offer }

// None says whether nothing changed.
func (c *Changes) None() bool {
	return len(c.Added)+len(c.Removed)+len(c.Changed) == 0 && !c.Reordered
}

// Diff compares two documents by meaning: the order of lists that have none does
// not count.
func Diff(old, new *Terms) Changes {
	var out Changes
	byID := make(map[string]Offer, len(old.Offers))
	for _, o := range old.Offers {
		byID[o.ID] = o
	}
	kept := map[string]bool{}
	var order []string
	for _, o := range new.Offers {
		was, ok := byID[o.ID]
		if !ok {
			out.Added = append(out.Added, o)
			continue
		}
		kept[o.ID] = true
		order = append(order, o.ID)
		if !same(was, o) {
			out.Changed = append(out.Changed, Change{Old: was, New: o})
		}
	}
	var before []string
	for _, o := range old.Offers {
		if kept[o.ID] {
			before = append(before, o.ID)
		} else {
			out.Removed = append(out.Removed, o)
		}
	}
	out.Reordered = !slices.Equal(before, order)
	return out
}

func same(a, b Offer) bool {
	a.sort()
	b.sort()
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// Changes says what changed, a sentence each.
func (n Names) Changes(c Changes) []string {
	var out []string
	for _, o := range c.Added {
		out = append(out, "新增“"+o.Title+"”："+n.DescribeFully(o))
	}
	for _, o := range c.Removed {
		out = append(out, "删去“"+o.Title+"”："+n.DescribeFully(o))
	}
	for _, ch := range c.Changed {
		was, is := n.DescribeFully(ch.Old), n.DescribeFully(ch.New)
		switch {
		case was == is && ch.Old.Title != ch.New.Title:
			out = append(out, "“"+ch.Old.Title+"”改名为“"+ch.New.Title+"”")
		case was == is:
			out = append(out, "“"+ch.New.Title+"”有改动")
		default:
			out = append(out, "“"+ch.New.Title+"”由“"+was+"”改为“"+is+"”")
		}
	}
	if c.Reordered {
		out = append(out, "调整了优惠的先后次序")
	}
	return out
}
