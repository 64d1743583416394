//go:build !race

package purchase

const raceDetector = false
