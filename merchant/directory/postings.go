package directory

import (
	"math/bits"
	"slices"
)

// blockMax is how many outlets a block holds at most.
const blockMax = 2048

// posting is an outlet's place in its block.
type posting = uint16

// A set of places is a list, or, from dense places on, bits: as large as the list
// would be then, and cut with another in nanoseconds.
const dense = blockMax / 16

type bitset [blockMax / 64]uint64

func (b *bitset) has(p posting) bool { return b[p/64]&(1<<(p%64)) != 0 }

// appendTo appends the places that are set.
func (b *bitset) appendTo(dst []posting) []posting {
	for i, w := range b {
		for ; w != 0; w &= w - 1 {
			dst = append(dst, posting(i*64+bits.TrailingZeros64(w)))
		}
	}
	return dst
}

// postings are, for one block, the places of what has each key.
type postings struct {
	list map[key]uint32 // → its number, with isDense set for one of sets
	ends []uint32       // where list n ends; it begins where n-1 does
	all  []posting
	sets []bitset
}

const isDense = 1 << 31

// set is one key's places: a list or bits.
type set struct {
	list []posting
	bits *bitset
}

// of is the places of a key; false if nothing in the block has it.
func (p *postings) of(k key) (set, bool) {
	n, ok := p.list[k]
	switch {
	case !ok:
		return set{}, false
	case n&isDense != 0:
		return set{bits: &p.sets[n&^isDense]}, true
	case n == 0:
		return set{list: p.all[:p.ends[0]]}, true
	}
	return set{list: p.all[p.ends[n-1]:p.ends[n]]}, true
}

// count is how many places a key has.
func (p *postings) count(k key) (n int) {
	s, _ := p.of(k)
	if s.bits == nil {
		return len(s.list)
	}
	for _, w := range s.bits {
		n += bits.OnesCount64(w)
	}
	return n
}

// makePostings sorts what is in the entries by key, in two passes: number and count
// the keys, then fill in.
func makePostings(entries []*Entry) *postings {
	p := &postings{list: make(map[key]uint32, 64*min(len(entries), 128))}
	type hit struct {
		list uint32
		at   posting
	}
	hits := make([]hit, 0, 128*len(entries))
	var counts, last []uint32 // last: the last place of a list, +1; 0: none
	for i, e := range entries {
		e.keys(func(k key) {
			n, ok := p.list[k]
			if !ok {
				n = uint32(len(counts))
				p.list[k] = n
				counts, last = append(counts, 0), append(last, 0)
			}
			if last[n] == uint32(i)+1 {
				return
			}
			last[n] = uint32(i) + 1
			counts[n]++
			hits = append(hits, hit{n, posting(i)})
		})
	}
	// final is each key's number among the lists or the sets.
	final := make([]uint32, len(counts))
	var next []uint32 // where list n goes on
	sum, sets := uint32(0), uint32(0)
	for n, c := range counts {
		if c >= dense {
			final[n] = sets | isDense
			sets++
			continue
		}
		final[n] = uint32(len(p.ends))
		next = append(next, sum)
		sum += c
		p.ends = append(p.ends, sum)
	}
	p.all, p.sets = make([]posting, sum), make([]bitset, sets)
	for _, h := range hits {
		if n := final[h.list]; n&isDense != 0 {
			p.sets[n&^isDense][h.at/64] |= 1 << (h.at % 64)
		} else {
			p.all[next[n]] = h.at
			next[n]++
		}
	}
	for k, n := range p.list {
		p.list[k] = final[n]
	}
	p.ends = slices.Clip(p.ends)
	return p
}

// intersect leaves in a what is also in b; both ascend. a is changed in place.
func intersect(a, b []posting) []posting {
	out := a[:0]
	for i, k := 0, 0; i < len(a) && k < len(b); {
		switch {
		case a[i] < b[k]:
			i++
		case a[i] > b[k]:
			k++
		default:
			out = append(out, a[i])
			i++
			k++
		}
	}
	return out
}
