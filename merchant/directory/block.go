package directory

import "slices"

// block is a run of outlets in the order of their ids. It is immutable.
type block struct {
	entries []*Entry
	ids     []int64 // theirs, side by side for quick finding
	lists   *postings
}

// newBlock makes a block of entries; lists that serve already may be handed in.
func newBlock(entries []*Entry, lists *postings) *block {
	b := &block{entries, make([]int64, len(entries)), lists}
	for i, e := range entries {
		b.ids[i] = e.ID
	}
	if lists == nil {
		b.lists = makePostings(entries)
	}
	return b
}

func (b *block) first() int64 { return b.ids[0] }

// find returns the place of an outlet, or where it would go.
func (b *block) find(id int64) (int, bool) {
	return slices.BinarySearch(b.ids, id)
}

// change is an outlet's new entry, nil for one that is no longer listed.
type change struct {
	id    int64
	entry *Entry
}

// merged returns the block with the changes, which are in the order of ids, each
// outlet once; cut into several if it grew too large, none if it is empty.
func (b *block) merged(changes []change) []*block {
	var old []*Entry
	if b != nil {
		old = b.entries
	}
	entries := make([]*Entry, 0, len(old)+len(changes))
	same := b != nil // the posting lists still serve
	for _, c := range changes {
		for len(old) > 0 && old[0].ID < c.id {
			entries, old = append(entries, old[0]), old[1:]
		}
		had := len(old) > 0 && old[0].ID == c.id
		switch {
		case c.entry == nil && had:
			same, old = false, old[1:]
			continue
		case c.entry == nil:
			continue
		case had:
			same, old = same && c.entry.sameKeys(old[0]), old[1:]
		default:
			same = false
		}
		entries = append(entries, c.entry)
	}
	entries = append(entries, old...)
	if same {
		return []*block{newBlock(entries, b.lists)}
	}
	return cut(entries)
}

// cut makes blocks of entries in the order of ids.
func cut(entries []*Entry) []*block {
	if len(entries) == 0 {
		return nil
	}
	parts := (len(entries) + blockMax - 1) / blockMax
	if parts > 1 {
		parts++ // so that the parts have room to grow
	}
	size := (len(entries) + parts - 1) / parts
	var out []*block
	for part := range slices.Chunk(entries, size) {
		out = append(out, newBlock(slices.Clip(slices.Clone(part)), nil))
	}
	return out
}
