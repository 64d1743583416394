package terms

import "slices"

// compareFunded compares with the offers of every subset of the budgets taken away
// from both sides: a budget may run out, and a floor binds all the same. The first
// that is not NotWorse is the answer. A stackable offer less can make a basket
// dearer or cheaper by the offers behind it, so each subset is a case of its own.
func compareFunded(local, floor *Compiled, compare func(local, floor *Compiled) Comparison) Comparison {
	budgets := slices.Concat(local.budgets, floor.budgets)
	slices.Sort(budgets)
	budgets = slices.Compact(budgets)
	var boxes int
	for out := range 1 << len(budgets) {
		var gone []int64
		for i, id := range budgets {
			if out>>i&1 == 1 {
				gone = append(gone, id)
			}
		}
		l, keptL := local.without(gone)
		f, keptF := floor.without(gone)
		if l == nil || f == nil {
			return Comparison{Verdict: Undecided, Offers: local.funded(gone), Boxes: boxes,
				Reason: "补贴用完以后的优惠系统无法比较，请简化所列优惠"}
		}
		found := compare(l, f)
		boxes += found.Boxes
		if found.Boxes = boxes; found.Verdict == NotWorse {
			continue
		}
		if len(gone) > 0 {
			found.Reason = "补贴资金用完以后，" + found.Reason
			found.LocalUsage = restored(found.LocalUsage, keptL, len(local.offers))
			found.FloorUsage = restored(found.FloorUsage, keptF, len(floor.offers))
		}
		return found
	}
	return Comparison{Verdict: NotWorse, Boxes: boxes}
}

// without is the document without the offers of some budgets, and the indexes of
// those that stay; c itself if none goes, nil if what stays does not compile, which
// no part of a document that does has been seen to do.
func (c *Compiled) without(budgets []int64) (*Compiled, []int) {
	t := &Terms{V: Version}
	var kept []int
	for i := range c.doc {
		if b := c.doc[i].Budget; b == 0 || !slices.Contains(budgets, b) {
			kept = append(kept, i)
			t.Offers = append(t.Offers, c.doc[i])
		}
	}
	if len(kept) == len(c.doc) {
		return c, kept
	}
	less, err := t.Compile()
	if err != nil {
		return nil, nil
	}
	return less, kept
}

// funded are the ids of the offers that some budgets pay.
func (c *Compiled) funded(budgets []int64) (ids []string) {
	for i := range c.doc {
		if b := c.doc[i].Budget; b != 0 && slices.Contains(budgets, b) {
			ids = append(ids, c.doc[i].ID)
		}
	}
	return ids
}

// restored puts the usage of the offers that stayed back in their places among n;
// those taken away have nothing left.
func restored(usage []Remaining, kept []int, n int) []Remaining {
	if usage == nil || len(kept) == n {
		return usage
	}
	out := make([]Remaining, n)
	for i, at := range kept {
		out[at] = usage[i]
	}
	return out
}
