package directory

import "sync"

// watchers are told which outlets' listing changed.
type watchers struct {
	mu   sync.Mutex
	list []*watch
}

// watch gathers changed outlets until somebody takes them.
type watch struct {
	mu    sync.Mutex
	every bool // everything may have changed
	ids   map[int64]struct{}
	told  chan struct{}
}

// watch starts to gather; everything counts as changed.
func (w *watchers) watch() *watch {
	n := &watch{every: true, told: make(chan struct{}, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, n)
	return n
}

func (w *watchers) each(f func(*watch)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.list {
		n.mu.Lock()
		f(n)
		n.mu.Unlock()
		select {
		case n.told <- struct{}{}:
		default:
		}
	}
}

func (w *watchers) changed(changes []change) {
	w.each(func(n *watch) {
		for _, c := range changes {
			n.add(c.id)
		}
	})
}

func (w *watchers) ids(ids []int64) {
	w.each(func(n *watch) {
		for _, id := range ids {
			n.add(id)
		}
	})
}

func (w *watchers) all() { w.each(func(n *watch) { n.every, n.ids = true, nil }) }

func (n *watch) add(id int64) {
	if n.every {
		return
	}
	if n.ids == nil {
		n.ids = map[int64]struct{}{}
	}
	n.ids[id] = struct{}{}
}

// take returns what has changed since the last take.
func (n *watch) take() (every bool, ids map[int64]struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	every, ids = n.every, n.ids
	n.every, n.ids = false, nil
	return every, ids
}

// back returns what was taken and not dealt with.
func (n *watch) back(every bool, ids map[int64]struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if every {
		n.every, n.ids = true, nil
		return
	}
	for id := range ids {
		n.add(id)
	}
}
