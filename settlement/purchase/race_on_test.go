//go:build race

package purchase

// raceDetector: sync.Pool then forgets at random, so allocations say nothing.
const raceDetector = true
