package terminal

import (
	"unioncard/merchant"
	"unioncard/merchant/terms"
)

// maxNamed is how many categories of a part are named; a cashier reads no more.
const maxNamed = 12

// appendSplit appends how a basket at an outlet is told by its parts under the
// Terms and the floors that apply now, and which offers that earns nothing of.
// Without a contract in force there are neither.
func (h *Handlers) appendSplit(dst []byte, view *merchant.Snapshot, outlet int64) []byte {
	at := h.clock()
	var docs []*terms.Compiled
	var version int32
	if c, err := view.InForce(outlet, at); err == nil {
		if v := c.TermsAt(at); v != nil && v.Terms != nil {
			docs, version = append(docs, v.Terms), v.Version
			for _, f := range c.Lifts(at) {
				docs = append(docs, f.Terms)
			}
		}
	}
	split := terms.SplitOf(docs...)
	dst = append(dst, `,"parts":[`...)
	for i, part := range split.Parts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = text(dst, `{"category":`, part.Categories[0])
		dst = append(text(dst, `,"name":`, partName(view, part.Categories)), '}')
	}
	dst = append(dst, ']')
	if len(split.Parts) > 0 {
		dst = text(dst, `,"rest":`, terms.RestCategory)
	}
	dst = append(dst, `,"by_items":[`...)
	for i, o := range split.ByItems {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = text(dst, `{"offer":`, o.ID())
		dst = append(text(dst, `,"title":`, o.Title()), '}')
	}
	return number(dst, `],"terms_version":`, int64(version))
}

// partName is what a part is called: 烟草、酒水.
func partName(view *merchant.Snapshot, categories []string) (name string) {
	for i, c := range categories {
		if i == maxNamed {
			return name + "等"
		}
		if i > 0 {
			name += "、"
		}
		name += view.CategoryName(c)
	}
	return name
}
