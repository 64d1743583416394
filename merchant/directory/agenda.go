package directory

import (
	"container/heap"
	"time"
)

// agenda is when to look at which outlet again. An outlet has one date; what stands
// in the heap besides is passed over when its time comes.
type agenda struct {
	at    map[int64]int64 // outlet → its date, Unix nanoseconds
	queue dates
}

type date struct{ at, outlet int64 }

// set gives an outlet its date; zero is none.
func (a *agenda) set(outlet int64, t time.Time) {
	if t.IsZero() {
		delete(a.at, outlet)
		return
	}
	at := t.UnixNano()
	if a.at[outlet] == at {
		return
	}
	if a.at == nil {
		a.at = map[int64]int64{}
	}
	a.at[outlet] = at
	if len(a.queue) > 2*len(a.at)+1000 {
		a.tidy()
		return
	}
	heap.Push(&a.queue, date{at, outlet})
}

// tidy makes the heap anew from what counts.
func (a *agenda) tidy() {
	a.queue = a.queue[:0]
	for outlet, at := range a.at {
		a.queue = append(a.queue, date{at, outlet})
	}
	heap.Init(&a.queue)
}

// due returns the outlets whose date has come, and forgets their dates.
func (a *agenda) due(now time.Time) (ids []int64) {
	for len(a.queue) > 0 && a.queue[0].at <= now.UnixNano() {
		d, _ := heap.Pop(&a.queue).(date)
		if at, ok := a.at[d.outlet]; ok && at == d.at {
			delete(a.at, d.outlet)
			ids = append(ids, d.outlet)
		}
	}
	return ids
}

type dates []date

func (d dates) Len() int           { return len(d) }
func (d dates) Less(i, k int) bool { return d[i].at < d[k].at }
func (d dates) Swap(i, k int)      { d[i], d[k] = d[k], d[i] }

// Push and Pop are container/heap's.
func (d *dates) Push(x any) {
	v, _ := x.(date)
	*d = append(*d, v)
}

// Pop removes the last.
func (d *dates) Pop() any {
	old := *d
	last := old[len(old)-1]
	*d = old[:len(old)-1]
	return last
}
