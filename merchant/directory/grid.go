package directory

import (
	"maps"
	"math"
	"slices"
	"sync"
)

// A grid finds outlets by position: fields of 1/80 degree, about 1.2 km, in
// squares of 16 by 16 fields. It is immutable.
type grid struct{ squares map[int64]*square }

const (
	fieldsPerDegree = 80
	fieldsPerSquare = 16 // a side
)

// square is 16 by 16 fields.
type square struct {
	fields [fieldsPerSquare * fieldsPerSquare][]spot
}

// spot is one outlet.
type spot struct {
	id int64
	at Point
}

// field is the whole-numbered place of a field on the globe.
type field struct{ x, y int32 }

func fieldOf(p Point) field {
	return field{int32(math.Floor(p.Lon * fieldsPerDegree)), int32(math.Floor(p.Lat * fieldsPerDegree))}
}

// square splits a field into its square and its place there.
func (f field) square() (square int64, place int) {
	const s = fieldsPerSquare
	return squareKey(floorDiv(f.x), floorDiv(f.y)), int(mod(f.y)*s + mod(f.x))
}

func squareKey(x, y int32) int64 { return int64(x)<<32 | int64(uint32(y)) }

func floorDiv(n int32) int32 { return (n - mod(n)) / fieldsPerSquare }

func mod(n int32) int32 { return (n%fieldsPerSquare + fieldsPerSquare) % fieldsPerSquare }

// gridEdit is a grid being changed; the one it began with never is.
type gridEdit struct {
	now   grid
	owned map[int64]bool // squares of this edit's own
}

func (g grid) edit() *gridEdit { return &gridEdit{now: g} }

// own returns a field's square, copied once an edit.
func (e *gridEdit) own(f field) *[]spot {
	if e.owned == nil {
		e.owned = map[int64]bool{}
		e.now.squares = maps.Clone(e.now.squares)
		if e.now.squares == nil {
			e.now.squares = map[int64]*square{}
		}
	}
	key, place := f.square()
	if !e.owned[key] {
		fresh := new(square)
		if old := e.now.squares[key]; old != nil {
			*fresh = *old
		}
		for i := range fresh.fields {
			fresh.fields[i] = slices.Clip(fresh.fields[i]) // so that an append copies
		}
		e.now.squares[key], e.owned[key] = fresh, true
	}
	return &e.now.squares[key].fields[place]
}

func (e *gridEdit) add(id int64, p Point) {
	list := e.own(fieldOf(p))
	*list = append(*list, spot{id, p})
}

func (e *gridEdit) remove(id int64, p Point) {
	list := e.own(fieldOf(p))
	*list = slices.DeleteFunc(slices.Clone(*list), func(s spot) bool { return s.id == id })
}

func (e *gridEdit) done() grid { return e.now }

// box is a rectangle of degrees.
type box struct{ west, south, east, north float64 }

func fieldBox(x, y, side int32) box {
	const d = fieldsPerDegree
	return box{float64(x) / d, float64(y) / d, float64(x+side) / d, float64(y+side) / d}
}

// ruler bounds distances from a point from below without a sine, good for boxes
// within some 100 km: the haversine formula with the smallest cosine that such a box
// has, and a thousandth off for its sines.
type ruler struct {
	p              Point
	perLon, perLat float64 // millimetres a degree
}

func newRuler(p Point, reach float64) ruler {
	const degree = earthRadius * math.Pi / 180 * 1000 * 0.999
	return ruler{p, degree * math.Cos(min(90, math.Abs(p.Lat)+reach)*math.Pi/180), degree}
}

// nearest is a distance, in millimetres, that nothing in the box is nearer than.
func (r *ruler) nearest(b box) int64 {
	x := max(b.west-r.p.Lon, r.p.Lon-b.east, 0) * r.perLon
	y := max(b.south-r.p.Lat, r.p.Lat-b.north, 0) * r.perLat
	return max(0, int64(math.Sqrt(x*x+y*y))-1)
}

// step is something whose distance is known, or bounded from below: an outlet, a
// field, or a square still to be opened.
type step struct {
	mm     int64
	id     int64 // of an outlet, 0 otherwise
	spots  []spot
	square *square
	x, y   int32 // the square's first field
}

// walk visits outlets by distance from p, then by id, up to a radius in
// millimetres, until visit returns false.
func (g grid) walk(p Point, radius int64, visit func(mm, id int64) bool) {
	pooled, _ := queues.Get().(*stepHeap)
	queue := (*pooled)[:0]
	defer func() {
		clear(queue[:cap(queue)]) // or an old grid would be kept
		*pooled = queue
		queues.Put(pooled)
	}()
	// A degree of latitude is 111 km everywhere, one of longitude less.
	reach := float64(radius) / 1000 / 110_000
	wide := reach / max(0.01, math.Cos(min(89, math.Abs(p.Lat)+reach)*math.Pi/180))
	low, high := fieldOf(Point{p.Lon - wide, p.Lat - reach}), fieldOf(Point{p.Lon + wide, p.Lat + reach})
	const s = fieldsPerSquare
	from := newRuler(p, reach+1) // a square reaches past the radius by less than a degree
	for x := floorDiv(low.x); x <= floorDiv(high.x); x++ {
		for y := floorDiv(low.y); y <= floorDiv(high.y); y++ {
			if sq := g.squares[squareKey(x, y)]; sq != nil {
				if mm := from.nearest(fieldBox(x*s, y*s, s)); mm <= radius {
					queue.push(step{mm: mm, square: sq, x: x * s, y: y * s})
				}
			}
		}
	}
	for len(queue) > 0 {
		n := queue.pop()
		switch {
		case n.square != nil:
			for i, spots := range n.square.fields {
				if len(spots) == 0 {
					continue
				}
				b := fieldBox(n.x+int32(i%s), n.y+int32(i/s), 1)
				if mm := from.nearest(b); mm <= radius {
					queue.push(step{mm: mm, spots: spots})
				}
			}
		case n.spots != nil:
			for _, sp := range n.spots {
				if mm := millimetres(p, sp.at); mm <= radius {
					queue.push(step{mm: mm, id: sp.id})
				}
			}
		default:
			if !visit(n.mm, n.id) {
				return
			}
		}
	}
}

var queues = sync.Pool{New: func() any { return new(stepHeap) }}

// stepHeap is a heap by distance; of equal ones what is still to be opened comes
// first, then outlets by id.
type stepHeap []step

func (h stepHeap) less(i, k int) bool {
	if h[i].mm != h[k].mm {
		return h[i].mm < h[k].mm
	}
	return h[i].id < h[k].id
}

func (h *stepHeap) push(n step) {
	*h = append(*h, n)
	q := *h
	for i := len(q) - 1; i > 0; {
		parent := (i - 1) / 2
		if !q.less(i, parent) {
			return
		}
		q[i], q[parent] = q[parent], q[i]
		i = parent
	}
}

func (h *stepHeap) pop() step {
	q := *h
	top, last := q[0], len(q)-1
	q[0] = q[last]
	q[last] = step{}
	q = q[:last]
	for i := 0; ; {
		least := i
		for k := 2*i + 1; k <= 2*i+2 && k < last; k++ {
			if q.less(k, least) {
				least = k
			}
		}
		if least == i {
			break
		}
		q[i], q[least] = q[least], q[i]
		i = least
	}
	*h = q
	return top
}
