//go:build race

package card

const raceDetector = true
