package merchant

import "maps"

// index is an immutable map in 2^indexBits small parts: a changed copy clones
// only the parts that changed, so applying one change to a province of outlets
// costs microseconds, not a copy of every map.
type index[K comparable, V any] struct {
	parts *[indexParts]map[K]V
	hash  func(K) uint32
	size  int
}

const indexParts = 512

// hashID spreads ids, which come dense from a sequence.
func hashID(id int64) uint32 { return uint32(id) ^ uint32(uint64(id)>>32) }

// hashString is FNV-1a over the last bytes, where random client ids differ.
func hashString(s string) uint32 {
	h := uint32(2166136261)
	for i := max(0, len(s)-8); i < len(s); i++ {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h ^ h>>16
}

func newIndex[K comparable, V any](hash func(K) uint32) index[K, V] {
	return index[K, V]{parts: new([indexParts]map[K]V), hash: hash}
}

func (x *index[K, V]) get(k K) (V, bool) {
	v, ok := x.parts[x.hash(k)%indexParts][k]
	return v, ok
}

func (x *index[K, V]) len() int { return x.size }

// each calls f for every entry, in no order.
func (x *index[K, V]) each(f func(K, V)) {
	for _, part := range x.parts {
		for k, v := range part {
			f(k, v)
		}
	}
}

// edit starts a changed copy.
func (x index[K, V]) edit() *indexEdit[K, V] { return &indexEdit[K, V]{now: x} }

// indexEdit is an index being changed; the one it started from never is.
type indexEdit[K comparable, V any] struct {
	now   index[K, V]
	owned [indexParts]bool
	any   bool
}

func (e *indexEdit[K, V]) get(k K) (V, bool) { return e.now.get(k) }

func (e *indexEdit[K, V]) part(k K) map[K]V {
	if !e.any {
		parts := *e.now.parts
		e.now.parts, e.any = &parts, true
	}
	i := e.now.hash(k) % indexParts
	if !e.owned[i] {
		if e.now.parts[i] == nil {
			e.now.parts[i] = make(map[K]V)
		} else {
			e.now.parts[i] = maps.Clone(e.now.parts[i])
		}
		e.owned[i] = true
	}
	return e.now.parts[i]
}

func (e *indexEdit[K, V]) set(k K, v V) {
	part := e.part(k)
	before := len(part)
	part[k] = v
	e.now.size += len(part) - before
}

func (e *indexEdit[K, V]) delete(k K) {
	if _, ok := e.get(k); ok {
		delete(e.part(k), k)
		e.now.size--
	}
}

// done ends the edit and returns the changed index.
func (e *indexEdit[K, V]) done() index[K, V] {
	done := e.now
	e.owned, e.any = [indexParts]bool{}, false // a later set must copy again
	return done
}
