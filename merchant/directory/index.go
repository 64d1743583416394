package directory

import (
	"cmp"
	"runtime"
	"slices"
	"sort"
	"sync"
)

// Index is every listed outlet at one moment. It is immutable.
type Index struct {
	blocks []*block // in the order of ids, none empty
	grid   grid
	size   int
}

// Len is how many outlets are listed.
func (x *Index) Len() int { return x.size }

// Outlet returns a listed outlet, nil if it is not listed.
func (x *Index) Outlet(id int64) *Entry {
	if len(x.blocks) == 0 {
		return nil
	}
	b := x.blocks[x.blockOf(id)]
	if i, ok := b.find(id); ok {
		return b.entries[i]
	}
	return nil
}

// Each calls f for every listed outlet in the order of ids until it returns false.
func (x *Index) Each(f func(*Entry) bool) {
	for _, b := range x.blocks {
		for _, e := range b.entries {
			if !f(e) {
				return
			}
		}
	}
}

// blockOf is the block that an id belongs to; there is at least one.
func (x *Index) blockOf(id int64) int {
	low, high := 0, len(x.blocks) // the first block that begins after id
	for low < high {
		if mid := (low + high) / 2; x.blocks[mid].ids[0] > id {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return max(0, low-1)
}

// newIndex builds an index of entries in the order of ids.
func newIndex(entries []*Entry) *Index {
	x := &Index{size: len(entries)}
	const fill = blockMax * 3 / 4
	x.blocks = make([]*block, (len(entries)+fill-1)/fill)
	turn := make(chan struct{}, runtime.GOMAXPROCS(0))
	var making sync.WaitGroup
	n := 0
	for part := range slices.Chunk(entries, fill) {
		i := n
		n++
		turn <- struct{}{}
		making.Go(func() {
			defer func() { <-turn }()
			x.blocks[i] = newBlock(slices.Clone(part), nil)
		})
	}
	making.Wait()
	edit := x.grid.edit()
	for _, e := range entries {
		if e.Placed {
			edit.add(e.ID, e.Place)
		}
	}
	x.grid = edit.done()
	return x
}

// with returns the index with the changes; x stays as it is.
func (x *Index) with(changes []change) *Index {
	if len(changes) == 0 {
		return x
	}
	slices.SortStableFunc(changes, func(a, b change) int { return cmp.Compare(a.id, b.id) })
	next := &Index{blocks: make([]*block, 0, len(x.blocks)+1), size: x.size, grid: x.moved(changes)}
	at := 0 // of x.blocks
	for len(changes) > 0 {
		if len(x.blocks) == 0 {
			next.blocks = (*block)(nil).merged(changes)
			break
		}
		i := x.blockOf(changes[0].id)
		n := len(changes)
		if i+1 < len(x.blocks) {
			end := x.blocks[i+1].first()
			n = sort.Search(len(changes), func(k int) bool { return changes[k].id >= end })
		}
		next.blocks = append(next.blocks, x.blocks[at:i]...)
		next.blocks = append(next.blocks, x.blocks[i].merged(changes[:n])...)
		changes, at = changes[n:], i+1
	}
	next.blocks = append(next.blocks, x.blocks[at:]...)
	next.size = 0
	for _, b := range next.blocks {
		next.size += len(b.entries)
	}
	return next
}

// moved is the grid with the changes.
func (x *Index) moved(changes []change) grid {
	edit := x.grid.edit()
	for _, c := range changes {
		old := x.Outlet(c.id)
		was, is := old != nil && old.Placed, c.entry != nil && c.entry.Placed
		if was && is && old.Place == c.entry.Place {
			continue
		}
		if was {
			edit.remove(c.id, old.Place)
		}
		if is {
			edit.add(c.id, c.entry.Place)
		}
	}
	return edit.done()
}
