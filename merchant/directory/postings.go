package directory

import "slices"

// blockMax is how many outlets a block holds at most. A posting is 16 bits: 11
// for the place in the block, one for whether the outlet's name has it.
const blockMax = 2048

// posting is place<<1, and 1 if it is of the outlet's name or a filter.
type posting = uint16

// postings are the posting lists of one block, each ascending.
type postings struct {
	list map[key]uint32 // → its number
	ends []uint32       // where list n ends; it begins where n-1 does
	all  []posting
}

// of is the list of a key, nil if nothing in the block has it.
func (p *postings) of(k key) []posting {
	n, ok := p.list[k]
	if !ok {
		return nil
	}
	from := uint32(0)
	if n > 0 {
		from = p.ends[n-1]
	}
	return p.all[from:p.ends[n]]
}

// makePostings lists what is in the entries, in two passes: number and count the
// keys, then fill in.
func makePostings(entries []*Entry) *postings {
	p := &postings{list: make(map[key]uint32, 64*min(len(entries), 128))}
	type hit struct {
		list uint32
		at   posting
	}
	hits := make([]hit, 0, 96*len(entries))
	var counts []uint32
	var last []posting // the last posting of a list, +1; 0: none
	for i, e := range entries {
		e.keys(func(k key, name posting) {
			n, ok := p.list[k]
			if !ok {
				n = uint32(len(counts))
				p.list[k] = n
				counts, last = append(counts, 0), append(last, 0)
			}
			at := posting(i) << 1
			// The name comes first, so what was said of this outlet stands.
			if before := last[n]; before != 0 && (before-1)>>1 == posting(i) {
				return
			}
			last[n] = (at | name) + 1
			counts[n]++
			hits = append(hits, hit{n, at | name})
		})
	}
	p.ends, p.all = make([]uint32, len(counts)), make([]posting, len(hits))
	next := make([]uint32, len(counts))
	sum := uint32(0)
	for n, c := range counts {
		next[n] = sum
		sum += c
		p.ends[n] = sum
	}
	for _, h := range hits {
		p.all[next[h.list]] = h.at
		next[h.list]++
	}
	return p
}

// intersect leaves in a what is also in b; the name bit stays where both have
// it. a is changed in place.
func intersect(a, b []posting) []posting {
	out := a[:0]
	if len(b) > 16*len(a) {
		for _, v := range a {
			i, _ := slices.BinarySearch(b, v&^1)
			if i < len(b) && b[i]>>1 == v>>1 {
				out = append(out, v&(b[i]|^posting(1)))
			}
			b = b[i:]
		}
		return out
	}
	for i, k := 0, 0; i < len(a) && k < len(b); {
		switch x, y := a[i]>>1, b[k]>>1; {
		case x < y:
			i++
		case x > y:
			k++
		default:
			out = append(out, a[i]&(b[k]|^posting(1)))
			i++
			k++
		}
	}
	return out
}
