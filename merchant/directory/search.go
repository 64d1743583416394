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
	for _, v := range f.texts {
		least = min(least, x.countKey(keyText|v))
	}
	for _, k := range f.filters {
		least = min(least, x.countKey(k))
	}
	return least
}

func (x *Index) countKey(k key) (n int) {
	for _, b := range x.blocks {
		n += b.lists.count(k)
	}
	return n
}

// anyClass makes scan visit both kinds in one go, by id.
const anyClass = -1

// scratch is memory that scans use again.
type scratch struct {
	lists [][]posting
	bits  []*bitset
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
		clear(w.lists[:cap(w.lists)]) // or an old index would be kept
		clear(w.bits[:cap(w.bits)])
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
	if !b.gather(f, class, w) {
		return true
	}
	start, _ := slices.BinarySearch(w.left, posting(from))
	for _, p := range w.left[start:] {
		e := b.entries[p]
		ok, byName := true, class == 0
		// The keys leave open where words of three characters stand, and whether a
		// name alone has all the words.
		if !f.exact || f.brand != "" || class != 0 {
			ok, byName = f.matches(e)
		}
		if ok && (class == anyClass || class == 0 == byName) && !visit(e, byName) {
			return false
		}
	}
	return true
}

// gather leaves in w.left the places that have all the keys of a query; false for
// none.
func (b *block) gather(f *find, class int, w *scratch) bool {
	w.lists, w.bits, w.left = w.lists[:0], w.bits[:0], w.left[:0]
	add := func(k key) bool {
		s, ok := b.lists.of(k)
		if s.bits != nil {
			w.bits = append(w.bits, s.bits)
		} else if ok {
			w.lists = append(w.lists, s.list)
		}
		return ok
	}
	for _, k := range f.filters {
		if !add(k) {
			return false
		}
	}
	text := keyText
	if class == 0 {
		text = keyName
	}
	for _, v := range f.texts {
		if !add(text | v) {
			return false
		}
	}
	w.cut()
	return len(w.left) > 0
}

// cut leaves in w.left what is in all of the lists and bits.
func (w *scratch) cut() {
	var common bitset
	for i, b := range w.bits {
		if i == 0 {
			common = *b
			continue
		}
		for k := range common {
			common[k] &= b[k]
		}
	}
	if len(w.lists) == 0 {
		w.left = common.appendTo(w.left)
		return
	}
	slices.SortFunc(w.lists, func(a, b []posting) int { return len(a) - len(b) })
	for _, p := range w.lists[0] {
		if len(w.bits) == 0 || common.has(p) {
			w.left = append(w.left, p)
		}
	}
	for _, list := range w.lists[1:] {
		if w.left = intersect(w.left, list); len(w.left) == 0 {
			return
		}
	}
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
