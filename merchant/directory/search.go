package directory

import (
	"cmp"
	"slices"
	"sort"
	"sync"
	"time"

	"unioncard/card/union"
	"unioncard/merchant"
)

// Hit is one outlet found.
type Hit struct {
	*Entry
	// Metres is how far it is, of a search nearby; -1 otherwise.
	Metres int64
}

// Page is one page of what was found. Without a position, outlets whose name has
// the words come first, each kind by id; with one, all come by distance. An outlet
// that stays listed is on exactly one page, whatever happens to others meanwhile.
type Page struct {
	Hits []Hit
	Next string // cursor of the next page, "" on the last
}

// Search finds a page of outlets as of a moment: InvalidError, ErrCursor.
func (x *Index) Search(q Query, now time.Time) (Page, error) {
	f, err := q.prepare()
	if err != nil {
		return Page{}, err
	}
	from, err := readCursor(q.Cursor, f.mark)
	if err != nil {
		return Page{}, err
	}
	s := &search{find: f, x: x, now: now, hits: make([]Hit, 0, f.limit)}
	if f.near != nil {
		s.nearby(from)
	} else {
		s.byID(from)
	}
	return Page{s.hits, s.next}, nil
}

// Count is how many outlets a query finds, most at most. Paging and nearness do not
// matter to it, but for the radius.
func (x *Index) Count(q Query, now time.Time, most int) (int, error) {
	f, err := q.prepare()
	if err != nil {
		return 0, err
	}
	n := 0
	x.scan(f, anyClass, 0, func(e *Entry, _ bool) bool {
		if !e.over(now) && (f.near == nil || e.Placed && millimetres(*f.near, e.Place) <= f.radius) {
			n++
		}
		return n < most
	})
	return n, nil
}

// search is one search under way.
type search struct {
	*find
	x    *Index
	now  time.Time
	hits []Hit
	last cursor // of the last hit
	next string
}

// take takes a hit, or notes that there is a next page and stops.
func (s *search) take(e *Entry, metres int64, at cursor) bool {
	if len(s.hits) == s.limit {
		s.next = s.last.text(s.mark)
		return false
	}
	s.hits, s.last = append(s.hits, Hit{e, metres}), at
	return true
}

// byID visits the outlets whose name has the words, then the others.
func (s *search) byID(from cursor) {
	classes := 2
	if len(s.words) == 0 {
		classes = 1
	}
	for class := int(from.class); class < classes && s.next == ""; class++ {
		after := int64(0)
		if class == int(from.class) {
			after = from.id
		}
		s.x.scan(s.find, class, after, func(e *Entry, _ bool) bool {
			return e.over(s.now) || s.take(e, -1, cursor{class: uint8(class), id: e.ID})
		})
	}
}

// few is how many candidates are looked at one by one and sorted rather than
// sought outwards from the position.
const few = 2000

// nearby visits outlets by distance. What is rare is picked from the posting
// lists and sorted; what is common is sure to be met on the way outwards.
func (s *search) nearby(from cursor) {
	beyond := func(mm, id int64) bool { return mm > from.mm || mm == from.mm && id > from.id }
	if s.x.atMost(s.find) <= few {
		var found []Hit
		s.x.scan(s.find, anyClass, 0, func(e *Entry, _ bool) bool {
			if e.Placed && !e.over(s.now) {
				if mm := millimetres(*s.near, e.Place); mm <= s.radius && beyond(mm, e.ID) {
					found = append(found, Hit{e, mm})
				}
			}
			return true
		})
		slices.SortFunc(found, func(a, b Hit) int { return cmp.Or(cmp.Compare(a.Metres, b.Metres), cmp.Compare(a.ID, b.ID)) })
		for _, h := range found {
			if !s.take(h.Entry, h.Metres/1000, cursor{mm: h.Metres, id: h.ID}) {
				return
			}
		}
		return
	}
	s.x.grid.walk(*s.near, s.radius, func(mm, id int64) bool {
		if !beyond(mm, id) {
			return true
		}
		e := s.x.Outlet(id)
		if e == nil || e.over(s.now) {
			return true
		}
		if ok, _ := s.matches(e); !ok {
			return true
		}
		return s.take(e, mm/1000, cursor{mm: mm, id: id})
	})
}

// atMost is a bound of how many outlets a query finds, by its rarest key.
func (x *Index) atMost(f *find) int {
	least := x.size
	for _, keys := range [][]key{f.texts, f.filters} {
		for _, k := range keys {
			least = min(least, x.countKey(k))
		}
	}
	return least
}

func (x *Index) countKey(k key) (n int) {
	for _, b := range x.blocks {
		n += len(b.lists.of(k))
	}
	return n
}

// anyClass makes scan visit both kinds in one go, by id.
const anyClass = -1

// scratch is memory that scans use again.
type scratch struct {
	lists [][]posting
	left  []posting
}

var scratches = sync.Pool{New: func() any { return &scratch{left: make([]posting, 0, blockMax)} }}

// scan visits what a query finds in the order of ids, after an id, until visit
// returns false; of one class, 0 for outlets whose name has the words.
func (x *Index) scan(f *find, class int, after int64, visit func(e *Entry, byName bool) bool) {
	if len(x.blocks) == 0 {
		return
	}
	w, _ := scratches.Get().(*scratch)
	defer func() {
		clear(w.lists) // or an old index would be kept
		scratches.Put(w)
	}()
	first := 0
	if after > 0 {
		first = x.blockOf(after)
	}
	for _, b := range x.blocks[first:] {
		if !b.scan(f, class, after, w, visit) {
			return
		}
	}
}

func (b *block) scan(f *find, class int, after int64, w *scratch, visit func(e *Entry, byName bool) bool) bool {
	from := 0
	if after >= b.first() {
		from = sort.Search(len(b.entries), func(i int) bool { return b.entries[i].ID > after })
	}
	if len(f.texts)+len(f.filters) == 0 {
		for _, e := range b.entries[from:] {
			if !visit(e, true) {
				return false
			}
		}
		return true
	}
	if !b.gather(f, w) {
		return true
	}
	for _, p := range w.left {
		if int(p>>1) < from {
			continue
		}
		byName := p&1 == 1
		if class == 0 && !byName {
			continue
		}
		e := b.entries[p>>1]
		ok := true
		if !f.exact || f.brand != "" {
			ok, byName = f.matches(e)
		}
		if ok && (class == anyClass || class == 0 == byName) && !visit(e, byName) {
			return false
		}
	}
	return true
}

// gather leaves in w.left what all the posting lists of a query have in the block;
// false for nothing.
func (b *block) gather(f *find, w *scratch) bool {
	w.lists = w.lists[:0]
	for _, keys := range [...][]key{f.filters, f.texts} {
		for _, k := range keys {
			list := b.lists.of(k)
			if len(list) == 0 {
				return false
			}
			w.lists = append(w.lists, list)
		}
	}
	slices.SortFunc(w.lists, func(a, b []posting) int { return len(a) - len(b) })
	w.left = append(w.left[:0], w.lists[0]...)
	for _, list := range w.lists[1:] {
		if w.left = intersect(w.left, list); len(w.left) == 0 {
			return false
		}
	}
	return true
}

// Facets is how many outlets are listed by city and by trade.
type Facets struct {
	Cities map[int32]int
	Trades map[merchant.Trade]int
}

// Facets counts by the posting lists alone, in some microseconds.
func (x *Index) Facets() Facets {
	f := Facets{map[int32]int{}, map[merchant.Trade]int{}}
	for code, d := range divisions() {
		if d.Kind == union.City {
			f.Cities[code] = x.countKey(number(keyCity, code))
		}
	}
	for _, t := range merchant.Trades() {
		f.Trades[t] = x.countKey(named(keyTrade, string(t)))
	}
	return f
}

// InCounty is how many outlets are listed in a county.
func (x *Index) InCounty(code int32) int { return x.countKey(number(keyCounty, code)) }
