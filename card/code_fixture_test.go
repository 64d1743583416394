package card

import (
	"testing"
	"time"
)

// beijing is the zone of all wall clocks in these tests.
var beijing = time.FixedZone("UTC+8", 8*3600)

// noon is a Wednesday, far from any week's edge.
var noon = time.Date(2026, 3, 4, 12, 0, 10, 0, beijing)

const testCards = 1000

// testLookup knows the serials 1 to testCards, all of generation serial mod 7 and
// phone epoch 50 × (serial mod 5).
func testLookup(serial int64) (uint16, uint8, bool) {
	if serial < 1 || serial > testCards {
		return 0, 0, false
	}
	return testGeneration(serial), testEpoch(serial), true
}

func testGeneration(serial int64) uint16 { return uint16(serial % 7) }

func testEpoch(serial int64) uint8 { return uint8(serial % 5 * 50) }

func newTestKeyring(tb testing.TB, now time.Time) *Keyring {
	tb.Helper()
	k, err := NewKeyring(now, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func newTestCodes(tb testing.TB, now time.Time) (*Codes, *Keyring) {
	tb.Helper()
	k := newTestKeyring(tb, now)
	return NewCodes(k, Prefix, testLookup), k
}
